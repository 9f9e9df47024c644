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

/// Bytes of somebody else's memory for which room is made before any of them was seen to be there.
const TAKEN_AT_ONCE: usize = 1 << 20;

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
        // Only what is there takes memory here: a length may be a lie, and the reading ends where the memory does.
        let mut out = Vec::new();
        while out.len() < wanted {
            let done = out.len();
            let at = addr.wrapping_add(done as u64);
            out.resize(wanted.min(done.saturating_add(TAKEN_AT_ONCE)), 0);
            self.read(at, &mut out[done..])?;
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
