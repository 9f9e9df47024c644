//! Offsets, sizes, array lengths and constants of the Go runtime, from a binary's DWARF.
//!
//! Not a debugger's reader: it answers a list of [`Query`]s in one pass and looks into the units of
//! `runtime`, `internal/runtime/…` and `internal/abi` only; of every other unit it reads the header
//! and the name. The linker keeps all types of a program in a unit called `runtime`, apart from the
//! unit (of the same name) with that package's functions and constants (cmd/link/internal/ld/dwarf.go,
//! seen from Go 1.19 to 1.27).
//!
//! Go writes DWARF 4 up to 1.24 and DWARF 5 from 1.25 on (unless `GOEXPERIMENT=nodwarf5`), with
//! names in place (`DW_FORM_string`) and one abbreviation table for all units. Neither is relied on.

mod index;
mod info;
mod resolve;

use std::error::Error;
use std::fmt;

use gimli::{DebugLineStr, DebugStr, DebuggingInformationEntry, EndianSlice, LittleEndian};

use self::index::{Index, Strings};
use self::info::DebugInfoBytes;
use self::resolve::Reader;
use crate::go::elf::image::Image;

type Bytes<'s> = EndianSlice<'s, LittleEndian>;
type Entry<'s> = DebuggingInformationEntry<Bytes<'s>>;

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
enum Wanted {
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
    wanted: Wanted,
    /// The type's or constant's name as DWARF has it, with its package.
    name: String,
    members: Vec<String>,
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

/// Answers the queries from the binary's DWARF, in their order.
///
/// The cost is decompressing `.debug_info` as far as the runtime's types, and walking these: 2 ms for
/// a small program, 10 ms for the Go compiler (33 MB).
///
/// # Errors
/// [`DwarfError`]: no DWARF, or none that can be used.
pub fn answer(image: &Image, queries: &[Query]) -> Result<Vec<Answer>, DwarfError> {
    if !image.has_dwarf() {
        return Err(DwarfError::Absent);
    }
    let section = |name: &'static str| image.section_bytes(name);
    let mut info = DebugInfoBytes::open(image).ok_or(DwarfError::Compression(".debug_info"))?;
    let abbrev = section(".debug_abbrev").ok_or(DwarfError::Compression(".debug_abbrev"))?;
    let strings = section(".debug_str").unwrap_or_default();
    let line_strings = section(".debug_line_str").unwrap_or_default();
    let strings = Strings {
        plain: DebugStr::new(&strings, LittleEndian),
        line: DebugLineStr::new(&line_strings, LittleEndian),
    };
    let sought = queries
        .iter()
        .map(|query| (query.name.as_bytes(), query.wanted));
    let mut index = Index::new(&abbrev, sought.collect());
    let constants = queries.iter().any(|query| query.wanted == Wanted::Constant);
    let mut start = 0;
    while let Some(end) = info.unit(start) {
        index.unit(info.bytes(), start, strings)?;
        if index.is_complete(constants) {
            break;
        }
        start = end;
    }
    if index.found.is_empty() {
        return Err(DwarfError::NoRuntime);
    }
    let reader = Reader::new(info.bytes(), &index, strings)?;
    // A query that runs into damage has no answer; the others may have one.
    Ok(queries
        .iter()
        .map(|query| reader.resolve(query).unwrap_or(Answer::NoName))
        .collect())
}
