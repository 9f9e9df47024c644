//! A copy of the part of a stack that is in use, made piece by piece if it is large.

use std::fmt;

use super::unwind::StackWords;
use crate::go::memory::ReadMemory;

/// Bytes copied at the first go: more than most goroutines use.
pub const FIRST: u64 = 16 << 10;
/// Bytes copied at each later one.
const NEXT: usize = 64 << 10;

/// One goroutine's stack.
pub struct StackCopy<'a> {
    first: (u64, &'a [u8]),
    next: Option<(u64, Vec<u8>)>,
    end: u64,
    memory: &'a dyn ReadMemory,
    allowance: &'a mut u64,
}

impl fmt::Debug for StackCopy<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StackCopy")
            .field("end", &self.end)
            .finish_non_exhaustive()
    }
}

impl<'a> StackCopy<'a> {
    /// A stack that ends before `end`, of which `bytes` at `addr` have been copied already. What else is needed is read
    /// from `memory`, as long as `allowance` (in bytes) lasts.
    pub fn new(
        addr: u64,
        bytes: &'a [u8],
        end: u64,
        memory: &'a dyn ReadMemory,
        allowance: &'a mut u64,
    ) -> Self {
        Self {
            first: (addr, bytes),
            next: None,
            end,
            memory,
            allowance,
        }
    }

    /// Whether more than the copy was needed.
    pub fn has_read_on(&self) -> bool {
        self.next.is_some()
    }

    fn read_on(&mut self, addr: u64) -> Option<u64> {
        let left = self.end.checked_sub(addr).filter(|left| *left >= 8)?;
        let len = usize::try_from(left).unwrap_or(NEXT).min(NEXT);
        *self.allowance = self.allowance.checked_sub(len as u64)?;
        let mut bytes = self.next.take().map(|(_, bytes)| bytes).unwrap_or_default();
        bytes.resize(len, 0);
        self.memory.read(addr, &mut bytes).ok()?;
        let word = word_in((addr, &bytes), addr);
        self.next = Some((addr, bytes));
        word
    }
}

impl StackWords for StackCopy<'_> {
    fn word(&mut self, addr: u64) -> Option<u64> {
        if let Some(word) = word_in(self.first, addr) {
            return Some(word);
        }
        let next = self
            .next
            .as_ref()
            .and_then(|(at, bytes)| word_in((*at, bytes), addr));
        next.or_else(|| self.read_on(addr))
    }
}

/// The word at `addr` in the bytes copied from an address on.
fn word_in((at, bytes): (u64, &[u8]), addr: u64) -> Option<u64> {
    let from = usize::try_from(addr.checked_sub(at)?).ok()?;
    let word = bytes.get(from..from.checked_add(8)?)?;
    Some(u64::from_le_bytes(word.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::go::memory_image::MemoryImage;

    #[test]
    fn words_beyond_the_copy_are_read_while_the_allowance_lasts() {
        let bytes: Vec<u8> = (0..300_000u32).flat_map(u32::to_le_bytes).collect();
        let end = 0x1000 + bytes.len() as u64;
        let first = bytes[..64].to_vec();
        let mut memory = MemoryImage::new();
        memory.map(0x1000, bytes);
        let mut allowance = 2 * NEXT as u64;
        let mut stack = StackCopy::new(0x1000, &first, end, &memory, &mut allowance);
        for addr in [0x1000, 0x1038, 0x1039, 0x1040, 0x2000, 0x1_1038, 0x1_1040] {
            assert_eq!(stack.word(addr), memory.u64(addr).ok(), "{addr:#x}");
        }
        assert_eq!(stack.word(0x5_0000), None, "the allowance is used up");
        assert_eq!(stack.word(end - 4), None);
        assert_eq!(stack.word(0), None);
    }
}
