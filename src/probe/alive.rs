//! The table of live goroutines (`src/bpf/alive.bpf.h`) from the side of user space: how large it is, and what is to be
//! forgotten when a process has ended.

#![allow(unsafe_code)]

use std::os::fd::AsRawFd;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use anyhow::Context;
use anyhow::Result;
use libbpf_rs::MapCore;
use libbpf_rs::MapFlags;
use memmap2::MmapOptions;
use memmap2::MmapRaw;

use crate::bpf::gr::types::alive_key;
use crate::bpf::gr::types::alive_limits;

/// Words of a place.
const WORDS: usize = alive_limits::ALIVE_SIZE.0 as usize / size_of::<u64>();

/// Places of a bucket.
const WAYS: usize = alive_limits::ALIVE_WAYS.0 as usize;

/// The programs need so many.
const LEAST_BUCKETS: u32 = alive_limits::ALIVE_LEAST_BUCKETS.0;

/// How large the table and the map beside it are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Size {
    /// Entries of `alive_table`: a power of two.
    pub(super) buckets: u32,
    /// `alive_shift`.
    pub(super) shift: u32,
    /// Entries of `alive_overflow`.
    pub(super) overflow: u32,
}

impl Size {
    /// Room for so many goroutines. A bucket then holds two on average and four at most; what does not fit is one in
    /// 27 (the tail of the Poisson distribution), for which the overflow has room several times over.
    ///
    /// Without compare-and-swap nothing can be taken in the table (`older.rs`), so the overflow has room for all.
    pub(super) fn for_goroutines(goroutines: u32, has_compare_and_swap: bool) -> Self {
        if has_compare_and_swap {
            Self::of(goroutines, (goroutines / 4).max(LEAST_BUCKETS))
        } else {
            Self::of(0, goroutines.max(LEAST_BUCKETS))
        }
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
    let (memory, words) = map(table)?;
    for life in lives(&memory, words) {
        let Some(name) = life.first() else { continue };
        let taken = name.load(Ordering::Relaxed);
        if taken != 0 && process_of(taken) == u64::from(process) {
            // A place that was given up and taken again in between has another name.
            let _ = name.compare_exchange(taken, 0, Ordering::Relaxed, Ordering::Relaxed);
        }
    }
    for bytes in overflow.keys() {
        let mut key = alive_key::default();
        if plain::copy_from_bytes(&mut key, &bytes).is_ok() && key.process == u64::from(process) {
            // It may have gone in between. The programs' count of the overflow stays too high, which costs them a
            // look and nothing else.
            let _ = overflow.delete(&bytes);
        }
    }
    Ok(())
}

/// A goroutine that is remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Life {
    pub(super) process: u32,
    /// Address of its g.
    pub(super) g: u64,
    /// The place, word by word; the first, its name, is of no use any more.
    pub(super) words: [u64; WORDS],
}

/// Every goroutine that is remembered.
pub(super) fn all(table: &impl MapCore, overflow: &impl MapCore) -> Result<Vec<Life>> {
    let (memory, words) = map(table)?;
    let mut all = in_table(lives(&memory, words));
    for bytes in overflow.keys() {
        let mut key = alive_key::default();
        let value = overflow.lookup(&bytes, MapFlags::ANY);
        let value = value.context("cannot read the table of goroutines")?;
        let known = plain::copy_from_bytes(&mut key, &bytes).is_ok();
        let (true, Some(value)) = (known, value) else {
            continue;
        };
        let mut copy = [0; WORDS];
        for (to, from) in copy.iter_mut().zip(value.as_chunks().0) {
            *to = u64::from_ne_bytes(*from);
        }
        all.push(Life {
            process: u32::try_from(key.process).unwrap_or(0),
            g: key.g,
            words: copy,
        });
    }
    Ok(all)
}

/// The goroutines in these places, bucket by bucket.
fn in_table<'t>(places: impl Iterator<Item = &'t [AtomicU64]>) -> Vec<Life> {
    let mut all: Vec<Life> = Vec::new();
    let mut first = None;
    for (place, life) in places.enumerate() {
        let mut words = [0; WORDS];
        for (to, from) in words.iter_mut().zip(life) {
            *to = from.load(Ordering::Relaxed);
        }
        let [name, ..] = words;
        if place.is_multiple_of(WAYS) {
            first = (name != 0).then_some((name, all.len()));
        } else if let Some((_, at)) = first.take_if(|(first, _)| *first == name) {
            // A program is about to give the first place back (`alive_place_in`).
            all.remove(at);
        }
        if name != 0 {
            all.push(Life {
                process: u32::try_from(process_of(name)).unwrap_or(0),
                g: address_of(name),
                words,
            });
        }
    }
    all
}

/// The table's memory, and how many words it has.
fn map(table: &impl MapCore) -> Result<(MmapRaw, usize)> {
    let words = WORDS * WAYS * table.max_entries() as usize;
    let memory = MmapOptions::new()
        .len(words * size_of::<u64>())
        .map_raw(table.as_fd().as_raw_fd())
        .context("cannot map the table of goroutines")?;
    Ok((memory, words))
}

/// The places of the table, as words.
fn lives(memory: &MmapRaw, words: usize) -> impl Iterator<Item = &[AtomicU64]> {
    // SAFETY: the mapping is that long, aligned to a page, and lives as long as `memory`; the kernel's programs change
    // it meanwhile, which is what atomics are for.
    let words = unsafe { std::slice::from_raw_parts(memory.as_ptr().cast::<AtomicU64>(), words) };
    words.chunks_exact(WORDS)
}

/// The process in a name (`alive_name`).
fn process_of(name: u64) -> u64 {
    name >> (alive_limits::ALIVE_ADDRESS_BITS.0 - 5)
}

/// The address of g in a name.
fn address_of(name: u64) -> u64 {
    let bits = alive_limits::ALIVE_ADDRESS_BITS.0 - 5;
    (name & ((1 << bits) - 1)) << 5
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_twice_the_room_at_least() {
        for goroutines in [1, 1000, 1 << 17, (1 << 17) + 1, 1_000_000, u32::MAX] {
            let size = Size::for_goroutines(goroutines, true);
            assert!(u64::from(size.buckets) * 4 >= 2 * u64::from(goroutines));
            assert_eq!(1_u64 << (64 - size.shift), u64::from(size.buckets));
            assert!(u64::from(size.overflow) * 4 + 4 > u64::from(goroutines));
            let size = Size::for_goroutines(goroutines, false);
            assert!(size.overflow >= goroutines);
        }
    }

    #[test]
    fn a_goroutine_in_two_places_of_a_bucket_is_one() {
        let name = |g: u64| 7 << 42 | g >> 5;
        let mut words: Vec<AtomicU64> = Vec::new();
        // The name, and a word that tells places apart.
        for (place, g) in [0x40, 0x60, 0x40, 0, 0x40, 0, 0, 0x80]
            .into_iter()
            .enumerate()
        {
            let named = if g == 0 { 0 } else { name(g) };
            words.extend([named, place as u64].map(AtomicU64::new));
            words.resize_with((place + 1) * WORDS, AtomicU64::default);
        }
        let all = in_table(words.chunks_exact(WORDS));
        let found: Vec<(u64, u64)> = all.iter().map(|life| (life.g, life.words[1])).collect();
        assert_eq!(found, [(0x60, 1), (0x40, 2), (0x40, 4), (0x80, 7)]);
    }

    #[test]
    fn names_hold_process_and_address() {
        let name = 4_194_303 << 42 | 0xc0_0000_0020 >> 5;
        assert_eq!(process_of(name), 4_194_303);
        assert_eq!(address_of(name), 0xc0_0000_0020);
    }
}
