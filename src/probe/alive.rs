//! The table of live goroutines (`src/bpf/alive.bpf.h`) from the side of user space: how large it is, and what is to be
//! forgotten when a process has ended.

#![allow(unsafe_code)]

use std::os::fd::AsRawFd;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use anyhow::Context;
use anyhow::Result;
use libbpf_rs::MapCore;
use memmap2::MmapOptions;
use memmap2::MmapRaw;

use crate::bpf::gr::types::gr_bucket;
use crate::bpf::gr::types::gr_key;
use crate::bpf::gr::types::gr_life;
use crate::bpf::gr::types::gr_name;

/// Fewer buckets are not worth having.
const LEAST_BUCKETS: u32 = 32;

/// How large the table and the map beside it are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Size {
    /// Entries of `gr_alive`: a power of two.
    pub(super) buckets: u32,
    /// `gr_bucket_shift`.
    pub(super) shift: u32,
    /// Entries of `gr_overflow`.
    pub(super) overflow: u32,
}

impl Size {
    /// Room for so many goroutines. A bucket then holds two on average and four at most; what does not fit is one in
    /// 27 (the tail of the Poisson distribution), for which the overflow has room several times over.
    pub(super) fn for_goroutines(goroutines: u32) -> Self {
        Self::of(goroutines, (goroutines / 4).max(LEAST_BUCKETS))
    }

    /// The same where nothing can be taken in the table (see `older.rs`): the overflow has room for all.
    pub(super) fn without_table(goroutines: u32) -> Self {
        Self::of(0, goroutines.max(LEAST_BUCKETS))
    }

    fn of(goroutines: u32, overflow: u32) -> Self {
        let buckets = goroutines
            .div_ceil(2)
            .max(LEAST_BUCKETS)
            .checked_next_power_of_two()
            .unwrap_or(1 << 31);
        Self {
            buckets,
            shift: 64 - buckets.ilog2(),
            overflow,
        }
    }
}

/// Forgets every goroutine of a process that has ended.
pub(super) fn forget(table: &impl MapCore, overflow: &impl MapCore, process: u32) -> Result<()> {
    let words = size_of::<gr_bucket>() / size_of::<u64>() * table.max_entries() as usize;
    let memory = MmapOptions::new()
        .len(words * size_of::<u64>())
        .map_raw(table.as_fd().as_raw_fd())
        .context("cannot map the table of goroutines")?;
    for life in lives(&memory, words) {
        let Some(name) = life.first() else { continue };
        let taken = name.load(Ordering::Relaxed);
        if taken != 0 && process_of(taken) == u64::from(process) {
            // A place that was given up and taken again in between has another name.
            let _ = name.compare_exchange(taken, 0, Ordering::Relaxed, Ordering::Relaxed);
        }
    }
    for bytes in overflow.keys() {
        let mut key = gr_key::default();
        if plain::copy_from_bytes(&mut key, &bytes).is_ok() && key.process == u64::from(process) {
            // It may have gone in between. The programs' count of the overflow stays too high, which costs them a
            // look and nothing else.
            let _ = overflow.delete(&bytes);
        }
    }
    Ok(())
}

/// The places of the table, as words.
fn lives(memory: &MmapRaw, words: usize) -> impl Iterator<Item = &[AtomicU64]> {
    // SAFETY: the mapping is that long, aligned to a page, and lives as long as `memory`; the kernel's programs change
    // it meanwhile, which is what atomics are for.
    let words = unsafe { std::slice::from_raw_parts(memory.as_ptr().cast::<AtomicU64>(), words) };
    words.chunks_exact(size_of::<gr_life>() / size_of::<u64>())
}

/// The process in a name (`alive_name`).
fn process_of(name: u64) -> u64 {
    name >> (gr_name::GR_ADDRESS_BITS.0 - 5)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_twice_the_room_at_least() {
        for goroutines in [1, 1000, 1 << 17, (1 << 17) + 1, 1_000_000, u32::MAX] {
            let size = Size::for_goroutines(goroutines);
            assert!(u64::from(size.buckets) * 4 >= 2 * u64::from(goroutines));
            assert_eq!(1_u64 << (64 - size.shift), u64::from(size.buckets));
            assert!(u64::from(size.overflow) * 4 + 4 > u64::from(goroutines));
        }
    }

    #[test]
    fn names_hold_the_process() {
        assert_eq!(process_of(4_194_303 << 42 | 0xc0_0000_0000 >> 5), 4_194_303);
    }
}
