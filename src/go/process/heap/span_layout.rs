//! What an `mspan` says (runtime/mheap.go).

use super::span::Span;
use crate::go::binary::size_classes::PAGE_BYTES;
use crate::go::constant::M_SPAN_IN_USE;
use crate::go::layout::Field;
use crate::go::process::block::Block;
use crate::go::process::runtime_info::{ProcessView, ReadError};

/// No structure is so large.
const MOST_BYTES: u64 = 32 << 10;

/// Larger are no slots that share a span with others, nor is their span.
const LARGEST_SMALL: u64 = 32 << 10;
const LARGEST_OF_SMALL: u64 = 1 << 20;

/// Where the members lie.
pub(super) struct SpanLayout {
    /// Bytes of the structure.
    pub(super) size: u64,
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
pub(super) struct Read {
    pub(super) span: Span,
    /// The first slot that was never handed out since it was swept.
    pub(super) free: u32,
    /// Slots in use, as it says.
    pub(super) used: u32,
    /// Where the bits lie.
    pub(super) bits: u64,
    /// Where the structure lies.
    pub(super) at: u64,
}

impl SpanLayout {
    pub(super) fn of(view: &ProcessView<'_>) -> Result<Self, ReadError> {
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
        if end(&layout).is_some_and(|end| end > layout.size) || layout.size > MOST_BYTES {
            return Err(ReadError::Implausible(format!(
                "spans are described in {} bytes",
                layout.size
            )));
        }
        Ok(layout)
    }

    /// What the structure at an offset of a copy says; `None`: the span is not of the heap. An error: it cannot be right.
    pub(super) fn decode(&self, copy: &Block, base: u64, at: u64) -> Option<Result<Read, ()>> {
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

/// A bit for each slot, in whole words.
pub(super) fn used(read: &Read, copy: &[u8]) -> Vec<u64> {
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
    }
}
