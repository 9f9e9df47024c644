//! What reading the memory of any process of one binary takes: where the runtime's variables lie and how they are built.
//!
//! It is found out once per binary; a [`Subject`] is one process of it.

use std::error::Error;
use std::fmt;

use super::binary::Binary;
use super::globals::Globals;
use super::image::Image;
use super::layout::{Field, Layout};
use super::memory::{MemoryError, ReadMemory};
use super::runtime::Runtime;

/// The runtime's variables and structures in one binary.
#[derive(Debug)]
pub struct Anatomy {
    /// Offsets and sizes.
    pub layout: Layout,
    /// Link-time addresses.
    pub globals: Globals,
    /// Link-time address of the program's first instruction.
    pub entry: u64,
    /// Whether the program is loaded elsewhere than at its link-time addresses.
    pub is_pie: bool,
}

impl Anatomy {
    /// Finds everything out. Takes some tens of milliseconds.
    pub fn of(binary: &Binary) -> Self {
        let image: &Image = binary.image();
        Self {
            layout: Layout::of(binary),
            globals: Globals::of(&Runtime::of(binary)),
            entry: image.entry(),
            is_pie: image.is_pie(),
        }
    }

    /// What to add to a link-time address to get the live one, given where the process was entered (`AT_ENTRY` of its
    /// auxiliary vector, getauxval(3)).
    pub fn bias(&self, entered_at: u64) -> u64 {
        if self.is_pie {
            entered_at.wrapping_sub(self.entry)
        } else {
            0
        }
    }
}

/// Why something could not be read from a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReadError {
    /// Its memory was not readable there.
    Memory(MemoryError),
    /// What it takes is not known of this binary: one clause.
    Unknown(String),
    /// What was read cannot be what it is taken for: one clause. Nothing that depends on it may be used.
    Implausible(String),
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReadError::Memory(why) => why.fmt(f),
            ReadError::Unknown(why) => f.write_str(why),
            ReadError::Implausible(why) => {
                write!(f, "the process's memory does not look as expected: {why}")
            }
        }
    }
}

impl Error for ReadError {}

impl From<MemoryError> for ReadError {
    fn from(why: MemoryError) -> Self {
        ReadError::Memory(why)
    }
}

impl ReadError {
    /// Whether a later attempt cannot do better.
    pub fn is_final(&self) -> bool {
        match self {
            ReadError::Memory(why) => why.is_final(),
            ReadError::Unknown(_) => true,
            ReadError::Implausible(_) => false,
        }
    }
}

/// One process (or what is left of one) of a binary.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    /// Its memory.
    pub memory: &'a dyn ReadMemory,
    /// What is known of its binary.
    pub anatomy: &'a Anatomy,
    /// What to add to a link-time address, modulo 2⁶⁴, to get a live one.
    pub bias: u64,
}

impl fmt::Debug for Subject<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subject")
            .field("bias", &self.bias)
            .finish_non_exhaustive()
    }
}

impl<'a> Subject<'a> {
    /// The live address of a global variable: `subject.global("sched", |globals| globals.sched)`.
    ///
    /// # Errors
    /// [`ReadError::Unknown`]: it was not found in the binary.
    pub fn global(
        &self,
        name: &str,
        pick: impl Fn(&Globals) -> Option<u64>,
    ) -> Result<u64, ReadError> {
        pick(&self.anatomy.globals)
            .map(|vaddr| vaddr.wrapping_add(self.bias))
            .ok_or_else(|| {
                ReadError::Unknown(format!(
                    "the variable runtime.{name} was not found in the binary"
                ))
            })
    }

    /// An offset, size or length.
    ///
    /// # Errors
    /// [`ReadError::Unknown`]: no value is known for this binary.
    pub fn offset(&self, field: Field) -> Result<u64, ReadError> {
        match self.anatomy.layout.offset(field) {
            Some(offset) => Ok(u64::from(offset)),
            None => Err(ReadError::Unknown(format!(
                "where the runtime keeps {field} is not known for this binary"
            ))),
        }
    }

    /// The address of a member of the structure at `base`.
    ///
    /// # Errors
    /// As [`offset`](Self::offset).
    pub fn member(&self, base: u64, field: Field) -> Result<u64, ReadError> {
        Ok(base.wrapping_add(self.offset(field)?))
    }
}
