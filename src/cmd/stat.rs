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
use crate::go::process::runtime_stats::RuntimeStats;
use crate::model::stat::Interval;
use crate::observe::stop;
use crate::render::metric;
use crate::render::stat;
use crate::render::table::Fit;
use crate::target::live::Live;

use super::output;
use super::output::Output;
use super::session;
use crate::observe::reader;
use crate::observe::reader::unreadable;
use crate::observe::sampler::Reading;
use crate::observe::sampler::Sampler;

/// Readings that may fail one after the other.
const PATIENCE: u32 = 10;

/// What the lines are about, and whose latencies: said where a person looks.
const MEANING: &str = "Each line is about the time since the line before, the first about all since the process began. LAT99 is of all goroutines, the runtime's own included (after a collection its sweeper is most of them): grtmon sched tells those of the program.";

pub(super) fn run(args: &cli::Stat) -> Result<ExitCode> {
    let mut lives = Vec::new();
    for (target, process) in reader::find_all(&session::processes(&args.of.pid, args.of.children))?
    {
        lives.push(reader::open_process(&target, &process)?);
    }
    if args.metrics {
        let [live] = lives.as_slice() else {
            bail!("--metrics prints those of one process: give one --pid");
        };
        return every_metric(live, args.output);
    }
    let are_several = lives.len() > 1;
    let mut samplers = Vec::new();
    for live in lives {
        if let Some(note) = live.copy_note() {
            output::warn(&note);
        }
        samplers.push(Sampler::new(live, Some(PATIENCE))?);
    }
    let mut command = Stat {
        samplers,
        are_several,
        looks: 0,
        lines: 0,
        on_page: 0,
        count: args.count,
        fit: stat::fit(
            output::style(true).wide(args.look.wide),
            args.look.timestamps,
            are_several,
        ),
        json: args.output == cli::Output::Json,
        output: Output::observing()?,
    };
    let observed = command.observe(args);
    command.output.end()?;
    observed?;
    Ok(ExitCode::SUCCESS)
}

fn every_metric(live: &Live, form: cli::Output) -> Result<ExitCode> {
    let runtime_stats = RuntimeStats::read(live.view()).map_err(|why| unreadable(live, why))?;
    let metrics = metrics::metrics(&runtime_stats);
    let mut output = Output::new();
    match form {
        cli::Output::Text => metric::text(&mut output.text, &metrics),
        cli::Output::Json => metric::json(&mut output.text, &metrics),
    }
    output.flush()?;
    Ok(ExitCode::SUCCESS)
}

struct Stat {
    /// Of the processes that are still there.
    samplers: Vec<Sampler>,
    are_several: bool,
    /// Looks that came to lines.
    looks: u64,
    lines: u64,
    /// Lines since the last heading.
    on_page: u64,
    count: Option<u64>,
    fit: Fit,
    json: bool,
    output: Output,
}

impl Observer for Stat {
    const POLLS: bool = false;

    fn poll(&mut self) -> Result<Flow> {
        Ok(Flow::Continue)
    }

    fn report(&mut self) -> Result<Flow> {
        let mut left = Vec::new();
        let mut has_lines = false;
        for mut sampler in std::mem::take(&mut self.samplers) {
            match Self::read(&mut sampler) {
                Ok(Some(interval)) => {
                    has_lines |= interval.is_some();
                    if let Some(interval) = interval {
                        self.print(&sampler, &interval)?;
                    }
                    left.push(sampler);
                }
                Ok(None) => {}
                // Of several the others go on.
                Err(why) if self.are_several => output::warn(&format!("{why:#}")),
                Err(why) => return Err(why),
            }
        }
        self.samplers = left;
        self.looks += u64::from(has_lines);
        let is_done = self.count.is_some_and(|count| self.looks >= count);
        Ok(match is_done || self.samplers.is_empty() {
            true => Flow::End,
            false => Flow::Continue,
        })
    }

    fn check_targets(&mut self) -> Result<Flow> {
        let mut samplers = self.samplers.iter();
        Ok(match samplers.any(|it| it.live().process.is_alive()) {
            true => Flow::Continue,
            false => Flow::End,
        })
    }
}

impl Stat {
    fn observe(&mut self, args: &cli::Stat) -> Result<()> {
        let stop = stop::on_signals()?;
        if self.report()? == Flow::End {
            return Ok(());
        }
        let timing = Timing {
            interval: Some(args.interval),
            duration: args.duration,
            ..Timing::default()
        };
        event_loop::run(timing, &stop, self)
    }

    /// What happened since the last look; nothing of one that did not hold still, whose next line is about both intervals.
    /// `None` if the process has ended.
    fn read(sampler: &mut Sampler) -> Result<Option<Option<Box<Interval>>>> {
        Ok(match sampler.read()? {
            Reading::Interval(interval) => Some(Some(interval)),
            Reading::Moved => Some(None),
            Reading::Ended => None,
            Reading::Replaced => bail!(
                "process {} has replaced itself by exec: look at it anew",
                sampler.live().process.pid
            ),
        })
    }

    fn print(&mut self, sampler: &Sampler, interval: &Interval) -> Result<()> {
        let pid = sampler.live().process.pid.cast_unsigned();
        let offset = sampler.live().unix_offset_ns()?;
        let time = u64::try_from(i128::from(interval.now.time_ns) + offset).ok();
        if self.json {
            stat::json(&mut self.output.text, pid, interval, time);
            self.output.counts();
            return self.output.flush();
        }
        // On a terminal the heading is always in sight, and its own line is one of the page.
        let page = output::height().map(|height| height.saturating_sub(2).max(1));
        let begins = page.is_some_and(|page| self.on_page >= page);
        if self.lines == 0 && output::is_terminal() {
            output::tell_left_out(&self.fit);
            output::note(MEANING);
        }
        if self.lines == 0 || begins {
            self.fit.heading(&mut self.output.text);
            self.on_page = 0;
        }
        self.on_page += 1;
        let pid = self.are_several.then_some(pid);
        stat::text(&mut self.output.text, pid, interval, &self.fit, time);
        self.lines += 1;
        self.output.counts();
        self.output.flush()
    }
}
