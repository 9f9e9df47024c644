//! Memory that is at hand: what tests and core files read from.

use super::memory::{MemoryError, ReadMemory};

/// Memory made of byte buffers: for tests, and for whatever has been copied out already.
#[derive(Debug, Clone, Default)]
pub struct MemoryImage {
    regions: Vec<(u64, Vec<u8>)>,
}

impl MemoryImage {
    /// An address space in which nothing is mapped.
    pub fn new() -> Self {
        Self::default()
    }

    /// Maps `bytes` at `addr`. Of regions that overlap, the one mapped last is read.
    pub fn map(&mut self, addr: u64, bytes: Vec<u8>) -> &mut Self {
        self.regions.push((addr, bytes));
        self
    }

    /// Overwrites mapped bytes; whether all of them lay within one region.
    pub fn write(&mut self, addr: u64, bytes: &[u8]) -> bool {
        for (start, region) in self.regions.iter_mut().rev() {
            if let Some(at) = within(*start, region.len(), addr, bytes.len())
                && let Some(to) = region.get_mut(at..at + bytes.len())
            {
                to.copy_from_slice(bytes);
                return true;
            }
        }
        false
    }

    /// Overwrites the word at `addr`; whether it was mapped.
    pub fn write_u64(&mut self, addr: u64, value: u64) -> bool {
        self.write(addr, &value.to_le_bytes())
    }
}

/// The index of `addr` in a region of `size` bytes at `start` that holds `len` bytes from there on.
fn within(start: u64, size: usize, addr: u64, len: usize) -> Option<usize> {
    let at = usize::try_from(addr.checked_sub(start)?).ok()?;
    (at.checked_add(len)? <= size).then_some(at)
}

impl ReadMemory for MemoryImage {
    fn read(&self, addr: u64, buf: &mut [u8]) -> Result<(), MemoryError> {
        for (start, region) in self.regions.iter().rev() {
            if let Some(at) = within(*start, region.len(), addr, buf.len())
                && let Some(from) = region.get(at..at + buf.len())
            {
                buf.copy_from_slice(from);
                return Ok(());
            }
        }
        Err(MemoryError::Unmapped {
            addr,
            len: buf.len(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::go::memory::{Piece, SliceHeader};

    fn sample() -> MemoryImage {
        let mut memory = MemoryImage::new();
        memory
            .map(0x1000, (0..64).collect())
            .map(u64::MAX - 7, vec![0xff; 8]);
        memory
    }

    #[test]
    fn numbers_are_little_endian() {
        let memory = sample();
        assert_eq!(memory.u8(0x1001), Ok(1));
        assert_eq!(memory.u16(0x1001), Ok(0x0201));
        assert_eq!(memory.u32(0x1000), Ok(0x0302_0100));
        assert_eq!(memory.u64(0x1000), Ok(0x0706_0504_0302_0100));
        assert_eq!(memory.i64(u64::MAX - 7), Ok(-1));
    }

    /// Notes the longest piece that was asked for.
    struct Noting<'m>(&'m MemoryImage, std::cell::Cell<usize>);

    impl ReadMemory for Noting<'_> {
        fn read(&self, addr: u64, buf: &mut [u8]) -> Result<(), MemoryError> {
            self.1.set(self.1.get().max(buf.len()));
            self.0.read(addr, buf)
        }
    }

    #[test]
    fn a_length_that_is_a_lie_takes_no_memory() {
        let content: Vec<u8> = (0..5 << 19).map(|at: u32| at as u8).collect();
        let mut memory = MemoryImage::new();
        memory.map(0x1000, content.clone());
        let memory = Noting(&memory, Default::default());
        let all = memory.bytes(0x1000, content.len() as u64, usize::MAX);
        assert!(all == Ok(content));
        assert!(memory.bytes(0x1000, 1 << 30, usize::MAX).is_err());
        assert_eq!(memory.1.get(), 1 << 20);
    }

    #[test]
    fn what_is_not_mapped_is_an_error() {
        let memory = sample();
        assert_eq!(
            memory.u64(0xfff),
            Err(MemoryError::Unmapped {
                addr: 0xfff,
                len: 8
            })
        );
        assert!(memory.u64(0x1000 + 57).is_err());
        assert!(memory.u64(u64::MAX).is_err());
    }

    #[test]
    fn claims_are_bounded_before_allocation() {
        let memory = sample();
        assert_eq!(
            memory.bytes(0x1000, u64::MAX, 10),
            Err(MemoryError::TooLong {
                addr: 0x1000,
                len: u64::MAX,
                max: 10
            })
        );
        assert!(memory.words(0x1000, u64::MAX / 2, 3).is_err());
        assert_eq!(memory.bytes(0, 0, 0), Ok(Vec::new()));
    }

    #[test]
    fn strings_and_slices_follow_their_headers() {
        let mut memory = sample();
        memory.write(0x1020, b"go1.25.5");
        memory.write_u64(0x1000, 0x1020);
        memory.write_u64(0x1008, 8);
        memory.write_u64(0x1010, 9);
        assert_eq!(memory.go_string(0x1000, 64), Ok("go1.25.5".to_owned()));
        assert!(memory.go_string(0x1000, 7).is_err());
        let header = SliceHeader {
            ptr: 0x1020,
            len: 8,
            cap: 9,
        };
        assert_eq!(memory.slice_header(0x1000), Ok(header));
        assert!(header.is_plausible());
        assert!(!SliceHeader { len: 10, ..header }.is_plausible());
    }

    #[test]
    fn one_bad_piece_does_not_spoil_the_others() {
        let memory = sample();
        let (mut a, mut b, mut c) = ([0; 4], [0; 4], [0; 4]);
        let mut pieces = [
            Piece::new(0x1004, &mut a),
            Piece::new(0, &mut b),
            Piece::new(0x1008, &mut c),
        ];
        memory.read_many(&mut pieces).unwrap();
        assert_eq!(pieces.map(|piece| piece.ok), [true, false, true]);
        assert_eq!((a, c), ([4, 5, 6, 7], [8, 9, 10, 11]));
    }
}
