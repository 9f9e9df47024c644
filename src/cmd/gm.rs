//! `grtmon gm`: allocations by size class.

use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;

use crate::cli;
use crate::event_loop::Flow;
use crate::model::account::Account;
use crate::model::allocation::Allocated;
use crate::model::allocation::Report;
use crate::model::process::Named;
use crate::observe;
use crate::observe::Observation;
use crate::observe::by_process::ByProcess;
use crate::observe::rows::Rows;
use crate::probe::gm::GmProbes;
use crate::probe::gm::Options;
use crate::probe::gm::Plan;
use crate::probe::place::Place;
use crate::probe::trap;
use crate::render::account::About;
use crate::render::allocation;
use crate::render::allocation::json;
use crate::render::within::Within;
use crate::target;
use crate::target::Target;
use crate::target::clock;
use crate::target::witness::Counted;

use super::gm_counters;
use super::output;
use super::output::Output;
use super::session;

/// What the programs take on a hit, in ns: about this much on the machine that they were made on.
const PROGRAM_NS: f64 = 200.0;

pub(super) fn run(args: &cli::Gm) -> Result<ExitCode> {
    let may_probe = match args.source {
        cli::Source::Probes => return by_probes(args),
        cli::Source::Auto => true,
        cli::Source::Counters => false,
    };
    if args.target.pid.is_empty() {
        if may_probe {
            return by_probes(args);
        }
        bail!(
            "--source counters reads processes that run already: start the command first and name it with --pid, or use --source probes"
        );
    }
    // Of a process that may not be looked at no probe counts either.
    let targets = target::resolve(&session::selection(&args.target))?.targets;
    match gm_counters::open(targets) {
        Ok(opened) => gm_counters::run(opened, args),
        // Where there is nothing to count any more, there is no other way either.
        Err(why) if may_probe && session::is_any_alive(&args.target.pid) => {
            bail!("{why:#}; {}", price(args))
        }
        Err(why) => Err(why),
    }
}

/// What it takes to count by probes, for one who may want to.
fn price(args: &cli::Gm) -> String {
    let each =
        observe::session::method(session::wanted(args.common.attach)).and_then(trap::cost_ns);
    let each = match each {
        Ok(ns) => format!("{:.1} µs", (ns + PROGRAM_NS) / 1e3),
        Err(_) => "a microsecond or more".to_owned(),
    };
    format!(
        "--source probes counts without them, which takes the process about {each} of CPU time for each allocation"
    )
}

fn by_probes(args: &cli::Gm) -> Result<ExitCode> {
    let (session, targets) = session::open(&args.target, args.common.attach)?;
    let command = Gm {
        json: args.common.output == cli::Output::Json,
        all: args.all,
        by_pid: args.by.is_some(),
        timestamps: args.timestamps,
        began: None,
        ended: None,
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

struct Gm {
    json: bool,
    /// Size classes in which nothing was allocated are shown too.
    all: bool,
    /// Processes are told apart.
    by_pid: bool,
    /// Times of day are shown.
    timestamps: bool,
    began: Option<Instant>,
    /// When the probes were taken away.
    ended: Option<Instant>,
    output: Output,
}

type Observed<'a> = observe::Observed<'a, Gm>;

impl Observation for Gm {
    const WHAT: &'static str = "allocations";
    const POLLS: bool = false;
    type Plan = Plan;
    type Probes = GmProbes;
    type Own<'a> = ();

    fn plan(&mut self, target: &Target) -> Result<(Plan, ())> {
        let plan = Plan::of(target).with_context(|| format!("cannot observe {}", target.name))?;
        Ok((plan, ()))
    }

    fn attach(&mut self, target: &Target, plan: &Plan, place: &Place) -> Result<GmProbes> {
        let options = Options::of(self.by_pid);
        GmProbes::attach(target, plan, &options, place)
    }

    fn opened(&mut self, _all: &mut [Observed<'_>], _begun_ns: u64) -> Result<()> {
        self.began.get_or_insert_with(Instant::now);
        Ok(())
    }

    fn report(&mut self, all: &mut [Observed<'_>]) -> Result<Flow> {
        self.print(all, "allocations", None)?;
        Ok(Flow::Continue)
    }

    fn closing(&mut self) {
        self.ended = Some(Instant::now());
    }

    fn end(&mut self, all: &mut [Observed<'_>], account: &Account) -> Result<()> {
        self.print(all, "end", Some(account))
    }

    fn counted(&self) -> Option<Counted> {
        Some(Counted::Allocated)
    }

    fn passed(&self, one: &Observed<'_>) -> Result<u64> {
        Ok(one.probes.allocations()?.total().objects)
    }

    fn output(&mut self) -> &mut dyn Rows {
        &mut self.output
    }
}

/// What each process allocated, those with most bytes first.
fn by_pid(observed: &[Observed<'_>]) -> Result<Vec<(Named, Allocated)>> {
    let mut all: ByProcess<Allocated> = ByProcess::of(observed.iter().map(|one| one.target));
    for one in observed {
        for (process, own) in one.probes.by_process()? {
            all.entry(one.target, process).meanwhile.merge(&own);
        }
    }
    Ok(all.ranked(|own| own.meanwhile.total().bytes))
}

impl Gm {
    fn print(
        &mut self,
        observed: &[Observed<'_>],
        event: &str,
        account: Option<&Account>,
    ) -> Result<()> {
        let ended = self.ended.unwrap_or_else(Instant::now);
        let elapsed = ended.saturating_duration_since(self.began.unwrap_or(ended));
        let mut found = Report::default();
        for one in observed {
            found.total.meanwhile.merge(&one.probes.allocations()?);
        }
        if self.by_pid {
            found.by_pid = Some(by_pid(observed)?);
        }
        if self.json {
            let about = About {
                event,
                time_unix_ns: clock::unix_ns()?,
                account,
            };
            json::report(&mut self.output.text, &found, elapsed, &about);
        } else {
            let within = Within {
                elapsed_ns: u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX),
                unix_ns: output::stamp(self.timestamps)?,
            };
            allocation::report(&mut self.output.text, &found, &within, self.all);
        }
        self.output.counts();
        self.output.flush()
    }
}
