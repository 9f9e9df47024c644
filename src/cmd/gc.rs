//! `grtmon gc`: one row for each stop of the world, each concurrent mark and each concurrent sweep; or one line for
//! each cycle.

use std::collections::HashMap;
use std::process::ExitCode;

use anyhow::Result;

use crate::cli;
use crate::event_loop::Flow;
use crate::event_loop::Timing;
use crate::model::account::Account;
use crate::model::gc::CycleRecord;
use crate::model::gc::GcEvent;
use crate::model::gc::Trigger;
use crate::model::gc::durations::Durations;
use crate::model::human::counted;
use crate::observe;
use crate::observe::Observation;
use crate::observe::rows::Rows;
use crate::probe::Probes;
use crate::probe::gc::GcProbes;
use crate::probe::gc::Passed;
use crate::probe::gc::Plan;
use crate::probe::gc::Wanted;
use crate::probe::place::Place;
use crate::render::gc::Table;
use crate::render::gc::json;
use crate::render::gc::json::Json;
use crate::target::Target;
use crate::target::clock;

use super::output;
use super::output::Output;
use super::session;

pub(super) fn run(args: &cli::Gc) -> Result<ExitCode> {
    let (session, targets) = session::open(&args.target, args.common.attach)?;
    let command = Gc {
        wanted: if args.cycles {
            Wanted::Cycles
        } else {
            Wanted::Everything
        },
        printer: Printer::new(args)?,
    };
    let timing = Timing {
        duration: args.common.duration,
        ..Timing::default()
    };
    observe::run::run(
        session,
        targets,
        session::allowed(args.common.max_overhead),
        timing,
        command,
    )
}

/// The command's state while it observes.
struct Gc {
    wanted: Wanted,
    printer: Printer,
}

type Observed<'a> = observe::Observed<'a, Gc>;

impl Gc {
    /// Takes what was recorded since the last time.
    fn take_all(&mut self, all: &mut [Observed<'_>]) -> Result<()> {
        let printer = &mut self.printer;
        for one in all {
            let watch = &mut one.watch;
            one.probes.consume(|event| {
                watch.meet(event.process());
                printer.event(&event);
            })?;
        }
        Ok(())
    }
}

impl Observation for Gc {
    const WHAT: &'static str = "garbage collection";
    type Plan = Plan;
    type Probes = GcProbes;
    type Own<'a> = ();

    fn plan(&mut self, target: &Target) -> Result<(Plan, ())> {
        Ok((Plan::of(target, self.wanted)?, ()))
    }

    fn attach(&mut self, target: &Target, plan: &Plan, place: &Place) -> Result<GcProbes> {
        GcProbes::attach(target, plan, place)
    }

    fn begin(&mut self, all: &mut [Observed<'_>]) -> Result<()> {
        self.printer.table.with_pid = match all {
            [one] => one.target.may_be_several(),
            _ => true,
        };
        self.printer.heading()
    }

    fn take(&mut self, all: &mut [Observed<'_>]) -> Result<Flow> {
        self.take_all(all)?;
        self.printer.output.flush()?;
        let done = self.printer.is_done();
        Ok(if done { Flow::End } else { Flow::Continue })
    }

    fn look(&mut self, _all: &mut [Observed<'_>]) -> Result<()> {
        let printer = &mut self.printer;
        let in_json = printer.json.as_mut().map(|json| &mut json.unix_offset_ns);
        let in_rows = printer.table.unix_offset_ns.as_mut();
        for offset in in_json.into_iter().chain(in_rows) {
            // It changes when the clock is set, and when the machine was suspended.
            *offset = clock::renewed_unix_offset_ns(*offset)?;
        }
        Ok(())
    }

    fn forget(&mut self, one: &mut Observed<'_>, process: u32) -> Result<()> {
        self.printer.triggers.remove(&process);
        one.probes.forget(process)
    }

    fn drain(&mut self, all: &mut [Observed<'_>]) -> Result<()> {
        self.take_all(all)
    }

    /// Sums up, and says what was lost.
    fn end(&mut self, all: &mut [Observed<'_>], account: &Account) -> Result<()> {
        let mut passed = Passed::default();
        for one in all {
            let more = one.probes.passed()?;
            passed.stops += more.stops;
            passed.cycles += more.cycles;
        }
        self.printer.end(passed, account)
    }

    fn output(&mut self) -> &mut dyn Rows {
        &mut self.printer.output
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
        let style = output::style(args.human).wide(args.look.wide);
        let times_of_day = match args.look.timestamps {
            true => Some(clock::unix_offset_ns()?),
            false => None,
        };
        Ok(Self {
            output: Output::observing()?,
            table: Table::new(style, times_of_day),
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
            output::tell_left_out(self.table.fit());
            self.table.fit().heading(&mut self.output.text);
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
        self.output.counts();
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
            (None, true) => self.table.cycle(out, cycle),
        }
    }

    /// The last lines: the figures of each kind, and what was lost.
    fn end(&mut self, passed: Passed, account: &Account) -> Result<()> {
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
            let passed = json::End {
                kinds,
                sweeps_unfinished: (!self.cycles_only).then_some(self.unfinished),
                stops_passed: (!self.cycles_only).then_some(passed.stops),
                cycles_passed: passed.cycles,
                shown: self.shown,
            };
            json::end(out, &passed, account);
        } else if !self.cycles_only {
            out.push(b'\n');
            self.table.summary(out, kinds);
        }
        self.output.flush()?;
        if self.json.is_none() && self.cycles_only {
            output::note(&counted(self.shown, "cycle"));
        }
        Ok(())
    }
}
