//! The spans of the heap: which memory is divided into which slots, and which of these are in use.
//!
//! `mheap_.allspans` has every `mspan` that was ever made (runtime/mheap.go). A slot is in use if it lies before
//! `freeindex`, or if its bit in `allocBits` is set, and `allocCount` is their number: of a span of which that is not so,
//! something changed while it was read.

use super::pages::Pages;
use super::span::Span;
use super::span_layout::{Read, SpanLayout, used};
use crate::go::layout::Field;
use crate::go::memory::{Piece, SliceHeader};
use crate::go::process::block::{Block, read_all};
use crate::go::process::runtime_info::{ProcessView, ReadError};

/// Spans that are decoded at once.
const BATCH: usize = 4096;

/// A run of `mspan` structures that is read at once has no more bytes, and no larger gaps.
const RUN: u64 = 64 << 10;
const GAP: u64 = 2 << 10;

/// Of so many spans it says something about the layout that they contradict themselves.
const ENOUGH: u64 = 16;

/// The spans of a process.
#[derive(Debug)]
pub(super) struct Spans {
    /// By ascending address.
    pub(super) all: Vec<Span>,
    pub(super) pages: Pages,
    /// Of each slot, whether it is in use.
    pub(super) used: Vec<u64>,
    /// All slots.
    pub(super) slots: usize,
    /// Spans that changed while they were read.
    pub(super) torn: u64,
    /// Spans that could not be read.
    pub(super) unread: u64,
    /// `mheap_.sweepgen`, when all had been read.
    pub(super) sweepgen: u32,
    /// Whether it was another one before.
    pub(super) is_moving: bool,
}

/// Reads all spans. No more memory is taken for them than `room` bytes.
///
/// # Errors
/// What it takes is not known of this binary; or it cannot be read, or not be right, or not be held.
pub(super) fn read(view: &ProcessView<'_>, room: u64) -> Result<Spans, ReadError> {
    let heap = view.global("mheap_", |globals| globals.mheap)?;
    let layout = SpanLayout::of(view)?;
    let before = generation(view)?;
    let list = view
        .memory
        .slice_header(view.member(heap, Field::MheapAllspans)?)?;
    let places = places(view, list, room)?;
    let mut reader = Reader {
        view,
        layout,
        room,
        spans: Spans {
            all: Vec::new(),
            pages: Pages::default(),
            used: Vec::new(),
            slots: 0,
            torn: 0,
            unread: 0,
            sweepgen: before,
            is_moving: false,
        },
    };
    let mut seen = 0;
    for batch in places.chunks(BATCH) {
        let read = reader.structures(batch)?;
        seen += read.len() as u64;
        reader.add(read)?;
    }
    let mut spans = reader.spans;
    if seen >= ENOUGH && spans.torn > seen / 2 {
        return Err(ReadError::Implausible(
            "most spans of its heap have not as many objects as they say".to_owned(),
        ));
    }
    spans.sweepgen = generation(view)?;
    spans.is_moving = spans.sweepgen != before;
    spans.sort(room);
    Ok(spans)
}

/// `mheap_.sweepgen`: another one after each collection.
pub(super) fn generation(view: &ProcessView<'_>) -> Result<u32, ReadError> {
    let heap = view.global("mheap_", |globals| globals.mheap)?;
    let at = view.member(heap, Field::MheapSweepgen)?;
    Ok(view.memory.u32(at)?)
}

/// Where the structures lie, by ascending address.
fn places(view: &ProcessView<'_>, list: SliceHeader, room: u64) -> Result<Vec<u64>, ReadError> {
    let most = usize::try_from(room / 64).unwrap_or(usize::MAX);
    if !list.is_plausible() {
        return Err(ReadError::Implausible(
            "the list of its spans is none".to_owned(),
        ));
    }
    if list.len > most as u64 {
        return Err(too_large(list.len, "spans"));
    }
    let mut places = view.memory.words(list.ptr, list.len, most)?;
    places.retain(|place| *place != 0 && place.is_multiple_of(8));
    places.sort_unstable();
    places.dedup();
    Ok(places)
}

/// Why not all of it can be held.
pub(super) fn too_large(count: u64, what: &str) -> ReadError {
    ReadError::Unknown(format!(
        "its heap has {count} {what}: to hold what is known of them takes more memory than is allowed (--max-memory)"
    ))
}

struct Reader<'v, 'a> {
    view: &'v ProcessView<'a>,
    layout: SpanLayout,
    room: u64,
    spans: Spans,
}

impl Reader<'_, '_> {
    /// What the structures at these places say.
    fn structures(&mut self, places: &[u64]) -> Result<Vec<Read>, ReadError> {
        let size = self.layout.size;
        let mut runs: Vec<(u64, u64)> = Vec::new();
        for place in places {
            let end = place.saturating_add(size);
            match runs.last_mut() {
                Some((first, last))
                    if end - *first <= RUN && place.saturating_sub(*last) <= GAP =>
                {
                    *last = end;
                }
                _ => runs.push((*place, end)),
            }
        }
        let mut blocks = Vec::new();
        for (first, end) in &runs {
            blocks.push(Block::new(*first, end - first)?);
        }
        let mut pieces: Vec<Piece<'_>> = blocks.iter_mut().map(Block::piece).collect();
        self.view.memory.read_many(&mut pieces)?;
        let there: Vec<bool> = pieces.iter().map(|piece| piece.ok).collect();
        let mut found = Vec::new();
        let mut places = places.iter().peekable();
        for (((first, end), block), is_there) in runs.iter().zip(&blocks).zip(there) {
            while let Some(place) = places.next_if(|place| **place < *end) {
                if !is_there {
                    self.spans.unread += 1;
                    continue;
                }
                match self.layout.decode(block, place - first, *place) {
                    Some(Ok(read)) => found.push(read),
                    Some(Err(())) => self.spans.unread += 1,
                    None => {}
                }
            }
        }
        Ok(found)
    }

    /// Takes spans in, with what is in use of them.
    fn add(&mut self, read: Vec<Read>) -> Result<(), ReadError> {
        let bits = self.bits(&read)?;
        for (mut read, mut bits) in read.into_iter().zip(bits) {
            if bits.as_ref().map(|bits| ones(bits)) != Some(u64::from(read.used)) {
                // Once more: only this one, at once.
                if let Some((again, of)) = self.again(read.at)? {
                    (read, bits) = (again, Some(of));
                }
            }
            let Some(bits) = bits else {
                self.spans.unread += 1;
                continue;
            };
            self.spans.torn += u64::from(ones(&bits) != u64::from(read.used));
            let words = bits.len() as u64;
            let taken = self.spans.used.len() as u64 * 64;
            let Ok(first) = u32::try_from(taken) else {
                return Err(too_large(taken, "slots"));
            };
            // What is known of each slot takes two bytes and two bits: see `graph`.
            if (taken + words * 64).saturating_mul(5) / 2 > self.room {
                return Err(too_large(taken + words * 64, "slots"));
            }
            self.spans.used.extend(bits);
            self.spans.slots = self.spans.used.len() * 64;
            self.spans.all.push(Span { first, ..read.span });
        }
        Ok(())
    }

    /// A span read anew, and what is in use of it.
    fn again(&mut self, at: u64) -> Result<Option<(Read, Vec<u64>)>, ReadError> {
        let mut block = Block::new(at, self.layout.size)?;
        if read_all(self.view, [&mut block]).is_err() {
            return Ok(None);
        }
        let Some(Ok(read)) = self.layout.decode(&block, 0, at) else {
            return Ok(None);
        };
        let bits = self.bits(&[read])?.pop().flatten();
        Ok(bits.map(|bits| (read, bits)))
    }

    /// Which slots of spans are in use.
    fn bits(&self, read: &[Read]) -> Result<Vec<Option<Vec<u64>>>, ReadError> {
        let mut copies: Vec<Vec<u8>> = Vec::new();
        for read in read {
            // Where nothing is free, nobody need be asked.
            let bytes = match read.free == read.span.count {
                true => 0,
                false => read.span.count.div_ceil(8),
            };
            copies.push(vec![0; bytes as usize]);
        }
        let asked = read.iter().zip(&mut copies);
        let asked = asked.filter(|(_, copy)| !copy.is_empty());
        let mut pieces: Vec<Piece<'_>> = asked
            .map(|(read, copy)| Piece::new(read.bits, copy))
            .collect();
        self.view.memory.read_many(&mut pieces)?;
        let mut there = pieces
            .iter()
            .map(|piece| piece.ok)
            .collect::<Vec<_>>()
            .into_iter();
        let all = read.iter().zip(copies).map(|(read, copy)| {
            let is_there = copy.is_empty() || there.next() == Some(true);
            is_there.then(|| used(read, &copy))
        });
        Ok(all.collect())
    }
}

fn ones(words: &[u64]) -> u64 {
    words.iter().map(|word| u64::from(word.count_ones())).sum()
}

impl Spans {
    /// By address; what overlaps is not believed.
    fn sort(&mut self, room: u64) {
        self.all.sort_unstable_by_key(|span| span.start);
        let mut end = 0;
        let before = self.all.len();
        self.all.retain(|span| {
            let is_behind = span.start >= end;
            if is_behind {
                end = span.start + span.bytes();
            }
            is_behind
        });
        self.unread += (before - self.all.len()) as u64;
        self.pages = Pages::of(&self.all, room / 4);
    }

    /// Whether a slot is in use.
    pub(super) fn is_used(&self, slot: usize) -> bool {
        let word = self.used.get(slot / 64).copied().unwrap_or(0);
        word >> (slot % 64) & 1 == 1
    }
}
