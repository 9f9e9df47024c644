//! Where the probes of `sched` go, and what its programs must know of the binary.

use std::collections::BTreeSet;

use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;

use crate::bpf::sched::types::sched_config;
use crate::bpf::sched::types::sched_state;
use crate::bpf::sched::types::sched_statuses;
use crate::go::layout::Field;
use crate::go::needs::OF_STATES;
use crate::go::site::Site;
use crate::go::site::SiteKind;
use crate::go::site::events;
use crate::go::site::events::Event;
use crate::go::site::frame_pointers;
use crate::go::site::go_statements;
use crate::go::site::state_changes::Doing;
use crate::go::site::state_changes::LateReasons;
use crate::go::site::state_changes::STATUSES;
use crate::go::site::state_changes::StateChanges;
use crate::go::symbolize::shown;
use crate::probe::step;
use crate::probe::step::Step;
use crate::target::checked::Checked;

use super::options::Options;

/// Where the probes go, decided from the binary before anything is loaded.
#[derive(Debug, Clone)]
pub struct Plan {
    pub(super) config: sched_config,
    pub(super) steps: Vec<Step>,
    /// Entries of the functions that the runtime's own goroutines start with.
    pub system: BTreeSet<u64>,
    /// What goroutines wait for, in the runtime's words, by number.
    pub wait_reasons: Vec<String>,
    /// What cannot be had from this binary, in words for the user.
    pub shortcomings: Vec<String>,
}

/// A reason that no version has.
const NO_REASON: u8 = u8::MAX;

impl Plan {
    /// What `options` need from the binary of a target; an error when the essence cannot be had.
    pub fn of(checked: &Checked<'_>, options: &Options) -> Result<Self> {
        checked.require(&OF_STATES)?;
        let Checked {
            runtime,
            runtime_info,
            ..
        } = checked;
        let (binary, layout) = (runtime.binary(), &runtime_info.layout);
        let mut shortcomings = Vec::new();
        let offset = |field: Field| {
            layout.offset(field).with_context(|| {
                format!(
                    "the layout of this binary's Go version is not known (no offset of {field})"
                )
            })
        };
        let see = |event: Event| {
            events::sites(runtime, event).with_context(|| format!("cannot see this event: {event}"))
        };
        let changes = StateChanges::of(runtime).context("cannot tell when goroutines block")?;
        let names = runtime_info.globals.wait_reason_strings.as_ref();
        let wait_reasons = names.and_then(|table| table.names(binary.image()));
        if wait_reasons.is_none() {
            shortcomings.push(
                "what goroutines wait for is shown by number: the runtime's words were not found"
                    .to_owned(),
            );
        }
        let wait_reasons = wait_reasons.unwrap_or_default();
        let late = LateReasons::among(&wait_reasons);

        let mut steps = Vec::new();
        let mut add = |program, sites: Vec<Site>| {
            steps.extend(Step::by_kind(program, sites));
        };
        let state = see(Event::GoroutineState)?;
        let framed = state.iter().any(|site| site.kind == SiteKind::Framed);
        add("sched_status", state);
        add("sched_preempt", see(Event::PreemptPark)?);
        if !changes.syscalls_pass {
            add("sched_syscall_enter", see(Event::SyscallEnter)?);
            add("sched_syscall_exit", see(Event::SyscallExit)?);
        }
        let mut config = sched_config {
            park_begin: changes.park.start,
            park_end: changes.park.end,
            main_entry: changes.main.unwrap_or(0),
            g_startpc: offset(Field::GStartpc)?,
            g_waitreason: offset(Field::GWaitreason)?,
            sample: options.sample,
            framed: u8::from(framed),
            park_indirect: u8::from(changes.park_indirect),
            by_fn: u8::from(options.by_fn),
            by_process: u8::from(options.by_process),
            stacks: u8::from(options.stacks),
            preempted: late.preempted.unwrap_or(NO_REASON),
            coroutine: late.coroutine.unwrap_or(NO_REASON),
            states: states(),
            ..Default::default()
        };
        if let Some(no_p) = changes.syscall_without_p {
            config.no_p_begin = no_p.start;
            config.no_p_end = no_p.end;
        }
        let coroutines = see(Event::CoroutineSwitch)?;
        if !coroutines.is_empty() {
            config.g_coroarg = offset(Field::GCoroarg)?;
            config.coro_gp = offset(Field::CoroGp)?;
            add("sched_coroswitch", coroutines);
        }
        if options.stacks {
            ensure!(
                frame_pointers::are_kept(binary),
                "no stacks can be shown: on ARM only Go 1.21 and later is known to adjust frame pointers when it moves a stack"
            );
            config.g_sched_pc = offset(Field::GSchedPc)?;
            config.g_sched_bp = offset(Field::GSchedBp)?;
        }
        let starts = go_statements::start_functions(runtime)?.functions;
        let system = starts
            .iter()
            .filter(|start| shown::is_system(&start.name, false))
            .map(|start| start.entry)
            .collect();
        Ok(Self {
            config,
            steps,
            system,
            wait_reasons,
            shortcomings,
        })
    }
}

/// What a goroutine does, by the runtime's number of its status. Those not mentioned are passed through only.
fn states() -> u64 {
    STATUSES.iter().fold(0, |states, (status, doing)| {
        let state = match doing {
            Doing::Runnable => sched_state::SCHED_RUNNABLE,
            Doing::Running => sched_state::SCHED_RUNNING,
            Doing::Syscall => sched_state::SCHED_SYSCALL,
            Doing::Waiting => sched_state::SCHED_WAITING,
            Doing::Gone => sched_state::SCHED_GONE,
        };
        states | u64::from(state.0) << (status * sched_statuses::SCHED_STATE_BITS.0)
    })
}

impl crate::probe::Plan for Plan {
    fn sites(&self) -> Vec<Site> {
        step::sites(&self.steps)
    }

    fn shortcomings(&self) -> &[String] {
        &self.shortcomings
    }
}
