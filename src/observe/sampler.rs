//! Reads a process again and again: what `stat` prints and `top` draws.

use anyhow::Result;

use crate::go::ReadError;
use crate::go::binary::size_classes::CLASS_BYTES;
use crate::go::layout::Field;
use crate::go::process::heap_counters::Allocated;
use crate::go::process::heap_counters::HeapCounters;
use crate::go::process::runtime_stats::RuntimeStats;
use crate::model::allocation::Count;
use crate::model::stat::Interval;
use crate::model::stat::Sample;
use crate::target::live::Live;

use super::allocated;
use super::reader::unreadable;

/// Readings of the allocation counters that are tried before they count as unknown.
const TRIES: u32 = 5;

/// What memory limit there is if none was set (`math.MaxInt64`, runtime/mgcpacer.go).
const NO_LIMIT: u64 = i64::MAX as u64;

/// One process that is read.
#[derive(Debug)]
pub struct Sampler {
    live: Live,
    counters: HeapCounters,
    /// See [`Live::began`].
    began: u64,
    last: Option<Sample>,
    /// Readings in a row that failed.
    failures: u32,
    /// How many may; `None`: any number, the first one too.
    patience: Option<u32>,
}

/// What came of a reading.
#[derive(Debug)]
pub enum Reading {
    /// What happened since the last reading that succeeded; the first is about all the time since the process began.
    Interval(Box<Interval>),
    /// It did not hold still: the next reading is about this interval too.
    Moved,
    /// The process has ended.
    Ended,
    /// It has replaced itself by exec.
    Replaced,
}

impl Sampler {
    /// For a process whose layout was checked. After `patience` readings in a row that failed, or if the first one does,
    /// it is given up; with `None` it is tried for ever.
    pub fn new(live: Live, patience: Option<u32>) -> Result<Self> {
        live.require_begun()?;
        Ok(Self {
            began: live.began().map_err(|why| unreadable(&live, why))?,
            live,
            counters: HeapCounters::default(),
            last: None,
            failures: 0,
            patience,
        })
    }

    /// The process.
    pub fn live(&self) -> &Live {
        &self.live
    }

    /// When the process began, ns by its own clock.
    pub fn began(&self) -> u64 {
        self.began
    }

    /// Reads it once more.
    ///
    /// # Errors
    /// It cannot be read, and will not be.
    pub fn read(&mut self) -> Result<Reading> {
        let now = self.sample();
        let now = match self.live.is_another(self.began) {
            Ok(true) => return Ok(Reading::Replaced),
            Ok(false) => now,
            Err(why) => Err(why),
        };
        let now = match now {
            Ok(now) => now,
            Err(why) if self.live.has_ended(&why) && self.last.is_some() => {
                return Ok(Reading::Ended);
            }
            Err(why) if why.is_final() || self.is_enough() => {
                return Err(unreadable(&self.live, why));
            }
            Err(_) => {
                self.failures = self.failures.saturating_add(1);
                return Ok(Reading::Moved);
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
        Ok(Reading::Interval(Box::new(interval)))
    }

    /// Whether another failure is one too many.
    fn is_enough(&self) -> bool {
        self.patience
            .is_some_and(|patience| self.last.is_none() || self.failures >= patience)
    }

    /// The process now.
    fn sample(&mut self) -> Result<Sample, ReadError> {
        let view = self.live.view();
        let runtime_stats = RuntimeStats::read(view)?;
        let time_ns = now(&self.live)?;
        let allocated = match allocated::read(&mut self.counters, &view, TRIES) {
            Ok(allocated) => Some((total(&allocated), now(&self.live)?)),
            Err(why @ ReadError::Memory(_)) if why.is_final() => return Err(why),
            Err(_) => None,
        };
        let moving = self.counters.kept();
        let limit = runtime_stats.word(Field::GcControllerMemoryLimit);
        let own = |field| runtime_stats.word(field);
        Ok(Sample {
            time_ns,
            goroutines: runtime_stats.goroutines(false).ok(),
            runnable: runtime_stats.runnable(),
            threads: self.live.thread_count(),
            processors: runtime_stats.processors(),
            // A sum of counts of different moments would not be true at any.
            allocated: allocated.filter(|_| moving == 0),
            counts_moving: allocated.map(|_| moving),
            heap_live: own(Field::GcControllerHeapLive),
            heap_goal: runtime_stats.heap_goal(),
            memory_limit: limit.filter(|limit| *limit < NO_LIMIT),
            gc_cycles: runtime_stats.half(Field::MstatsNumgc).map(u64::from),
            pauses: runtime_stats.pauses().ok(),
            gc_cpu_ns: runtime_stats.gc_cpu_ns(),
            cpu_ns: own(Field::WorkCpuTotalTime),
            latencies: runtime_stats.latencies().ok().map(|it| it.times),
            mutex_wait_ns: own(Field::SchedTotalMutexWaitTime),
        })
    }
}

fn now(live: &Live) -> Result<u64, ReadError> {
    live.now_ns()
        .map_err(|why| ReadError::Unknown(format!("{why:#}")))
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
