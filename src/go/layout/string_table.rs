//! Tables of names in the runtime: why goroutines wait, why the world is stopped.
//!
//! The runtime numbers such reasons and keeps their names in arrays of strings, `waitReasonStrings` and
//! `stwReasonStrings`. Numbers and names change between versions; so they are read from the binary itself.

use crate::go::elf::image::Image;
use crate::go::isa::code::Code;
use crate::go::isa::dataflow::{Dataflow, Origin};
use crate::go::isa::instruction::Instruction;

/// No table has as many entries.
const MAX_ENTRIES: u64 = 256;

/// No name has as many bytes.
const MAX_NAME: u64 = 256;

/// Size of a string's header: pointer and length.
const STRING: u64 = 16;

/// An array of strings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StringTable {
    /// Link-time address of the first string's header.
    pub address: u64,
    /// Number of strings.
    pub len: u64,
}

impl StringTable {
    /// The table that a function indexes: `cmp index, len; …; lea table, [rip+…]; mov reg, [table+index]`, or
    /// `cmp index, #len; …; adrp table, …; add table, …; add element, table, index, lsl #4`.
    pub(in crate::go) fn find(code: &Code<'_>) -> Option<Self> {
        let mut dataflow = Dataflow::new(code, &[]);
        for (at, load) in code.instructions().iter().enumerate() {
            let Some(table) = load.indexed_strings() else {
                continue;
            };
            let &[Origin::Address(address)] = dataflow.origins(table, at).as_slice() else {
                continue;
            };
            let before = code.instructions().get(..at).unwrap_or_default();
            let len = before.iter().rev().find_map(Instruction::compared_with)?;
            if (1..=MAX_ENTRIES).contains(&len) {
                return Some(Self { address, len });
            }
        }
        None
    }

    /// The names, by number, as the file has them. An entry without a name is empty.
    pub fn names(&self, image: &Image) -> Option<Vec<String>> {
        (0..self.len.min(MAX_ENTRIES))
            .map(|number| self.name(image, number))
            .collect()
    }

    fn name(&self, image: &Image, number: u64) -> Option<String> {
        let header = self.address.checked_add(number.checked_mul(STRING)?)?;
        let len = image.slice(header.checked_add(8)?, 8)?;
        let len = u64::from_le_bytes(len.try_into().ok()?);
        if len == 0 {
            return Some(String::new());
        }
        let bytes = image.slice(
            image.pointer(header)?,
            usize::try_from(len.min(MAX_NAME)).ok()?,
        )?;
        Some(String::from_utf8_lossy(bytes).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::go::elf::image::Machine;

    fn found(bytes: &[u8], entry: u64) -> Option<StringTable> {
        StringTable::find(&Code::decode(Machine::X86_64, bytes, entry))
    }

    /// `runtime.waitReason.String` of Go 1.27.
    #[test]
    fn table_of_wait_reasons() {
        let bytes = [
            0x3c, 0x2f, // cmp al, 0x2f
            0x72, 0x0d, // jb
            0x48, 0x8d, 0x05, 0x15, 0x0b, 0x23,
            0x00, // lea rax, [rip+…]: "unknown wait reason"
            0xbb, 0x13, 0x00, 0x00, 0x00, // mov ebx, 19
            0xc3, // ret
            0x0f, 0xb6, 0xc8, // movzx ecx, al
            0x48, 0xc1, 0xe1, 0x04, // shl rcx, 4
            0x48, 0x8d, 0x15, 0xc1, 0xab, 0x52, 0x00, // lea rdx, [rip+0x52abc1]
            0x48, 0x8b, 0x04, 0x0a, // mov rax, [rdx+rcx]
            0x48, 0x8b, 0x5c, 0x0a, 0x08, // mov rbx, [rdx+rcx+8]
            0xc3, // ret
        ];
        let table = found(&bytes, 0x45_ef00);
        let (address, len) = (0x98_9ae0, 47);
        assert_eq!(table, Some(StringTable { address, len }));
        assert_eq!(found(&bytes[..30], 0), None);
    }
}
