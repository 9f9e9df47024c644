//! Parts of the words that instructions of 64-bit ARM are.

use crate::go::isa::terms::Register;

/// The register whose number begins at this bit.
pub(super) fn field(word: u32, bit: u32) -> Register {
    Register((word >> bit & 31) as u8)
}

/// The signed number of so many bits that begins at this bit.
pub(super) fn signed(word: u32, bit: u32, bits: u32) -> i64 {
    let unused = 32 - bits;
    i64::from((word >> bit << unused).cast_signed() >> unused)
}
