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
mod query;
mod resolve;

use gimli::{DebugLineStr, DebugStr, LittleEndian};

use self::index::{Index, Strings};
use self::info::DebugInfoBytes;
use self::query::Wanted;
use self::resolve::Reader;
use crate::go::elf::image::Image;

pub use self::query::{Answer, DwarfError, Query};

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
