//! What `top` shows beside what `ps`, `stat` and `dump` show too: plain data that goes from those who read and probe to
//! those who draw.

use std::time::Duration;

use super::cost::Cost;
use super::gc::GcEvent;
use super::ps::GoProcess;
use super::stat::Interval;
use super::stat::Sample;

/// A process at one refresh, small enough to be kept for an hour. What is `None` is not known, or (of collections and
/// waits) there was none: see `pauses_known` and `latencies_known`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Point {
    /// Goroutines, without the runtime's own.
    pub goroutines: Option<u64>,
    /// Goroutines in run queues.
    pub runnable: Option<u64>,
    /// Threads of the runtime.
    pub threads: Option<u64>,
    /// GOMAXPROCS.
    pub processors: u64,
    /// Bytes of heap live, or not swept yet.
    pub heap_live: Option<u64>,
    /// Bytes at which the next collection is to end.
    pub heap_goal: Option<u64>,
    /// GOMEMLIMIT in bytes.
    pub memory_limit: Option<u64>,
    /// Bytes allocated per second.
    pub bytes_per_second: Option<f64>,
    /// Objects allocated per second.
    pub objects_per_second: Option<f64>,
    /// Collections since the process began.
    pub gc_in_all: Option<u64>,
    /// Collections that ended since the reading before.
    pub gc_cycles: Option<u64>,
    /// Whether their pauses can be known.
    pub pauses_known: bool,
    /// The longest of their pauses: an upper bound in ns.
    pub pause_max_ns: Option<u64>,
    /// Share of CPU time that they took, 0 to 1.
    pub gc_cpu: Option<f64>,
    /// Whether the time from runnable to running can be known.
    pub latencies_known: bool,
    /// Its median: an upper bound in ns.
    pub latency_p50_ns: Option<u64>,
    /// Its 99th percentile: an upper bound in ns.
    pub latency_p99_ns: Option<u64>,
    /// CPU time used per time that passed: 1 is one processor.
    pub cpu: Option<f64>,
}

impl Point {
    /// The first reading of a process: nothing is known yet of what happens.
    pub fn first(now: &Sample) -> Self {
        Self {
            goroutines: now.goroutines,
            runnable: now.runnable,
            threads: now.threads,
            processors: now.processors,
            heap_live: now.heap_live,
            heap_goal: now.heap_goal,
            memory_limit: now.memory_limit,
            gc_in_all: now.gc_cycles,
            ..Self::default()
        }
    }

    /// A reading that has one before it.
    pub fn of(interval: &Interval) -> Self {
        let now = &interval.now;
        Self {
            bytes_per_second: interval.bytes_per_second,
            objects_per_second: interval.objects_per_second,
            gc_cycles: interval.gc_cycles,
            pauses_known: now.pauses.is_some(),
            pause_max_ns: interval.pause_max_ns,
            gc_cpu: interval.gc_cpu,
            latencies_known: now.latencies.is_some(),
            latency_p50_ns: interval.latency_p50_ns,
            latency_p99_ns: interval.latency_p99_ns,
            ..Self::first(now)
        }
    }
}

/// A process that is looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Who {
    /// Its process id.
    pub pid: i32,
    /// What its program is called.
    pub name: String,
    /// Go version, as in `go1.25.5`.
    pub go_version: Option<String>,
}

/// A process in the list of all.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Listed {
    /// As `ps` shows it.
    pub process: GoProcess,
    /// CPU time used per time that passed: 1 is one processor; `None` at first.
    pub cpu: Option<f64>,
}

/// What a run of probes costs the process it looks at.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RunCost {
    /// All of it until now.
    pub whole: Cost,
    /// The last second of it; `None` before there was one.
    pub last_second: Option<Cost>,
}

/// Probes that can be started and stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Probes {
    /// How long goroutines run, by start function.
    Lifetimes,
    /// What the collector does, event by event.
    Collector,
}

/// Goroutines that ended, by start function.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lifetimes {
    /// Most first.
    pub functions: Vec<FunctionTimes>,
    /// Goroutines that ended without their first execution having been seen: they are in none of these.
    pub unseen: u64,
    /// Events that were lost, whatever the cause.
    pub lost: u64,
    /// How long probes have been set.
    pub elapsed: Duration,
}

/// How long goroutines with one start function ran.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FunctionTimes {
    /// Its name.
    pub name: String,
    /// How many ended.
    pub ended: u64,
    /// Median of the time from first execution to exit, an upper bound in ns.
    pub p50_ns: Option<u64>,
    /// 99th percentile, likewise.
    pub p99_ns: Option<u64>,
    /// The longest, exact.
    pub max_ns: u64,
}

/// What a run of probes has to say, from time to time.
#[derive(Debug, Clone, PartialEq)]
pub enum News {
    /// They are set.
    Started,
    /// What they cost.
    Cost(RunCost),
    /// All that is known of lifetimes now.
    Lifetimes(Lifetimes),
    /// What the collector did since the last time.
    Collector(Vec<GcEvent>),
    /// Events that were lost, by number in all.
    Lost(u64),
    /// They are set no longer: by themselves, if there is a reason; else as they were told.
    Ended(Option<String>),
}
