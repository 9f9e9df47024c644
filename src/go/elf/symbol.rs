//! Looking up one name in an ELF symbol table, without an index.
//!
//! Go binaries have 24 bytes of `.symtab` per function and long names; searching the names for the text first and the
//! table for the resulting offsets second reads each of the two once and allocates nothing to speak of.

use super::word::word;

/// Size of an `Elf64_Sym`: name u32, info u8, other u8, section u16, value u64, size u64.
const SYMBOL: usize = 24;

/// The value of the first defined symbol of that name, in a table of symbols whose names are in `strings`.
pub(in crate::go) fn find(symbols: &[u8], strings: &[u8], name: &str) -> Option<u64> {
    // A linker may store "b" as the tail of "a.b", so any place where the name ends properly will do.
    let mut needle = name.as_bytes().to_vec();
    needle.push(0);
    let offsets: Vec<usize> = memchr::memmem::find_iter(strings, &needle).collect();
    if offsets.is_empty() {
        return None;
    }
    symbols.chunks_exact(SYMBOL).find_map(|symbol| {
        let offset = u32::from_le_bytes(symbol.get(..4)?.try_into().ok()?);
        let section = u16::from_le_bytes(symbol.get(6..8)?.try_into().ok()?);
        if section == 0
            || offsets
                .binary_search(&usize::try_from(offset).ok()?)
                .is_err()
        {
            return None;
        }
        word(symbol.get(8..)?)
    })
}
