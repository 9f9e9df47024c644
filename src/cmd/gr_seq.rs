//! `grtmon gr seq`: histograms of how long goroutines run, from their first execution to their exit.

use std::collections::BTreeSet;
use std::process::ExitCode;

use anyhow::Context;
use anyhow::Result;

use crate::cli;
use crate::event_loop::Flow;
use crate::model::account::Account;
use crate::model::histogram::Histogram;
use crate::model::histogram::LifeTimes;
use crate::model::histogram::OfProcess;
use crate::model::histogram::Unseen;
use crate::model::process::Named;
use crate::observe;
use crate::observe::Observation;
use crate::observe::by_process::ByProcess;
use crate::observe::rows::Rows;
use crate::probe::gr::GrProbes;
use crate::probe::gr::Options;
use crate::probe::gr::Plan;
use crate::probe::place::Place;
use crate::render::account::About;
use crate::render::histogram;
use crate::render::histogram::json;
use crate::render::style::Style;
use crate::render::within::Within;
use crate::target::Target;
use crate::target::checked::Checked;
use crate::target::clock;

use super::output;
use super::output::Output;
use super::session;
use crate::observe::names::NameCache;

pub(super) fn run(args: &cli::GrSeq) -> Result<ExitCode> {
    let (session, targets) = session::open(&args.target, args.common.attach)?;
    let (by_fn, by_pid) = (args.by == Some(cli::By::Fn), args.by == Some(cli::By::Pid));
    let command = GrSeq {
        options: Options {
            by_process: by_pid,
            ..Options::histograms(by_fn, args.memory.max_goroutines)
        },
        by_fn,
        by_pid,
        begun_ns: 0,
        ended_ns: None,
        timestamps: args.timestamps,
        json: args.common.output == cli::Output::Json,
        style: output::style(true),
        output: Output::observing()?,
    };
    let timing = session::reports(Some(args.interval), &args.common);
    observe::run::run(
        session,
        targets,
        session::allowed(args.common.max_overhead),
        timing,
        command,
    )
}

/// What is kept of one binary.
struct Own {
    /// Start functions watched from the beginning.
    known: BTreeSet<u64>,
    names: NameCache,
}

type Observed<'a> = observe::Observed<'a, GrSeq>;

struct GrSeq {
    options: Options,
    by_fn: bool,
    by_pid: bool,
    begun_ns: u64,
    /// When the gates were closed.
    ended_ns: Option<u64>,
    /// Times of day are shown.
    timestamps: bool,
    json: bool,
    style: Style,
    output: Output,
}

impl Observation for GrSeq {
    const WHAT: &'static str = "goroutine times";
    type Plan = Plan;
    type Probes = GrProbes;
    type Own<'a> = Own;

    fn plan(&mut self, target: &Target) -> Result<(Plan, Own)> {
        let plan = Plan::of(&Checked::of(target), &self.options)
            .with_context(|| format!("cannot observe {}", target.name))?;
        let own = Own {
            known: plan.start_entries().collect(),
            names: NameCache::new(false),
        };
        Ok((plan, own))
    }

    fn attach(&mut self, target: &Target, plan: &Plan, place: &Place) -> Result<GrProbes> {
        GrProbes::attach(target, plan, &self.options, place)
    }

    fn opened(&mut self, _all: &mut [Observed<'_>], begun_ns: u64) -> Result<()> {
        self.begun_ns = begun_ns;
        Ok(())
    }

    fn take(&mut self, all: &mut [Observed<'_>]) -> Result<Flow> {
        for one in all {
            let watch = &mut one.watch;
            one.probes
                .consume(1024, |event| watch.meet(event.process))?;
        }
        Ok(Flow::Continue)
    }

    fn report(&mut self, all: &mut [Observed<'_>]) -> Result<Flow> {
        self.print(all, "histogram", None)?;
        Ok(Flow::Continue)
    }

    fn look(&mut self, all: &mut [Observed<'_>]) -> Result<()> {
        for one in all {
            let unseen = one.probes.unseen()?;
            one.probes
                .learn(one.target, unseen.iter().map(|(whose, _)| whose.start))?;
            one.probes.drop_hot()?;
        }
        Ok(())
    }

    fn closing(&mut self) {
        self.ended_ns = clock::monotonic_ns().ok();
    }

    fn end(&mut self, all: &mut [Observed<'_>], account: &Account) -> Result<()> {
        self.print(all, "end", Some(account))
    }

    fn output(&mut self) -> &mut dyn Rows {
        &mut self.output
    }
}

/// Exits that are in no histogram, by cause.
fn unseen(all: &[Observed<'_>]) -> Result<Unseen> {
    let mut sum = Unseen::default();
    for one in all {
        for (whose, exits) in one.probes.unseen()? {
            sum.add(exits, is_older(one, whose.start));
        }
    }
    Ok(sum)
}

/// Whether a goroutine whose first execution was not seen, with this start function, was there before the probes.
fn is_older(one: &Observed<'_>, entry: u64) -> bool {
    one.own.known.contains(&entry) && one.probes.watches(entry)
}

/// The histograms of start functions, largest first.
fn by_fn(all: &mut [Observed<'_>]) -> Result<Vec<(String, Histogram)>> {
    let mut sum: Vec<(String, Histogram)> = Vec::new();
    for one in all {
        for (whose, histogram) in one.probes.apart()? {
            let binary = &one.target.program.binary;
            let name = one.own.names.function(binary, whose.start);
            let name = name.unwrap_or("?");
            match sum.iter_mut().find(|(known, _)| known == name) {
                Some((_, known)) => known.merge(&histogram),
                None => sum.push((name.to_owned(), histogram)),
            }
        }
    }
    sum.sort_by(|a, b| b.1.count.cmp(&a.1.count).then_with(|| a.0.cmp(&b.0)));
    Ok(sum)
}

/// The histograms of processes, largest first.
fn by_pid(all: &[Observed<'_>]) -> Result<Vec<(Named, OfProcess)>> {
    let mut sum: ByProcess<OfProcess> = ByProcess::of(all.iter().map(|one| one.target));
    for one in all {
        for (whose, histogram) in one.probes.apart()? {
            let own = sum.entry(one.target, whose.process.unwrap_or(0));
            own.total.merge(&histogram);
        }
        for (whose, exits) in one.probes.unseen()? {
            let own = sum.entry(one.target, whose.process.unwrap_or(0));
            own.unseen.add(exits, is_older(one, whose.start));
        }
    }
    Ok(sum.ranked(|own| own.total.count))
}

impl GrSeq {
    fn print(
        &mut self,
        all: &mut [Observed<'_>],
        event: &str,
        account: Option<&Account>,
    ) -> Result<()> {
        let mut total = Histogram::default();
        for one in &*all {
            total.merge(&one.probes.total()?);
        }
        let times = LifeTimes {
            total,
            unseen: unseen(all)?,
            by_fn: self.by_fn.then(|| by_fn(all)).transpose()?,
            by_pid: self.by_pid.then(|| by_pid(all)).transpose()?,
        };
        if self.json {
            let about = About {
                event,
                time_unix_ns: clock::unix_ns()?,
                account,
            };
            json::report(&mut self.output.text, &times, &about);
        } else {
            let now_ns = match self.ended_ns {
                Some(ended_ns) => ended_ns,
                None => clock::monotonic_ns()?,
            };
            let within = Within {
                elapsed_ns: now_ns.saturating_sub(self.begun_ns),
                unix_ns: output::stamp(self.timestamps)?,
            };
            histogram::report(&mut self.output.text, &times, &within, self.style);
        }
        self.output.counts();
        self.output.flush()
    }
}
