//! Where the probes of `gc` go and what they are told, decided from the binary before anything is loaded.

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;

use crate::bpf::gc::types::gc_config;
use crate::bpf::gc::types::gc_fields;
use crate::bpf::gc::types::gc_start_args;
use crate::bpf::gc::types::gc_stop_args;
use crate::go::Binary;
use crate::go::RuntimeInfo;
use crate::go::constant;
use crate::go::layout::Field;
use crate::go::layout::Layout;
use crate::go::layout::globals::Globals;
use crate::go::process::gc_record;
use crate::go::process::gc_record::Record;
use crate::go::site::Site;
use crate::go::site::events::RestartArguments;
use crate::go::site::gc;
use crate::go::site::gc::Cycles;
use crate::go::site::gc::Stops;
use crate::go::site::gc::SweepEnd;
use crate::go::site::runtime_functions::Runtime;
use crate::target::Target;
use crate::target::live::Live;

use super::super::step::Step;
use crate::probe::step;

/// What is to be observed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// Stops of the world, marks, sweeps.
    Everything,
    /// Only the record of each cycle.
    Cycles,
}

/// Where the probes go.
#[derive(Debug, Clone)]
pub struct Plan {
    pub(super) config: gc_config,
    pub(super) steps: Vec<Step>,
    /// The runtime's words for its reasons to stop the world, by number.
    pub(super) reasons: Vec<String>,
    end_is_flush: bool,
    /// What cannot be had from this binary, in words for the user.
    pub shortcomings: Vec<String>,
}

impl Plan {
    /// What is needed from the binary of `target`; an error when the essence cannot be had, or a process of it has another
    /// clock: what the runtime notes of stops and cycles is compared with the machine's.
    pub fn of(target: &Target, wanted: Wanted) -> Result<Self> {
        target.require_our_clock()?;
        let binary = &target.program.binary;
        let runtime = Runtime::of(binary);
        let mut runtime_info = RuntimeInfo::clone(target.program.anatomy_by(&runtime));
        if gc_record::is_uncertain(&runtime_info.layout) {
            settle(target, &mut runtime_info);
        }
        let RuntimeInfo {
            layout, globals, ..
        } = runtime_info;
        let mut plan = Self {
            config: gc_config::default(),
            steps: Vec::new(),
            reasons: Vec::new(),
            end_is_flush: false,
            shortcomings: Vec::new(),
        };
        let record =
            gc_record::find(binary, &globals, &layout).context("cannot read the records of cycles");
        let cycles = record.and_then(|record| plan.cycles(&runtime, &record));
        if wanted == Wanted::Cycles {
            cycles?;
            return Ok(plan);
        }
        match cycles {
            Ok(()) => plan.sweeps(&runtime),
            Err(error) => plan
                .shortcomings
                .push(format!("mark and sweep are not shown: {error:#}")),
        }
        match gc::stops(&runtime) {
            Ok(stops) => plan.stops(stops, binary, &globals, &layout),
            Err(error) if plan.steps.is_empty() => {
                bail!("cannot observe garbage collection: {error}");
            }
            Err(error) => plan.shortcomings.push(format!("stw is not shown: {error}")),
        }
        Ok(plan)
    }

    fn step(&mut self, program: &'static str, sites: Vec<Site>) {
        if !sites.is_empty() {
            self.steps.push(Step { program, sites });
        }
    }

    fn cycles(&mut self, runtime: &Runtime<'_>, record: &Record) -> Result<()> {
        let Cycles {
            begin,
            leak_check,
            end,
            end_is_flush,
        } = gc::cycles(runtime).context("cannot observe cycles")?;
        self.config.at = fields(record);
        self.end_is_flush = end_is_flush;
        self.step("gc_cycle_begin", begin);
        self.step("gc_leak_check", leak_check);
        self.step("gc_cycle_end", end);
        Ok(())
    }

    fn sweeps(&mut self, runtime: &Runtime<'_>) {
        match gc::sweep_end(runtime) {
            Ok(SweepEnd::Exact(done)) => self.step("gc_sweep_done", done),
            Ok(SweepEnd::Pieces(pieces)) => {
                self.config.at.sweepers = pieces.sweepers.unwrap_or(0);
                self.config.drained_mask = constant::SWEEP_DRAINED;
                self.step("gc_sweep_drained", pieces.drained);
                if self.end_is_flush {
                    // One probe for both, so that the sweep never comes before its cycle.
                    self.config.end_is_flush = 1;
                } else {
                    self.step("gc_sweep_flushed", pieces.flushed);
                }
                self.step("gc_sweep_parked", pieces.parked);
            }
            Err(error) => self
                .shortcomings
                .push(format!("sweep is not shown: {error}")),
        }
    }

    fn stops(&mut self, stops: Stops, binary: &Binary, globals: &Globals, layout: &Layout) {
        let start_args = match stops.arguments {
            RestartArguments::None => gc_start_args::GC_START_NOTHING,
            RestartArguments::Began => gc_start_args::GC_START_REASON_BEGIN,
            RestartArguments::BeganAndStopped => gc_start_args::GC_START_REASON_BEGIN_STOPPED,
        };
        self.config.start_args = start_args.0 as u8;
        let preemptoff = (layout.offset(Field::GM), layout.offset(Field::MPreemptoff));
        match preemptoff {
            _ if stops.reason_is_number => {
                self.config.stop_args = gc_stop_args::GC_STOP_REASON.0 as u8;
                self.reasons = gc_record::stop_reasons(binary, globals);
            }
            (Some(g_m), Some(m_preemptoff)) => {
                self.config.g_m = g_m;
                self.config.m_preemptoff = m_preemptoff;
                self.config.preemptoff_known = 1;
            }
            _ => self.shortcomings.push(
                "reasons to stop the world are not shown: where this Go version keeps them is not known"
                    .to_owned(),
            ),
        }
        self.step("gc_stw_begin", stops.begin);
        self.step("gc_stw_stopped", stops.stopped);
        self.step("gc_stw_ending", stops.restart);
        self.step("gc_stw_end", stops.end);
    }
}

impl crate::probe::Plan for Plan {
    fn sites(&self) -> Vec<Site> {
        step::sites(&self.steps)
    }

    fn shortcomings(&self) -> &[String] {
        &self.shortcomings
    }
}

/// Checks, and completes, what is known of the layout on a process that runs, if there is one that we may read.
fn settle(target: &Target, runtime_info: &mut RuntimeInfo) {
    let process = target.running_process();
    if let Some(mut live) = process.and_then(|it| Live::open(&it, runtime_info).ok()) {
        live.settle();
        *runtime_info = live.runtime_info;
    }
}

fn fields(record: &Record) -> gc_fields {
    gc_fields {
        cycles: record.cycles,
        stw_procs: record.stw_procs,
        max_procs: record.max_procs,
        user_forced: record.user_forced.unwrap_or(0),
        sweep_term_ns: record.sweep_term,
        mark_ns: record.mark,
        mark_term_ns: record.mark_term,
        end_ns: record.end,
        pause_ns: record.pause,
        heap_before: record.heap0,
        heap_at_end: record.heap1,
        heap_after: record.heap2,
        heap_goal: record.last_heap_goal,
        stack_bytes: record.stack_scan,
        globals_bytes: record.globals_scan,
        assist_ns: record.assist_time,
        dedicated_ns: record.dedicated_mark_time,
        fractional_ns: record.fractional_mark_time,
        idle_ns: record.idle_mark_time,
        numgc: record.numgc,
        cpu_fraction: record.gc_cpu_fraction,
        init_ns: record.runtime_init_time,
        sweepers: 0,
    }
}
