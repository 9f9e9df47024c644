//! How many objects a process has allocated in each size class, from the runtime's own counters.
//!
//! An allocation is counted in the span it is made in (`mspan.allocCount`), and from there in `memstats.heapStats` when
//! the processor gives the span back (`refill`, `releaseAll`, runtime/mcache.go, Go 1.19 to 1.27). So what was allocated
//! is the statistics plus, for every span in a processor's cache, `allocCount - allocCountBeforeCache`; of tiny objects
//! the statistics plus `mcache.tinyAllocs`.
//!
//! The process goes on meanwhile. A span being given back would count twice, or not at all; while that happens its
//! `sweepgen` is not that of a cached span, or the statistics move. So everything is read twice, spans in the middle, and
//! a class counts only if nothing of it moved. The others are read again; what will not hold still keeps its last value.

use super::block::{Block, read_all};
use super::heap_stats::{self, CLASSES, HeapStats};
use super::processors;
use super::runtime_info::{ProcessView, ReadError};
use crate::go::layout::Field;

/// Attempts in one reading.
const ATTEMPTS: usize = 8;

/// Where tiny objects are allocated: `tinySpanClass`, size class 2 (16 bytes) without pointers (runtime/mheap.go).
const TINY_CLASS: usize = 2;

/// What has been allocated since the process began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allocated {
    /// Objects by size class; 0 in class 0.
    pub small: [u64; CLASSES],
    /// Tiny objects put into a 16-byte block already begun. The blocks themselves are in `small`.
    pub tiny: u64,
    /// Large objects.
    pub large: u64,
    /// Their bytes, in whole pages.
    pub large_bytes: u64,
}

/// Reads one process again and again.
#[derive(Debug, Clone, Default)]
pub struct HeapCounters {
    last: Option<Allocated>,
    kept: u64,
    kept_in_all: u64,
}

impl HeapCounters {
    /// What has been allocated until now. Never less than the last time.
    ///
    /// # Errors
    /// What it takes is not known, or not readable, or does not check out; or nothing at all would hold still, the first
    /// time not everything ([`ReadError::Implausible`]): try again.
    pub fn read(&mut self, view: &ProcessView<'_>) -> Result<Allocated, ReadError> {
        let mut settled = Settled::default();
        let mut problem =
            ReadError::Implausible("its allocation counters did not hold still".to_owned());
        for _ in 0..ATTEMPTS {
            match settled.attempt(view) {
                Ok(()) if settled.is_complete() => break,
                Ok(()) => {}
                Err(why) if why.is_final() => return Err(why),
                Err(why) => problem = why,
            }
        }
        if settled.is_empty() {
            return Err(problem);
        }
        let (now, kept) = settled.finish(self.last.as_ref()).ok_or(problem)?;
        self.kept = kept;
        self.kept_in_all = self.kept_in_all.saturating_add(kept);
        self.last = Some(now);
        Ok(now)
    }

    /// How many of the counts in the last reading are those of the one before, because they would not hold still.
    pub fn kept(&self) -> u64 {
        self.kept
    }

    /// The same of all readings together.
    pub fn kept_in_all(&self) -> u64 {
        self.kept_in_all
    }
}

/// What has been read of one moment, as far as it held still.
#[derive(Debug, Default)]
struct Settled {
    small: Vec<Option<u64>>,
    tiny: Option<u64>,
    large: Option<(u64, u64)>,
}

impl Settled {
    fn is_empty(&self) -> bool {
        self.tiny.is_none() && self.large.is_none() && self.small.iter().all(Option::is_none)
    }

    fn is_complete(&self) -> bool {
        self.tiny.is_some()
            && self.large.is_some()
            && !self.small.is_empty()
            && self.small.iter().all(Option::is_some)
    }

    /// All values, with the last ones where there are none or where they would have gone down; and how many those are.
    fn finish(self, last: Option<&Allocated>) -> Option<(Allocated, u64)> {
        let mut kept = 0;
        let mut choose = |new: Option<u64>, last: Option<u64>| match (new, last) {
            (Some(new), Some(last)) if new >= last => Some(new),
            (Some(new), None) => Some(new),
            (_, last) => {
                kept += 1;
                last
            }
        };
        let mut small = [0; CLASSES];
        for (class, count) in small.iter_mut().enumerate() {
            let new = self.small.get(class).copied().flatten();
            *count = choose(new, last.and_then(|last| last.small.get(class).copied()))?;
        }
        let tiny = choose(self.tiny, last.map(|last| last.tiny))?;
        let last_large = last.map(|last| (last.large, last.large_bytes));
        let (large, large_bytes) = match (self.large, last_large) {
            (Some(new), Some(last)) if new.0 >= last.0 && new.1 >= last.1 => new,
            (Some(new), None) => new,
            (_, last) => {
                kept += 1;
                last?
            }
        };
        let all = Allocated {
            small,
            tiny,
            large,
            large_bytes,
        };
        Some((all, kept))
    }

    /// Reads everything once more, and takes what has held still and is still wanted.
    fn attempt(&mut self, view: &ProcessView<'_>) -> Result<(), ReadError> {
        self.small.resize(CLASSES, None);
        let reading = Reading::take(view)?;
        let before = heap_stats::decode(view, &reading.stats[0])?;
        let after = heap_stats::decode(view, &reading.stats[1])?;
        let (Some(before), Some(after)) = (before, after) else {
            return Ok(());
        };
        let cached = reading.cached(view)?;
        for (class, settled) in self.small.iter_mut().enumerate() {
            let same = class_count(&before, class) == class_count(&after, class);
            if settled.is_none()
                && same
                && let Some(cached) = cached.get(class).copied().flatten()
            {
                *settled = Some(class_count(&before, class).wrapping_add(cached));
            }
        }
        let calm = cached.get(TINY_CLASS).is_some_and(Option::is_some);
        if self.tiny.is_none()
            && calm
            && before.tiny_allocs == after.tiny_allocs
            && let Some(cached) = reading.tiny(view)?
        {
            self.tiny = Some(before.tiny_allocs.wrapping_add(cached));
        }
        let large = |stats: &HeapStats| (stats.large_allocs, stats.large_alloc_bytes);
        if self.large.is_none() && large(&before) == large(&after) {
            self.large = Some(large(&before));
        }
        Ok(())
    }
}

fn class_count(stats: &HeapStats, class: usize) -> u64 {
    stats.allocs.get(class).copied().unwrap_or(0)
}

/// Copies of everything that counts, those that can move from before and after the spans.
#[derive(Debug)]
struct Reading {
    stats: [Block; 2],
    sweepgen: [Block; 2],
    caches: [Vec<Block>; 2],
    /// By cache, then by span class: the span cached there when the caches were first read.
    spans: Vec<Vec<Block>>,
}

impl Reading {
    fn take(view: &ProcessView<'_>) -> Result<Self, ReadError> {
        let mheap = view.global("mheap_", |globals| globals.mheap)?;
        let sweepgen = Block::new(view.member(mheap, Field::MheapSweepgen)?, 4)?;
        let stats = heap_stats::block(view)?;
        let mut caches = Vec::new();
        for processor in processors::read(view)? {
            let cache = match processor.mcache {
                Some(cache) => cache,
                None => view.offset(Field::PMcache)?,
            };
            caches.push(cache_block(view, cache)?);
        }
        let mut reading = Self {
            stats: [stats.clone(), stats],
            sweepgen: [sweepgen.clone(), sweepgen],
            caches: [caches.clone(), caches],
            spans: Vec::new(),
        };
        let [stats, stats_after] = &mut reading.stats;
        let [sweepgen, sweepgen_after] = &mut reading.sweepgen;
        let [caches, caches_after] = &mut reading.caches;
        read_all(view, [stats, sweepgen].into_iter().chain(&mut *caches))?;
        for cache in caches.iter() {
            reading.spans.push(span_blocks(view, cache)?);
        }
        read_all(view, reading.spans.iter_mut().flatten())?;
        read_all(
            view,
            caches_after.iter_mut().chain([sweepgen_after, stats_after]),
        )?;
        Ok(reading)
    }

    /// By size class: what was allocated in cached spans and is not in the statistics yet; `None` where something moved.
    fn cached(&self, view: &ProcessView<'_>) -> Result<Vec<Option<u64>>, ReadError> {
        let mut sums = vec![Some(0_u64); CLASSES];
        let sweepgen = self.sweepgen[0].u32(0);
        if sweepgen.is_none() || sweepgen != self.sweepgen[1].u32(0) {
            return Ok(vec![None; CLASSES]);
        }
        let sweepgen = sweepgen.unwrap_or(0);
        let slots = view.offset(Field::McacheAlloc)?;
        let flush_gen = view.offset(Field::McacheFlushGen)?;
        let [before, after] = &self.caches;
        for ((before, after), spans) in before.iter().zip(after).zip(&self.spans) {
            // A cache that the sweeper has not been through yet is about to be emptied.
            if before.u32(flush_gen) != Some(sweepgen) || after.u32(flush_gen) != Some(sweepgen) {
                return Ok(vec![None; CLASSES]);
            }
            for (index, span) in (0_u64..).zip(spans) {
                let slot = slots + 8 * index;
                let steady = before.u64(slot) == after.u64(slot);
                let class = usize::try_from(index / 2).unwrap_or(usize::MAX);
                if let Some(sum) = sums.get_mut(class) {
                    // A span that has left the cache may be anything by now.
                    let used = match steady {
                        true => used(view, span, index, sweepgen)?,
                        false => None,
                    };
                    *sum = sum.zip(used).map(|(sum, used)| sum.wrapping_add(used));
                }
            }
        }
        Ok(sums)
    }

    /// Tiny objects that are not in the statistics yet; `None` if the caches were emptied meanwhile.
    fn tiny(&self, view: &ProcessView<'_>) -> Result<Option<u64>, ReadError> {
        let offset = view.offset(Field::McacheTinyAllocs)?;
        let [before, after] = &self.caches;
        let mut both = before.iter().zip(after).map(|(before, after)| {
            let (before, after) = (before.u64(offset)?, after.u64(offset)?);
            (after >= before).then_some(before)
        });
        Ok(both.try_fold(0_u64, |sum, tiny| Some(sum.wrapping_add(tiny?))))
    }
}

/// Room for the members of an `mcache` that are wanted.
fn cache_block(view: &ProcessView<'_>, address: u64) -> Result<Block, ReadError> {
    let slots = view.offset(Field::McacheAllocLen)?;
    if usize::try_from(slots).ok() != Some(2 * CLASSES) {
        return Err(ReadError::Unknown(format!(
            "this binary has {slots} span classes, not {}",
            2 * CLASSES
        )));
    }
    let fields = [
        (Field::McacheTinyAllocs, 8),
        (Field::McacheAlloc, 8 * slots),
        (Field::McacheFlushGen, 4),
    ];
    Block::spanning(view, address, &fields)
}

/// Room for the spans in a cache, in the order of their span classes.
fn span_blocks(view: &ProcessView<'_>, cache: &Block) -> Result<Vec<Block>, ReadError> {
    let fields = [
        (Field::MspanStartAddr, 8),
        (Field::MspanSweepgen, 4),
        (Field::MspanAllocCount, 2),
        (Field::MspanSpanclass, 1),
        (Field::MspanAllocCountBeforeCache, 2),
    ];
    let slots = view.offset(Field::McacheAlloc)?;
    let number = view.offset(Field::McacheAllocLen)?;
    let blocks = (0..number).map(|index| {
        let address = cache.u64(slots + 8 * index).filter(|span| *span != 0);
        let address = address.ok_or_else(|| {
            ReadError::Implausible(format!("an allocation cache has no span of class {index}"))
        })?;
        Block::spanning(view, address, &fields)
    });
    blocks.collect()
}

/// Objects allocated in a span since it was cached; `None` if it is not quite in a cache at the moment.
///
/// # Errors
/// It is a span of another class than its place says: the layout is wrong.
fn used(
    view: &ProcessView<'_>,
    span: &Block,
    span_class: u64,
    sweepgen: u32,
) -> Result<Option<u64>, ReadError> {
    let cut = || ReadError::Implausible("a span is cut short".to_owned());
    let start = span
        .u64(view.offset(Field::MspanStartAddr)?)
        .ok_or_else(cut)?;
    let count = span
        .u16(view.offset(Field::MspanAllocCount)?)
        .ok_or_else(cut)?;
    if start == 0 && count == 0 {
        // `emptymspan`, the same for every class: nothing was allocated there yet.
        return Ok(Some(0));
    }
    let cached = span
        .u32(view.offset(Field::MspanSweepgen)?)
        .ok_or_else(cut)?;
    if cached != sweepgen.wrapping_add(3) && cached != sweepgen.wrapping_add(1) {
        return Ok(None);
    }
    let class = span
        .u8(view.offset(Field::MspanSpanclass)?)
        .ok_or_else(cut)?;
    if u64::from(class) != span_class {
        return Err(ReadError::Implausible(format!(
            "a span of class {class} lies at the place of class {span_class}"
        )));
    }
    let before = span
        .u16(view.offset(Field::MspanAllocCountBeforeCache)?)
        .ok_or_else(cut)?;
    Ok(count.checked_sub(before).map(u64::from))
}
