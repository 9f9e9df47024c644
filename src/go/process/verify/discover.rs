//! Finds offsets in the live process that the layout does not have.
//!
//! Only where the data itself leaves no doubt. In `g`: the first goroutines start at known functions, and
//! the words before that have been neighbours since Go 1.5 (`gopc`, `ancestors`, `startpc`; since 1.21
//! with `parentGoid` in front; runtime/runtime2.go). In `work`: the record of the last cycle
//! (runtime/mgc.go, `cycles` to `heap2`, the same sequence since Go 1.19), found by what `memstats`
//! says of the same cycle.

use std::collections::HashSet;

use super::Examined;
use super::pages::Pages;
use super::reader::{Reader, Skip};
use crate::go::layout::Field::{
    self, GGopc, GParentGoid, GStartpc, MstatsLastGcNanotime, MstatsNumgc, WorkCycles, WorkHeap0,
    WorkHeap1, WorkHeap2, WorkMarkDoneSema, WorkMaxprocs, WorkPauseNs, WorkPauseStart,
    WorkStwprocs, WorkTEnd, WorkTMark, WorkTMarkTerm, WorkTSweepTerm,
};
use crate::go::layout::Layout;

/// `g` has 392 to 456 bytes in Go 1.19 to 1.27; what is sought lies well within the first 512.
const MAX_G: u64 = 512;

/// `work` has 432 to 816 bytes in Go 1.19 to 1.27.
const MAX_WORK: u64 = 2048;

/// How often a record in motion is looked for.
const ATTEMPTS: usize = 4;

/// No machine has more processors.
const MAX_PROCESSORS: u32 = 1 << 16;

/// All that can be found of what is unknown.
pub(super) fn all(layout: &Layout, live: &Examined<'_>) -> Vec<(Field, u32)> {
    let pages = Pages::new(live.memory);
    let live = &Examined {
        memory: &pages,
        ..live.clone()
    };
    let reader = Reader {
        layout,
        live,
        pages: &pages,
    };
    let mut found = Vec::new();
    let unknown = |fields: &[Field]| {
        fields
            .iter()
            .any(|field| layout.offset(*field).is_none() && layout.exists(*field).is_none())
    };
    if unknown(&[GStartpc, GGopc, GParentGoid]) {
        found.extend(goroutine(reader).unwrap_or_default());
    }
    if unknown(&[WorkCycles, WorkTEnd, WorkHeap2]) {
        let record = (0..ATTEMPTS).find_map(|_| cycle(reader.again()).ok());
        found.extend(record.unwrap_or_default());
    }
    if unknown(&[WorkMarkDoneSema]) {
        found.extend(semaphore(reader));
    }
    found.retain(|(field, _)| unknown(&[*field]));
    found
}

/// `g.startpc`, and what lies before it.
fn goroutine(r: Reader<'_>) -> Result<Vec<(Field, u32)>, Skip> {
    let all = r.goroutines()?;
    let mut goroutines = Vec::new();
    for g in &all {
        goroutines.push(r.memory().words(*g, MAX_G / 8, 64)?);
    }
    let mut starts: Vec<usize> = goroutines
        .iter()
        .flat_map(|g| g.iter().enumerate())
        .filter(|(_, word)| r.is_main(**word))
        .map(|(at, _)| at)
        .collect();
    starts.sort_unstable();
    starts.dedup();
    let [start] = starts[..] else {
        return Err(Skip::Unknown);
    };
    let before = start.checked_sub(2).ok_or(Skip::Unknown)?;
    // A goroutine of a C thread, or one never used, has neither.
    let started = |g: &&Vec<u64>| g.get(start).is_some_and(|pc| *pc != 0);
    let is_gopc = |g: &Vec<u64>| g.get(before).is_some_and(|pc| r.is_code(*pc));
    let mut found = Vec::new();
    found.extend(offset(GStartpc, start));
    if goroutines.iter().filter(started).all(is_gopc) {
        found.extend(offset(GGopc, before));
        let parent = before.checked_sub(1).ok_or(Skip::Unknown)?;
        let parents: Vec<u64> = goroutines
            .iter()
            .filter_map(|g| g.get(parent).copied())
            .collect();
        let mut ids = HashSet::new();
        for g in &all {
            ids.insert(r.word(*g, Field::GGoid)?);
        }
        let are_known = parents
            .iter()
            .all(|id| *id == 0 || ids.contains(id) || *id == 1);
        if ids.contains(&2) && are_known && parents.iter().filter(|id| **id == 1).count() > 2 {
            found.extend(offset(GParentGoid, parent));
        }
    }
    Ok(found)
}

fn offset(field: Field, word: usize) -> Option<(Field, u32)> {
    Some((field, u32::try_from(word.checked_mul(8)?).ok()?))
}

/// The record of the last completed cycle.
fn cycle(r: Reader<'_>) -> Result<Vec<(Field, u32)>, Skip> {
    let work = r.variable(r.live.globals.work)?;
    let stats = r.variable(r.live.globals.memstats)?;
    let cycles = r.int32(stats, MstatsNumgc)?;
    let end = r.pointer(stats, MstatsLastGcNanotime)?;
    let bytes = r.memory().bytes(work, MAX_WORK, 1 << 12)?;
    if cycles == 0 || r.again().int32(stats, MstatsNumgc)? != cycles {
        return Err(Skip::DoesNotApply);
    }
    let mut records = (0..bytes.len())
        .step_by(4)
        .filter_map(|at| record(&bytes, at, cycles, end));
    match (records.next(), records.next()) {
        (Some(record), None) => Ok(record),
        _ => Err(Skip::Unknown),
    }
}

/// The fields of the record whose `cycles` lies at `at`, if there is one: then come two numbers of
/// processors, and, at the next multiple of 8, times and sizes.
fn record(work: &[u8], at: usize, cycles: u32, end: u64) -> Option<Vec<(Field, u32)>> {
    let int = |at: usize| {
        Some(u32::from_le_bytes(
            work.get(at..at.checked_add(4)?)?.try_into().ok()?,
        ))
    };
    let word = |at: usize| {
        Some(u64::from_le_bytes(
            work.get(at..at.checked_add(8)?)?.try_into().ok()?,
        ))
    };
    let (stopped, all) = (int(at + 4)?, int(at + 8)?);
    let times = (at + 12).next_multiple_of(8);
    if int(at)? != cycles || !(1..=all).contains(&stopped) || all > MAX_PROCESSORS {
        return None;
    }
    let (begin, mark) = (word(times)?, word(times + 8)?);
    let (mark_term, ended) = (word(times + 16)?, word(times + 24)?);
    if begin == 0 || begin > mark || mark > mark_term || mark_term > ended || ended != end {
        return None;
    }
    let mut fields = vec![
        (WorkCycles, at),
        (WorkStwprocs, at + 4),
        (WorkMaxprocs, at + 8),
        (WorkTSweepTerm, times),
        (WorkTMark, times + 8),
        (WorkTMarkTerm, times + 16),
        (WorkTEnd, times + 24),
        (WorkPauseNs, times + 32),
    ];
    // Up to Go 1.21 a time lies between; no size of a heap looks like a time of this cycle.
    let mut sizes = times + 40;
    if (begin..=ended).contains(&word(sizes)?) {
        fields.push((WorkPauseStart, sizes));
        sizes += 8;
    }
    fields.extend([
        (WorkHeap0, sizes),
        (WorkHeap1, sizes + 8),
        (WorkHeap2, sizes + 16),
    ]);
    fields
        .iter()
        .map(|(field, at)| Some((*field, u32::try_from(*at).ok()?)))
        .collect()
}

/// `work.markDoneSema`, whose address instructions name.
fn semaphore(r: Reader<'_>) -> Option<(Field, u32)> {
    let distance = r
        .live
        .globals
        .work_mark_done_sema?
        .checked_sub(r.live.globals.work?)?;
    (distance < MAX_WORK).then_some((WorkMarkDoneSema, u32::try_from(distance).ok()?))
}
