//! Which span a page of the heap belongs to. Heaps that are scattered all over the address space are searched instead.

use super::span::Span;
use crate::go::binary::size_classes::PAGE_BYTES;

/// Pages that are kept together: 64 MiB.
const PAGES: u64 = 8192;

/// Heaps that reach farther are searched.
const MOST: u64 = 1 << 16;

/// No span.
const NONE: u32 = u32::MAX;

/// The span of each page.
#[derive(Debug, Default)]
pub(super) struct Pages {
    /// The first of the parts of `PAGES` pages.
    first: u64,
    parts: Vec<Option<Box<[u32]>>>,
}

impl Pages {
    /// Of spans by ascending address that do not overlap, in no more than `room` bytes.
    pub(super) fn of(spans: &[Span], room: u64) -> Self {
        let end = |span: &Span| span.start + span.bytes();
        let (Some(first), Some(last)) = (spans.first(), spans.last()) else {
            return Self::default();
        };
        let first = part(first.start);
        let parts = part(end(last)) - first + 1;
        let mut pages = Self {
            first,
            parts: Vec::new(),
        };
        // Each begins a part anew, at worst.
        let touched = |span: &Span| part(end(span)) - part(span.start) + 1;
        let mut last = None;
        let mut filled = 0_u64;
        for span in spans {
            let shared = u64::from(last == Some(part(span.start)));
            filled = filled.saturating_add(touched(span) - shared);
            last = Some(part(end(span)));
        }
        if parts > MOST || filled.saturating_mul(4 * PAGES) > room {
            return pages;
        }
        pages.parts.resize_with(parts as usize, || None);
        for (index, span) in (0..).zip(spans) {
            let mut at = span.start;
            while at < end(span) {
                let part = pages.parts.get_mut((part(at) - first) as usize);
                let part =
                    part.map(|part| part.get_or_insert_with(|| vec![NONE; PAGES as usize].into()));
                if let Some(page) = part.and_then(|part| part.get_mut(place(at))) {
                    *page = index;
                }
                at += u64::from(PAGE_BYTES);
            }
        }
        pages
    }

    /// The span that an address may lie in.
    #[inline]
    pub(super) fn find(&self, spans: &[Span], addr: u64) -> Option<usize> {
        if self.parts.is_empty() {
            let behind = spans.partition_point(|span| span.start <= addr);
            return behind.checked_sub(1);
        }
        let part = part(addr).checked_sub(self.first)?;
        let part = self.parts.get(usize::try_from(part).ok()?)?.as_ref()?;
        let span = *part.get(place(addr))?;
        (span != NONE).then_some(span as usize)
    }
}

fn part(addr: u64) -> u64 {
    addr / u64::from(PAGE_BYTES) / PAGES
}

fn place(addr: u64) -> usize {
    (addr / u64::from(PAGE_BYTES) % PAGES) as usize
}
