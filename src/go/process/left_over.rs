//! Goroutines in what is left of a process's memory, where the list of them is lost.
//!
//! A `g` is never moved, so whatever looks like one in all its parts is one: a number that can have been given, a state
//! that exists, a stack whose size is a power of two, a stack pointer on it, a start function and a `go` statement in the
//! program's code (runtime/runtime2.go, `type g`).

use std::ops::Range;

use super::g::{GLayout, RawG};
use crate::go::constant;
use crate::go::memory::ReadMemory;

/// So much is looked through at a time.
const PIECE: u64 = 1 << 20;

/// The smallest stack (`stackMin`, runtime/stack.go).
const MIN_STACK: u64 = 1 << 11;

/// The addresses of what looks like a goroutine that is alive. `is_code` says whether a program counter lies in the
/// program's code.
pub(in crate::go) fn goroutines(
    memory: &dyn ReadMemory,
    left: &[Range<u64>],
    layout: &GLayout,
    is_code: impl Fn(u64) -> bool,
) -> Vec<u64> {
    let mut found = Vec::new();
    let mut bytes = Vec::new();
    for range in left {
        let mut at = range.start.next_multiple_of(8);
        while at < range.end {
            // The last of one piece are looked at again with the next.
            let len = (range.end - at).min(PIECE + layout.size as u64);
            bytes.resize(usize::try_from(len).unwrap_or(0), 0);
            if memory.read(at, &mut bytes).is_ok() {
                let places = (0..bytes.len()).step_by(8).take(PIECE as usize / 8);
                found.extend(places.filter_map(|place| {
                    let g = layout.read(bytes.get(place..)?)?;
                    looks_alive(&g, &is_code).then_some(at + place as u64)
                }));
            }
            at = at.saturating_add(PIECE);
        }
    }
    found
}

fn looks_alive(g: &RawG, is_code: impl Fn(u64) -> bool) -> bool {
    let size = g.stack_hi.wrapping_sub(g.stack_lo);
    let on_stack = |sp: u64| (g.stack_lo..=g.stack_hi).contains(&sp);
    let waits = matches!(g.state(), constant::G_WAITING | constant::G_RUNNABLE);
    size >= MIN_STACK
        && size.is_power_of_two()
        && g.stack_lo.is_multiple_of(MIN_STACK)
        && g.goid != 0
        && g.goid < 1 << 48
        && !g.is_free()
        && g.state() <= constant::G_LEAKED
        && is_code(g.startpc)
        && is_code(g.gopc)
        && (on_stack(g.sched_sp) && is_code(g.sched_pc) || g.sched_sp == 0 && !waits)
}
