//! Claims about the spans of the heap and their slots (runtime/mheap.go).

use super::allocator::{Cached, MAX_MEMORY, PAGE, sized, spans};
use super::claim::Claims;
use super::reader::Skip;
use crate::go::layout::Field::{
    MheapAllspans, MspanAllocBits, MspanAllocCount, MspanFreeindex, MspanFreeindexSize,
    MspanNelems, MspanNelemsSize, MspanNpages, MspanStartAddr, PMcache,
};

/// More slots than a span can have.
const MOST_SLOTS: u64 = 8192;

pub(super) fn check(claims: &mut Claims<'_>) {
    list(claims);
    for p in claims.reader().processors().unwrap_or_default() {
        let Ok(cache) = claims.reader().pointer(p, PMcache) else {
            continue;
        };
        for cached in spans(claims.reader(), cache).unwrap_or_default() {
            claims.at_once(|claims| slots(claims, &cached));
        }
    }
}

fn list(claims: &mut Claims<'_>) {
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

fn slots(claims: &mut Claims<'_>, cached: &Cached) {
    let span = cached.span;
    claims.claim(
        // The others have claims of their own.
        &[MspanAllocBits],
        "as many slots of a span are in use as it counts",
        |r| {
            let count = sized(r, span, MspanNelems, MspanNelemsSize)?;
            let free = sized(r, span, MspanFreeindex, MspanFreeindexSize)?;
            let used = u64::from(r.half(span, MspanAllocCount)?);
            // Where nothing is free, or nothing was before, the bits say nothing.
            if free >= count || free == used || count > MOST_SLOTS {
                return Err(Skip::DoesNotApply);
            }
            let bits = r.word(span, MspanAllocBits)?;
            let bytes = r
                .memory()
                .bytes(bits, count.div_ceil(8), MOST_SLOTS as usize)?;
            let is_set = |slot: &u64| {
                let byte = usize::try_from(*slot / 8).ok().and_then(|at| bytes.get(at));
                byte.is_some_and(|byte| byte >> (slot % 8) & 1 == 1)
            };
            let found = free + (free..count).filter(is_set).count() as u64;
            // Who allocates just now has taken the slot and not yet counted it.
            cached.vote(r, found.abs_diff(used) <= 1)
        },
    );
}
