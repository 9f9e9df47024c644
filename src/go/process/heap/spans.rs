//! The spans of the heap: which memory is divided into which slots, and which of these are in use.
//!
//! `mheap_.allspans` has every `mspan` that was ever made (runtime/mheap.go). A slot is in use if it lies before
//! `freeindex`, or if its bit in `allocBits` is set, and `allocCount` is their number: of a span of which that is not so,
//! something changed while it was read.

use super::pages::Pages;
use crate::go::binary::size_classes::PAGE_BYTES;
use crate::go::constant::M_SPAN_IN_USE;
use crate::go::layout::Field;
use crate::go::memory::{Piece, SliceHeader};
use crate::go::process::block::{Block, read_all};
use crate::go::process::runtime_info::{ProcessView, ReadError};

/// Spans that are decoded at once.
const BATCH: usize = 4096;

/// A run of `mspan` structures that is read at once has no more bytes, and no larger gaps.
const RUN: u64 = 64 << 10;
const GAP: u64 = 2 << 10;

/// Larger are no slots that share a span with others, nor is their span.
const LARGEST_SMALL: u64 = 32 << 10;
const LARGEST_OF_SMALL: u64 = 1 << 20;

/// Of so many spans it says something about the layout that they contradict themselves.
const ENOUGH: u64 = 16;

/// A span of the heap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    /// Where its slots begin.
    pub(super) start: u64,
    /// Bytes of a slot.
    pub(super) slot: u64,
    /// Slots.
    pub(super) count: u32,
    /// The number of its first slot among all.
    pub(super) first: u32,
    /// The size class; 0: one large object.
    pub(super) class: u8,
    /// Whether its objects can hold pointers.
    pub(super) has_pointers: bool,
    /// The type of a large object that can.
    pub(super) large_type: u64,
}

impl Span {
    /// Bytes of all its slots.
    pub(super) fn bytes(&self) -> u64 {
        self.slot.saturating_mul(u64::from(self.count))
    }

    /// The number of the slot that an address lies in, and how far in.
    #[inline]
    pub(super) fn slot_of(&self, addr: u64) -> Option<(u32, u64)> {
        let within = addr.checked_sub(self.start)?;
        let index = match self.count {
            1 => 0,
            _ => u32::try_from(within.checked_div(self.slot)?).ok()?,
        };
        let offset = within - u64::from(index) * self.slot;
        (index < self.count && offset < self.slot).then_some((index, offset))
    }
}

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

/// Where the members lie.
struct SpanLayout {
    size: u64,
    start: u64,
    pages: u64,
    free: u64,
    free_width: u64,
    count: u64,
    count_width: u64,
    used: u64,
    class: u64,
    state: u64,
    slot: u64,
    bits: u64,
    large_type: Option<u64>,
}

/// What a structure says.
#[derive(Debug, Clone, Copy)]
struct Read {
    span: Span,
    free: u32,
    used: u32,
    bits: u64,
    /// Where the structure lies.
    at: u64,
}

impl SpanLayout {
    fn of(view: &ProcessView<'_>) -> Result<Self, ReadError> {
        let end = |layout: &Self| [layout.bits + 8, layout.slot + 8].into_iter().max();
        let mut layout = Self {
            size: 0,
            start: view.offset(Field::MspanStartAddr)?,
            pages: view.offset(Field::MspanNpages)?,
            free: view.offset(Field::MspanFreeindex)?,
            free_width: view.offset(Field::MspanFreeindexSize)?,
            count: view.offset(Field::MspanNelems)?,
            count_width: view.offset(Field::MspanNelemsSize)?,
            used: view.offset(Field::MspanAllocCount)?,
            class: view.offset(Field::MspanSpanclass)?,
            state: view.offset(Field::MspanState)?,
            slot: view.offset(Field::MspanElemsize)?,
            bits: view.offset(Field::MspanAllocBits)?,
            // What it leads to is held against what it should be.
            large_type: view
                .runtime_info
                .layout
                .hint(Field::MspanLargeType)
                .map(u64::from),
        };
        layout.size = view.offset(Field::MspanSize)?;
        if end(&layout).is_some_and(|end| end > layout.size) || layout.size > RUN / 2 {
            return Err(ReadError::Implausible(format!(
                "spans are described in {} bytes",
                layout.size
            )));
        }
        Ok(layout)
    }

    /// What the structure at an offset of a copy says; `None`: the span is not of the heap. An error: it cannot be right.
    fn decode(&self, copy: &Block, base: u64, at: u64) -> Option<Result<Read, ()>> {
        let state = copy.u8(base + self.state)?;
        if u32::from(state) != M_SPAN_IN_USE {
            return None;
        }
        Some(self.members(copy, base, at).ok_or(()))
    }

    fn members(&self, copy: &Block, base: u64, at: u64) -> Option<Read> {
        let sized = |offset, width| match width {
            2 => copy.u16(base + offset).map(u64::from),
            _ => copy.u64(base + offset),
        };
        let start = copy.u64(base + self.start)?;
        let room = copy
            .u64(base + self.pages)?
            .checked_mul(u64::from(PAGE_BYTES))?;
        let slot = copy.u64(base + self.slot)?;
        let count = u32::try_from(sized(self.count, self.count_width)?).ok()?;
        let free = u32::try_from(sized(self.free, self.free_width)?).ok()?;
        let used = u32::from(copy.u16(base + self.used)?);
        let class = copy.u8(base + self.class)?;
        let large_type = self
            .large_type
            .and_then(|offset| copy.u64(base + offset))
            .unwrap_or(0);
        let is_one = start.is_multiple_of(u64::from(PAGE_BYTES))
            && start > 0
            && start.checked_add(room)? < 1 << 56
            && slot.is_multiple_of(8)
            && slot > 0
            && count > 0
            && slot.checked_mul(u64::from(count))? <= room
            && free <= count
            && used <= count
            && match class {
                // One large object.
                ..=1 => count == 1,
                _ => slot <= LARGEST_SMALL && slot * u64::from(count) <= LARGEST_OF_SMALL,
            };
        is_one.then_some(Read {
            span: Span {
                start,
                slot,
                count,
                first: 0,
                class: class / 2,
                has_pointers: class.is_multiple_of(2),
                large_type,
            },
            free,
            used,
            bits: copy.u64(base + self.bits)?,
            at,
        })
    }
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

/// A bit for each slot, in whole words.
fn used(read: &Read, copy: &[u8]) -> Vec<u64> {
    let count = read.span.count;
    let word = |index: u32| {
        let at = index as usize * 8;
        let mut bytes = [0; 8];
        for (to, from) in bytes.iter_mut().zip(copy.get(at..).unwrap_or_default()) {
            *to = *from;
        }
        let before = mask(read.free.saturating_sub(index * 64));
        (u64::from_le_bytes(bytes) | before) & mask(count.saturating_sub(index * 64))
    };
    (0..count.div_ceil(64)).map(word).collect()
}

/// So many low bits.
fn mask(bits: u32) -> u64 {
    match bits {
        64.. => u64::MAX,
        _ => (1 << bits) - 1,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_use_is_what_was_handed_out_or_survived() {
        let span = Span {
            start: 8192,
            slot: 64,
            count: 70,
            first: 0,
            class: 5,
            has_pointers: true,
            large_type: 0,
        };
        let read = Read {
            span,
            free: 3,
            used: 0,
            bits: 0,
            at: 0,
        };
        // Bits behind the last slot mean nothing.
        let copy = [0x10, 0, 0, 0, 0, 0, 0, 0, 0xff];
        assert_eq!(used(&read, &copy), [0x17, 0x3f]);
        let full = Read { free: 70, ..read };
        assert_eq!(used(&full, &[]), [u64::MAX, 0x3f]);
        assert_eq!(ones(&[u64::MAX, 0x3f]), 70);
    }
}
