//! `grtmon stat`: a line per interval, or every metric once.

use std::process::ExitCode;

use anyhow::Result;
use anyhow::bail;

use crate::cli;
use crate::event_loop;
use crate::event_loop::Flow;
use crate::event_loop::Observer;
use crate::event_loop::Timing;
use crate::go::process::metrics;
use crate::go::process::runtime_stats::Vitals;
use crate::model::stat::Interval;
use crate::observe::stop;
use crate::render::metric;
use crate::render::stat;
use crate::target::live::Live;

use super::output;
use super::output::Output;
use crate::observe::reader;
use crate::observe::reader::unreadable;
use crate::observe::sampler::Reading;
use crate::observe::sampler::Sampler;

/// Readings that may fail one after the other.
const PATIENCE: u32 = 10;

/// Whose latencies they are: said where a person looks.
const LATENCIES: &str = "LAT99 is of all goroutines, the runtime's own included (after a collection its sweeper is most of them): grtmon sched tells those of the program.";

pub(super) fn run(args: &cli::Stat) -> Result<ExitCode> {
    let target = reader::find(args.pid)?;
    let live = reader::open(&target)?;
    if args.metrics {
        return every_metric(&live, args.output);
    }
    if let Some(note) = live.copy_note() {
        output::warn(&note);
    }
    let mut command = Stat {
        sampler: Sampler::new(live, Some(PATIENCE))?,
        lines: 0,
        on_page: 0,
        count: args.count,
        json: args.output == cli::Output::Json,
        output: Output::observing()?,
    };
    let observed = command.observe(args);
    command.output.end()?;
    observed?;
    Ok(ExitCode::SUCCESS)
}

fn every_metric(live: &Live, form: cli::Output) -> Result<ExitCode> {
    let vitals = Vitals::read(live.subject()).map_err(|why| unreadable(live, why))?;
    let metrics = metrics::metrics(&vitals);
    let mut output = Output::new();
    match form {
        cli::Output::Text => metric::text(&mut output.text, &metrics),
        cli::Output::Json => metric::json(&mut output.text, &metrics),
    }
    output.flush()?;
    Ok(ExitCode::SUCCESS)
}

struct Stat {
    sampler: Sampler,
    lines: u64,
    /// Lines since the last heading.
    on_page: u64,
    count: Option<u64>,
    json: bool,
    output: Output,
}

impl Observer for Stat {
    const POLLS: bool = false;

    fn poll(&mut self) -> Result<Flow> {
        Ok(Flow::Continue)
    }

    fn report(&mut self) -> Result<Flow> {
        let interval = match self.sampler.read()? {
            Reading::Interval(interval) => interval,
            // The next line is about both intervals.
            Reading::Moved => return Ok(Flow::Continue),
            Reading::Ended => return Ok(Flow::End),
            Reading::Replaced => bail!(
                "process {} has replaced itself by exec: look at it anew",
                self.sampler.live().process.pid
            ),
        };
        self.print(&interval)?;
        self.lines += 1;
        Ok(if self.count.is_some_and(|count| self.lines >= count) {
            Flow::End
        } else {
            Flow::Continue
        })
    }

    fn check_targets(&mut self) -> Result<Flow> {
        Ok(if self.sampler.live().process.is_alive() {
            Flow::Continue
        } else {
            Flow::End
        })
    }
}

impl Stat {
    fn observe(&mut self, args: &cli::Stat) -> Result<()> {
        if self.report()? == Flow::End {
            return Ok(());
        }
        let timing = Timing {
            interval: Some(args.interval),
            duration: args.duration,
        };
        event_loop::run(timing, &stop::on_signals()?, self)
    }

    fn print(&mut self, interval: &Interval) -> Result<()> {
        if self.json {
            let offset = self.sampler.live().unix_offset_ns()?;
            let time = u64::try_from(i128::from(interval.now.time_ns) + offset).ok();
            stat::json(&mut self.output.text, interval, time);
            self.output.counts();
            return self.output.flush();
        }
        let style = output::style(true);
        // On a terminal the heading is always in sight, and its own line is one of the page.
        let page = output::height().map(|height| height.saturating_sub(2).max(1));
        let begins = page.is_some_and(|page| self.on_page >= page);
        if self.lines == 0 && output::is_terminal() {
            output::note(LATENCIES);
        }
        if self.lines == 0 || begins {
            stat::heading(&mut self.output.text, style);
            self.on_page = 0;
        }
        self.on_page += 1;
        stat::text(&mut self.output.text, interval, style);
        self.output.counts();
        self.output.flush()
    }
}
