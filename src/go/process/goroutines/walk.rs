//! How the stacks of goroutines are copied and followed, many together.

use super::{Found, GoroutineReader, Slot};
use crate::go::memory::{MemoryError, Piece, ReadMemory};
use crate::go::process::g::RawG;
use crate::go::process::runtime_info::ReadError;
use crate::go::process::stack_copy::{self, StackCopy};
use crate::go::process::unwind::Trace;
use crate::model::dump::StackState;

/// Bytes of stacks copied together.
const BATCH_BYTES: u64 = 8 << 20;

impl GoroutineReader<'_> {
    /// Walks the stacks of goroutines that seem not to run, as many at once as are to be copied together.
    pub(super) fn walk_all(
        &mut self,
        memory: &dyn ReadMemory,
        slots: &mut [(&mut Slot, RawG)],
        allowance: &mut u64,
    ) -> Result<(), ReadError> {
        let mut rest = slots;
        while !rest.is_empty() {
            let (now, later) = rest.split_at_mut(together(rest));
            self.walk(memory, now, allowance)?;
            rest = later;
        }
        Ok(())
    }

    /// Walks the stacks of some of them.
    fn walk(
        &mut self,
        memory: &dyn ReadMemory,
        slots: &mut [(&mut Slot, RawG)],
        allowance: &mut u64,
    ) -> Result<(), ReadError> {
        let wanted: Vec<(u64, usize)> = slots
            .iter()
            .map(|(_, g)| (g.walk_from().sp, in_use(g)))
            .collect();
        let bytes: usize = wanted.iter().map(|(_, len)| 2 * len).sum();
        *allowance = match allowance.checked_sub(bytes as u64) {
            Some(left) if !self.traces.is_full() => left,
            _ => 0,
        };
        if *allowance == 0 {
            for (slot, g) in slots {
                slot.found = Found::Alive(*g, StackState::Unwalkable);
            }
            return Ok(());
        }
        let first = copy(memory, &wanted)?;
        let second = copy(memory, &wanted)?;
        // At once: who has moved until now may have moved before the copies, too.
        let moved = self.moved(memory, slots)?;
        let (mut one, mut other) = (Trace::default(), Trace::default());
        let mut results = Vec::with_capacity(slots.len());
        let mut has_read_on = false;
        let mut at = 0;
        for (((_, g), (sp, len)), read) in slots.iter().zip(&wanted).zip(&first.ok) {
            let to = at + len;
            let part = |copy: &'_ Copy| copy.bytes.get(at..to).unwrap_or_default().to_vec();
            let (a, b) = (part(&first), part(&second));
            at = to;
            let (from, end) = (g.walk_from(), g.stack_hi);
            let mut walk = |bytes: &[u8], trace: &mut Trace| {
                let mut stack = StackCopy::new(*sp, bytes, end, memory, allowance);
                let arrived = self.unwinder.walk(from, &mut stack, trace);
                has_read_on |= stack.has_read_on();
                arrived
            };
            let arrived = *read && *len > 0 && walk(&a, &mut one);
            let same = arrived && walk(&b, &mut other) && one == other;
            results.push(match (arrived, same) {
                (true, true) => StackState::Read(self.traces.number(&one)),
                (true, false) => StackState::Moving,
                (false, _) if self.is_cut_off() => StackState::NotInCore,
                (false, _) => StackState::Unwalkable,
            });
        }
        let moved_since = match has_read_on {
            true => self.moved(memory, slots)?,
            false => vec![false; slots.len()],
        };
        let moved = moved.iter().zip(moved_since).map(|(one, two)| *one || two);
        for (((slot, before), state), moved) in slots.iter_mut().zip(results).zip(moved) {
            let state = if moved { StackState::Moving } else { state };
            slot.found = Found::Alive(*before, state);
        }
        Ok(())
    }

    /// Which of these are no longer where they were.
    fn moved(
        &self,
        memory: &dyn ReadMemory,
        slots: &mut [(&mut Slot, RawG)],
    ) -> Result<Vec<bool>, ReadError> {
        let looked_at: Vec<&mut Slot> = slots.iter_mut().map(|(slot, _)| &mut **slot).collect();
        let after = self.records(memory, &looked_at)?;
        let pairs = slots.iter().zip(after);
        Ok(pairs
            .map(|((_, before), after)| after.is_none_or(|after| !after.is_at_same_place(before)))
            .collect())
    }
}

/// What was copied of several stacks, one behind the other, and of which the copy is good.
struct Copy {
    bytes: Vec<u8>,
    ok: Vec<bool>,
}

/// Copies pieces of memory, each given by address and length in bytes.
fn copy(memory: &dyn ReadMemory, wanted: &[(u64, usize)]) -> Result<Copy, MemoryError> {
    let mut bytes = vec![0; wanted.iter().map(|(_, len)| len).sum()];
    let mut rest = bytes.as_mut_slice();
    let mut pieces = Vec::with_capacity(wanted.len());
    for (addr, len) in wanted {
        let (piece, more) = rest.split_at_mut(*len);
        rest = more;
        pieces.push(Piece::new(*addr, piece));
    }
    memory.read_many(&mut pieces)?;
    let ok = pieces.iter().map(|piece| piece.ok).collect();
    Ok(Copy { bytes, ok })
}

/// How many bytes of a stack to copy at first: what is in use, if it is not much. None if the stack pointer is not on
/// the stack.
fn in_use(g: &RawG) -> usize {
    let sp = g.walk_from().sp;
    let used = g.stack_hi.checked_sub(sp).filter(|_| sp >= g.stack_lo);
    usize::try_from(used.unwrap_or(0).min(stack_copy::FIRST)).unwrap_or(0)
}

/// How many of these are to be copied together: at least one.
fn together(slots: &[(&mut Slot, RawG)]) -> usize {
    let mut bytes = 0;
    let fitting = slots.iter().take_while(|(_, g)| {
        bytes += in_use(g) as u64;
        bytes <= BATCH_BYTES
    });
    fitting.count().max(1)
}
