//! `grtmon gr`: one row for each goroutine that was created and each that ended.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::process::ExitCode;
use std::time::Duration;
use std::time::Instant;

use anyhow::Context;
use anyhow::Result;

use crate::cli;
use crate::event_loop::Flow;
use crate::event_loop::Timing;
use crate::model::account::Account;
use crate::model::goroutine::GoroutineEvent;
use crate::model::goroutine::Summary;
use crate::model::goroutine::What;
use crate::observe;
use crate::observe::Observation;
use crate::observe::rows::Rows;
use crate::probe::Probes;
use crate::probe::gr::GrProbes;
use crate::probe::gr::Options;
use crate::probe::gr::Plan;
use crate::probe::place::Place;
use crate::target::Target;
use crate::target::checked::Checked;
use crate::target::witness::Counted;

use super::gr_printer::Printer;
use super::gr_printer::Untimed;
use super::output;
use super::session;
use crate::observe::names::NameCache;
use crate::observe::preexisting::Preexisting;

/// Records taken at one go before rows are written.
const BATCH: usize = 8192;
/// Batches taken on one occasion before the other occasions get their turn.
const BATCHES: usize = 16;
/// And so much time: what it costs is to be looked at, and who wants it to end is to be heard.
const OCCASION: Duration = Duration::from_millis(50);

pub(super) fn run(args: &cli::Gr) -> Result<ExitCode> {
    let target = args
        .target
        .as_ref()
        .context("no target: give --pid, --binpath, or -- COMMAND")?;
    let (session, targets) = session::open(target, args.common.attach)?;
    let command = Gr {
        options: Options {
            queue: args.rows.queue,
            ..Options::events(args.rows.buffer, args.memory.max_goroutines)
        },
        alive: args.rows.alive,
        addresses: args.rows.addresses,
        printer: Printer::new(&args.rows, args.common.output)?,
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

/// The goroutines that are there already. Where the memory of a process may not be read, grtmon does without and says
/// so, unless they were asked for.
fn preexisting(checked: &Checked<'_>, wanted: bool) -> Result<Option<Preexisting>> {
    match Preexisting::of(checked) {
        Err(why) if !wanted => {
            output::note(&format!(
                "The goroutines that are there already are not known: {why:#}"
            ));
            Ok(None)
        }
        preexisting => preexisting.map(Some),
    }
}

/// The command's state while it observes.
struct Gr {
    options: Options,
    /// Goroutines that are there already are shown.
    alive: bool,
    /// Addresses are shown.
    addresses: bool,
    printer: Printer,
}

/// What is kept of one binary.
struct Own<'a> {
    /// For those who are there already; `None` if they cannot be read.
    checked: Option<Checked<'a>>,
    preexisting: Preexisting,
    names: NameCache,
    /// Start functions met in events and not watched.
    unknown: BTreeSet<u64>,
    /// Exits shown of which not even the least time is known, by start function.
    untimed: BTreeMap<Option<u64>, u64>,
}

type Observed<'a> = observe::Observed<'a, Gr>;

/// Shows the goroutines that were there already, and then what has happened since the gate was opened.
fn show_elders(one: &mut Observed<'_>, printer: &mut Printer) -> Result<()> {
    let mut since = Vec::new();
    // Not for ever: what comes faster than it can be taken is taken later.
    for _ in 0..BATCHES {
        let taken = one.probes.consume(BATCH, |event| since.push(*event))?;
        if taken < BATCH {
            break;
        }
    }
    let own = &mut one.own;
    own.preexisting.leave_out_created(&since);
    for event in std::mem::take(&mut own.preexisting.alive) {
        own.show(one.target, &event, printer);
    }
    for event in &since {
        one.watch.meet(event.process);
        own.event(one.target, event, printer);
    }
    Ok(())
}

/// Takes one batch of events. Returns how many there were.
fn take(one: &mut Observed<'_>, printer: &mut Printer) -> Result<usize> {
    let observe::Observed {
        target,
        probes,
        watch,
        own,
        ..
    } = one;
    probes.consume(BATCH, |event| {
        watch.meet(event.process);
        own.event(target, event, printer);
    })
}

impl Own<'_> {
    /// Something has happened.
    fn event(&mut self, target: &Target, event: &GoroutineEvent, printer: &mut Printer) {
        let event = self.preexisting.complete(event);
        if event.what == What::Image {
            self.preexisting.forget(event.process);
        }
        if let What::Create(goroutine) = event.what {
            self.unknown.extend(goroutine.start_pc);
        }
        self.show(target, &event, printer);
    }

    fn show(&mut self, target: &Target, event: &GoroutineEvent, printer: &mut Printer) {
        let goroutine = event.goroutine();
        let start = goroutine.and_then(|goroutine| goroutine.start_pc);
        let created = goroutine.and_then(|goroutine| goroutine.created_pc);
        let words = self.names.of(&target.program.binary, start, created);
        if printer.event(event, start, words) {
            *self.untimed.entry(start).or_default() += 1;
        }
    }

    /// Why that is not known, as far as it lies with the start function.
    fn untimed(&mut self, target: &Target, probes: &GrProbes) -> Vec<Untimed> {
        let mut found = Vec::new();
        for (start, count) in &self.untimed {
            if let Some((start, why)) = start.and_then(|it| Some((it, probes.given_up(it)?))) {
                let name = self.names.function(&target.program.binary, start);
                let why = format!("{} {why}", name.unwrap_or("?"));
                found.push(Untimed { count: *count, why });
            }
        }
        found
    }
}

impl Observation for Gr {
    const WHAT: &'static str = "goroutines";
    type Plan = Plan;
    type Probes = GrProbes;
    type Own<'a> = Own<'a>;

    fn plan<'a>(&mut self, target: &'a Target) -> Result<(Plan, Own<'a>)> {
        let checked = Checked::of(target);
        let plan = Plan::of(&checked, &self.options)
            .with_context(|| format!("cannot observe {}", target.name))?;
        let preexisting = preexisting(&checked, self.alive)?;
        let own = Own {
            checked: preexisting.is_some().then_some(checked),
            preexisting: preexisting.unwrap_or_default(),
            names: NameCache::new(self.addresses),
            unknown: BTreeSet::new(),
            untimed: BTreeMap::new(),
        };
        Ok((plan, own))
    }

    fn attach(&mut self, target: &Target, plan: &Plan, place: &Place) -> Result<GrProbes> {
        GrProbes::attach(target, plan, &self.options, place)
    }

    fn prepare(&mut self, one: &mut Observed<'_>) -> Result<()> {
        let starts = one.own.preexisting.starts.iter().copied();
        one.probes.learn(one.target, starts)?;
        Ok(())
    }

    /// Who is there already is read now, as nobody is missed any more; before that it was only found out whether they can
    /// be read, and which start functions they have.
    fn opened(&mut self, all: &mut [Observed<'_>], _begun_ns: u64) -> Result<()> {
        for one in all {
            if let Some(checked) = one.own.checked.take() {
                one.own.preexisting = preexisting(&checked, self.alive)?.unwrap_or_default();
            }
        }
        Ok(())
    }

    fn begin(&mut self, all: &mut [Observed<'_>]) -> Result<()> {
        self.printer.heading()?;
        if self.alive {
            for one in all {
                show_elders(one, &mut self.printer)?;
            }
        }
        self.printer.output.flush()
    }

    fn take(&mut self, all: &mut [Observed<'_>]) -> Result<Flow> {
        let begun = Instant::now();
        for one in all {
            for _ in 0..BATCHES {
                let taken = take(one, &mut self.printer)?;
                // A function that no `go` statement names: its goroutines' running times are known from now on.
                one.probes
                    .learn(one.target, std::mem::take(&mut one.own.unknown))?;
                let keeps_up = self.printer.output.relieve()?;
                if self.printer.is_done() {
                    return Ok(Flow::End);
                }
                if taken < BATCH || !keeps_up || begun.elapsed() > OCCASION {
                    break;
                }
            }
        }
        self.printer.output.flush()?;
        Ok(Flow::Continue)
    }

    fn look(&mut self, all: &mut [Observed<'_>]) -> Result<()> {
        self.printer.renew_clock()?;
        for one in all {
            one.probes.drop_hot()?.iter().for_each(|entry| {
                let name = one.own.names.function(&one.target.program.binary, *entry);
                output::warn(&format!(
                    "{} is called directly too often to be watched: running times of its goroutines are unknown from now on",
                    name.unwrap_or("?")
                ));
            });
        }
        Ok(())
    }

    fn forget(&mut self, one: &mut Observed<'_>, process: u32) -> Result<()> {
        one.own.preexisting.forget(process);
        one.probes.forget(process)
    }

    fn drain(&mut self, all: &mut [Observed<'_>]) -> Result<()> {
        for one in all {
            while take(one, &mut self.printer)? == BATCH {
                self.printer.output.relieve()?;
            }
        }
        Ok(())
    }

    fn end(&mut self, all: &mut [Observed<'_>], account: &Account) -> Result<()> {
        let mut passed = Summary {
            alive_before: Some(0),
            ..Summary::default()
        };
        let mut untimed = Vec::new();
        for one in all {
            let before = passed.alive_before.zip(one.own.preexisting.count);
            passed.alive_before = before.map(|(sum, more)| sum + more);
            let (created, exited) = one.probes.passed()?;
            passed.sites += one.probes.sites() as u64;
            passed.created += created;
            passed.exited += exited;
            untimed.extend(one.own.untimed(one.target, &one.probes));
        }
        self.printer.end(passed, &untimed, account)
    }

    fn counted(&self) -> Option<Counted> {
        Some(Counted::Created)
    }

    fn passed(&self, one: &Observed<'_>) -> Result<u64> {
        Ok(one.probes.passed()?.0)
    }

    fn output(&mut self) -> &mut dyn Rows {
        &mut self.printer.output
    }
}
