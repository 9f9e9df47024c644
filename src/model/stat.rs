//! What `stat` shows: a process at one moment, and what happened between two moments.

use super::allocation::Count;
use super::metric::Distribution;

/// A heap goal from here on is none: with GOGC=off and no limit, the runtime computes one from the largest number there
/// is.
pub const NO_GOAL: u64 = 1 << 62;

/// A process at one moment. What is `None` cannot be read of it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sample {
    /// When, in ns of CLOCK_MONOTONIC.
    pub time_ns: u64,
    /// Goroutines, without the runtime's own.
    pub goroutines: Option<u64>,
    /// Goroutines in run queues.
    pub runnable: Option<u64>,
    /// Threads of the runtime.
    pub threads: Option<u64>,
    /// GOMAXPROCS.
    pub processors: u64,
    /// Allocated since the process began, and when that was read (ns of CLOCK_MONOTONIC); `None` if it did not hold still.
    pub allocated: Option<(Count, u64)>,
    /// How many size classes did not; `None` if none could be read at all.
    pub counts_moving: Option<u64>,
    /// Bytes of heap live, or not swept yet.
    pub heap_live: Option<u64>,
    /// Bytes at which the next collection is to end; from [`NO_GOAL`] on there is none.
    pub heap_goal: Option<u64>,
    /// GOMEMLIMIT in bytes; `None` also if there is none.
    pub memory_limit: Option<u64>,
    /// Collections since the process began.
    pub gc_cycles: Option<u64>,
    /// Their pauses, in seconds.
    pub pauses: Option<Distribution>,
    /// CPU time of collections until the last one, ns.
    pub gc_cpu_ns: Option<u64>,
    /// All CPU time there was until then, ns; `None` before Go 1.20.
    pub cpu_ns: Option<u64>,
    /// Time from runnable to running, in seconds; a sample of all goroutines, the runtime's own included, without the
    /// zeros that some versions count at system calls.
    pub latencies: Option<Distribution>,
    /// Time that goroutines waited for mutexes, ns; `None` before Go 1.20.
    pub mutex_wait_ns: Option<u64>,
}

/// What happened between two samples, and how things stand at the second.
#[derive(Debug, Clone, PartialEq)]
pub struct Interval {
    /// How things stand.
    pub now: Sample,
    /// Its length.
    pub ns: u64,
    /// Objects allocated per second.
    pub objects_per_second: Option<f64>,
    /// Bytes allocated per second.
    pub bytes_per_second: Option<f64>,
    /// Collections that ended.
    pub gc_cycles: Option<u64>,
    /// The 99th percentile of their pauses: the end of its bucket, in ns.
    pub pause_p99_ns: Option<u64>,
    /// The longest of them: the end of its bucket, in ns.
    pub pause_max_ns: Option<u64>,
    /// Share of CPU time taken by collections, 0 to 1; `None` if none has ended.
    pub gc_cpu: Option<f64>,
    /// The median of the time from runnable to running: the end of its bucket, in ns.
    pub latency_p50_ns: Option<u64>,
    /// The 99th percentile of the time from runnable to running: the end of its bucket, in ns.
    pub latency_p99_ns: Option<u64>,
    /// Time that goroutines waited for mutexes, ns.
    pub mutex_wait_ns: Option<u64>,
}

impl Interval {
    /// What happened after `before`.
    pub fn between(before: &Sample, now: Sample) -> Self {
        let ns = now.time_ns.saturating_sub(before.time_ns);
        let less = |now: Option<u64>, before: Option<u64>| {
            now.map(|now| now.saturating_sub(before.unwrap_or(0)))
        };
        let allocated = now.allocated.zip(before.allocated);
        let allocated = allocated.and_then(|((now, at), (before, since))| {
            // In no time there is no rate.
            let ns = at.checked_sub(since).filter(|ns| *ns > 0)?;
            let seconds = ns as f64 / 1e9;
            let came = now.since(before);
            Some((came.objects as f64 / seconds, came.bytes as f64 / seconds))
        });
        let cycles = less(now.gc_cycles, before.gc_cycles);
        let gc = less(now.gc_cpu_ns, before.gc_cpu_ns);
        // Go 1.19 does not add up all CPU time: it is what the processors had.
        let all = match now.cpu_ns {
            Some(_) => less(now.cpu_ns, before.cpu_ns),
            None => Some(ns.saturating_mul(now.processors)),
        };
        let gc_cpu = gc
            .zip(all)
            .filter(|(_, all)| *all > 0 && cycles != Some(0))
            .map(|(gc, all)| gc as f64 / all as f64);
        let pauses = came(before.pauses.as_ref(), now.pauses.as_ref());
        let latencies = came(before.latencies.as_ref(), now.latencies.as_ref());
        Self {
            ns,
            objects_per_second: allocated.map(|(objects, _)| objects),
            bytes_per_second: allocated.map(|(_, bytes)| bytes),
            gc_cycles: cycles,
            pause_p99_ns: quantile_ns(pauses.as_ref(), 99),
            pause_max_ns: quantile_ns(pauses.as_ref(), 100),
            gc_cpu,
            latency_p50_ns: quantile_ns(latencies.as_ref(), 50),
            latency_p99_ns: quantile_ns(latencies.as_ref(), 99),
            mutex_wait_ns: less(now.mutex_wait_ns, before.mutex_wait_ns),
            now,
        }
    }
}

/// What came between two readings.
fn came(before: Option<&Distribution>, now: Option<&Distribution>) -> Option<Distribution> {
    Some(match before {
        Some(before) => now?.since(before),
        None => now?.clone(),
    })
}

/// The end of the bucket up to which `percent` of 100 lie, in ns.
fn quantile_ns(of: Option<&Distribution>, percent: u32) -> Option<u64> {
    let bucket = of?.quantile(percent)?;
    // The last bucket has no end.
    let seconds = if bucket.to.is_finite() {
        bucket.to
    } else {
        bucket.from
    };
    // Whole nanoseconds below 2⁵³: exact, and none is negative.
    Some((seconds.max(0.0) * 1e9).round() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(time_ns: u64, n: u64) -> Sample {
        let counts = vec![0, n, 1];
        Sample {
            time_ns,
            processors: 2,
            allocated: Some((
                Count {
                    objects: 10 * n,
                    bytes: 80 * n,
                },
                time_ns,
            )),
            gc_cycles: Some(n),
            gc_cpu_ns: Some(n),
            cpu_ns: Some(4 * n),
            pauses: Some(Distribution {
                bounds: vec![f64::NEG_INFINITY, 0.0, 1e-6, f64::INFINITY],
                counts,
            }),
            mutex_wait_ns: Some(7 * n),
            ..Sample::default()
        }
    }

    #[test]
    fn an_interval_is_a_difference() {
        let interval = Interval::between(&sample(0, 1), sample(2_000_000_000, 3));
        assert_eq!(interval.objects_per_second, Some(10.0));
        assert_eq!(interval.bytes_per_second, Some(80.0));
        assert_eq!(interval.gc_cycles, Some(2));
        assert_eq!(interval.gc_cpu, Some(0.25));
        assert_eq!(interval.pause_p99_ns, Some(1000));
        assert_eq!(interval.pause_max_ns, Some(1000));
        assert_eq!(interval.mutex_wait_ns, Some(14));
        assert_eq!(interval.latency_p99_ns, None);
    }

    #[test]
    fn without_a_collection_there_is_no_share() {
        let interval = Interval::between(&sample(0, 3), sample(1, 3));
        assert_eq!(interval.gc_cpu, None);
        assert_eq!(interval.pause_p99_ns, None);
    }

    #[test]
    fn counts_that_move_have_no_rate() {
        let moving = Sample {
            allocated: None,
            ..sample(2_000_000_000, 3)
        };
        let interval = Interval::between(&sample(0, 1), moving.clone());
        assert_eq!(interval.objects_per_second, None);
        // The next one is about both intervals.
        let last = Sample {
            allocated: sample(0, 1).allocated,
            ..moving
        };
        let interval = Interval::between(&last, sample(4_000_000_000, 5));
        assert_eq!(interval.objects_per_second, Some(10.0));
    }

    #[test]
    fn in_no_time_there_is_no_rate() {
        for since in [5, 6] {
            let interval = Interval::between(&sample(since, 1), sample(5, 3));
            assert_eq!(interval.objects_per_second, None);
            assert_eq!(interval.bytes_per_second, None);
        }
    }

    #[test]
    fn the_first_interval_is_the_whole_life() {
        let born = Sample {
            allocated: Some((Count::default(), 0)),
            ..Sample::default()
        };
        let interval = Interval::between(&born, sample(1_000_000_000, 5));
        assert_eq!(interval.gc_cycles, Some(5));
        assert_eq!(interval.objects_per_second, Some(50.0));
    }
}
