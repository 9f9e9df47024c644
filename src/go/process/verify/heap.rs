//! Claims about the list of all spans of the heap (runtime/mheap.go).

use super::allocator::{MAX_MEMORY, PAGE};
use super::claim::Claims;
use super::reader::Skip;
use crate::go::layout::Field::{MheapAllspans, MspanNpages, MspanStartAddr};

pub(super) fn check(claims: &mut Claims<'_>) {
    claims.claim(
        &[MheapAllspans, MspanStartAddr, MspanNpages],
        "what allspans lists first are spans",
        |r| {
            let list = r
                .memory()
                .slice_header(r.at(r.variable(r.live.globals.mheap)?, MheapAllspans)?)?;
            let spans = r.memory().words(list.ptr, list.len.min(8), 8)?;
            for span in &spans {
                let (start, pages) = (r.word(*span, MspanStartAddr)?, r.word(*span, MspanNpages)?);
                if start == 0 || start % PAGE != 0 || !(1..MAX_MEMORY / PAGE).contains(&pages) {
                    return Ok(false);
                }
            }
            match spans.is_empty() {
                true => Err(Skip::DoesNotApply),
                false => Ok(true),
            }
        },
    );
}
