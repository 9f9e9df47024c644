//! String variables in a binary's initialised data: what the linker wrote into the runtime's own variables.
//!
//! `runtime.buildVersion` and `runtime.modinfo` hold what `.go.buildinfo` holds, and are still there when that has been
//! removed. The linker makes such strings apart from all others and ends them with a NUL
//! (cmd/link/internal/ld/data.go, `addstrdata`, Go 1.18 to 1.27), which constants in Go code never have.

use crate::go::elf::image::Image;
use crate::go::elf::word::word;

/// The values of the string variables that the linker has set, of up to `longest` bytes, in no particular order.
pub(in crate::go) fn linker_strings(image: &Image, longest: usize) -> impl Iterator<Item = &[u8]> {
    image.variable_pointers().filter_map(move |(vaddr, value)| {
        let length = usize::try_from(word(image.slice(vaddr.checked_add(8)?, 8)?)?).ok()?;
        if length == 0 || length > longest {
            return None;
        }
        let bytes = image.slice(value, length.checked_add(1)?)?;
        let (end, text) = bytes.split_last()?;
        (*end == 0).then_some(text)
    })
}
