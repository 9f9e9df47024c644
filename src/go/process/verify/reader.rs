//! Reading members of structures, and the runtime's lists, each within bounds.

use super::Examined;
use super::pages::Pages;
use crate::go::layout::{Field, Layout};
use crate::go::memory::{MemoryError, ReadMemory};

/// At most this many goroutines, threads and processors are looked at; more would tell no more.
const SAMPLE: usize = 64;

/// Longer lists are garbage (goroutines: 80 GB of `g`s; threads and processors: the kernel's limits).
const MAX_GOROUTINES: u64 = 1 << 28;
const MAX_PROCESSORS: u64 = 1 << 16;
const MAX_THREADS: usize = 1 << 14;

/// Why a claim could not be decided.
#[derive(Debug, Clone)]
pub(super) enum Skip {
    /// The layout does not have a field, or a global variable was not found.
    Unknown,
    /// There is nothing to see at present: no garbage collection yet, no thread in that state.
    DoesNotApply,
    /// What was read first was no longer so when the rest was read.
    Moved,
    /// Memory could not be read.
    Unreadable(MemoryError),
}

impl From<MemoryError> for Skip {
    fn from(why: MemoryError) -> Self {
        Skip::Unreadable(why)
    }
}

/// Reads a process by a layout.
#[derive(Clone, Copy)]
pub(super) struct Reader<'c> {
    pub(super) layout: &'c Layout,
    pub(super) live: &'c Examined<'c>,
    pub(super) pages: &'c Pages<'c>,
}

impl Reader<'_> {
    /// From now on it reads what is there now.
    pub(super) fn again(&self) -> Self {
        self.pages.renew();
        *self
    }

    pub(super) fn memory(&self) -> &dyn ReadMemory {
        self.live.memory
    }

    /// A field's value: an offset, a size, a length.
    pub(super) fn known(&self, field: Field) -> Result<u64, Skip> {
        self.layout.hint(field).map(u64::from).ok_or(Skip::Unknown)
    }

    /// The address of a member.
    pub(super) fn at(&self, base: u64, field: Field) -> Result<u64, Skip> {
        let address = base.checked_add(self.known(field)?);
        address.ok_or(Skip::Unreadable(MemoryError::Unmapped {
            addr: base,
            len: 8,
        }))
    }

    /// A member of 1 byte.
    pub(super) fn byte(&self, base: u64, field: Field) -> Result<u8, Skip> {
        Ok(self.memory().u8(self.at(base, field)?)?)
    }

    /// A member of 2 bytes.
    pub(super) fn half(&self, base: u64, field: Field) -> Result<u16, Skip> {
        Ok(self.memory().u16(self.at(base, field)?)?)
    }

    /// A member of 4 bytes.
    pub(super) fn int32(&self, base: u64, field: Field) -> Result<u32, Skip> {
        Ok(self.memory().u32(self.at(base, field)?)?)
    }

    /// A member of 8 bytes.
    pub(super) fn word(&self, base: u64, field: Field) -> Result<u64, Skip> {
        Ok(self.memory().u64(self.at(base, field)?)?)
    }

    /// A member of 8 bytes that points to something; [`Skip::DoesNotApply`] if it is 0.
    pub(super) fn pointer(&self, base: u64, field: Field) -> Result<u64, Skip> {
        match self.word(base, field)? {
            0 => Err(Skip::DoesNotApply),
            address => Ok(address),
        }
    }

    /// The run-time address of a global variable.
    pub(super) fn variable(&self, address: Option<u64>) -> Result<u64, Skip> {
        Ok(address.ok_or(Skip::Unknown)?.wrapping_add(self.live.bias))
    }

    /// Whether a run-time address lies in the Go code.
    pub(super) fn is_code(&self, pc: u64) -> bool {
        let pc = pc.wrapping_sub(self.live.bias);
        self.live.code.iter().any(|code| code.contains(&pc))
    }

    /// Whether a run-time address is the entry of a function that is started once: see [`Examined::main`].
    pub(super) fn is_main(&self, pc: u64) -> bool {
        self.live.main.contains(&pc.wrapping_sub(self.live.bias))
    }

    /// The first goroutines, oldest first: elements of `allgs`, which only ever grows (runtime/proc.go,
    /// `allgadd`). First the main goroutine, whose descriptor serves others when it has ended; then the runtime's own.
    pub(super) fn goroutines(&self) -> Result<Vec<u64>, Skip> {
        self.list(self.live.globals.allgs, MAX_GOROUTINES, SAMPLE)
    }

    /// The processors, by number: elements of `allp`.
    pub(super) fn processors(&self) -> Result<Vec<u64>, Skip> {
        self.list(self.live.globals.allp, MAX_PROCESSORS, SAMPLE)
    }

    /// How many processors there are, idle or not.
    pub(super) fn processor_count(&self) -> Result<u64, Skip> {
        let address = self.variable(self.live.globals.allp)?;
        Ok(self.memory().slice_header(address)?.len)
    }

    /// The threads, newest first: `allm` and what follows by `m.alllink`, which ends with a 0.
    pub(super) fn threads(&self) -> Result<Vec<u64>, Skip> {
        let mut next = self.memory().u64(self.variable(self.live.globals.allm)?)?;
        let mut found = Vec::new();
        while next != 0 {
            if found.len() == MAX_THREADS || next % 8 != 0 {
                return Err(MemoryError::Unmapped { addr: next, len: 8 }.into());
            }
            found.push(next);
            next = self.word(next, Field::MAlllink)?;
        }
        Ok(found)
    }

    /// The first elements of a slice of pointers that is a global variable.
    fn list(&self, address: Option<u64>, longest: u64, most: usize) -> Result<Vec<u64>, Skip> {
        let address = self.variable(address)?;
        let header = self.memory().slice_header(address)?;
        if !header.is_plausible() || header.len == 0 || header.len > longest {
            return Err(MemoryError::TooLong {
                addr: address,
                len: header.len,
                max: most,
            }
            .into());
        }
        let count = header.len.min(most as u64);
        let found = self.memory().words(header.ptr, count, most)?;
        match found
            .iter()
            .find(|pointer| **pointer == 0 || **pointer % 8 != 0)
        {
            Some(bad) => Err(MemoryError::Unmapped { addr: *bad, len: 8 }.into()),
            None => Ok(found),
        }
    }
}
