//! Questions, answers, and why there are none.

use std::error::Error;
use std::fmt;

use gimli::{DebuggingInformationEntry, EndianSlice, LittleEndian};

pub(super) type Bytes<'s> = EndianSlice<'s, LittleEndian>;
pub(super) type Entry<'s> = DebuggingInformationEntry<Bytes<'s>>;

/// Why the DWARF of a binary could not answer. A query without an answer is not an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DwarfError {
    /// The binary has none (`-ldflags=-w`, `strip`).
    Absent,
    /// A section cannot be decompressed.
    Compression(&'static str),
    /// The sections contradict themselves; what gimli says.
    Damaged(String),
    /// There is DWARF, but not of a Go runtime.
    NoRuntime,
}

impl fmt::Display for DwarfError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DwarfError::Absent => f.write_str("the binary has no DWARF"),
            DwarfError::Compression(section) => {
                write!(f, "the DWARF section {section} cannot be decompressed")
            }
            DwarfError::Damaged(why) => write!(f, "the DWARF is damaged: {why}"),
            DwarfError::NoRuntime => {
                f.write_str("the DWARF does not describe the types of a Go runtime")
            }
        }
    }
}

impl Error for DwarfError {}

impl From<gimli::Error> for DwarfError {
    fn from(why: gimli::Error) -> Self {
        DwarfError::Damaged(why.to_string())
    }
}

/// What is asked of a [`Query`]'s subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    Offset,
    Size,
    Length,
    Constant,
}

/// One question about the runtime. Written as text:
///
/// | text | answer |
/// |---|---|
/// | `g.sched.sp` | offset in bytes of that member in `runtime.g`, through members that are structs |
/// | `sizeof g`, `sizeof mspan.nelems` | size in bytes of a type, of a member |
/// | `sizeof mheap.central[]` | size of an element of an array: the stride |
/// | `len p.runq` | number of elements of an array |
/// | `const _Gwaiting` | value of a constant of package `runtime` |
///
/// A type is one of package `runtime`; `abi.Type` is `internal/abi.Type`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    pub(super) wanted: Wanted,
    /// The type's or constant's name as DWARF has it, with its package.
    pub(super) name: String,
    pub(super) members: Vec<String>,
}

impl Query {
    /// Parses a query.
    pub fn new(text: &str) -> Query {
        let (wanted, subject) = match text.split_once(' ') {
            Some(("sizeof", subject)) => (Wanted::Size, subject),
            Some(("len", subject)) => (Wanted::Length, subject),
            Some(("const", subject)) => (Wanted::Constant, subject),
            _ => (Wanted::Offset, text),
        };
        let (package, subject) = match subject.strip_prefix("abi.") {
            Some(rest) => ("internal/abi", rest),
            None => ("runtime", subject),
        };
        let subject = subject.replace("[]", ".[]");
        let mut parts = subject.split('.');
        let name = format!("{package}.{}", parts.next().unwrap_or_default());
        let members = parts.map(str::to_owned).collect();
        Query {
            wanted,
            name,
            members,
        }
    }
}

/// What the DWARF says to a [`Query`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// The number asked for.
    Number(i64),
    /// The type is there, but has no such member, size or length: it does not exist in this version.
    NoMember,
    /// The type or constant is not there: it does not exist in this version, or this program does not
    /// use it.
    NoName,
}
