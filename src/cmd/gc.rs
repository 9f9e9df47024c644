//! `grtmon gc`: one row for each stop of the world, each concurrent mark and each concurrent sweep; or one line for
//! each cycle.

use std::collections::HashMap;
use std::io::Write;
use std::process::ExitCode;

use anyhow::Result;

use crate::cli;
use crate::event_loop::Flow;
use crate::event_loop::Observer;
use crate::event_loop::Timing;
use crate::model::cost::Cost;
use crate::model::gc::CycleRecord;
use crate::model::gc::GcEvent;
use crate::model::gc::Trigger;
use crate::model::gc::durations::Durations;
use crate::model::gc::gctrace::GcTrace;
use crate::model::loss;
use crate::model::loss::Loss;
use crate::probe;
use crate::probe::gc::GcProbes;
use crate::probe::gc::Passed;
use crate::probe::gc::Plan;
use crate::probe::gc::Wanted;
use crate::probe::spent::Spent;
use crate::render;
use crate::render::gc::Table;
use crate::render::gc::json::Json;
use crate::render::json::Object;
use crate::target::Target;
use crate::target::clock;
use crate::target::watch::Watch;

use super::changes;
use super::changes::Changes;
use super::cost::CostWatch;
use super::output;
use super::output::Output;
use super::session;
use super::session::Session;

pub(super) fn run(args: &cli::Gc) -> Result<ExitCode> {
    let (mut session, targets) = Session::open(&args.target, args.common.attach)?;
    let wanted = if args.cycles {
        Wanted::Cycles
    } else {
        Wanted::Everything
    };
    let mut slots = probe::slots(targets.len());
    let mut observed = Vec::new();
    for (slot, target) in slots.iter_mut().zip(&targets) {
        let plan = Plan::of(target, wanted)?;
        plan.shortcomings
            .iter()
            .for_each(|shortcoming| output::warn(shortcoming));
        let place = session.place(target, plan.sites().len())?;
        let changes = Changes::of(target, &place);
        let probes = GcProbes::attach(slot, target, &plan, &place)?;
        observed.push(Observed {
            target,
            probes,
            watch: Watch::default(),
            changes,
        });
    }

    let mut printer = Printer::new(args)?;
    for one in &mut observed {
        one.probes.open_gate()?;
    }
    // Whoever reads this may rely on it that nothing is missed from now on.
    session::announce("garbage collection", &targets);
    printer.heading()?;
    let cost = CostWatch::begin(&args.common, session.method, &targets);
    let mut command = Gc {
        observed,
        cost,
        printer,
    };
    let timing = Timing {
        interval: None,
        duration: args.common.duration,
    };
    let ending = session.observe(timing, &mut command)?;
    command.finish()?;
    ending.exit_code()
}

/// The command's state while it observes.
struct Gc<'a> {
    observed: Vec<Observed<'a>>,
    cost: CostWatch<'a>,
    printer: Printer,
}

/// One binary under observation.
struct Observed<'a> {
    target: &'a Target,
    probes: GcProbes<'a>,
    watch: Watch,
    changes: Changes,
}

impl Observed<'_> {
    /// Takes what was recorded since the last time.
    fn take(&mut self, printer: &mut Printer) -> Result<()> {
        let watch = &mut self.watch;
        self.probes.consume(|event| {
            watch.meet(event.process());
            printer.event(&event);
        })
    }
}

/// What all probes have cost together.
fn spent(observed: &[Observed<'_>]) -> Result<Spent> {
    observed.iter().try_fold(
        Spent::default(),
        |sum, one| Ok(sum.and(one.probes.spent()?)),
    )
}

impl Observer for Gc<'_> {
    fn poll(&mut self) -> Result<Flow> {
        for one in &mut self.observed {
            one.take(&mut self.printer)?;
        }
        self.printer.output.flush()?;
        let done = self.printer.is_done();
        Ok(if done { Flow::End } else { Flow::Continue })
    }

    fn report(&mut self) -> Result<Flow> {
        Ok(Flow::Continue)
    }

    fn check_targets(&mut self) -> Result<Flow> {
        for one in &mut self.observed {
            for process in one.watch.take_ended() {
                one.probes.forget(process);
                self.printer.triggers.remove(&process);
            }
            one.changes.warn(one.target);
            if one.changes.is_over() {
                one.probes.close()?;
            }
            changes::tell_of_strangers(&mut one.watch);
        }
        let spent = || spent(&self.observed);
        if self.cost.check(spent)? == Flow::End {
            return Ok(Flow::End);
        }
        let is_over = |one: &Observed<'_>| one.target.has_ended() || one.changes.is_over();
        let ended = self.observed.iter().all(is_over);
        Ok(if ended { Flow::End } else { Flow::Continue })
    }
}

impl Gc<'_> {
    /// Detaches, shows what is still in the buffers, sums up, and says what was lost.
    fn finish(&mut self) -> Result<()> {
        let mut losses = Vec::new();
        let mut passed = Passed::default();
        for one in &mut self.observed {
            one.probes.close()?;
            one.changes.look_back();
            one.take(&mut self.printer)?;
            loss::merge(&mut losses, &one.probes.losses()?);
            let more = one.probes.passed()?;
            passed.stops += more.stops;
            passed.cycles += more.cycles;
        }
        let cost = self.cost.end(spent(&self.observed)?);
        self.printer.end(passed, &losses, &cost)
    }
}

/// Writes the events, and keeps what the summary needs.
struct Printer {
    output: Output,
    table: Table,
    /// `None` for text.
    json: Option<Json>,
    cycles_only: bool,
    limit: Option<u64>,
    shown: u64,
    stw: Durations,
    mark: Durations,
    sweep: Durations,
    unfinished: u64,
    /// What began the last cycle of each process.
    triggers: HashMap<u32, (u32, Option<Trigger>)>,
}

impl Printer {
    fn new(args: &cli::Gc) -> Result<Self> {
        let json = match args.common.output {
            cli::Output::Json => Some(Json {
                unix_offset_ns: clock::unix_offset_ns()?,
            }),
            cli::Output::Text => None,
        };
        Ok(Self {
            output: Output::new(),
            table: Table::new(output::style(args.human)),
            json,
            cycles_only: args.cycles,
            limit: args.count,
            shown: 0,
            stw: Durations::default(),
            mark: Durations::default(),
            sweep: Durations::default(),
            unfinished: 0,
            triggers: HashMap::new(),
        })
    }

    fn heading(&mut self) -> Result<()> {
        if self.json.is_none() && !self.cycles_only {
            self.table.heading(&mut self.output.text);
        }
        self.output.flush()
    }

    fn is_done(&self) -> bool {
        self.limit.is_some_and(|limit| self.shown >= limit)
    }

    fn event(&mut self, event: &GcEvent) {
        if self.is_done() {
            return;
        }
        self.shown += 1;
        let out = &mut self.output.text;
        match (event, self.json) {
            (GcEvent::Stw(stw), json) => {
                self.stw.add(stw.duration_ns());
                match json {
                    Some(json) => json.stw(out, stw),
                    None => self.table.stw(out, stw),
                }
            }
            (GcEvent::Cycle(cycle), _) => self.cycle(cycle),
            (GcEvent::Sweep(sweep), json) => {
                self.sweep.add(sweep.duration_ns());
                self.unfinished += u64::from(!sweep.finished);
                let trigger = match self.triggers.get(&sweep.process) {
                    Some((cycle, trigger)) if *cycle == sweep.cycle => *trigger,
                    _ => None,
                };
                match json {
                    Some(json) => json.sweep(out, sweep, trigger),
                    None => self.table.sweep(out, sweep, trigger),
                }
            }
        }
    }

    fn cycle(&mut self, cycle: &CycleRecord) {
        self.mark.add(cycle.mark_duration_ns());
        self.triggers
            .insert(cycle.process, (cycle.cycle, cycle.known_trigger()));
        let out = &mut self.output.text;
        match (self.json, self.cycles_only) {
            (Some(json), true) => json.cycle(out, cycle),
            (Some(json), false) => json.mark(out, cycle),
            (None, false) => self.table.mark(out, cycle),
            (None, true) => {
                // Into memory: cannot fail.
                let _ = writeln!(out, "{}", GcTrace(cycle));
            }
        }
    }

    /// The last lines: the figures of each kind, and what was lost.
    fn end(&mut self, passed: Passed, losses: &[Loss], cost: &Cost) -> Result<()> {
        let kinds = [
            ("stw", self.stw.summary()),
            ("mark", self.mark.summary()),
            ("sweep", self.sweep.summary()),
        ];
        let kinds = if self.cycles_only {
            kinds.get(1..2)
        } else {
            kinds.get(..)
        };
        let kinds = kinds.unwrap_or_default();
        let out = &mut self.output.text;
        if self.json.is_some() {
            let mut object = Object::begin(out);
            object.text("event", "end");
            for (kind, summary) in kinds {
                object.object(kind, |inner| Json::summary(inner, summary));
            }
            if !self.cycles_only {
                object.number("sweeps_unfinished", self.unfinished);
                object.number("stops_passed", passed.stops);
            }
            object.number("cycles_passed", passed.cycles);
            object.number("shown", self.shown);
            object.list("lost", losses, |inner, loss| {
                inner
                    .text("cause", loss.cause)
                    .number("events", loss.events);
            });
            render::cost::json(&mut object, cost);
            object.end();
        } else if !self.cycles_only {
            out.push(b'\n');
            self.table.summary(out, kinds);
        }
        self.output.flush()?;
        if self.json.is_none() && self.cycles_only {
            output::note(&format!("{} cycles", self.shown));
        }
        output::report_cost(cost);
        output::report_losses(losses);
        Ok(())
    }
}
