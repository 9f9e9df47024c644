//! Bytes copied out of a process, and the numbers in them.
//!
//! A variable of the runtime is copied as a whole, in one system call, so that its members belong to one moment as nearly
//! as can be; then they are looked at in peace.

use super::runtime_info::{ProcessView, ReadError};
use crate::go::layout::Field;
use crate::go::memory::Piece;

/// No structure that is read here is nearly as large (bytes); what claims to be is a mistake.
const LARGEST: u64 = 1 << 20;

/// A copy of the memory at some address.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::go) struct Block {
    addr: u64,
    bytes: Vec<u8>,
}

impl Block {
    /// Room for `len` bytes from `addr` on.
    ///
    /// # Errors
    /// `len` cannot be right.
    pub(in crate::go) fn new(addr: u64, len: u64) -> Result<Self, ReadError> {
        let wanted = usize::try_from(len).ok().filter(|_| len <= LARGEST);
        let len = wanted.ok_or_else(|| {
            ReadError::Implausible(format!("a structure of {len} bytes at {addr:#x}"))
        })?;
        Ok(Self {
            addr,
            bytes: vec![0; len],
        })
    }

    /// Room for those of `fields` (with their widths in bytes) that this version of Go has, in the structure at `addr`.
    pub(in crate::go) fn spanning(
        view: &ProcessView<'_>,
        addr: u64,
        fields: &[(Field, u64)],
    ) -> Result<Self, ReadError> {
        let ends = fields
            .iter()
            .filter_map(|(field, width)| Some(view.known(*field)? + width));
        Self::new(addr, ends.max().unwrap_or(0))
    }

    /// What to hand to `ReadMemory::read_many`.
    pub(in crate::go) fn piece(&mut self) -> Piece<'_> {
        Piece::new(self.addr, &mut self.bytes)
    }

    fn take<const N: usize>(&self, offset: u64) -> Option<[u8; N]> {
        let at = usize::try_from(offset).ok()?;
        self.bytes.get(at..at.checked_add(N)?)?.try_into().ok()
    }

    /// The 1-byte number at an offset; `None` beyond the end. Likewise the others.
    pub(in crate::go) fn u8(&self, offset: u64) -> Option<u8> {
        self.take(offset).map(u8::from_le_bytes)
    }

    pub(in crate::go) fn u16(&self, offset: u64) -> Option<u16> {
        self.take(offset).map(u16::from_le_bytes)
    }

    pub(in crate::go) fn u32(&self, offset: u64) -> Option<u32> {
        self.take(offset).map(u32::from_le_bytes)
    }

    pub(in crate::go) fn u64(&self, offset: u64) -> Option<u64> {
        self.take(offset).map(u64::from_le_bytes)
    }

    /// Whether a range holds nothing but zeros; `false` beyond the end.
    pub(in crate::go) fn is_zero(&self, offset: u64, len: u64) -> bool {
        let range = || {
            let from = usize::try_from(offset).ok()?;
            self.bytes
                .get(from..from.checked_add(usize::try_from(len).ok()?)?)
        };
        range().is_some_and(|bytes| bytes.iter().all(|byte| *byte == 0))
    }
}

/// Reads all blocks with as few calls as can be.
///
/// # Errors
/// One of them could not be read.
pub(in crate::go) fn read_all<'b>(
    view: &ProcessView<'_>,
    blocks: impl IntoIterator<Item = &'b mut Block>,
) -> Result<(), ReadError> {
    let mut pieces: Vec<Piece<'_>> = blocks.into_iter().map(Block::piece).collect();
    view.memory.read_many(&mut pieces)?;
    match pieces.iter().find(|piece| !piece.ok) {
        None => Ok(()),
        Some(piece) => Err(ReadError::Memory(crate::go::MemoryError::Unmapped {
            addr: piece.addr,
            len: piece.buf.len(),
        })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_end_with_the_block() {
        let mut block = Block::new(0, 10).unwrap();
        block.bytes[8] = 7;
        assert_eq!(block.u16(8), Some(7));
        assert_eq!(block.u16(9), None);
        assert_eq!(block.u64(u64::MAX), None);
        assert!(block.is_zero(0, 8) && !block.is_zero(0, 9) && !block.is_zero(9, 2));
        assert!(Block::new(0, u64::MAX).is_err());
    }
}
