//! Reading somebody else's memory: a trait, so that a live process, a core file and a test's byte
//! buffer are the same thing to everything in `go`.
//!
//! This file knows no operating system: `target` implements [`ReadMemory`] for a process. Whatever
//! is read belongs to a program that goes on running, so a value is only what was there at that
//! moment, and a pointer, length or string header may be garbage: every helper that follows one
//! takes a bound, and none of them allocates more than it.
//!
//! Words are little-endian and 8 bytes wide: amd64 and arm64 under Linux, the only ones grtmon
//! knows (`Image::parse` refuses the others).

use std::error::Error;
use std::fmt;

/// Why memory could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MemoryError {
    /// No memory, or not enough, at this address (a stale or garbage pointer, most often).
    Unmapped {
        /// First address asked for.
        addr: u64,
        /// Number of bytes asked for.
        len: usize,
    },
    /// What a header in memory claims is more than the reader was allowed to take.
    TooLong {
        /// Where the data would begin.
        addr: u64,
        /// The length it claims, in bytes.
        len: u64,
        /// The most the caller accepts, in bytes.
        max: usize,
    },
    /// The process has ended, or is ending.
    Gone,
    /// The reader lacks the right to read this process.
    Denied,
    /// There was no answer in time: whoever has to fill this memory does not.
    Silent,
    /// The reader has done all the work that it was given for this process.
    Spent,
    /// Anything else the operating system said.
    Other(String),
}

impl fmt::Display for MemoryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MemoryError::Unmapped { addr, len } => {
                write!(f, "no {len} readable bytes at address {addr:#x}")
            }
            MemoryError::TooLong { addr, len, max } => {
                write!(
                    f,
                    "a length of {len} bytes at address {addr:#x}: more than the {max} expected"
                )
            }
            MemoryError::Gone => write!(f, "the process has ended"),
            MemoryError::Denied => write!(f, "no permission to read the memory of this process"),
            MemoryError::Silent => write!(
                f,
                "its memory does not answer: some of it lies on a file system (FUSE, NFS) or with a userfaultfd whose server is silent"
            ),
            MemoryError::Spent => write!(f, "it takes more work than any should"),
            MemoryError::Other(why) => {
                write!(f, "failed to read the memory of this process: {why}")
            }
        }
    }
}

impl Error for MemoryError {}

impl MemoryError {
    /// Whether a later attempt, or another address, cannot do better.
    pub fn is_final(&self) -> bool {
        matches!(
            self,
            MemoryError::Gone | MemoryError::Denied | MemoryError::Silent | MemoryError::Spent
        )
    }
}

/// One of several pieces of memory read together; see [`ReadMemory::read_many`].
#[derive(Debug)]
pub struct Piece<'b> {
    /// Where to read.
    pub addr: u64,
    /// What to fill; its length says how many bytes.
    pub buf: &'b mut [u8],
    /// Set by the reader: all of `buf` was filled. Otherwise its content means nothing.
    pub ok: bool,
}

impl<'b> Piece<'b> {
    /// A piece still to be read.
    pub fn new(addr: u64, buf: &'b mut [u8]) -> Self {
        Piece {
            addr,
            buf,
            ok: false,
        }
    }
}

/// A Go slice header as it lies in memory: `{array, len, cap}` (runtime/slice.go, all versions).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SliceHeader {
    /// Address of element 0; meaningless if `cap` is 0.
    pub ptr: u64,
    /// Elements in use.
    pub len: u64,
    /// Elements there is room for.
    pub cap: u64,
}

impl SliceHeader {
    /// Bytes of it.
    pub const SIZE: u64 = 24;
    /// Where `len` lies in it.
    pub const LEN: u64 = 8;

    /// Whether a Go program can hold such a slice: `len <= cap`, an address where there are elements.
    pub fn is_plausible(&self) -> bool {
        self.len <= self.cap && (self.cap == 0 || self.ptr != 0)
    }
}

/// The right to read one address space.
///
/// Only [`read`](ReadMemory::read) must be written; a process also overrides
/// [`read_many`](ReadMemory::read_many), for which its kernel has a faster way.
pub trait ReadMemory {
    /// Fills all of `buf` from address `addr` on.
    ///
    /// # Errors
    /// [`MemoryError`]; `buf` may then hold anything.
    fn read(&self, addr: u64, buf: &mut [u8]) -> Result<(), MemoryError>;

    /// How many bytes the process has written to at most, if that is known: that much memory is really there. What would
    /// take more is a lie, whatever addresses can be read (pages nobody has written to are zeros and cost nothing).
    fn held(&self) -> Option<u64> {
        None
    }

    /// Reads every piece, as nearly at one moment as can be, and marks those that succeeded
    /// ([`Piece::ok`]). One unreadable piece does not keep the others from being read.
    ///
    /// # Errors
    /// Only where nothing more can be read at all ([`MemoryError::is_final`]).
    fn read_many(&self, pieces: &mut [Piece<'_>]) -> Result<(), MemoryError> {
        for piece in pieces {
            match self.read(piece.addr, piece.buf) {
                Ok(()) => piece.ok = true,
                Err(why) if why.is_final() => return Err(why),
                Err(_) => piece.ok = false,
            }
        }
        Ok(())
    }

    /// The byte at `addr`.
    ///
    /// # Errors
    /// As [`read`](ReadMemory::read).
    fn u8(&self, addr: u64) -> Result<u8, MemoryError> {
        let mut b = [0; 1];
        self.read(addr, &mut b)?;
        Ok(b[0])
    }

    /// The 2-byte number at `addr`.
    ///
    /// # Errors
    /// As [`read`](ReadMemory::read).
    fn u16(&self, addr: u64) -> Result<u16, MemoryError> {
        let mut b = [0; 2];
        self.read(addr, &mut b)?;
        Ok(u16::from_le_bytes(b))
    }

    /// The 4-byte number at `addr`.
    ///
    /// # Errors
    /// As [`read`](ReadMemory::read).
    fn u32(&self, addr: u64) -> Result<u32, MemoryError> {
        let mut b = [0; 4];
        self.read(addr, &mut b)?;
        Ok(u32::from_le_bytes(b))
    }

    /// The 8-byte number, or the pointer, at `addr`.
    ///
    /// # Errors
    /// As [`read`](ReadMemory::read).
    fn u64(&self, addr: u64) -> Result<u64, MemoryError> {
        let mut b = [0; 8];
        self.read(addr, &mut b)?;
        Ok(u64::from_le_bytes(b))
    }

    /// The signed 8-byte number at `addr` (Go's `int`, `int64`; times of `nanotime`).
    ///
    /// # Errors
    /// As [`read`](ReadMemory::read).
    fn i64(&self, addr: u64) -> Result<i64, MemoryError> {
        let mut b = [0; 8];
        self.read(addr, &mut b)?;
        Ok(i64::from_le_bytes(b))
    }

    /// The `float64` at `addr`.
    ///
    /// # Errors
    /// As [`read`](ReadMemory::read).
    fn f64(&self, addr: u64) -> Result<f64, MemoryError> {
        let mut b = [0; 8];
        self.read(addr, &mut b)?;
        Ok(f64::from_le_bytes(b))
    }

    /// `len` bytes from `addr` on, if they are at most `max`.
    ///
    /// # Errors
    /// [`MemoryError::TooLong`] before anything is allocated; otherwise as [`read`](ReadMemory::read).
    fn bytes(&self, addr: u64, len: u64, max: usize) -> Result<Vec<u8>, MemoryError> {
        let wanted = usize::try_from(len).ok().filter(|wanted| *wanted <= max);
        let wanted = wanted.ok_or(MemoryError::TooLong { addr, len, max })?;
        let mut out = vec![0; wanted];
        if wanted > 0 {
            self.read(addr, &mut out)?;
        }
        Ok(out)
    }

    /// `count` words of 8 bytes from `addr` on, if they are at most `max` (words).
    ///
    /// # Errors
    /// As [`bytes`](ReadMemory::bytes).
    fn words(&self, addr: u64, count: u64, max: usize) -> Result<Vec<u64>, MemoryError> {
        let bytes = self.bytes(addr, count.saturating_mul(8), max.saturating_mul(8))?;
        let (words, _) = bytes.as_chunks::<8>();
        Ok(words.iter().map(|word| u64::from_le_bytes(*word)).collect())
    }

    /// The Go slice header at `addr`. It may be garbage: see [`SliceHeader::is_plausible`].
    ///
    /// # Errors
    /// As [`read`](ReadMemory::read).
    fn slice_header(&self, addr: u64) -> Result<SliceHeader, MemoryError> {
        let words = self.words(addr, 3, 3)?;
        Ok(match words[..] {
            [ptr, len, cap] => SliceHeader { ptr, len, cap },
            _ => SliceHeader::default(),
        })
    }

    /// The text of the Go string whose header `{data, len}` lies at `addr`, if it has at most `max`
    /// bytes. Bytes that are not UTF-8 are replaced.
    ///
    /// # Errors
    /// As [`bytes`](ReadMemory::bytes).
    fn go_string(&self, addr: u64, max: usize) -> Result<String, MemoryError> {
        let header = self.words(addr, 2, 2)?;
        let (data, len) = match header[..] {
            [data, len] => (data, len),
            _ => (0, 0),
        };
        Ok(String::from_utf8_lossy(&self.bytes(data, len, max)?).into_owned())
    }
}

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
