//! What the runtime counts of its heap: `memstats.heapStats` (`consistentHeapStats`, runtime/mstats.go, Go 1.19 to 1.27).
//!
//! Three generations of counters add up to the truth. Whoever reads them inside the process moves on to the next
//! generation, adds the one before to the one in use, and only then zeroes it: in between, things count twice. That is
//! noticed here, because outside of such a reading the generation after the one in use is zero.

use super::block::Block;
use super::runtime_info::{ProcessView, ReadError};
use crate::go::binary::size_classes::CLASS_BYTES;
use crate::go::layout::Field;

/// Number of size classes, class 0 included.
pub const CLASSES: usize = CLASS_BYTES.len();

/// The sum of all generations: `heapStatsDelta`. What still lies in the processors' caches is not in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeapStats {
    /// Bytes committed; likewise the following.
    pub committed: u64,
    /// Returned to the system.
    pub released: u64,
    /// In spans of the heap.
    pub in_heap: u64,
    /// In stacks.
    pub in_stacks: u64,
    /// In the collector's work buffers.
    pub in_work_bufs: u64,
    /// In unrolled pointer masks; 0 from Go 1.25 on; `None` if it is not known where they are counted.
    pub in_ptr_scalar_bits: Option<u64>,
    /// Tiny objects put into a block already begun.
    pub tiny_allocs: u64,
    /// Bytes of large objects allocated.
    pub large_alloc_bytes: u64,
    /// Large objects allocated.
    pub large_allocs: u64,
    /// Bytes of large objects freed.
    pub large_free_bytes: u64,
    /// Large objects freed.
    pub large_frees: u64,
    /// Objects allocated by size class; 0 in class 0.
    pub allocs: [u64; CLASSES],
    /// Objects freed by size class.
    pub frees: [u64; CLASSES],
}

impl HeapStats {
    /// Objects allocated in all, without tiny ones that share a block.
    pub fn total_allocs(&self) -> u64 {
        sum(&self.allocs).wrapping_add(self.large_allocs)
    }

    /// Objects freed in all.
    pub fn total_frees(&self) -> u64 {
        sum(&self.frees).wrapping_add(self.large_frees)
    }

    /// Bytes allocated in all.
    pub fn total_alloc_bytes(&self) -> u64 {
        sum_bytes(&self.allocs).wrapping_add(self.large_alloc_bytes)
    }

    /// Bytes freed in all.
    pub fn total_free_bytes(&self) -> u64 {
        sum_bytes(&self.frees).wrapping_add(self.large_free_bytes)
    }
}

fn sum(counts: &[u64]) -> u64 {
    counts.iter().fold(0, |sum, count| sum.wrapping_add(*count))
}

fn sum_bytes(counts: &[u64; CLASSES]) -> u64 {
    let classes = counts.iter().zip(CLASS_BYTES);
    classes.fold(0, |sum, (count, bytes)| {
        sum.wrapping_add(count.wrapping_mul(u64::from(bytes)))
    })
}

/// Room for the counters of the process.
///
/// # Errors
/// Where they lie, or how they are built, is not known; or there are not as many size classes as expected.
pub(in crate::go) fn block(view: &ProcessView<'_>) -> Result<Block, ReadError> {
    let classes = view.offset(Field::SizeClasses)?;
    if usize::try_from(classes).ok() != Some(CLASSES) {
        return Err(ReadError::Unknown(format!(
            "this binary has {classes} size classes, not {CLASSES}"
        )));
    }
    let memstats = view.global("memstats", |globals| globals.memstats)?;
    let start = view.member(memstats, Field::MstatsHeapStats)?;
    let end = view.offset(Field::HeapStatsGen)? + 4;
    Block::new(start, end)
}

/// The sum of the generations in a copy; `None` while somebody in the process is adding them up.
///
/// # Errors
/// How they are built is not known.
pub(in crate::go) fn decode(
    view: &ProcessView<'_>,
    block: &Block,
) -> Result<Option<HeapStats>, ReadError> {
    let size = view.offset(Field::HeapStatsDeltaSize)?;
    let generations = view.offset(Field::HeapStatsStatsLen)?;
    let first = view.offset(Field::HeapStatsStats)?;
    let current = block
        .u32(view.offset(Field::HeapStatsGen)?)
        .map(u64::from)
        .filter(|current| *current < generations && generations < 16);
    let Some(current) = current else {
        return Err(ReadError::Implausible(
            "heap statistics have an impossible generation".to_owned(),
        ));
    };
    let next = first.wrapping_add(((current + 1) % generations).wrapping_mul(size));
    if !block.is_zero(next, size) {
        return Ok(None);
    }
    let total = |offset: u64| -> Result<u64, ReadError> {
        (0..generations).try_fold(0_u64, |sum, generation| {
            let at = first
                .wrapping_add(generation.wrapping_mul(size))
                .wrapping_add(offset);
            let value = block.u64(at).ok_or_else(cut)?;
            // Some members are signed and below zero in one generation: the sum is right modulo 2⁶⁴.
            Ok(sum.wrapping_add(value))
        })
    };
    let member = |field| -> Result<u64, ReadError> { total(view.offset(field)?) };
    let by_class = |field| -> Result<[u64; CLASSES], ReadError> {
        let mut counts = [0; CLASSES];
        let mut at = view.offset(field)?;
        for count in &mut counts {
            *count = total(at)?;
            at += 8;
        }
        Ok(counts)
    };
    let scalar_bits = Field::HeapStatsDeltaInPtrScalarBits;
    let scalar_bits = match view.runtime_info.layout.exists(scalar_bits) {
        Some(false) => Some(0),
        _ => view.known(scalar_bits).map(total).transpose()?,
    };
    Ok(Some(HeapStats {
        committed: member(Field::HeapStatsDeltaCommitted)?,
        released: member(Field::HeapStatsDeltaReleased)?,
        in_heap: member(Field::HeapStatsDeltaInHeap)?,
        in_stacks: member(Field::HeapStatsDeltaInStacks)?,
        in_work_bufs: member(Field::HeapStatsDeltaInWorkBufs)?,
        in_ptr_scalar_bits: scalar_bits,
        tiny_allocs: member(Field::HeapStatsDeltaTinyAllocCount)?,
        large_alloc_bytes: member(Field::HeapStatsDeltaLargeAlloc)?,
        large_allocs: member(Field::HeapStatsDeltaLargeAllocCount)?,
        large_free_bytes: member(Field::HeapStatsDeltaLargeFree)?,
        large_frees: member(Field::HeapStatsDeltaLargeFreeCount)?,
        allocs: by_class(Field::HeapStatsDeltaSmallAllocCount)?,
        frees: by_class(Field::HeapStatsDeltaSmallFreeCount)?,
    }))
}

fn cut() -> ReadError {
    ReadError::Unknown("heap statistics are cut short: they are not built as expected".to_owned())
}
