//! `grtmon gr`: one row for each goroutine that was created and each that ended.

use std::collections::BTreeSet;
use std::collections::HashMap;
use std::process::ExitCode;

use anyhow::Context;
use anyhow::Result;
use regex::Regex;

use crate::cli;
use crate::event_loop::Flow;
use crate::event_loop::Observer;
use crate::event_loop::Timing;
use crate::model::cost::Cost;
use crate::model::goroutine::GoroutineEvent;
use crate::model::goroutine::What;
use crate::model::loss;
use crate::probe;
use crate::probe::gr::GrProbes;
use crate::probe::gr::Options;
use crate::probe::gr::Plan;
use crate::probe::spent::Spent;
use crate::render;
use crate::render::goroutine;
use crate::render::goroutine::Names;
use crate::render::goroutine::Table;
use crate::render::json::Object;
use crate::target::Target;
use crate::target::checked::Checked;
use crate::target::clock;
use crate::target::watch::Watch;

use super::changes;
use super::changes::Changes;
use super::cost::CostWatch;
use super::elders::Elders;
use super::names::NameCache;
use super::output;
use super::output::Output;
use super::session;
use super::session::Session;

/// Records taken at one go before rows are written.
const BATCH: usize = 8192;
/// Batches taken on one occasion before the other occasions get their turn.
const BATCHES: usize = 16;

pub(super) fn run(args: &cli::Gr) -> Result<ExitCode> {
    let target = args
        .target
        .as_ref()
        .context("no target: give --pid, --binpath, or -- COMMAND")?;
    let (mut session, targets) = Session::open(target, args.common.attach)?;
    let options = Options {
        queue: args.rows.queue,
        ..options(args.rows.buffer, args.memory.max_goroutines)
    };
    let mut slots = probe::slots(targets.len());
    let mut observed = Vec::new();
    for (slot, target) in slots.iter_mut().zip(&targets) {
        let checked = Checked::of(target);
        let plan = Plan::of(&checked, &options)
            .with_context(|| format!("cannot observe {}", target.name))?;
        plan.shortcomings
            .iter()
            .for_each(|shortcoming| output::warn(shortcoming));
        let place = session.place(target, plan.sites().len())?;
        let changes = Changes::of(target, &place);
        let mut probes = GrProbes::attach(slot, target, &plan, &options, &place)?;
        let elders = elders(&checked, args.rows.alive)?;
        probes.learn(target, elders.starts.iter().copied())?;
        observed.push(Observed {
            target,
            probes,
            elders,
            names: NameCache::new(args.rows.addresses),
            watch: Watch::of(&target.processes()),
            unknown: BTreeSet::new(),
            changes,
        });
    }

    let mut printer = Printer::new(&args.rows, args.common.output)?;
    for one in &mut observed {
        one.probes.open_gate()?;
    }
    session::announce("goroutines", &targets);
    printer.heading()?;
    let mut elders = Some(0);
    for one in &mut observed {
        let more = one.show_elders(&mut printer, args.rows.alive);
        elders = elders.zip(more).map(|(sum, more)| sum + more);
    }
    printer.elders = elders;
    printer.output.flush()?;
    let cost = CostWatch::begin(&args.common, session.method, &targets);
    let mut command = Gr {
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

/// The goroutines that are there already. Where the memory of a process may not be read, grtmon does without and says
/// so, unless they were asked for.
fn elders(checked: &Checked<'_>, wanted: bool) -> Result<Elders> {
    match Elders::of(checked) {
        Err(why) if !wanted => {
            output::note(&format!(
                "The goroutines that are there already are not known: {why:#}"
            ));
            Ok(Elders::default())
        }
        elders => elders,
    }
}

/// The probes that `gr` needs, with a ring buffer of so many KiB.
pub(super) fn options(buffer_kib: u32, max_goroutines: u32) -> Options {
    Options {
        seq: false,
        by_fn: false,
        queue: false,
        ring_bytes: buffer_kib << 10,
        max_goroutines,
        max_functions: 1,
    }
}

/// The command's state while it observes.
struct Gr<'a> {
    observed: Vec<Observed<'a>>,
    cost: CostWatch<'a>,
    printer: Printer,
}

/// One binary under observation.
struct Observed<'a> {
    target: &'a Target,
    probes: GrProbes<'a>,
    elders: Elders,
    names: NameCache,
    watch: Watch,
    /// Start functions met in events and not watched.
    unknown: BTreeSet<u64>,
    changes: Changes,
}

impl Observed<'_> {
    /// Shows the goroutines that were there already, if that is wanted. Returns how many there were, if that is known.
    fn show_elders(&mut self, printer: &mut Printer, wanted: bool) -> Option<u64> {
        let elders = std::mem::take(&mut self.elders.alive);
        for event in elders.iter().filter(|_| wanted) {
            let goroutine = event.goroutine();
            let start = goroutine.and_then(|goroutine| goroutine.start_pc);
            let created = goroutine.and_then(|goroutine| goroutine.created_pc);
            let words = self.names.of(&self.target.binary, start, created);
            printer.event(event, start, words);
        }
        self.elders.are_all.then_some(elders.len() as u64)
    }

    /// Takes one batch of events. Returns how many there were.
    fn take(&mut self, printer: &mut Printer) -> Result<usize> {
        let Self {
            target,
            probes,
            elders,
            names,
            watch,
            unknown,
            ..
        } = self;
        let taken = probes.consume(BATCH, |event| {
            watch.meet(event.process);
            let event = elders.complete(event);
            if event.what == What::Image {
                elders.forget(event.process);
            }
            let goroutine = event.goroutine();
            let start = goroutine.and_then(|goroutine| goroutine.start_pc);
            if let (What::Create(_), Some(start)) = (event.what, start) {
                unknown.insert(start);
            }
            let created = goroutine.and_then(|goroutine| goroutine.created_pc);
            let words = names.of(&target.binary, start, created);
            printer.event(&event, start, words);
        })?;
        // A function that no `go` statement names: its goroutines' running times are known from now on.
        probes.learn(target, std::mem::take(unknown))?;
        Ok(taken)
    }
}

/// What all probes have cost together.
fn spent(observed: &[Observed<'_>]) -> Result<Spent> {
    observed.iter().try_fold(
        Spent::default(),
        |sum, one| Ok(sum.and(one.probes.spent()?)),
    )
}

impl Observer for Gr<'_> {
    fn poll(&mut self) -> Result<Flow> {
        for one in &mut self.observed {
            for _ in 0..BATCHES {
                let taken = one.take(&mut self.printer)?;
                self.printer.output.relieve()?;
                if self.printer.is_done() {
                    return Ok(Flow::End);
                }
                if taken < BATCH {
                    break;
                }
            }
        }
        self.printer.output.flush()?;
        Ok(Flow::Continue)
    }

    fn report(&mut self) -> Result<Flow> {
        Ok(Flow::Continue)
    }

    fn check_targets(&mut self) -> Result<Flow> {
        for one in &mut self.observed {
            for process in one.watch.take_ended() {
                one.probes.forget(process)?;
                one.elders.forget(process);
            }
            one.probes.drop_hot()?.iter().for_each(|entry| {
                let name = one.names.function(&one.target.binary, *entry).unwrap_or("?");
                output::warn(&format!(
                    "{name} is called directly too often to be watched: running times of its goroutines are unknown from now on"
                ));
            });
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

impl Gr<'_> {
    /// Detaches, shows what is still in the buffers, and says what was lost.
    fn finish(&mut self) -> Result<()> {
        let mut losses = Vec::new();
        let (mut created, mut exited) = (0, 0);
        let sites = self.observed.iter().map(|one| one.probes.sites()).sum();
        for one in &mut self.observed {
            one.probes.close()?;
            one.changes.look_back();
            while one.take(&mut self.printer)? == BATCH {
                self.printer.output.relieve()?;
            }
            loss::merge(&mut losses, &one.probes.losses()?);
            let passed = one.probes.passed()?;
            created += passed.0;
            exited += passed.1;
        }
        let cost = self.cost.end(spent(&self.observed)?);
        let passed = Passed {
            sites,
            created,
            exited,
        };
        self.printer.end(&passed, &losses, &cost)
    }
}

/// What the probes saw, whether it could be recorded or not.
struct Passed {
    /// At how many places they were.
    sites: usize,
    created: u64,
    exited: u64,
}

/// Decides which events are shown, and writes them.
struct Printer {
    output: Output,
    table: Table,
    json: bool,
    unix_offset_ns: i128,
    function: Option<Regex>,
    /// What the filter said of each start function.
    matches: HashMap<u64, bool>,
    min_time_ns: Option<u64>,
    limit: Option<u64>,
    shown: u64,
    created: u64,
    exited: u64,
    /// `None`: not known.
    elders: Option<u64>,
    place: String,
}

impl Printer {
    fn new(rows: &cli::GrRows, form: cli::Output) -> Result<Self> {
        Ok(Self {
            output: Output::new(),
            table: Table::new(output::style(rows.human), rows.queue),
            json: form == cli::Output::Json,
            unix_offset_ns: clock::unix_offset_ns()?,
            function: rows.r#fn.clone(),
            matches: HashMap::new(),
            min_time_ns: rows
                .min_time
                .map(|time| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)),
            limit: rows.count,
            shown: 0,
            created: 0,
            exited: 0,
            elders: None,
            place: String::new(),
        })
    }

    fn heading(&mut self) -> Result<()> {
        if !self.json {
            self.table.heading(&mut self.output.text);
        }
        self.output.flush()
    }

    fn is_done(&self) -> bool {
        self.limit.is_some_and(|limit| self.shown >= limit)
    }

    fn event(&mut self, event: &GoroutineEvent, start: Option<u64>, names: Names<'_>) {
        match event.what {
            What::Create(_) => self.created += 1,
            What::Exit { .. } => self.exited += 1,
            What::Image => return,
            What::Alive { .. } | What::PutGlobal { .. } | What::GetGlobal | What::Steal { .. } => {}
        }
        if self.is_done() || !self.wants(event, start, names) {
            return;
        }
        self.shown += 1;
        if self.json {
            goroutine::json(&mut self.output.text, event, names, self.unix_offset_ns);
        } else {
            self.table
                .row(&mut self.output.text, event, names, &mut self.place);
        }
    }

    fn wants(&mut self, event: &GoroutineEvent, start: Option<u64>, names: Names<'_>) -> bool {
        if let Some(min) = self.min_time_ns
            && event
                .running_ns()
                .or(event.running_at_least_ns())
                .is_none_or(|running| running < min)
        {
            return false;
        }
        let Some(filter) = &self.function else {
            return true;
        };
        let (Some(start), Some(name)) = (start, names.function) else {
            return false;
        };
        *self
            .matches
            .entry(start)
            .or_insert_with(|| filter.is_match(name))
    }

    /// The last lines: what passed, what was seen of it, what was lost.
    fn end(&mut self, passed: &Passed, losses: &[loss::Loss], cost: &Cost) -> Result<()> {
        let Passed {
            sites,
            created,
            exited,
        } = *passed;
        if self.json {
            let mut object = Object::begin(&mut self.output.text);
            object
                .text("event", "end")
                .number("sites", u64::try_from(sites).unwrap_or(u64::MAX))
                .number_or_null("alive_before", self.elders)
                .number("created", created)
                .number("exited", exited);
            object
                .number("created_seen", self.created)
                .number("exited_seen", self.exited);
            object.number("shown", self.shown);
            object.list("lost", losses, |inner, loss| {
                inner
                    .text("cause", loss.cause)
                    .number("events", loss.events);
            });
            render::cost::json(&mut object, cost);
            object.end();
        }
        self.output.flush()?;
        if !self.json {
            let elders = self
                .elders
                .map_or("?".to_owned(), |elders| elders.to_string());
            output::note(&format!(
                "{elders} goroutines were there already, {created} created, {exited} exited; {} rows shown",
                self.shown
            ));
        }
        output::report_cost(cost);
        output::report_losses(losses);
        Ok(())
    }
}
