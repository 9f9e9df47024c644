//! Claims about the allocator and its counters (runtime/mheap.go, mcache.go, mstats.go).

use super::claim::Claims;
use super::reader::{Reader, Skip};
use crate::go::binary::size_classes::CLASS_BYTES;
use crate::go::constant::{M_SPAN_IN_USE, MAX_TINY_SIZE};
use crate::go::layout::Field::{
    self, GcControllerTotalAlloc, GcControllerTotalFree, HeapStatsDeltaCommitted,
    HeapStatsDeltaInHeap, HeapStatsDeltaInStacks, HeapStatsDeltaLargeAlloc,
    HeapStatsDeltaLargeAllocCount, HeapStatsDeltaLargeFree, HeapStatsDeltaSize,
    HeapStatsDeltaSmallAllocCount, HeapStatsDeltaSmallFreeCount, HeapStatsGen, HeapStatsStats,
    HeapStatsStatsLen, McacheAlloc, McacheAllocLen, McacheFlushGen, McacheSize, McacheTiny,
    McacheTinyoffset, MheapAllspans, MheapCacheallocInuse, MheapCentral, MheapCentralStride,
    MheapPagesInUse, MheapSpanallocInuse, MheapSweepgen, MspanAllocCount,
    MspanAllocCountBeforeCache, MspanElemsize, MspanFreeindex, MspanFreeindexSize, MspanLimit,
    MspanNelems, MspanNelemsSize, MspanNpages, MspanSize, MspanSpanclass, MspanStartAddr,
    MspanState, MspanSweepgen, MstatsHeapStats, PMcache, SizeClasses,
};

/// Bytes of a page of the heap (runtime/malloc.go, `_PageSize`).
pub(super) const PAGE: u64 = 8192;

/// More memory than a process can have.
pub(super) const MAX_MEMORY: u64 = 1 << 47;

pub(super) fn check(claims: &mut Claims<'_>) {
    claims.at_once(heap);
    for p in claims.reader().processors().unwrap_or_default() {
        let Ok(cache) = claims.reader().pointer(p, PMcache) else {
            continue;
        };
        claims.at_once(|claims| cached(claims, cache));
        for cached in spans(claims.reader(), cache).unwrap_or_default() {
            claims.at_once(|claims| in_use(claims, &cached));
        }
    }
    claims.at_once(counters);
    balances(claims);
}

fn heap(claims: &mut Claims<'_>) {
    let heap = |r: Reader<'_>| r.variable(r.live.globals.mheap);
    claims.claim(
        &[MheapCentral, MheapCentralStride, McacheAllocLen],
        "each central list has the class of its place",
        |r| {
            let first = r.at(heap(r)?, MheapCentral)?;
            let (stride, count) = (r.known(MheapCentralStride)?, r.known(McacheAllocLen)?);
            // mcentral.spanclass comes first. Class 0 is never used, 1 is large objects without pointers.
            for class in (0u8..=u8::MAX).take_while(|class| u64::from(*class) < count) {
                let at = first.wrapping_add(stride.wrapping_mul(u64::from(class)));
                if r.memory().u8(at)? != class {
                    return Ok(false);
                }
            }
            Ok(true)
        },
    );
    claims.plausible(&[MheapAllspans], "allspans is a list", |r| {
        let header = r.memory().slice_header(r.at(heap(r)?, MheapAllspans)?)?;
        Ok(header.is_plausible() && header.len > 0 && header.cap < MAX_MEMORY / PAGE)
    });
    claims.plausible(
        &[MheapPagesInUse],
        "there are pages in use, and no more than fit",
        |r| Ok((1..MAX_MEMORY / PAGE).contains(&r.word(heap(r)?, MheapPagesInUse)?)),
    );
    claims.claim(
        &[MheapSpanallocInuse, MspanSize],
        "spans take a multiple of their size",
        |r| {
            let (used, size) = (r.word(heap(r)?, MheapSpanallocInuse)?, r.known(MspanSize)?);
            Ok(used > 0 && used % size.max(1) == 0)
        },
    );
    claims.claim(
        &[MheapCacheallocInuse, McacheSize],
        "caches take a multiple of their size",
        |r| {
            let (used, size) = (
                r.word(heap(r)?, MheapCacheallocInuse)?,
                r.known(McacheSize)?,
            );
            Ok(used > 0 && used % size.max(1) == 0)
        },
    );
}

fn cached(claims: &mut Claims<'_>, cache: u64) {
    claims.plausible(
        &[McacheTiny, McacheTinyoffset],
        "the block for tiny objects is one",
        |r| {
            let (block, used) = (
                r.pointer(cache, McacheTiny)?,
                r.word(cache, McacheTinyoffset)?,
            );
            Ok(block % u64::from(MAX_TINY_SIZE) == 0 && used <= u64::from(MAX_TINY_SIZE))
        },
    );
    claims.claim(
        &[McacheFlushGen, MheapSweepgen],
        "a cache is as old as the heap, or one cycle older",
        |r| {
            let age = r.int32(r.variable(r.live.globals.mheap)?, MheapSweepgen)?;
            match (age, r.int32(cache, McacheFlushGen)?) {
                // Before the first cycle; so is much else.
                (0, 0) => Err(Skip::DoesNotApply),
                (age, of) => Ok(age % 2 == 0 && [0, 2].contains(&age.wrapping_sub(of))),
            }
        },
    );
}

/// A span in a cache.
struct Cached {
    /// Where the cache has its address.
    slot: u64,
    span: u64,
}

impl Cached {
    /// What was found of it; nothing, if that is false and it has left the cache meanwhile.
    fn vote(&self, r: Reader<'_>, holds: bool) -> Result<bool, Skip> {
        if holds || r.again().memory().u64(self.slot)? == self.span {
            Ok(holds)
        } else {
            Err(Skip::DoesNotApply)
        }
    }
}

/// The spans in a cache that are really in use: a few of them.
fn spans(r: Reader<'_>, cache: u64) -> Result<Vec<Cached>, Skip> {
    let first = r.at(cache, McacheAlloc)?;
    let all = r.memory().words(first, r.known(McacheAllocLen)?, 1024)?;
    let used = all.into_iter().enumerate().filter(|(place, span)| {
        *place > 1
            && r.byte(*span, MspanSpanclass)
                .is_ok_and(|class| usize::from(class) == *place)
    });
    let cached = |(place, span)| Cached {
        slot: first.wrapping_add(8 * place as u64),
        span,
    };
    Ok(used.map(cached).take(8).collect())
}

fn in_use(claims: &mut Claims<'_>, cached: &Cached) {
    let span = cached.span;
    claims.plausible(
        &[MspanNpages, MspanElemsize, MspanNelems, MspanNelemsSize],
        "a span's objects fit in",
        |r| {
            let objects = sized(r, span, MspanNelems, MspanNelemsSize)?;
            let bytes = objects.saturating_mul(r.word(span, MspanElemsize)?);
            let room = r
                .word(span, MspanNpages)?
                .checked_mul(PAGE)
                .unwrap_or_default();
            cached.vote(r, bytes > 0 && bytes <= room)
        },
    );
    claims.claim(
        &[MspanStartAddr, MspanLimit, MspanNpages],
        "a span begins with a page and ends behind its start",
        |r| {
            let (start, limit) = (r.word(span, MspanStartAddr)?, r.word(span, MspanLimit)?);
            let room = r
                .word(span, MspanNpages)?
                .checked_mul(PAGE)
                .unwrap_or_default();
            let size = limit.saturating_sub(start);
            cached.vote(
                r,
                start > 0 && start % PAGE == 0 && size > 0 && (room / 2..=room).contains(&size),
            )
        },
    );
    claims.plausible(&[MspanState], "a cached span is in use", |r| {
        let holds = u32::from(r.byte(span, MspanState)?) == M_SPAN_IN_USE;
        cached.vote(r, holds)
    });
    claims.plausible(
        &[
            MspanAllocCount,
            MspanAllocCountBeforeCache,
            MspanFreeindex,
            MspanFreeindexSize,
        ],
        "no more objects are counted than a span has room for",
        |r| {
            let room = sized(r, span, MspanNelems, MspanNelemsSize)?;
            let used = u64::from(r.half(span, MspanAllocCount)?);
            let before = u64::from(r.half(span, MspanAllocCountBeforeCache)?);
            let index = sized(r, span, MspanFreeindex, MspanFreeindexSize)?;
            cached.vote(r, before <= used && used <= room && index <= room)
        },
    );
    claims.claim(
        &[MspanSweepgen, MheapSweepgen],
        "a cached span says that it is cached",
        |r| {
            let age = r.int32(r.variable(r.live.globals.mheap)?, MheapSweepgen)?;
            let ahead = r.int32(span, MspanSweepgen)?.wrapping_sub(age);
            cached.vote(r, [1, 3].contains(&ahead))
        },
    );
}

/// `memstats.heapStats`: three generations whose sum counts (runtime/mstats.go, `consistentHeapStats`).
fn counters(claims: &mut Claims<'_>) {
    let stats = |r: Reader<'_>| r.at(r.variable(r.live.globals.memstats)?, MstatsHeapStats);
    claims.plausible(
        &[HeapStatsGen, HeapStatsStatsLen],
        "the generation of the heap's counters is one of them",
        |r| Ok(u64::from(r.int32(stats(r)?, HeapStatsGen)?) < r.known(HeapStatsStatsLen)?),
    );
    claims.plausible(
        &[
            HeapStatsStats,
            HeapStatsDeltaSize,
            HeapStatsDeltaCommitted,
            HeapStatsDeltaInHeap,
            HeapStatsDeltaInStacks,
        ],
        "the heap and the stacks are part of what is committed",
        |r| {
            let sum = |field| sum(r, stats(r)?, field, 0);
            let (heap, stacks) = (sum(HeapStatsDeltaInHeap)?, sum(HeapStatsDeltaInStacks)?);
            let committed = sum(HeapStatsDeltaCommitted)?;
            Ok(heap > 0
                && stacks > 0
                && committed < MAX_MEMORY
                && heap.saturating_add(stacks) <= committed)
        },
    );
    claims.claim(
        &[HeapStatsDeltaLargeAlloc, HeapStatsDeltaLargeAllocCount],
        "large objects are large",
        |r| match sum(r, stats(r)?, HeapStatsDeltaLargeAllocCount, 0)? {
            0 => Err(Skip::DoesNotApply),
            count => {
                let bytes = sum(r, stats(r)?, HeapStatsDeltaLargeAlloc, 0)?;
                // From Go 1.22 on one of just 32 KiB with pointers is one too: its header would not fit in.
                Ok(count < 1 << 40 && bytes / count >= 1 << 15)
            }
        },
    );
    claims.plausible(
        &[
            HeapStatsDeltaSmallAllocCount,
            HeapStatsDeltaSmallFreeCount,
            SizeClasses,
        ],
        "no class of objects was freed more often than allocated",
        |r| {
            let mut freed = 0;
            for class in 0..r.known(SizeClasses)?.min(256) {
                let down = sum(r, stats(r)?, HeapStatsDeltaSmallFreeCount, class)?;
                let up = sum(r, stats(r)?, HeapStatsDeltaSmallAllocCount, class)?;
                if down > up || up >= 1 << 62 {
                    return Ok(false);
                }
                freed += down;
            }
            if freed > 0 {
                Ok(true)
            } else {
                Err(Skip::DoesNotApply)
            }
        },
    );
}

/// What was allocated and freed in all is counted twice: by class of objects, and as bytes (`gcController.totalAlloc`).
fn balances(claims: &mut Claims<'_>) {
    claims.claim(
        &[
            MstatsHeapStats,
            HeapStatsStats,
            HeapStatsStatsLen,
            HeapStatsDeltaSize,
            HeapStatsDeltaLargeAlloc,
            HeapStatsDeltaSmallAllocCount,
            SizeClasses,
            GcControllerTotalAlloc,
        ],
        "objects allocated make up the bytes allocated",
        |r| {
            balance(
                r,
                HeapStatsDeltaSmallAllocCount,
                HeapStatsDeltaLargeAlloc,
                GcControllerTotalAlloc,
            )
        },
    );
    claims.claim(
        &[
            HeapStatsDeltaLargeFree,
            HeapStatsDeltaSmallFreeCount,
            GcControllerTotalFree,
        ],
        "objects freed make up the bytes freed",
        |r| {
            balance(
                r,
                HeapStatsDeltaSmallFreeCount,
                HeapStatsDeltaLargeFree,
                GcControllerTotalFree,
            )
        },
    );
}

/// Whether both counts agree. That they do not proves nothing: the program counts one after the other.
fn balance(r: Reader<'_>, small: Field, large: Field, all: Field) -> Result<bool, Skip> {
    if r.known(SizeClasses)? != CLASS_BYTES.len() as u64 {
        return Err(Skip::DoesNotApply);
    }
    let controller = r.variable(r.live.globals.gc_controller)?;
    let before = r.pointer(controller, all)?;
    let stats = r.at(r.variable(r.live.globals.memstats)?, MstatsHeapStats)?;
    let mut bytes = sum(r, stats, large, 0)?;
    for (class, size) in (0..).zip(CLASS_BYTES) {
        let objects = sum(r, stats, small, class)?;
        bytes = bytes.wrapping_add(objects.wrapping_mul(u64::from(size)));
    }
    let after = r.again().word(controller, all)?;
    match (before..=after).contains(&bytes) {
        true => Ok(true),
        false => Err(Skip::Moved),
    }
}

/// The sum over the generations of a counter, or of element `index` of an array of counters.
fn sum(r: Reader<'_>, stats: u64, field: Field, index: u64) -> Result<u64, Skip> {
    let (first, size) = (r.at(stats, HeapStatsStats)?, r.known(HeapStatsDeltaSize)?);
    let mut total = 0u64;
    for generation in 0..r.known(HeapStatsStatsLen)?.min(8) {
        let delta = first.wrapping_add(generation.wrapping_mul(size));
        let at = r.at(delta, field)?.wrapping_add(index.wrapping_mul(8));
        total = total.wrapping_add(r.memory().u64(at)?);
    }
    Ok(total)
}

/// A member of 2 or of 8 bytes.
fn sized(r: Reader<'_>, base: u64, field: Field, size: Field) -> Result<u64, Skip> {
    match r.known(size)? {
        2 => Ok(u64::from(r.half(base, field)?)),
        _ => r.word(base, field),
    }
}
