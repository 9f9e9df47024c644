//! Claims about the garbage collector's records: `work` (runtime/mgc.go), `gcController`
//! (runtime/mgcpacer.go) and `memstats` (runtime/mstats.go). Most need a cycle to have been completed,
//! and none to be under way.

use super::claim::Claims;
use super::reader::{Reader, Skip};
use crate::go::layout::Field::{
    GcControllerGcPercent, GcControllerHeapInUse, GcControllerHeapMarked, GcControllerHeapMinimum,
    GcControllerMappedReady, GcControllerMarkStartTime, GcControllerMemoryLimit,
    GcControllerTotalAlloc, GcControllerTotalFree, MstatsEnablegc, MstatsGcCpuFraction,
    MstatsLastGcNanotime, MstatsLastGcUnix, MstatsNumforcedgc, MstatsNumgc, MstatsPauseEnd,
    MstatsPauseNs, MstatsPauseNsLen, MstatsPauseTotalNs, SchedStwTotalTimeGc, TimeHistogramCounts,
    TimeHistogramCountsLen, WorkCpuGcAssistTime, WorkCpuGcDedicatedTime, WorkCpuGcIdleTime,
    WorkCpuGcPauseTime, WorkCpuGcTotalTime, WorkCycles, WorkHeap0, WorkHeap1, WorkHeap2,
    WorkMarkDoneSema, WorkMaxprocs, WorkPauseNs, WorkStwprocs, WorkTEnd, WorkTMark, WorkTMarkTerm,
    WorkTSweepTerm,
};

/// More memory than a process can have.
const MAX_MEMORY: u64 = 1 << 47;

/// No machine has more processors.
const MAX_PROCESSORS: u32 = 1 << 16;

/// The heap that is never collected earlier than (runtime/mgcpacer.go, `defaultHeapMinimum`), by
/// default and with `GOEXPERIMENT=heapminimum512kib`; in bytes, for GOGC=100.
const HEAP_MINIMUM: [u64; 2] = [4 << 20, 512 << 10];

/// The years 2001 to 2096, in ns since 1970.
const UNIX_TIMES: std::ops::Range<u64> = 1_000_000_000_000_000_000..4_000_000_000_000_000_000;

pub(super) fn check(claims: &mut Claims<'_>) {
    cycle(claims);
    history(claims);
    pacer(claims);
}

fn work(r: Reader<'_>) -> Result<u64, Skip> {
    r.variable(r.live.globals.work)
}

fn controller(r: Reader<'_>) -> Result<u64, Skip> {
    r.variable(r.live.globals.gc_controller)
}

fn memstats(r: Reader<'_>) -> Result<u64, Skip> {
    r.variable(r.live.globals.memstats)
}

/// The number of cycles, if one has been completed and no other has begun: `work` then tells of it.
/// `gcStart` adds to `work.cycles`, `gcMarkTermination` to `memstats.numgc`.
fn at_rest(r: Reader<'_>) -> Result<u32, Skip> {
    match (
        r.int32(memstats(r)?, MstatsNumgc)?,
        r.int32(work(r)?, WorkCycles)?,
    ) {
        (0, _) => Err(Skip::DoesNotApply),
        (ended, begun) if ended == begun => Ok(ended),
        _ => Err(Skip::DoesNotApply),
    }
}

fn cycle(claims: &mut Claims<'_>) {
    claims.claim(&[WorkMarkDoneSema], "work.markDoneSema is what gcMarkDone waits for", |r| {
        Ok(r.at(work(r)?, WorkMarkDoneSema)? == r.variable(r.live.globals.work_mark_done_sema)?)
    });
    claims.plausible(
        &[WorkCycles, MstatsNumgc],
        "all cycles but the one under way are complete",
        |r| {
            let ended = r.int32(memstats(r)?, MstatsNumgc)?;
            let begun = r.int32(work(r)?, WorkCycles)?;
            match (ended, begun) {
                (0, 0) => Err(Skip::DoesNotApply),
                _ => Ok(begun.wrapping_sub(ended) <= 1),
            }
        },
    );
    claims.plausible(
        &[WorkStwprocs, WorkMaxprocs],
        "a cycle's processors are a few",
        |r| {
            at_rest(r)?;
            let (stopped, all) = (
                r.int32(work(r)?, WorkStwprocs)?,
                r.int32(work(r)?, WorkMaxprocs)?,
            );
            Ok((1..=all).contains(&stopped) && all <= MAX_PROCESSORS)
        },
    );
    claims.plausible(
        &[WorkTSweepTerm, WorkTMark, WorkTMarkTerm, WorkTEnd],
        "the times of a cycle follow each other",
        |r| {
            at_rest(r)?;
            let mut times = Vec::new();
            for field in [WorkTSweepTerm, WorkTMark, WorkTMarkTerm, WorkTEnd] {
                times.push(r.word(work(r)?, field)?);
            }
            Ok(times.is_sorted() && times.first() > Some(&0) && times.first() < times.last())
        },
    );
    claims.claim(
        &[WorkTEnd, MstatsLastGcNanotime],
        "the last cycle ended when memstats says",
        |r| {
            at_rest(r)?;
            Ok(r.word(work(r)?, WorkTEnd)? == r.word(memstats(r)?, MstatsLastGcNanotime)?)
        },
    );
    claims.plausible(
        &[WorkHeap0, WorkHeap1],
        "the heap before and after marking is a size",
        |r| {
            at_rest(r)?;
            let sizes = 1..MAX_MEMORY;
            Ok(sizes.contains(&r.word(work(r)?, WorkHeap0)?)
                && sizes.contains(&r.word(work(r)?, WorkHeap1)?))
        },
    );
    claims.claim(
        &[WorkHeap2, GcControllerHeapMarked],
        "what was marked is what gcController says",
        |r| {
            at_rest(r)?;
            Ok(
                r.pointer(work(r)?, WorkHeap2)?
                    == r.word(controller(r)?, GcControllerHeapMarked)?,
            )
        },
    );
    claims.claim(
        &[
            WorkCpuGcTotalTime,
            WorkCpuGcAssistTime,
            WorkCpuGcDedicatedTime,
            WorkCpuGcIdleTime,
            WorkCpuGcPauseTime,
        ],
        "the parts of the GC's CPU time make up the whole",
        |r| {
            let mut parts = 0u64;
            for field in [
                WorkCpuGcAssistTime,
                WorkCpuGcDedicatedTime,
                WorkCpuGcIdleTime,
                WorkCpuGcPauseTime,
            ] {
                parts = parts.wrapping_add(r.word(work(r)?, field)?);
            }
            Ok(parts == r.pointer(work(r)?, WorkCpuGcTotalTime)?)
        },
    );
}

fn history(claims: &mut Claims<'_>) {
    claims.plausible(&[MstatsEnablegc], "the GC is enabled", |r| {
        Ok(r.byte(memstats(r)?, MstatsEnablegc)? == 1)
    });
    claims.claim(
        &[MstatsLastGcUnix],
        "the last cycle ended in this century",
        |r| {
            at_rest(r)?;
            Ok(UNIX_TIMES.contains(&r.word(memstats(r)?, MstatsLastGcUnix)?))
        },
    );
    claims.claim(
        &[MstatsPauseEnd, MstatsPauseNsLen, MstatsLastGcUnix],
        "the last pause ended with the cycle",
        |r| Ok(last(r, MstatsPauseEnd)? == r.word(memstats(r)?, MstatsLastGcUnix)?),
    );
    claims.claim(
        &[MstatsPauseNs, MstatsPauseNsLen, WorkPauseNs],
        "the last pause is the cycle's",
        |r| Ok(last(r, MstatsPauseNs)? == r.pointer(work(r)?, WorkPauseNs)?),
    );
    claims.plausible(
        &[MstatsPauseTotalNs, MstatsPauseNs],
        "the last pause is part of all pauses",
        |r| Ok(last(r, MstatsPauseNs)? <= r.pointer(memstats(r)?, MstatsPauseTotalNs)?),
    );
    claims.plausible(
        &[MstatsNumforcedgc],
        "no more cycles were asked for than there were",
        |r| match r.int32(memstats(r)?, MstatsNumforcedgc)? {
            0 => Err(Skip::DoesNotApply),
            forced => Ok(forced <= at_rest(r)?),
        },
    );
    claims.claim(
        &[MstatsGcCpuFraction],
        "the GC's share of CPU time is a fraction",
        |r| {
            at_rest(r)?;
            let share = f64::from_bits(r.word(memstats(r)?, MstatsGcCpuFraction)?);
            Ok(share > 1e-12 && share <= 1.0)
        },
    );
    claims.plausible(
        &[
            SchedStwTotalTimeGc,
            TimeHistogramCounts,
            TimeHistogramCountsLen,
        ],
        "each cycle stopped the world twice",
        |r| {
            let cycles = u64::from(at_rest(r)?);
            let histogram = r.at(r.variable(r.live.globals.sched)?, SchedStwTotalTimeGc)?;
            let (first, count) = (
                r.at(histogram, TimeHistogramCounts)?,
                r.known(TimeHistogramCountsLen)?,
            );
            let counts = r.memory().words(first, count, 4096)?;
            let stops = counts.into_iter().fold(0u64, u64::saturating_add);
            // A restart of marking stops it once more; GODEBUG=gcstoptheworld, once less.
            Ok((cycles..=cycles.saturating_mul(8)).contains(&stops))
        },
    );
}

/// The newest element of a ring of `memstats`.
fn last(r: Reader<'_>, field: crate::go::layout::Field) -> Result<u64, Skip> {
    let (cycles, len) = (u64::from(at_rest(r)?), r.known(MstatsPauseNsLen)?);
    let index = cycles
        .wrapping_sub(1)
        .checked_rem(len)
        .ok_or(Skip::Unknown)?;
    let at = r
        .at(memstats(r)?, field)?
        .wrapping_add(index.wrapping_mul(8));
    Ok(r.memory().u64(at)?)
}

fn pacer(claims: &mut Claims<'_>) {
    claims.claim(
        &[GcControllerGcPercent, GcControllerHeapMinimum],
        "the least heap follows from GOGC",
        |r| {
            let percent = r.int32(controller(r)?, GcControllerGcPercent)?;
            let minimum = r.word(controller(r)?, GcControllerHeapMinimum)?;
            // Negative: switched off.
            match u64::from(percent) {
                0 => Ok(minimum == 0),
                switched_off if switched_off > 1 << 31 => Err(Skip::DoesNotApply),
                percent => Ok(HEAP_MINIMUM
                    .iter()
                    .any(|all| all * percent / 100 == minimum)),
            }
        },
    );
    claims.plausible(
        &[GcControllerMemoryLimit],
        "GOMEMLIMIT is a number of bytes",
        |r| Ok((0..1 << 63).contains(&r.word(controller(r)?, GcControllerMemoryLimit)?)),
    );
    claims.claim(
        &[GcControllerMarkStartTime, WorkTSweepTerm, WorkTEnd],
        "marking begins and ends within a cycle",
        |r| {
            at_rest(r)?;
            let cycle = r.word(work(r)?, WorkTSweepTerm)?..=r.word(work(r)?, WorkTEnd)?;
            Ok(cycle.contains(&r.word(controller(r)?, GcControllerMarkStartTime)?))
        },
    );
    claims.plausible(
        &[GcControllerHeapInUse, GcControllerMappedReady],
        "the heap in use is part of what is mapped",
        |r| {
            let mapped = r.word(controller(r)?, GcControllerMappedReady)?;
            let used = r.word(controller(r)?, GcControllerHeapInUse)?;
            Ok(used > 0 && used <= mapped && mapped < MAX_MEMORY)
        },
    );
    claims.plausible(
        &[GcControllerTotalAlloc, GcControllerTotalFree],
        "no more was freed than allocated",
        |r| match (
            r.word(controller(r)?, GcControllerTotalAlloc)?,
            r.word(controller(r)?, GcControllerTotalFree)?,
        ) {
            (0, 0) => Err(Skip::DoesNotApply),
            (allocated, freed) => Ok(freed <= allocated && allocated < 1 << 60),
        },
    );
}
