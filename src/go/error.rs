//! Why a file, or a part of it, cannot be read as a Go program.
//!
//! Everything in `go` reports with this type; the text of each variant is one line that a user can act on.

use std::fmt;

use crate::go::elf::stranger;
use crate::go::elf::stranger::Stranger;

/// Why a file cannot be understood. `Display` is one line: what is wrong, and why that matters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GoError {
    /// The file does not begin with an ELF header; what it is, as far as that can be told, and what to do.
    NotElf(Option<&'static str>),
    /// ELF, but for 32-bit machines (or an invalid class byte); which, as Go calls it.
    Not64Bit(&'static str),
    /// ELF for a processor that grtmon does not know; the processor's name.
    ForeignArchitecture(String),
    /// ELF, but neither an executable nor a shared object; what it is instead.
    NotExecutable(&'static str),
    /// ELF, but not a core dump where one was asked for.
    NotCore,
    /// What `objcopy --only-keep-debug` leaves of a program.
    NoCode,
    /// No Go function table: not a Go program, or its table has been obfuscated; or what it is instead.
    NotGo(Option<Stranger>),
    /// A Go program from before Go 1.18; how that shows.
    TooOld(String),
    /// The headers speak of bytes behind the end of the file.
    Truncated {
        /// The part that is cut off.
        what: &'static str,
        /// Where that part ends, in bytes from the start of the file.
        needed: u64,
        /// The size of the file in bytes.
        size: u64,
    },
    /// It is not what it was when it was opened: somebody writes to it, or has truncated it.
    Changed,
    /// The bytes contradict themselves; what contradicts.
    Corrupt(String),
}

impl GoError {
    /// Shorthand for [`GoError::Corrupt`].
    pub(crate) fn corrupt(what: impl Into<String>) -> Self {
        Self::Corrupt(what.into())
    }
}

impl fmt::Display for GoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotElf(None) => f.write_str("not an ELF file"),
            Self::NotElf(Some(what)) => write!(f, "not an ELF file: {what}"),
            Self::Not64Bit(name) => {
                write!(f, "a 32-bit program (for {name}); only 64-bit ones are supported")?;
                match stranger::widened(name) {
                    Some(arch) => write!(f, ": build it with GOARCH={arch}"),
                    None => Ok(()),
                }
            }
            Self::ForeignArchitecture(name) => {
                write!(f, "a program for {name}; only x86-64 and arm64 are supported")
            }
            Self::NotExecutable(kind) => write!(f, "not an executable program but {kind}"),
            Self::NotGo(Some(stranger)) => write!(f, "{stranger}"),
            Self::NotCore => f.write_str("not a core dump"),
            Self::NoCode => f.write_str(
                "it holds no code, only the debug information of a program: name the program itself",
            ),
            Self::NotGo(None) => f.write_str(
                "not a Go program (no Go function table found), or one whose function table has been obfuscated",
            ),
            Self::TooOld(how) => {
                write!(f, "built with a Go version that is too old: {how}; Go 1.18 is the oldest supported")
            }
            Self::Truncated { what, needed, size } => write!(
                f,
                "the file is truncated: {what} ends at byte {needed}, but the file has only {size} bytes"
            ),
            Self::Changed => f.write_str("the file changed while it was read; try again when nobody writes to it"),
            Self::Corrupt(what) => write!(f, "the file is corrupt: {what}"),
        }
    }
}

impl std::error::Error for GoError {}
