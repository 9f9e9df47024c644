//! `grtmon gr seq`: histograms of how long goroutines run, from their first execution to their exit.

use std::collections::BTreeSet;
use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;
use anyhow::Result;

use crate::cli;
use crate::event_loop::Flow;
use crate::event_loop::Observer;
use crate::event_loop::Timing;
use crate::model::cost::Cost;
use crate::model::histogram::Histogram;
use crate::model::loss;
use crate::model::loss::Loss;
use crate::probe;
use crate::probe::gr::GrProbes;
use crate::probe::gr::Options;
use crate::probe::gr::Plan;
use crate::probe::spent::Spent;
use crate::render;
use crate::render::histogram;
use crate::render::json::Object;
use crate::render::style::Style;
use crate::target::Target;
use crate::target::checked::Checked;
use crate::target::clock;
use crate::target::watch::Watch;

use super::changes;
use super::changes::Changes;
use super::cost::CostWatch;
use super::names::NameCache;
use super::output;
use super::output::Output;
use super::session;
use super::session::Session;

/// Start functions with a histogram of their own (2.7 KB of kernel memory each).
const MAX_FUNCTIONS: u32 = 1024;
/// Few records come here: only the starts of programs.
const RING_BYTES: u32 = 64 << 10;

pub(super) fn run(args: &cli::GrSeq) -> Result<ExitCode> {
    let (mut session, targets) = Session::open(&args.target, args.common.attach)?;
    let by_fn = args.by == Some(cli::By::Fn);
    let options = options(by_fn, args.memory.max_goroutines);
    let mut slots = probe::slots(targets.len());
    let mut observed = Vec::new();
    for (slot, target) in slots.iter_mut().zip(&targets) {
        let plan = Plan::of(&Checked::of(target), &options)
            .with_context(|| format!("cannot observe {}", target.name))?;
        plan.shortcomings
            .iter()
            .for_each(|shortcoming| output::warn(shortcoming));
        let known = plan.start_entries().collect();
        let place = session.place(target, plan.sites().len())?;
        let changes = Changes::of(target, &place);
        let probes = GrProbes::attach(slot, target, &plan, &options, &place)?;
        observed.push(Observed {
            target,
            probes,
            known,
            names: NameCache::new(false),
            changes,
            watch: Watch::of(&target.processes()),
        });
    }
    for one in &mut observed {
        one.probes.open_gate()?;
    }
    session::announce("goroutine times", &targets);
    let cost = CostWatch::begin(&args.common, session.method, &targets);
    let mut command = GrSeq {
        observed,
        cost,
        by_fn,
        json: args.common.output == cli::Output::Json,
        style: output::style(true),
        output: Output::new(),
        unix_offset_ns: clock::unix_offset_ns()?,
    };
    let timing = Timing {
        interval: Some(args.interval),
        duration: args.common.duration,
    };
    let ending = session.observe(timing, &mut command)?;
    command.finish()?;
    ending.exit_code()
}

/// The probes that `gr seq` needs.
pub(super) fn options(by_fn: bool, max_goroutines: u32) -> Options {
    Options {
        seq: true,
        by_fn,
        queue: false,
        ring_bytes: RING_BYTES,
        max_goroutines,
        max_functions: MAX_FUNCTIONS,
    }
}

struct Observed<'a> {
    target: &'a Target,
    probes: GrProbes<'a>,
    /// Start functions watched from the beginning.
    known: BTreeSet<u64>,
    names: NameCache,
    changes: Changes,
    watch: Watch,
}

struct GrSeq<'a> {
    observed: Vec<Observed<'a>>,
    cost: CostWatch<'a>,
    by_fn: bool,
    json: bool,
    style: Style,
    output: Output,
    unix_offset_ns: i128,
}

/// Exits that are in no histogram, because the first execution was not seen.
#[derive(Debug, Clone, Copy, Default)]
struct Unseen {
    /// The goroutines were there before the probes.
    older: u64,
    /// Their start function was not watched: no `go` statement names it, or it is called directly too often.
    unwatched: u64,
}

/// What all probes have cost together.
fn spent(observed: &[Observed<'_>]) -> Result<Spent> {
    observed.iter().try_fold(
        Spent::default(),
        |sum, one| Ok(sum.and(one.probes.spent()?)),
    )
}

impl Observer for GrSeq<'_> {
    fn poll(&mut self) -> Result<Flow> {
        for one in &mut self.observed {
            let watch = &mut one.watch;
            one.probes
                .consume(1024, |event| watch.meet(event.process))?;
        }
        Ok(Flow::Continue)
    }

    fn report(&mut self) -> Result<Flow> {
        self.print("histogram", &[], None)?;
        Ok(Flow::Continue)
    }

    fn check_targets(&mut self) -> Result<Flow> {
        for one in &mut self.observed {
            let unseen = one.probes.unseen()?;
            one.probes
                .learn(one.target, unseen.into_iter().map(|(entry, _)| entry))?;
            one.probes.drop_hot()?;
            one.changes.warn(one.target);
            if one.changes.is_over() {
                one.probes.close()?;
            }
            changes::tell_of_strangers(&mut one.watch);
            for process in one.watch.take_ended() {
                one.probes.forget(process)?;
            }
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

impl GrSeq<'_> {
    fn finish(&mut self) -> Result<()> {
        let mut losses = Vec::new();
        for one in &mut self.observed {
            one.probes.close()?;
            one.changes.look_back();
            loss::merge(&mut losses, &one.probes.losses()?);
        }
        let cost = self.cost.end(spent(&self.observed)?);
        self.print("end", &losses, Some(&cost))?;
        output::report_cost(&cost);
        output::report_losses(&losses);
        Ok(())
    }

    fn unseen(&self) -> Result<Unseen> {
        let mut sum = Unseen::default();
        for one in &self.observed {
            for (entry, exits) in one.probes.unseen()? {
                let older = one.known.contains(&entry) && one.probes.watches(entry);
                *(if older {
                    &mut sum.older
                } else {
                    &mut sum.unwatched
                }) += exits;
            }
        }
        Ok(sum)
    }

    fn by_fn(&mut self) -> Result<Vec<(String, Histogram)>> {
        let mut all: Vec<(String, Histogram)> = Vec::new();
        for one in &mut self.observed {
            for (entry, histogram) in one.probes.by_fn()? {
                let name = one.names.function(&one.target.binary, entry).unwrap_or("?");
                match all.iter_mut().find(|(known, _)| known == name) {
                    Some((_, known)) => known.merge(&histogram),
                    None => all.push((name.to_owned(), histogram)),
                }
            }
        }
        all.sort_by(|a, b| b.1.count.cmp(&a.1.count).then_with(|| a.0.cmp(&b.0)));
        Ok(all)
    }

    fn print(&mut self, event: &str, losses: &[Loss], cost: Option<&Cost>) -> Result<()> {
        let mut total = Histogram::default();
        for one in &self.observed {
            total.merge(&one.probes.total()?);
        }
        let unseen = self.unseen()?;
        let functions = if self.by_fn {
            self.by_fn()?
        } else {
            Vec::new()
        };
        if self.json {
            let now = i128::from(clock::monotonic_ns()?) + self.unix_offset_ns;
            let mut object = Object::begin(&mut self.output.text);
            object
                .text("event", event)
                .number_or_null("time_unix_ns", u64::try_from(now).ok());
            histogram::json(&mut object, &total);
            object
                .number("unseen_older", unseen.older)
                .number("unseen_unwatched", unseen.unwatched);
            if self.by_fn {
                object.list("by_fn", &functions, |inner, (name, histogram)| {
                    inner.text("fn", name);
                    histogram::json(inner, histogram);
                });
            }
            object.list("lost", losses, |inner, loss| {
                inner
                    .text("cause", loss.cause)
                    .number("events", loss.events);
            });
            if let Some(cost) = cost {
                render::cost::json(&mut object, cost);
            }
            object.end();
        } else {
            let text = &mut self.output.text;
            if self.by_fn {
                for (name, histogram) in &functions {
                    let _ = writeln!(text, "   {name}");
                    histogram::text(text, histogram, self.style, false);
                    text.push(b'\n');
                }
                let _ = writeln!(text, "   all");
            }
            histogram::text(text, &total, self.style, true);
            describe_unseen(text, unseen);
            text.push(b'\n');
        }
        self.output.flush()
    }
}

fn describe_unseen(text: &mut Vec<u8>, unseen: Unseen) {
    if unseen.older > 0 {
        let _ = writeln!(
            text,
            "   not counted: {} that ran before grtmon attached",
            unseen.older
        );
    }
    if unseen.unwatched > 0 {
        let _ = writeln!(
            text,
            "   not counted: {} whose start function was found only by their exit, or is not watched",
            unseen.unwatched
        );
    }
}
