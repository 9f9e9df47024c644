//! `grtmon sched`: where the time of goroutines goes.

mod counters;
mod sampling;
mod timing;

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;

use crate::cli;
use crate::event_loop::Flow;
use crate::model::account::Account;
use crate::model::sched as model;
use crate::model::sched::Doing;
use crate::model::sched::Report;
use crate::model::sched::Row;
use crate::observe;
use crate::observe::Observation;
use crate::observe::cost::TooDear;
use crate::observe::names::NameFilter;
use crate::observe::rows::Rows;
use crate::observe::sched::Followed;
use crate::observe::sched::forecast;
use crate::probe::Probes;
use crate::probe::method::Method;
use crate::probe::place::Place;
use crate::probe::sched::Options;
use crate::probe::sched::Plan;
use crate::probe::sched::SchedProbes;
use crate::render::account::About;
use crate::render::sched;
use crate::render::style::Style;
use crate::render::within::Within;
use crate::target::Target;
use crate::target::checked::Checked;
use crate::target::clock;
use crate::target::witness::Counted;

use super::output;
use super::output::Output;
use super::session;

/// States of start functions, or of processes, with times of their own (2.7 KB of kernel memory each).
const MAX_APART: u32 = 4096;
/// Different stacks (220 bytes each).
const MAX_STACKS: u32 = 8192;

pub(super) fn run(args: &cli::Sched) -> Result<ExitCode> {
    match args.source {
        cli::SchedSource::Counters => return counters::run(args),
        cli::SchedSource::Sampling => return sampling::run(args),
        cli::SchedSource::Auto | cli::SchedSource::Probes => {}
    }
    let (session, targets) = session::open(&args.target, args.common.attach)?;
    let command = Sched {
        options: options(args),
        limit: args.common.max_overhead.unwrap_or_default().limit,
        begun_ns: 0,
        looked_ns: 0,
        looked_before_ns: 0,
        ended_ns: None,
        by_fn: args.by == Some(cli::By::Fn),
        by_pid: args.by == Some(cli::By::Pid),
        filter: args.r#fn.as_ref().map(NameFilter::new),
        stacks: args.stacks,
        sample: args.sample,
        system: args.system,
        json: args.common.output == cli::Output::Json,
        timestamps: args.look.timestamps,
        style: output::style(true).wide(args.look.wide),
        output: Output::observing()?,
    };
    let timing = timing::reports(args);
    observe::run::run(
        session,
        targets,
        session::allowed(args.common.max_overhead),
        timing,
        command,
    )
}

/// The probes that these arguments need.
fn options(args: &cli::Sched) -> Options {
    Options {
        by_fn: args.by == Some(cli::By::Fn) || args.r#fn.is_some(),
        by_process: args.by == Some(cli::By::Pid),
        stacks: args.stacks,
        sample: args.sample,
        ..options_for_memory(args.memory.max_goroutines)
    }
}

/// The probes with everything that takes kernel memory.
pub(super) fn options_for_memory(max_goroutines: u32) -> Options {
    Options {
        by_fn: true,
        by_process: false,
        stacks: true,
        sample: 1,
        max_goroutines,
        max_apart: MAX_APART,
        max_stacks: MAX_STACKS,
    }
}

type Observed<'a> = observe::Observed<'a, Sched>;

struct Sched {
    options: Options,
    /// `--max-overhead`.
    limit: Option<f64>,
    begun_ns: u64,
    /// When processes were last seen to live, and when before that.
    looked_ns: u64,
    looked_before_ns: u64,
    /// When the gates were closed.
    ended_ns: Option<u64>,
    by_fn: bool,
    by_pid: bool,
    filter: Option<NameFilter>,
    stacks: bool,
    sample: u32,
    system: bool,
    json: bool,
    /// Times of day are shown.
    timestamps: bool,
    style: Style,
    output: Output,
}

impl Observation for Sched {
    const WHAT: &'static str = "what goroutines do";
    const POLLS: bool = false;
    type Plan = Plan;
    type Probes = SchedProbes;
    type Own<'a> = Followed<'a>;

    fn plan<'a>(&mut self, target: &'a Target) -> Result<(Plan, Followed<'a>)> {
        if let Some((_, plugin)) = target.plugins().into_iter().next() {
            bail!(
                "cannot observe {}: {plugin}, so that what its goroutines do would be taken for something else; sched --source counters works, and dump, stat and top",
                target.name
            );
        }
        let checked = Checked::of(target);
        let plan = Plan::of(&checked, &self.options)
            .with_context(|| format!("cannot observe {}", target.name))?;
        let own = Followed::new(checked, &plan);
        Ok((plan, own))
    }

    fn attach(&mut self, target: &Target, plan: &Plan, place: &Place) -> Result<SchedProbes> {
        SchedProbes::attach(target, plan, &self.options, place)
    }

    fn ready(&mut self, all: &mut [Observed<'_>], method: Method) -> Result<()> {
        let Some(forecast) = forecast::measure(all, method)? else {
            return Ok(());
        };
        output::note(&forecast.describe());
        if let Some((share, limit)) = forecast.share.zip(self.limit)
            && share > limit
        {
            bail!("not begun: {}", TooDear { share, limit });
        }
        Ok(())
    }

    fn opened(&mut self, all: &mut [Observed<'_>], begun_ns: u64) -> Result<()> {
        if self.begun_ns == 0 {
            self.begun_ns = begun_ns;
            self.looked_ns = begun_ns;
            self.looked_before_ns = begun_ns;
        }
        for one in all {
            if let Err(why) = one.own.begin(self.stacks, begun_ns) {
                output::warn(&format!(
                    "goroutines that do not change their state are not shown: {why:#}"
                ));
            }
            // One that ends before the first look round would be taken for one that waits for ever.
            for process in one.own.begun_with() {
                one.watch.meet(process);
            }
        }
        Ok(())
    }

    fn begin(&mut self, _all: &mut [Observed<'_>]) -> Result<()> {
        if !self.json {
            output::tell_left_out(&sched::fit(self.style));
        }
        Ok(())
    }

    fn report(&mut self, all: &mut [Observed<'_>]) -> Result<Flow> {
        let now_ns = clock::monotonic_ns()?;
        self.print(all, "sched", now_ns, None)?;
        Ok(Flow::Continue)
    }

    fn look(&mut self, all: &mut [Observed<'_>]) -> Result<()> {
        let now_ns = clock::monotonic_ns()?;
        for one in all {
            for process in one.target.processes() {
                one.watch.meet(process.pid.cast_unsigned());
            }
        }
        self.looked_before_ns = std::mem::replace(&mut self.looked_ns, now_ns);
        Ok(())
    }

    fn forget(&mut self, one: &mut Observed<'_>, process: u32) -> Result<()> {
        one.own
            .forget(&one.probes, self.looked_before_ns, process)?;
        one.probes.forget(process)
    }

    fn closing(&mut self) {
        self.ended_ns = clock::monotonic_ns().ok();
    }

    fn end(&mut self, all: &mut [Observed<'_>], account: &Account) -> Result<()> {
        let now_ns = match self.ended_ns {
            Some(ended_ns) => ended_ns,
            None => clock::monotonic_ns()?,
        };
        self.print(all, "end", now_ns, Some(account))
    }

    fn counted(&self) -> Option<Counted> {
        (self.sample <= 1).then_some(Counted::Scheduled)
    }

    fn passed(&self, one: &Observed<'_>) -> Result<u64> {
        let times = one.probes.times()?.into_iter();
        let ran = times.filter(|(key, _)| key.doing == Doing::Runnable);
        Ok(ran.map(|(_, times)| times.ended()).sum())
    }

    fn output(&mut self) -> &mut dyn Rows {
        &mut self.output
    }
}

impl Sched {
    /// What is known at a moment.
    fn result(&self, all: &mut [Observed<'_>], now_ns: u64) -> Result<Report> {
        let mut report = Report {
            elapsed_ns: now_ns.saturating_sub(self.begun_ns),
            sample: self.sample,
            by_fn: self.by_fn,
            by_pid: self.by_pid,
            has_unmoved: all.iter().all(|one| one.own.has_unmoved()),
            blocking: self.stacks.then(Vec::new),
            ..Report::default()
        };
        let rows = &mut report.rows;
        for one in all {
            let found = one.own.look(&one.probes, now_ns, self.stacks)?;
            for row in found.rows {
                model::merge(rows, row);
            }
            if let (Some(all), Some(more)) = (&mut report.blocking, found.blocking) {
                all.extend(more);
            }
        }
        if let Some(filter) = &self.filter {
            let matches = |name: &Arc<str>| filter.matches(name);
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
        all: &mut [Observed<'_>],
        event: &str,
        now_ns: u64,
        account: Option<&Account>,
    ) -> Result<()> {
        let report = self.result(all, now_ns)?;
        if self.json {
            let unix = i128::from(now_ns) + clock::unix_offset_ns()?;
            let about = About {
                event,
                time_unix_ns: u64::try_from(unix).ok(),
                account,
            };
            sched::json::report(&mut self.output.text, &report, &about);
        } else {
            let within = Within {
                elapsed_ns: report.elapsed_ns,
                unix_ns: output::stamp(self.timestamps)?,
            };
            let out = &mut self.output.text;
            sched::report(out, &report, self.system, &within, self.style);
        }
        self.output.counts();
        self.output.flush()
    }
}
