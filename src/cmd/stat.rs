//! `grtmon stat`: a line per interval, or every metric once.

use std::process::ExitCode;

use anyhow::Context;
use anyhow::Result;
use anyhow::anyhow;
use anyhow::bail;

use crate::cli;
use crate::event_loop;
use crate::event_loop::Flow;
use crate::event_loop::Observer;
use crate::event_loop::Timing;
use crate::go::Anatomy;
use crate::go::ReadError;
use crate::go::heap_counters::Allocated;
use crate::go::heap_counters::HeapCounters;
use crate::go::layout::Field;
use crate::go::metrics;
use crate::go::size_classes::CLASS_BYTES;
use crate::go::vitals::Vitals;
use crate::model::allocation::Count;
use crate::model::stat::Interval;
use crate::model::stat::Sample;
use crate::render::metric;
use crate::render::stat;
use crate::target;
use crate::target::Selection;
use crate::target::clock;
use crate::target::live;
use crate::target::live::Live;

use super::allocated;
use super::output;
use super::output::Output;
use super::session;

/// Readings that may fail one after the other.
const PATIENCE: u32 = 10;

/// Readings of the allocation counters that are tried before a line shows `?`.
const TRIES: u32 = 5;

/// What memory limit there is if none was set (`math.MaxInt64`, runtime/mgcpacer.go).
const NO_LIMIT: u64 = i64::MAX as u64;

pub(super) fn run(args: &cli::Stat) -> Result<ExitCode> {
    let resolved = target::resolve(&Selection::Pids(vec![args.pid]))?;
    let target = resolved.targets.first().context("there is no process")?;
    let process = target.processes().into_iter().next();
    let process = process.with_context(|| format!("process {} has ended", args.pid))?;
    let anatomy = Anatomy::of(&target.binary);
    let live = Live::checked(&process, &anatomy)?;
    if args.metrics {
        return every_metric(&live, args.output);
    }
    let mut command = Stat {
        began: live.began().map_err(|why| unreadable(&live, why))?,
        live,
        counters: HeapCounters::default(),
        last: None,
        lines: 0,
        on_page: 0,
        failures: 0,
        count: args.count,
        json: args.output == cli::Output::Json,
        output: Output::new(),
    };
    if command.report()? == Flow::Continue {
        let timing = Timing {
            interval: Some(args.interval),
            duration: args.duration,
        };
        event_loop::run(timing, &session::stop_on_signals()?, &mut command)?;
    }
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

fn unreadable(live: &Live, why: ReadError) -> anyhow::Error {
    let pid = live.process.pid;
    match why {
        ReadError::Memory(why) => live::explain(pid, &why),
        why => anyhow!("cannot read process {pid}: {why}"),
    }
}

struct Stat {
    live: Live,
    counters: HeapCounters,
    /// See [`Live::began`].
    began: u64,
    last: Option<Sample>,
    lines: u64,
    /// Lines since the last heading.
    on_page: u64,
    /// Readings in a row that failed.
    failures: u32,
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
        let now = self.sample();
        let is_other = match self.live.began() {
            Ok(began) => began != self.began,
            Err(why) => !self.live.has_ended(&why),
        };
        if is_other {
            bail!(
                "process {} has replaced itself by exec: look at it anew",
                self.live.process.pid
            );
        }
        let now = match now {
            Ok(now) => now,
            Err(why) if self.live.has_ended(&why) && self.last.is_some() => return Ok(Flow::End),
            Err(why) if why.is_final() || self.last.is_none() || self.failures >= PATIENCE => {
                return Err(unreadable(&self.live, why));
            }
            // It did not hold still; the next line is about both intervals.
            Err(_) => {
                self.failures += 1;
                return Ok(Flow::Continue);
            }
        };
        self.failures = 0;
        let born = Sample {
            time_ns: self.began,
            allocated: Some((Count::default(), self.began)),
            ..Sample::default()
        };
        let last = self.last.take().unwrap_or(born);
        let interval = Interval::between(&last, now.clone());
        self.last = Some(Sample {
            allocated: now.allocated.or(last.allocated),
            ..now
        });
        self.print(&interval)?;
        self.lines += 1;
        Ok(if self.count.is_some_and(|count| self.lines >= count) {
            Flow::End
        } else {
            Flow::Continue
        })
    }

    fn check_targets(&mut self) -> Result<Flow> {
        Ok(if self.live.process.is_alive() {
            Flow::Continue
        } else {
            Flow::End
        })
    }
}

impl Stat {
    /// The process now.
    fn sample(&mut self) -> Result<Sample, ReadError> {
        let subject = self.live.subject();
        let vitals = Vitals::read(subject)?;
        let time_ns = now()?;
        let allocated = match allocated::read(&mut self.counters, &subject, TRIES) {
            Ok(allocated) => Some((total(&allocated), now()?)),
            Err(why) if why.is_final() => return Err(why),
            Err(_) => None,
        };
        let moving = self.counters.kept();
        let limit = vitals.word(Field::GcControllerMemoryLimit);
        let own = |field| vitals.word(field);
        Ok(Sample {
            time_ns,
            goroutines: vitals.goroutines(false).ok(),
            runnable: vitals.runnable(),
            threads: vitals.threads(),
            processors: vitals.processors(),
            // A sum of counts of different moments would not be true at any.
            allocated: allocated.filter(|_| moving == 0),
            counts_moving: allocated.map(|_| moving),
            heap_live: own(Field::GcControllerHeapLive),
            heap_goal: vitals.heap_goal(),
            memory_limit: limit.filter(|limit| *limit < NO_LIMIT),
            gc_cycles: vitals.half(Field::MstatsNumgc).map(u64::from),
            pauses: vitals.pauses().ok(),
            gc_cpu_ns: vitals.gc_cpu_ns(),
            cpu_ns: own(Field::WorkCpuTotalTime),
            latencies: vitals.durations(Field::SchedTimeToRun).ok(),
            mutex_wait_ns: own(Field::SchedTotalMutexWaitTime),
        })
    }

    fn print(&mut self, interval: &Interval) -> Result<()> {
        if self.json {
            let offset = clock::unix_offset_ns()?;
            let time = u64::try_from(i128::from(interval.now.time_ns) + offset).ok();
            stat::json(&mut self.output.text, interval, time);
            return self.output.flush();
        }
        let style = output::style(true);
        // On a terminal the heading is always in sight, and its own line is one of the page.
        let page = output::height().map(|height| height.saturating_sub(2).max(1));
        let begins = page.is_some_and(|page| self.on_page >= page);
        if self.lines == 0 || begins {
            stat::heading(&mut self.output.text, style);
            self.on_page = 0;
        }
        self.on_page += 1;
        stat::text(&mut self.output.text, interval, style);
        self.output.flush()
    }
}

fn now() -> Result<u64, ReadError> {
    clock::monotonic_ns().map_err(|why| ReadError::Unknown(format!("{why:#}")))
}

/// Everything allocated, tiny objects included.
fn total(allocated: &Allocated) -> Count {
    let small = allocated.small.iter().zip(CLASS_BYTES);
    let start = Count {
        objects: allocated.tiny.saturating_add(allocated.large),
        bytes: allocated.large_bytes,
    };
    small.fold(start, |sum, (objects, bytes)| Count {
        objects: sum.objects.saturating_add(*objects),
        bytes: sum
            .bytes
            .saturating_add(objects.saturating_mul(u64::from(bytes))),
    })
}
