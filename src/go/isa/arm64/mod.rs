//! 64-bit ARM as Go's compiler emits it.
//!
//! All instructions are words of four bytes, told apart by a few bits each: "A64 instruction set encoding" of the Arm
//! Architecture Reference Manual. What is not recognised is taken to change everything. Registers are those of
//! cmd/compile/abi-internal.md: arguments in x0 to x15, the closure context in x26, the assembler's scratch register
//! x27, the current g in x28, the frame pointer in x29, the return address in x30.
//!
//! An address takes two instructions, `adrp` for its page and `add`, or a load or store, for the rest; the assembler puts
//! them next to each other (cmd/internal/obj/arm64/asm7.go). Where that takes a third one (Go 1.19), or the distance from
//! the stack pointer is large, the sum of the first two goes through x27; or, in position-independent programs of
//! Go 1.19, through any register.

mod bits;
pub(in crate::go) mod comparison;
mod constants;
mod effects;
mod memory;
pub(in crate::go) mod prologue;
pub(in crate::go) mod typing;
pub(in crate::go) mod uprobe;

use super::terms::{Access, Flow, Register};
use bits::{field, signed};
use memory::{Memory, Offset};

/// Registers that the helpers which keep registers may still change: those that the linker, a call and the assembler
/// take for themselves, and those that the helpers work with (runtime/asm_arm64.s, runtime/duff_arm64.s).
pub(in crate::go) const NOT_KEPT: [Register; 8] = [
    Register(16),
    Register(17),
    Register(20),
    Register(21),
    Register(25),
    Register(26),
    Register(27),
    Register(30),
];

/// The stack pointer, by the number that it shares with the register that is always zero.
const SP: Register = Register(31);

/// REGTMP of the assembler.
const SCRATCH: Register = Register(27);

/// An instruction, and what the one before it says about it.
#[derive(Clone, Copy, Debug)]
pub struct Instruction {
    address: u64,
    word: u32,
    known: Known,
}

/// An address as far as it is in the code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    Nothing,
    /// Link-time address.
    Address(u64),
    /// Distance from the stack pointer.
    Stack(u64),
}

impl Known {
    fn plus(self, distance: u64) -> Self {
        match self {
            Self::Nothing => Self::Nothing,
            Self::Address(address) => Self::Address(address.wrapping_add(distance)),
            Self::Stack(slot) => Self::Stack(slot.wrapping_add(distance)),
        }
    }
}

/// What the instruction before left in a register.
#[derive(Clone, Copy, Debug)]
struct Before {
    register: Register,
    known: Known,
    is_page: bool,
}

impl Before {
    /// Whether it is for nothing but the next instruction. (What is not can be reached by a jump.)
    fn is_part(&self) -> bool {
        self.is_page || self.register == SCRATCH
    }
}

/// Decodes code that lies at the link-time address `entry`.
pub(in crate::go) fn decode(bytes: &[u8], entry: u64) -> impl Iterator<Item = Instruction> {
    let mut before = None;
    let words = bytes.chunks_exact(4).zip(0..);
    words.map(move |(bytes, number)| {
        let address = entry.wrapping_add(4 * number);
        let instruction = Instruction::new(address, word_in(bytes), before);
        before = instruction.goes_on_with();
        instruction
    })
}

/// Where `bl` may be in some code.
pub(in crate::go) fn possible_calls(code: &[u8]) -> impl Iterator<Item = usize> {
    let words = code.chunks_exact(4).enumerate();
    words.filter_map(|(n, bytes)| (word_in(bytes) >> 26 == BL).then_some(n * 4))
}

/// The callee of a `bl`.
pub(in crate::go) fn called_from(call: u64, bytes: &[u8]) -> Option<u64> {
    Instruction::new(call, word_in(bytes.get(..4)?), None).call_target()
}

/// The word that four bytes are.
fn word_in(bytes: &[u8]) -> u32 {
    u32::from_le_bytes(bytes.try_into().unwrap_or_default())
}

const B: u32 = 0b00_0101;
const BL: u32 = 0b10_0101;

impl Instruction {
    /// `before` is what the instruction before left in a register, if this one may go on with it.
    fn new(address: u64, word: u32, before: Option<Before>) -> Self {
        let of = |register, goes_on: fn(&Before) -> bool| match before {
            Some(before) if before.register == register && goes_on(&before) => before.known,
            _ if register == SP => Known::Stack(0),
            _ => Known::Nothing,
        };
        let mut new = Self {
            address,
            word,
            known: Known::Nothing,
        };
        new.known = if new.is_adr() {
            let distance = signed(word, 5, 19) << 2 | i64::from(word >> 29 & 3);
            Known::Address(if word >> 31 == 0 {
                address.wrapping_add_signed(distance)
            } else {
                (address & !0xfff).wrapping_add_signed(distance << 12)
            })
        } else if let Some(constant) = new.adds() {
            of(new.rn(), Before::is_part).plus(constant)
        } else if Memory::of(word).is_some() {
            of(new.rn(), |_| true)
        } else {
            Known::Nothing
        };
        new
    }

    /// What it leaves in a register for the next instruction.
    fn goes_on_with(&self) -> Option<Before> {
        let is_page = self.is_adr() && self.word >> 31 == 1;
        let is_sum = self.adds().is_some()
            && (self.rd() == SCRATCH || matches!(self.known, Known::Address(_)));
        (is_page || is_sum).then(|| Before {
            register: self.rd(),
            known: self.known,
            is_page,
        })
    }

    /// `adr` or `adrp`.
    fn is_adr(&self) -> bool {
        self.word & 0x1f00_0000 == 0x1000_0000
    }

    /// `add xd, xn, #constant`: the constant.
    fn adds(&self) -> Option<u64> {
        (self.word & 0xff80_0000 == 0x9100_0000).then(|| self.immediate())
    }

    /// The constant of an addition or subtraction.
    fn immediate(&self) -> u64 {
        u64::from(self.word >> 10 & 0xfff) << ((self.word >> 22 & 1) * 12)
    }

    fn rd(&self) -> Register {
        field(self.word, 0)
    }

    fn rn(&self) -> Register {
        field(self.word, 5)
    }

    fn rm(&self) -> Register {
        field(self.word, 16)
    }

    pub(in crate::go) fn address(&self) -> u64 {
        self.address
    }

    pub(in crate::go) fn end(&self) -> u64 {
        self.address.wrapping_add(4)
    }

    pub(in crate::go) fn flow(&self) -> Flow {
        let word = self.word;
        let to = |words: i64| self.address.wrapping_add_signed(words * 4);
        if word >> 26 == B {
            Flow::Jump(Some(to(signed(word, 0, 26))))
        } else if word >> 26 == BL {
            Flow::Call(Some(to(signed(word, 0, 26))))
        } else if self.is_conditional() || word & 0x7e00_0000 == 0x3400_0000 {
            // b.cond; cbz, cbnz
            Flow::Branch(to(signed(word, 5, 19)))
        } else if word & 0x7e00_0000 == 0x3600_0000 {
            // tbz, tbnz
            Flow::Branch(to(signed(word, 5, 14)))
        } else if word & 0xfe00_0000 == 0xd600_0000 {
            match word >> 21 & 0xf {
                0 | 8 => Flow::Jump(None),
                1 | 9 => Flow::Call(None),
                2 => Flow::Return,
                _ => Flow::Trap,
            }
        } else if word & 0xff00_0000 == 0xd400_0000 {
            // svc and its like come back, brk and hlt do not.
            match word >> 21 & 7 {
                0 => Flow::Other,
                _ => Flow::Trap,
            }
        } else if word >> 16 == 0 {
            // udf: what the space between functions is filled with.
            Flow::Trap
        } else if self.is_unknown() {
            Flow::Other
        } else {
            Flow::Next
        }
    }

    /// `b.cond`.
    fn is_conditional(&self) -> bool {
        self.word & 0xff00_0000 == 0x5400_0000
    }

    /// Of a group that Go's compiler takes nothing from.
    fn is_unknown(&self) -> bool {
        self.word >> 25 & 0xf < 4
    }

    pub(in crate::go) fn call_target(&self) -> Option<u64> {
        match self.flow() {
            Flow::Call(target) => target,
            _ => None,
        }
    }

    pub(in crate::go) fn jump_target(&self) -> Option<u64> {
        match self.flow() {
            Flow::Branch(target) => Some(target),
            Flow::Jump(target) => target,
            _ => None,
        }
    }

    pub(in crate::go) fn is_nop(&self) -> bool {
        self.word == 0xd503_201f
    }

    /// The second instruction of `adrp reg; add reg, reg, #…`, unless it is for a third; or `adr`.
    pub(in crate::go) fn address_set(&self) -> Option<(Register, u64)> {
        let is_whole = self.adds().is_some() || self.is_adr() && self.word >> 31 == 0;
        match self.known {
            Known::Address(address) if is_whole && self.rd() != SCRATCH => {
                Some((self.rd(), address))
            }
            _ => None,
        }
    }

    pub(in crate::go) fn access(&self) -> Option<Access> {
        match self.known {
            Known::Address(base) => self.access_from(base),
            _ => None,
        }
    }

    pub(in crate::go) fn access_by_pointer(
        &self,
        address: impl FnOnce(Register) -> Option<u64>,
    ) -> Option<Access> {
        Memory::of(self.word)?;
        match self.known {
            Known::Nothing => self.access_from(address(self.rn())?),
            _ => None,
        }
    }

    fn access_from(&self, base: u64) -> Option<Access> {
        let memory = Memory::of(self.word)?;
        let Offset::Constant(offset) = memory.offset else {
            return None;
        };
        Some(Access {
            address: base.wrapping_add_signed(offset),
            words: memory.words().count(),
            stores: memory.is_general && !memory.loads,
        })
    }

    pub(in crate::go) fn stored_at_pointer(&self) -> Option<(Register, Register)> {
        let memory = Memory::of(self.word)?;
        let (0, value) = memory.words().next()? else {
            return None;
        };
        let fits = !memory.loads && !memory.writes_back && self.rn() != SP && value != SP;
        fits.then(|| (self.rn(), value))
    }

    /// `add reg, base, index, lsl #4`, or `ldr reg, [base, index]`.
    pub(in crate::go) fn indexed_strings(&self) -> Option<Register> {
        matches!(self.word & 0xffe0_fc00, 0x8b00_1000 | 0xf860_6800).then(|| self.rn())
    }

    /// `cmp reg, #…`, and for 0 also `cmp reg, zr` (Go 1.19).
    pub(in crate::go) fn compared_with(&self) -> Option<u64> {
        match self.word {
            word if word & 0x7f00_001f == 0x7100_001f => Some(self.immediate()),
            word if word & 0x7fff_fc1f == 0x6b1f_001f => Some(0),
            _ => None,
        }
    }

    pub(in crate::go) fn constant_set(&self) -> Option<(Register, u64)> {
        Some((self.rd(), constants::set(self.word)?))
    }

    /// `ldadd value, old, [pointer]`, of any size and ordering.
    pub(in crate::go) fn atomic_addition(&self) -> Option<(Register, Register)> {
        (self.word & 0x3f20_fc00 == 0x3820_0000).then(|| (self.rn(), self.rm()))
    }

    /// `ldar value, [pointer]` of 32 bits.
    pub(in crate::go) fn atomic_read(&self) -> Option<Register> {
        (self.word & 0xffff_fc00 == 0x88df_fc00).then(|| self.rn())
    }
}

#[cfg(test)]
mod tests;
