//! What Go's package runtime/metrics reports, read from outside under the same names.
//!
//! Each line of `METRICS` says how the runtime computes a metric (`initMetrics`, runtime/metrics.go) and since which
//! version there is one of that name (runtime/metrics/description.go): checked with Go 1.19 and 1.21 to 1.27. What the
//! runtime computes from things that are not read here is listed as such.

use crate::model::metric::{Distribution, Metric, Value};

use super::heap_goal::heap_goal;
use super::heap_stats::CLASSES;
use super::runtime_info::ReadError;
use super::runtime_stats::RuntimeStats;
use super::threads;
use crate::go::binary::size_classes::CLASS_BYTES;
use crate::go::layout::Field;

/// How to compute a metric.
type Compute = fn(&RuntimeStats<'_>) -> Result<Value, ReadError>;

/// Every metric that the process's version of Go has, in the order of their names. A process whose version is unknown
/// is taken for one of the newest.
pub fn metrics(runtime_stats: &RuntimeStats<'_>) -> Vec<Metric> {
    let minor = runtime_stats.view().runtime_info.minor.unwrap_or(u16::MAX);
    let known = METRICS.iter().filter(|(_, since, _)| *since <= minor);
    known
        .map(|(name, _, compute)| Metric {
            name,
            value: compute(runtime_stats).map_err(|why| why.to_string()),
        })
        .collect()
}

// Why metrics cannot be read.
const CGO_CALLS: &str = "a part of it is in a variable that is not looked for (runtime.ncgocall)";
const FINALIZERS: &str =
    "it is in variables that are not looked for (runtime.finq…, runtime.gcCleanups)";
const GODEBUG: &str = "they are counted in package internal/godebug, which is not read";
const LIMITER: &str = "it is in a variable that is not looked for (runtime.gcCPULimiter)";
const STACK_SIZE: &str = "it is in a variable that is not looked for (runtime.startingStackSize)";
const STATES: &str = "the runtime holds each system call for a moment to tell them apart";

/// The N of the newest Go 1.N whose metrics these are.
#[cfg(test)]
const CHECKED: u16 = 27;

/// Name, the N of the Go 1.N that brought it (0: there before 1.19), and how it is computed.
#[rustfmt::skip]
const METRICS: &[(&str, u16, Compute)] = &[
    ("/cgo/go-to-c-calls:calls", 0, |v| hidden(v, CGO_CALLS)),
    ("/cpu/classes/gc/mark/assist:cpu-seconds", 20, |v| seconds(v, Field::WorkCpuGcAssistTime)),
    ("/cpu/classes/gc/mark/dedicated:cpu-seconds", 20, |v| seconds(v, Field::WorkCpuGcDedicatedTime)),
    ("/cpu/classes/gc/mark/idle:cpu-seconds", 20, |v| seconds(v, Field::WorkCpuGcIdleTime)),
    ("/cpu/classes/gc/pause:cpu-seconds", 20, |v| seconds(v, Field::WorkCpuGcPauseTime)),
    ("/cpu/classes/gc/total:cpu-seconds", 20, |v| seconds(v, Field::WorkCpuGcTotalTime)),
    ("/cpu/classes/idle:cpu-seconds", 20, |v| seconds(v, Field::WorkCpuIdleTime)),
    ("/cpu/classes/scavenge/assist:cpu-seconds", 20, |v| seconds(v, Field::WorkCpuScavengeAssistTime)),
    ("/cpu/classes/scavenge/background:cpu-seconds", 20, |v| seconds(v, Field::WorkCpuScavengeBgTime)),
    ("/cpu/classes/scavenge/total:cpu-seconds", 20, |v| seconds(v, Field::WorkCpuScavengeTotalTime)),
    ("/cpu/classes/total:cpu-seconds", 20, |v| seconds(v, Field::WorkCpuTotalTime)),
    ("/cpu/classes/user:cpu-seconds", 20, |v| seconds(v, Field::WorkCpuUserTime)),
    ("/gc/cleanups/executed:cleanups", 26, |v| hidden(v, FINALIZERS)),
    ("/gc/cleanups/queued:cleanups", 26, |v| hidden(v, FINALIZERS)),
    ("/gc/cycles/automatic:gc-cycles", 0, |v| count(v.half(Field::MstatsNumgc).zip(v.half(Field::MstatsNumforcedgc)).map(|(all, forced)| u64::from(all.saturating_sub(forced))))),
    ("/gc/cycles/forced:gc-cycles", 0, |v| count(v.half(Field::MstatsNumforcedgc).map(u64::from))),
    ("/gc/cycles/total:gc-cycles", 0, |v| count(v.half(Field::MstatsNumgc).map(u64::from))),
    ("/gc/finalizers/executed:finalizers", 26, |v| hidden(v, FINALIZERS)),
    ("/gc/finalizers/queued:finalizers", 26, |v| hidden(v, FINALIZERS)),
    ("/gc/gogc:percent", 21, |v| count(v.half(Field::GcControllerGcPercent).map(|percent| i64::from(percent.cast_signed()).cast_unsigned()))),
    ("/gc/gomemlimit:bytes", 21, |v| count(v.word(Field::GcControllerMemoryLimit))),
    ("/gc/heap/allocs-by-size:bytes", 0, |v| Ok(by_size(&v.heap()?.allocs, v.heap()?.large_allocs))),
    ("/gc/heap/allocs:bytes", 0, |v| Ok(Value::Count(v.heap()?.total_alloc_bytes()))),
    ("/gc/heap/allocs:objects", 0, |v| Ok(Value::Count(v.heap()?.total_allocs()))),
    ("/gc/heap/frees-by-size:bytes", 0, |v| Ok(by_size(&v.heap()?.frees, v.heap()?.large_frees))),
    ("/gc/heap/frees:bytes", 0, |v| Ok(Value::Count(v.heap()?.total_free_bytes()))),
    ("/gc/heap/frees:objects", 0, |v| Ok(Value::Count(v.heap()?.total_frees()))),
    ("/gc/heap/goal:bytes", 0, |v| count(heap_goal(v))),
    ("/gc/heap/live:bytes", 21, |v| count(v.word(Field::GcControllerHeapMarked))),
    ("/gc/heap/objects:objects", 0, |v| Ok(Value::Count(v.heap()?.total_allocs().wrapping_sub(v.heap()?.total_frees())))),
    ("/gc/heap/tiny/allocs:objects", 0, |v| Ok(Value::Count(v.heap()?.tiny_allocs))),
    ("/gc/limiter/last-enabled:gc-cycle", 0, |v| hidden(v, LIMITER)),
    ("/gc/pauses:seconds", 0, |v| v.pauses().map(Value::Distribution)),
    ("/gc/scan/globals:bytes", 21, |v| count(v.word(Field::GcControllerGlobalsScan))),
    ("/gc/scan/heap:bytes", 21, |v| count(v.word(Field::GcControllerHeapScan))),
    ("/gc/scan/stack:bytes", 21, |v| count(v.word(Field::GcControllerLastStackScan))),
    ("/gc/scan/total:bytes", 21, |v| count(sum(v, &[Field::GcControllerGlobalsScan, Field::GcControllerHeapScan, Field::GcControllerLastStackScan]))),
    ("/gc/stack/starting-size:bytes", 0, |v| hidden(v, STACK_SIZE)),
    ("/godebug/non-default-behavior/*:events", 21, |v| hidden(v, GODEBUG)),
    ("/memory/classes/heap/free:bytes", 0, |v| { let heap = v.heap()?; count(heap.in_ptr_scalar_bits.map(|bits| heap.committed.wrapping_sub(heap.in_heap).wrapping_sub(heap.in_stacks).wrapping_sub(heap.in_work_bufs).wrapping_sub(bits))) }),
    ("/memory/classes/heap/objects:bytes", 0, |v| objects(v).map(Value::Count)),
    ("/memory/classes/heap/released:bytes", 0, |v| Ok(Value::Count(v.heap()?.released))),
    ("/memory/classes/heap/stacks:bytes", 0, |v| Ok(Value::Count(v.heap()?.in_stacks))),
    ("/memory/classes/heap/unused:bytes", 0, |v| Ok(Value::Count(v.heap()?.in_heap.wrapping_sub(objects(v)?)))),
    ("/memory/classes/metadata/mcache/free:bytes", 0, |v| count(less(v, Field::MstatsMcacheSys, Field::MheapCacheallocInuse))),
    ("/memory/classes/metadata/mcache/inuse:bytes", 0, |v| count(v.word(Field::MheapCacheallocInuse))),
    ("/memory/classes/metadata/mspan/free:bytes", 0, |v| count(less(v, Field::MstatsMspanSys, Field::MheapSpanallocInuse))),
    ("/memory/classes/metadata/mspan/inuse:bytes", 0, |v| count(v.word(Field::MheapSpanallocInuse))),
    ("/memory/classes/metadata/other:bytes", 0, |v| { let heap = v.heap()?; count(v.word(Field::MstatsGcMiscSys).zip(heap.in_ptr_scalar_bits).map(|(misc, bits)| misc.wrapping_add(heap.in_work_bufs).wrapping_add(bits))) }),
    ("/memory/classes/os-stacks:bytes", 0, |v| count(v.word(Field::MstatsStacksSys))),
    ("/memory/classes/other:bytes", 0, |v| count(v.word(Field::MstatsOtherSys))),
    ("/memory/classes/profiling/buckets:bytes", 0, |v| count(v.word(Field::MstatsBuckhashSys))),
    ("/memory/classes/total:bytes", 0, |v| { let heap = v.heap()?; count(sum(v, &[Field::MstatsStacksSys, Field::MstatsMspanSys, Field::MstatsMcacheSys, Field::MstatsBuckhashSys, Field::MstatsGcMiscSys, Field::MstatsOtherSys]).map(|sys| sys.wrapping_add(heap.committed).wrapping_add(heap.released))) }),
    ("/sched/gomaxprocs:threads", 0, |v| Ok(Value::Count(v.processors()))),
    ("/sched/goroutines-created:goroutines", 26, |v| count(v.created())),
    ("/sched/goroutines/not-in-go:goroutines", 26, |v| hidden(v, STATES)),
    ("/sched/goroutines/runnable:goroutines", 26, |v| count(v.runnable())),
    ("/sched/goroutines/running:goroutines", 26, |v| hidden(v, STATES)),
    ("/sched/goroutines/waiting:goroutines", 26, |v| hidden(v, STATES)),
    ("/sched/goroutines:goroutines", 0, |v| v.goroutines(has_created(v)).map(Value::Count)),
    ("/sched/latencies:seconds", 0, |v| v.durations(Field::SchedTimeToRun).map(Value::Distribution)),
    ("/sched/pauses/stopping/gc:seconds", 22, |v| v.durations(Field::SchedStwStoppingTimeGc).map(Value::Distribution)),
    ("/sched/pauses/stopping/other:seconds", 22, |v| v.durations(Field::SchedStwStoppingTimeOther).map(Value::Distribution)),
    ("/sched/pauses/total/gc:seconds", 22, |v| v.durations(Field::SchedStwTotalTimeGc).map(Value::Distribution)),
    ("/sched/pauses/total/other:seconds", 22, |v| v.durations(Field::SchedStwTotalTimeOther).map(Value::Distribution)),
    ("/sched/threads/total:threads", 26, |v| own_threads(v)),
    ("/sync/mutex/wait/total:seconds", 20, |v| mutex_wait(v)),
];

fn count(value: Option<u64>) -> Result<Value, ReadError> {
    value.map(Value::Count).ok_or_else(unknown)
}

fn unknown() -> ReadError {
    ReadError::Unknown("where the runtime keeps it is not known for this binary".to_owned())
}

fn hidden(_: &RuntimeStats<'_>, why: &str) -> Result<Value, ReadError> {
    Err(ReadError::Unknown(why.to_owned()))
}

/// A sum of nanoseconds as seconds: `nsToSec`.
fn seconds(v: &RuntimeStats<'_>, field: Field) -> Result<Value, ReadError> {
    from_ns(v.word(field))
}

fn from_ns(ns: Option<u64>) -> Result<Value, ReadError> {
    let seconds = ns.map(|ns| Value::Fraction(ns.cast_signed() as f64 / 1e9));
    seconds.ok_or_else(unknown)
}

fn sum(v: &RuntimeStats<'_>, fields: &[Field]) -> Option<u64> {
    fields
        .iter()
        .try_fold(0_u64, |sum, field| Some(sum.wrapping_add(v.word(*field)?)))
}

fn less(v: &RuntimeStats<'_>, from: Field, what: Field) -> Option<u64> {
    Some(v.word(from)?.wrapping_sub(v.word(what)?))
}

/// Bytes in objects that were not freed yet.
fn objects(v: &RuntimeStats<'_>) -> Result<u64, ReadError> {
    let heap = v.heap()?;
    Ok(heap
        .total_alloc_bytes()
        .wrapping_sub(heap.total_free_bytes()))
}

/// `sizeClassBuckets`: each bucket ends one byte above its class; the last is that of large objects.
fn by_size(counts: &[u64; CLASSES], large: u64) -> Value {
    let classes = CLASS_BYTES.iter().skip(1);
    let ends = classes.map(|bytes| f64::from(*bytes) + 1.0);
    let bounds = std::iter::once(1.0).chain(ends).chain([f64::INFINITY]);
    Value::Distribution(Distribution {
        bounds: bounds.collect(),
        counts: counts.iter().skip(1).copied().chain([large]).collect(),
    })
}

/// From Go 1.26 on the runtime's own goroutines are counted too; since then it also counts those it makes.
fn has_created(v: &RuntimeStats<'_>) -> bool {
    v.word(Field::SchedGoroutinesCreated).is_some()
}

/// Threads without those kept for threads that C made: `extraMInUse` and `extraMLength` count the same.
fn own_threads(v: &RuntimeStats<'_>) -> Result<Value, ReadError> {
    let extra = threads::read(v.view())?.extra;
    count(v.threads().map(|all| all.saturating_sub(extra)))
}

/// `totalMutexWaitTimeNanos` (runtime/debug.go) from Go 1.22 on; before, `sched.totalMutexWaitTime`.
fn mutex_wait(v: &RuntimeStats<'_>) -> Result<Value, ReadError> {
    let Some(locks) = v.word(Field::SchedTotalRuntimeLockWaitTime) else {
        return seconds(v, Field::SchedTotalMutexWaitTime);
    };
    let own = threads::read(v.view())?.lock_wait_ns;
    let waits = v.word(Field::SchedTotalMutexWaitTime);
    let total = waits.map(|waits| waits.wrapping_add(locks).wrapping_add(own));
    from_ns(total)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_newest_version_s_are_known() {
        assert_eq!(CHECKED, crate::go::versions::NEWEST_TESTED);
    }

    #[test]
    fn names_are_distinct_and_have_a_unit() {
        let names: HashSet<&str> = METRICS.iter().map(|(name, ..)| *name).collect();
        assert_eq!(names.len(), METRICS.len());
        assert!(
            names
                .iter()
                .all(|name| name.starts_with('/') && name.contains(':'))
        );
    }

    #[test]
    fn sizes_are_half_open() {
        let Value::Distribution(sizes) = by_size(&[1; CLASSES], 5) else {
            panic!("not a distribution");
        };
        assert_eq!(sizes.bounds.len(), CLASSES + 1);
        assert_eq!(sizes.bounds[..3], [1.0, 9.0, 17.0]);
        assert_eq!(sizes.counts.len(), CLASSES);
        assert_eq!(sizes.counts.last(), Some(&5));
    }
}
