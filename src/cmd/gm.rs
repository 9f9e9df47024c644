//! `grtmon gm`: allocations by size class.

use std::process::ExitCode;
use std::time::Duration;
use std::time::Instant;

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;

use crate::cli;
use crate::event_loop::Flow;
use crate::event_loop::Observer;
use crate::event_loop::Timing;
use crate::model::allocation::Allocations;
use crate::model::cost::Cost;
use crate::model::loss;
use crate::model::loss::Loss;
use crate::probe;
use crate::probe::gm::GmProbes;
use crate::probe::gm::Plan;
use crate::probe::spent::Spent;
use crate::render;
use crate::render::allocation;
use crate::render::json::Object;
use crate::target::Target;
use crate::target::clock;

use super::changes::Changes;
use super::cost::CostWatch;
use super::gm_counters;
use super::output;
use super::output::Output;
use super::session;
use super::session::Session;

pub(super) fn run(args: &cli::Gm) -> Result<ExitCode> {
    match (args.source, args.target.pid.is_empty()) {
        (cli::Source::Probes, _) | (cli::Source::Auto, true) => {}
        (cli::Source::Counters, true) => bail!(
            "--source counters reads processes that run already: name one with --pid, or use --source probes"
        ),
        (cli::Source::Counters, false) => {
            return gm_counters::run(gm_counters::open(&args.target)?, args);
        }
        (cli::Source::Auto, false) => match gm_counters::open(&args.target) {
            Ok(opened) => return gm_counters::run(opened, args),
            Err(why) => output::note(&format!("Using probes, not counters: {why:#}")),
        },
    }
    by_probes(args)
}

fn by_probes(args: &cli::Gm) -> Result<ExitCode> {
    let (mut session, targets) = Session::open(&args.target, args.common.attach)?;
    let mut slots = probe::slots(targets.len());
    let mut observed = Vec::new();
    for (slot, target) in slots.iter_mut().zip(&targets) {
        let plan = Plan::of(target).with_context(|| format!("cannot observe {}", target.name))?;
        let place = session.place(target, plan.sites().len())?;
        let changes = Changes::of(target, &place);
        let probes = GmProbes::attach(slot, target, &plan, &place)?;
        observed.push(Observed {
            target,
            probes,
            changes,
        });
    }
    for one in &mut observed {
        one.probes.open_gate()?;
    }
    session::announce("allocations", &targets);
    let cost = CostWatch::begin(&args.common, session.method, &targets);
    let mut command = Gm {
        observed,
        cost,
        json: args.common.output == cli::Output::Json,
        all: args.all,
        began: Instant::now(),
        output: Output::new(),
    };
    let timing = Timing {
        interval: Some(args.interval),
        duration: args.common.duration,
    };
    let ending = session.observe(timing, &mut command)?;
    command.finish()?;
    ending.exit_code()
}

struct Observed<'a> {
    target: &'a Target,
    probes: GmProbes<'a>,
    changes: Changes,
}

struct Gm<'a> {
    observed: Vec<Observed<'a>>,
    cost: CostWatch<'a>,
    json: bool,
    all: bool,
    began: Instant,
    output: Output,
}

/// What all probes have cost together.
fn spent(observed: &[Observed<'_>]) -> Result<Spent> {
    observed.iter().try_fold(
        Spent::default(),
        |sum, one| Ok(sum.and(one.probes.spent()?)),
    )
}

impl Observer for Gm<'_> {
    fn poll(&mut self) -> Result<Flow> {
        Ok(Flow::Continue)
    }

    fn report(&mut self) -> Result<Flow> {
        self.print("allocations", self.began.elapsed(), &[], None)?;
        Ok(Flow::Continue)
    }

    fn check_targets(&mut self) -> Result<Flow> {
        for one in &mut self.observed {
            one.changes.warn(one.target);
            if one.changes.is_over() {
                one.probes.close()?;
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

impl Gm<'_> {
    fn finish(&mut self) -> Result<()> {
        let mut losses = Vec::new();
        let elapsed = self.began.elapsed();
        for one in &mut self.observed {
            one.probes.close()?;
            one.changes.look_back();
            loss::merge(&mut losses, &one.probes.losses()?);
        }
        let cost = self.cost.end(spent(&self.observed)?);
        self.print("end", elapsed, &losses, Some(&cost))?;
        output::report_cost(&cost);
        output::report_losses(&losses);
        Ok(())
    }

    fn print(
        &mut self,
        event: &str,
        elapsed: Duration,
        losses: &[Loss],
        cost: Option<&Cost>,
    ) -> Result<()> {
        let mut all = Allocations::default();
        for one in &self.observed {
            all.merge(&one.probes.allocations()?);
        }
        if self.json {
            let now = i128::from(clock::monotonic_ns()?) + clock::unix_offset_ns()?;
            let mut object = Object::begin(&mut self.output.text);
            object.text("event", event);
            object.number_or_null("time_unix_ns", u64::try_from(now).ok());
            object.number(
                "elapsed_ns",
                u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX),
            );
            object.text("source", "probes");
            allocation::json(&mut object, &all);
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
            allocation::text(&mut self.output.text, &all, elapsed, self.all);
            self.output.text.push(b'\n');
        }
        self.output.flush()
    }
}
