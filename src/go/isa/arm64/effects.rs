//! What instructions of 64-bit ARM do to registers and stack slots.

use super::bits::field;
use super::memory::{Memory, Offset};
use super::{Instruction, Known, SCRATCH, SP};
use crate::go::isa::terms::{Effect, Flow, Operand, Register};

/// Registers, one bit each; bit 31 is the stack pointer.
type Set = u32;

/// Every register.
const ALL: Set = u32::MAX;

/// The set of one register, where 31 is the stack pointer.
fn one(register: Register) -> Set {
    1 << (register.0 & 31)
}

/// The same where 31 is the register that is always zero.
fn general(register: Register) -> Set {
    if register == SP { 0 } else { one(register) }
}

impl Instruction {
    /// Whether the instruction changes, or may change, the register or a part of it.
    pub(crate) fn changes(&self, register: Register) -> bool {
        self.written() & one(register) != 0
    }

    /// What the instruction does to a place.
    pub(crate) fn effect_on(&self, place: Operand) -> Effect {
        match place {
            Operand::Register(register) => self.effect_on_register(register),
            Operand::Slot(slot) => self.effect_on_slot(slot),
        }
    }

    fn effect_on_register(&self, register: Register) -> Effect {
        if !self.changes(register) {
            return Effect::Unchanged;
        }
        if let Some((_, address)) = self.address_set().filter(|(target, _)| *target == register) {
            return Effect::Address(address);
        }
        // mov xd, xm: orr xd, xzr, xm
        if self.word & 0xffe0_ffe0 == 0xaa00_03e0 && self.rm() != SP {
            return Effect::Copied(Operand::Register(self.rm()));
        }
        match (self.known, Memory::of(self.word)) {
            (Known::Stack(base), Some(memory)) if !memory.writes_back => memory
                .words()
                .find(|(_, loaded)| *loaded == register)
                .map_or(Effect::Other, |(offset, _)| {
                    Effect::Copied(Operand::Slot(base.wrapping_add_signed(offset)))
                }),
            _ => Effect::Other,
        }
    }

    fn effect_on_slot(&self, slot: u64) -> Effect {
        if self.changes(SP) {
            return Effect::Other;
        }
        let Some(memory) = Memory::of(self.word) else {
            return match self.may_store() && self.rn() == SP {
                true => Effect::Other,
                false => Effect::Unchanged,
            };
        };
        if memory.loads {
            return Effect::Unchanged;
        }
        let (base, offset) = match (self.known, memory.offset) {
            (Known::Stack(base), Offset::Constant(offset)) => (base, offset),
            (Known::Stack(_), Offset::Register) => return Effect::Other,
            // An address on the stack that took more instructions than are looked at.
            (Known::Nothing, _) if self.rn() == SCRATCH => return Effect::Other,
            _ => return Effect::Unchanged,
        };
        let at = |offset: i64| base.wrapping_add_signed(offset);
        // The distance of the slot from the first byte stored, and the reverse.
        let (behind, before) = (slot.wrapping_sub(at(offset)), at(offset).wrapping_sub(slot));
        if behind >= memory.bytes() && before >= 8 {
            return Effect::Unchanged;
        }
        let stored = memory.words().find(|(offset, _)| at(*offset) == slot);
        match stored {
            Some((_, register)) if register != SP => Effect::Copied(Operand::Register(register)),
            _ => Effect::Other,
        }
    }

    /// Whether it is of the group of loads and stores.
    fn may_store(&self) -> bool {
        self.word >> 25 & 0b0101 == 0b0100
    }

    /// The registers that it changes, or may change.
    fn written(&self) -> Set {
        let word = self.word;
        match word >> 25 & 0xf {
            0b1000 | 0b1001 => {
                let sets_flags = word >> 29 & 3;
                let is_sum = matches!(word >> 23 & 7, 2 | 3) && sets_flags & 1 == 0;
                let is_mask = word >> 23 & 7 == 4 && sets_flags != 3;
                if is_sum || is_mask {
                    one(self.rd())
                } else {
                    general(self.rd())
                }
            }
            0b1010 | 0b1011 => match self.flow() {
                Flow::Call(_) => one(Register(30)),
                Flow::Other | Flow::Trap => ALL,
                // mrs and sysl
                Flow::Next if word >> 21 & 1 == 1 => general(self.rd()),
                _ => 0,
            },
            0b0100 | 0b0110 | 0b1100 | 0b1110 => self.loaded(),
            0b0101 | 0b1101 => {
                let extends = word & 0x1f20_0000 == 0x0b20_0000 && word >> 29 & 1 == 0;
                match word >> 21 & 0xff {
                    // ccmp and ccmn
                    0xd2 => 0,
                    _ if extends => one(self.rd()),
                    _ => general(self.rd()),
                }
            }
            0b0111 | 0b1111 => match self.is_to_general() {
                true => general(self.rd()),
                false => 0,
            },
            _ if word >> 16 == 0 => 0,
            _ => ALL,
        }
    }

    /// Whether it is a vector or floating-point instruction whose result goes to a general-purpose register.
    fn is_to_general(&self) -> bool {
        let word = self.word;
        let converts = word & 0x7f20_fc00 == 0x1e20_0000 || word & 0x7f20_0000 == 0x1e00_0000;
        // scvtf, ucvtf and fmov go the other way.
        (converts && !matches!(word >> 16 & 7, 2 | 3 | 7))
            // umov and smov
            || matches!(word & 0xbfe0_fc00, 0x0e00_3c00 | 0x0e00_2c00)
    }

    /// The registers that a load or store changes.
    fn loaded(&self) -> Set {
        let word = self.word;
        let base = one(self.rn());
        if let Some(memory) = Memory::of(word) {
            let loads = memory.loads && memory.is_general;
            let loaded = memory.registers().filter(|_| loads).map(general);
            let back = if memory.writes_back { base } else { 0 };
            return loaded.fold(back, |all, one| all | one);
        }
        let (rt, rt2, rs) = (self.rd(), field(word, 10), self.rm());
        match word >> 24 & 0x3f {
            // Exclusive and ordered accesses, compare and swap.
            0x08 => match (word >> 23 & 1, word >> 22 & 1, word >> 21 & 1) {
                (0, 0, 0) => general(rs),
                (0, 1, 0) => general(rt),
                (0, _, 1) if word >> 31 == 0 => general(rs) | general(Register(rs.0 | 1)),
                (0, 0, 1) => general(rs),
                (0, 1, 1) => general(rt) | general(rt2),
                (1, 0, 0) => 0,
                (1, 1, 0) => general(rt),
                _ => general(rs),
            },
            // Literals.
            0x18 => general(rt),
            0x1c => 0,
            // Vectors.
            0x0c | 0x0d => match word >> 23 & 1 {
                1 => base,
                _ => 0,
            },
            // A change of memory that gives its old value; a prefetch.
            0x38 if word >> 21 & 1 == 1 && word >> 10 & 3 == 0 => match word >> 12 & 0xf {
                0..=8 | 12 => general(rt),
                _ => ALL,
            },
            0x38 | 0x39 if word >> 22 & 0x3ff == 0x3e2 || word >> 22 & 0x3ff == 0x3e6 => 0,
            _ => ALL,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::go::isa::arm64::Before;

    /// The registers that an instruction changes.
    fn changed(word: u32) -> Vec<u8> {
        let instruction = Instruction::new(0x1000, word, None);
        (0..32)
            .filter(|register| instruction.changes(Register(*register)))
            .collect()
    }

    #[test]
    fn registers() {
        for (word, registers) in [
            (0xf940_0f42_u32, &[2_u8][..]), // ldr x2, [x26, #24]
            (0xa940_8740, &[0, 1]),         // ldp x0, x1, [x26, #8]
            (0xf81d_0ffe, &[31]),           // str x30, [sp, #-48]!
            (0xf843_07fe, &[30, 31]),       // ldr x30, [sp], #48
            (0xf81f_83fd, &[]),             // stur x29, [sp, #-8]
            (0xd100_23fd, &[29]),           // sub x29, sp, #0x8
            (0x9101_03ff, &[31]),           // add sp, sp, #0x40
            (0xeb30_63ff, &[]),             // cmp sp, x16
            (0x7100_bc5f, &[]),             // cmp w2, #0x2f
            (0xaa1f_03e3, &[3]),            // mov x3, xzr
            (0x97ff_6462, &[30]),           // bl
            (0x3400_0360, &[]),             // cbz
            (0x88df_fc42, &[2]),            // ldar w2, [x2]
            (0x889f_fc23, &[]),             // stlr w3, [x1]
            (0x885f_fc1b, &[27]),           // ldaxr w27, [x0]
            (0x881b_fc03, &[27]),           // stlxr w27, w3, [x0]
            (0x88fb_fc03, &[27]),           // casal w27, w3, [x0]
            (0xf8e8_012a, &[10]),           // ldaddal x8, x10, [x9]
            (0xfd46_8360, &[]),             // ldr d0, [x27, #3328]
            (0x9a9f_17e5, &[5]),            // cset x5, eq
            (0xfa40_0800, &[]),             // ccmp x0, #0, #0, eq
            (0x9e66_0001, &[1]),            // fmov x1, d0
            (0x9e67_0020, &[]),             // fmov d0, x1
            (0xf980_0000, &[]),             // prfm pldl1keep, [x0]
            (0xd53b_d040, &[0]),            // mrs x0, tpidr_el0
            (0xd503_201f, &[]),             // nop
        ] {
            assert_eq!(changed(word), registers, "{word:x}");
        }
        assert_eq!(changed(0x0420_0000).len(), 32, "unknown");
    }

    #[test]
    fn slots() {
        let on = |word, slot| {
            let before = Before {
                register: SCRATCH,
                known: Known::Stack(0x1000),
                is_page: false,
            };
            Instruction::new(0x1000, word, Some(before)).effect_on(Operand::Slot(slot))
        };
        let copied = |register| Effect::Copied(Operand::Register(Register(register)));
        assert_eq!(on(0xf900_37e0, 104), copied(0)); // str x0, [sp, #104]
        assert_eq!(on(0xf900_37e0, 96), Effect::Unchanged);
        assert_eq!(on(0xf900_37e0, 100), Effect::Other);
        assert_eq!(on(0xa900_87e0, 8), copied(0)); // stp x0, x1, [sp, #8]
        assert_eq!(on(0xa900_87e0, 16), copied(1));
        assert_eq!(on(0xa900_87e0, 24), Effect::Unchanged);
        assert_eq!(on(0x3900_63e2, 24), Effect::Other); // strb w2, [sp, #24]
        assert_eq!(on(0xfd00_13e0, 32), Effect::Other); // str d0, [sp, #32]
        assert_eq!(on(0xf900_0360, 0x1000), copied(0)); // add x27, sp, …; str x0, [x27]
        assert_eq!(on(0xf900_0360, 0), Effect::Unchanged);
        assert_eq!(on(0xf900_0020, 0), Effect::Unchanged); // str x0, [x1]
        assert_eq!(on(0xf940_37e0, 104), Effect::Unchanged); // ldr x0, [sp, #104]
        assert_eq!(on(0xd101_03ff, 0), Effect::Other); // sub sp, sp, #0x40
        let alone = Instruction::new(0x1000, 0xf900_0360, None);
        assert_eq!(alone.effect_on(Operand::Slot(0)), Effect::Other); // str x0, [x27]
    }

    #[test]
    fn copies() {
        let on = |word, register| {
            Instruction::new(0x1000, word, None).effect_on(Operand::Register(Register(register)))
        };
        assert_eq!(
            on(0xaa05_03e0, 0),
            Effect::Copied(Operand::Register(Register(5)))
        ); // mov x0, x5
        assert_eq!(on(0xf940_27e2, 2), Effect::Copied(Operand::Slot(72))); // ldr x2, [sp, #72]
        assert_eq!(on(0xa940_87e0, 1), Effect::Copied(Operand::Slot(16))); // ldp x0, x1, [sp, #8]
        assert_eq!(on(0xf843_07fe, 30), Effect::Other); // ldr x30, [sp], #48
        assert_eq!(on(0xb940_2fe2, 2), Effect::Other); // ldr w2, [sp, #44]
        assert_eq!(on(0xf940_0f42, 2), Effect::Other); // ldr x2, [x26, #24]
        assert_eq!(on(0xf940_0f42, 3), Effect::Unchanged);
    }
}
