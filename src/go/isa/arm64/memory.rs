//! Loads and stores of 64-bit ARM.

use super::bits::{field, signed};
use crate::go::isa::terms::Register;

/// A load or store of one or two registers, with its address in a base register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Memory {
    pub(super) offset: Offset,
    /// Bytes of one register's value in memory.
    pub(super) size: u64,
    registers: (Register, Option<Register>),
    /// Whether they are general-purpose registers.
    pub(super) is_general: bool,
    pub(super) loads: bool,
    /// Whether the base register is changed.
    pub(super) writes_back: bool,
}

/// How far from the base register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Offset {
    Constant(i64),
    /// By what another register says.
    Register,
}

impl Memory {
    /// `None` for all other instructions, those that synchronise with other processors included.
    pub(super) fn of(word: u32) -> Option<Self> {
        match word >> 24 & 0x3a {
            0x28 => Self::pair(word),
            0x38 => Self::single(word),
            _ => None,
        }
    }

    fn pair(word: u32) -> Option<Self> {
        let is_general = word >> 26 & 1 == 0;
        let loads = word >> 22 & 1 == 1;
        let size: u64 = match (is_general, word >> 30) {
            (true, 0) => 4,
            // ldpsw; the store stores a tag besides.
            (true, 1) if loads => 4,
            (true, 2) => 8,
            (false, scale @ 0..=2) => 4 << scale,
            _ => return None,
        };
        let mode = word >> 23 & 3;
        Some(Self {
            // After the access: the base register as it is.
            offset: Offset::Constant(match mode {
                1 => 0,
                _ => signed(word, 15, 7) * size.cast_signed(),
            }),
            size,
            registers: (field(word, 0), Some(field(word, 10))),
            is_general,
            loads,
            writes_back: mode & 1 == 1,
        })
    }

    fn single(word: u32) -> Option<Self> {
        let is_general = word >> 26 & 1 == 0;
        let (size, option) = (word >> 30, word >> 22 & 3);
        let scale = if is_general {
            size
        } else {
            size | (option & 2) << 1
        };
        if scale > 4 || size == 3 && is_general && option >= 2 {
            // Not allocated, or a prefetch.
            return None;
        }
        let is_scaled = word >> 24 & 1 == 1;
        let mode = word >> 10 & 3;
        let is_indexed = !is_scaled && word >> 21 & 1 == 1;
        let offset = match mode {
            _ if is_scaled => Offset::Constant(i64::from(word >> 10 & 0xfff) << scale),
            2 if is_indexed => Offset::Register,
            _ if is_indexed => return None,
            1 => Offset::Constant(0),
            _ => Offset::Constant(signed(word, 12, 9)),
        };
        Some(Self {
            offset,
            size: 1 << scale,
            registers: (field(word, 0), None),
            is_general,
            loads: if is_general {
                option != 0
            } else {
                option & 1 == 1
            },
            writes_back: !is_scaled && !is_indexed && mode & 1 == 1,
        })
    }

    /// The general-purpose registers that are loaded or stored whole, and how many bytes behind the base register; none
    /// where that is not constant.
    pub(super) fn words(&self) -> impl Iterator<Item = (i64, Register)> + use<> {
        let offset = match self.offset {
            Offset::Constant(offset) if self.is_general && self.size == 8 => Some(offset),
            _ => None,
        };
        let (first, second) = self.registers;
        let first = offset.map(|at| (at, first));
        let second = offset.and_then(|at| Some((at.saturating_add(8), second?)));
        first.into_iter().chain(second)
    }

    /// All registers.
    pub(super) fn registers(&self) -> impl Iterator<Item = Register> + use<> {
        let (first, second) = self.registers;
        [first].into_iter().chain(second)
    }

    /// Bytes in memory.
    pub(super) fn bytes(&self) -> u64 {
        self.size << u32::from(self.registers.1.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Words from the runtime of Go 1.27, and what its disassembler says of them.
    #[test]
    fn loads_and_stores() {
        let words = |word| -> Vec<(i64, u8)> {
            let memory: Memory = Memory::of(word).unwrap();
            memory.words().map(|(at, r)| (at, r.0)).collect()
        };
        assert_eq!(words(0xf940_0f42), [(24, 2)]); // ldr x2, [x26, #24]
        assert_eq!(words(0xa940_8740), [(8, 0), (16, 1)]); // ldp x0, x1, [x26, #8]
        assert_eq!(words(0xf81f_83fd), [(-8, 29)]); // stur x29, [sp, #-8]
        assert_eq!(words(0xf81d_0ffe), [(-48, 30)]); // str x30, [sp, #-48]!
        assert_eq!(words(0xf843_07fe), [(0, 30)]); // ldr x30, [sp], #48
        assert_eq!(words(0xb94e_b365), []); // ldr w5, [x27, #3760]
        assert_eq!(words(0xf864_78a4), []); // ldr x4, [x5, x4, lsl #3]
        assert_eq!(words(0xfd46_8360), []); // ldr d0, [x27, #3328]
        let of = |word: u32| Memory::of(word).unwrap();
        assert!(of(0xf81d_0ffe).writes_back && !of(0xf81d_0ffe).loads);
        assert!(of(0xf843_07fe).writes_back && of(0xf843_07fe).loads);
        assert!(!of(0xf81f_83fd).writes_back);
        assert_eq!(of(0xfd00_9fe0).offset, Offset::Constant(312)); // str d0, [sp, #312]
        assert_eq!(of(0x2940_0b61).bytes(), 8); // ldp w1, w2, [x27]
        assert!(of(0x3980_001b).loads); // ldrsb x27, [x0]
        for other in [
            0x88df_fc42, // ldar w2, [x2]
            0xf8e8_012a, // ldaddal x8, x10, [x9]
            0x885f_fc1b, // ldaxr w27, [x0]
            0xf980_0000, // prfm pldl1keep, [x0]
            0x9134_6000, // add x0, x0, #0xd18
        ] {
            assert_eq!(Memory::of(other), None, "{other:x}");
        }
    }
}
