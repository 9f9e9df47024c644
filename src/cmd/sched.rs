//! `grtmon sched`: where the time of goroutines goes.

mod counters;
mod forecast;
mod stacks;
mod still;

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;
use regex::Regex;

use crate::cli;
use crate::event_loop::Flow;
use crate::event_loop::Observer;
use crate::event_loop::Timing;
use crate::model::cost::Cost;
use crate::model::loss;
use crate::model::loss::Loss;
use crate::model::sched as model;
use crate::model::sched::Doing;
use crate::model::sched::Report;
use crate::model::sched::Row;
use crate::model::sched::Times;
use crate::probe;
use crate::probe::sched::Key;
use crate::probe::sched::Options;
use crate::probe::sched::Plan;
use crate::probe::sched::SchedProbes;
use crate::probe::spent::Spent;
use crate::render::sched;
use crate::render::style::Style;
use crate::target::Target;
use crate::target::checked::Checked;
use crate::target::clock;
use crate::target::watch::Watch;

use super::changes::Changes;
use super::cost::CostWatch;
use super::names::NameCache;
use super::output;
use super::output::Output;
use super::session;
use super::session::Session;

use self::stacks::Stacks;
use self::still::OpenStates;
use self::still::Still;

/// How long it runs if nothing is said.
const DURATION: Duration = Duration::from_secs(10);
/// Pairs of start function and state with times of their own (2.7 KB of kernel memory each).
const MAX_FUNCTIONS: u32 = 4096;
/// Different stacks (220 bytes each).
const MAX_STACKS: u32 = 8192;

pub(super) fn run(args: &cli::Sched) -> Result<ExitCode> {
    if args.source == cli::Source::Counters {
        return counters::run(args);
    }
    let (mut session, targets) = Session::open(&args.target, args.common.attach)?;
    let options = options(args);
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
        let probes = SchedProbes::attach(slot, target, &plan, &options, &place)?;
        let words = plan.wait_reasons.iter().map(|it| Arc::from(it.as_str()));
        observed.push(Observed {
            target,
            checked,
            probes,
            words: words.collect(),
            names: NameCache::new(false),
            stacks: Stacks::of(target),
            changes,
            watch: Watch::of(&target.processes()),
            system: plan.system,
            still: None,
            gone: OpenStates::default(),
        });
    }
    let method = session.method;
    if let Some(forecast) = forecast::measure(&mut observed, method)? {
        output::note(&forecast.describe());
        let limit = args.common.max_overhead;
        if let Some((share, limit)) = forecast.share.zip(limit)
            && share > limit
        {
            bail!(
                "not begun: this would cost about {:.0} % of the CPU time of the observed, more than --max-overhead allows",
                share * 100.0
            );
        }
    }
    let mut begun_ns = 0;
    for one in &mut observed {
        begun_ns = clock::monotonic_ns()?;
        one.probes.open_gate(begun_ns)?;
        one.still = Still::of(&one.checked, &one.system, args.stacks, begun_ns)
            .map_err(|why| {
                output::warn(&format!(
                    "goroutines that do not change their state are not shown: {why:#}"
                ))
            })
            .ok();
    }
    session::announce("what goroutines do", &targets);
    let cost = CostWatch::begin(&args.common, method, &targets);
    let mut command = Sched {
        observed,
        cost,
        begun_ns,
        looked_ns: begun_ns,
        by_fn: args.by == Some(cli::By::Fn),
        filter: args.r#fn.clone(),
        stacks: args.stacks,
        sample: args.sample,
        system: args.system,
        json: args.common.output == cli::Output::Json,
        style: output::style(true),
        output: Output::new(),
    };
    let timing = Timing {
        interval: args.interval,
        duration: Some(args.common.duration.unwrap_or(DURATION)),
    };
    let ending = session.observe(timing, &mut command)?;
    command.finish()?;
    ending.exit_code()
}

/// The probes that these arguments need.
fn options(args: &cli::Sched) -> Options {
    Options {
        by_fn: args.by.is_some() || args.r#fn.is_some(),
        stacks: args.stacks,
        sample: args.sample,
        ..options_for_memory(args.memory.max_goroutines)
    }
}

/// The probes with everything that takes kernel memory.
pub(super) fn options_for_memory(max_goroutines: u32) -> Options {
    Options {
        by_fn: true,
        stacks: true,
        sample: 1,
        max_goroutines,
        max_functions: MAX_FUNCTIONS,
        max_stacks: MAX_STACKS,
    }
}

struct Observed<'a> {
    target: &'a Target,
    checked: Checked<'a>,
    probes: SchedProbes<'a>,
    /// What goroutines wait for, by number.
    words: Vec<Arc<str>>,
    names: NameCache,
    stacks: Stacks<'a>,
    changes: Changes,
    watch: Watch,
    /// What the runtime's own goroutines start with.
    system: BTreeSet<u64>,
    /// The goroutines that were there when it began; `None` if they could not be read.
    still: Option<Still>,
    /// What goroutines did when their process ended.
    gone: OpenStates,
}

impl Observed<'_> {
    /// What goroutines do, in words, and whether that is waiting.
    fn word(&self, doing: Doing) -> (Arc<str>, bool) {
        match doing {
            Doing::Running => (Arc::from("running"), false),
            Doing::Runnable => (Arc::from(model::RUNNABLE), false),
            Doing::Syscall => (Arc::from("syscall"), false),
            Doing::Waiting(number) => {
                let word = self.words.get(usize::from(number));
                let word = word.filter(|word| !word.is_empty());
                (word.cloned().unwrap_or_else(|| Arc::from("?")), true)
            }
        }
    }

    fn row(&mut self, key: Key, times: Times) -> Row {
        let (state, waits) = self.word(key.doing);
        let function = key
            .start
            .and_then(|pc| self.names.function(&self.target.binary, pc))
            .map(Arc::from);
        Row {
            state,
            waits,
            system: key.system,
            function,
            times,
        }
    }
}

struct Sched<'a> {
    observed: Vec<Observed<'a>>,
    cost: CostWatch<'a>,
    begun_ns: u64,
    /// When processes were last seen to live.
    looked_ns: u64,
    by_fn: bool,
    filter: Option<Regex>,
    stacks: bool,
    sample: u32,
    system: bool,
    json: bool,
    style: Style,
    output: Output,
}

/// What all probes have cost together.
fn spent(observed: &[Observed<'_>]) -> Result<Spent> {
    observed.iter().try_fold(
        Spent::default(),
        |sum, one| Ok(sum.and(one.probes.spent()?)),
    )
}

impl Observer for Sched<'_> {
    const POLLS: bool = false;

    fn poll(&mut self) -> Result<Flow> {
        Ok(Flow::Continue)
    }

    fn report(&mut self) -> Result<Flow> {
        let now_ns = clock::monotonic_ns()?;
        self.print("sched", now_ns, &[], None)?;
        Ok(Flow::Continue)
    }

    fn check_targets(&mut self) -> Result<Flow> {
        let now_ns = clock::monotonic_ns()?;
        for one in &mut self.observed {
            one.changes.warn(one.target);
            if one.changes.is_over() {
                one.probes.close()?;
            }
            for process in one.target.processes() {
                one.watch.meet(process.pid.cast_unsigned());
            }
            for process in one.watch.take_ended() {
                // So long at least they lasted.
                let open = OpenStates::of(one, self.looked_ns, Some(process))?;
                one.gone.extend(open);
                one.probes.forget(process)?;
                if let Some(still) = &mut one.still {
                    still.forget(process);
                }
            }
        }
        self.looked_ns = now_ns;
        let spent = || spent(&self.observed);
        if self.cost.check(spent)? == Flow::End {
            return Ok(Flow::End);
        }
        let is_over = |one: &Observed<'_>| one.target.has_ended() || one.changes.is_over();
        let ended = self.observed.iter().all(is_over);
        Ok(if ended { Flow::End } else { Flow::Continue })
    }
}

impl Sched<'_> {
    fn finish(&mut self) -> Result<()> {
        let mut losses = Vec::new();
        let now_ns = clock::monotonic_ns()?;
        for one in &mut self.observed {
            one.probes.close()?;
            one.changes.look_back();
            loss::merge(&mut losses, &one.probes.losses()?);
        }
        let cost = self.cost.end(spent(&self.observed)?);
        self.print("end", now_ns, &losses, Some(&cost))?;
        output::report_cost(&cost);
        output::report_losses(&losses);
        Ok(())
    }

    /// What is known at a moment.
    fn result(&mut self, now_ns: u64) -> Result<Report> {
        let mut report = Report {
            elapsed_ns: now_ns.saturating_sub(self.begun_ns),
            sample: self.sample,
            by_fn: self.by_fn,
            has_unmoved: self.observed.iter().all(|one| one.still.is_some()),
            blocking: self.stacks.then(Vec::new),
            ..Report::default()
        };
        let rows = &mut report.rows;
        for one in &mut self.observed {
            for (key, times) in one.probes.times()? {
                let row = one.row(key, times);
                model::merge(rows, row);
            }
            let mut open = OpenStates::of(one, now_ns, None)?;
            open.extend(one.gone.clone());
            for row in open.rows(one) {
                model::merge(rows, row);
            }
            if let Some(blocking) = &mut report.blocking {
                blocking.extend(stacks::blocking(one, &open)?);
            }
        }
        if let Some(filter) = &self.filter {
            let matches = |name: &Arc<str>| filter.is_match(name);
            report
                .rows
                .retain(|row| row.function.as_ref().is_some_and(matches));
        }
        if !self.by_fn {
            let all = std::mem::take(&mut report.rows);
            for row in all {
                let row = Row {
                    function: None,
                    ..row
                };
                model::merge(&mut report.rows, row);
            }
        }
        Ok(report)
    }

    fn print(
        &mut self,
        event: &str,
        now_ns: u64,
        losses: &[Loss],
        cost: Option<&Cost>,
    ) -> Result<()> {
        let report = self.result(now_ns)?;
        if self.json {
            let unix = i128::from(now_ns) + clock::unix_offset_ns()?;
            let time_unix_ns = u64::try_from(unix).ok();
            let about = sched::json::About {
                event,
                time_unix_ns,
                losses,
                cost,
            };
            sched::json::report(&mut self.output.text, &report, &about);
        } else {
            sched::report(&mut self.output.text, &report, self.system, self.style);
        }
        self.output.flush()
    }
}
