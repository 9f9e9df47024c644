//! The first instructions of a Go function of 64-bit ARM: where a call of it is seen, and how many arguments it takes.
//!
//! The stack check is `ldr x16, [x28, #16]; cmp sp, x16; b.ls`, where x28 is the current g and 16 the offset of
//! `g.stackguard0`; in functions with a large frame `sub x17, sp, #…; cmp x17, x16; b.ls`, in those with a huge one
//! `subs x17, sp, #…; b.lo; cmp x17, x16; b.ls` (cmd/internal/obj/arm64/obj7.go, `stacksplit`, Go 1.18 to 1.27). Nothing
//! that the kernel simulates follows before the stack pointer moves, so the branch itself is the site.

use super::memory::Memory;
use super::{Instruction, SP};
use crate::go::isa::code::Code;
use crate::go::isa::instruction::{Flow, Instruction as Any, Register};
use crate::go::isa::site_kind::SiteKind;

/// Registers that must be unchanged for a site to be intact (see [`SiteKind`]) besides the arguments, x0 to x15: the
/// closure context, g, the frame pointer, the return address, and the stack pointer.
const INTACT: [Register; 5] = [Register(26), Register(28), Register(29), Register(30), SP];

/// In which functions with a large frame compute the stack pointer to be (REGRT2 of the assembler).
const FUTURE_SP: Register = Register(17);

/// `cmp sp, x16` and `cmp x17, x16`.
const COMPARISONS: [u32; 2] = [0xeb30_63ff, 0xeb10_023f];

/// `ldr x16, [x28, #16]`, and 24 (`g.stackguard1`) in functions that run on system stacks only.
const GUARDS: [u32; 2] = [0xf940_0b90, 0xf940_0f90];

/// Conditions of branches.
const LOWER_OR_SAME: u32 = 9;
const LOWER: u32 = 3;

/// The place at which a call is seen once with its arguments intact, in the order of [`SiteKind`]; `None` if the function
/// begins with a loop.
pub(crate) fn choose(code: &Code<'_>) -> Option<(usize, SiteKind)> {
    if let Some(index) = stack_check(code) {
        return Some((index, SiteKind::StackCheckBranch));
    }
    let once = |index: usize| code.jumped_to(0..index + 1).is_empty();
    for (index, instruction) in code.instructions().iter().enumerate() {
        if code.is_emulated(index) {
            if once(index) {
                return Some((index, SiteKind::Early));
            }
            break;
        }
        if instruction.flow() != Flow::Next || !keeps_intact(word(instruction)?) {
            break;
        }
    }
    once(0).then_some((0, SiteKind::Entry))
}

fn word(instruction: &Any) -> Option<&Instruction> {
    match instruction {
        Any::Arm64(i) => Some(i),
        Any::Amd64(_) => None,
    }
}

fn keeps_intact(instruction: &Instruction) -> bool {
    let arguments = (0..16).map(Register);
    !arguments
        .chain(INTACT)
        .any(|register| instruction.changes(register))
}

/// The place of the branch to `runtime.morestack` that ends the stack check, if the function begins with one.
fn stack_check(code: &Code<'_>) -> Option<usize> {
    let mut before: Option<&Instruction> = None;
    let mut guarded = false;
    for (index, instruction) in code.instructions().iter().enumerate() {
        let instruction = word(instruction)?;
        let last = before.map_or(0, |it| it.word);
        if instruction.is_conditional() {
            match instruction.word & 0x1f {
                LOWER_OR_SAME if guarded && COMPARISONS.contains(&last) => return Some(index),
                LOWER if guarded && before.is_some_and(|it| it.changes(FUTURE_SP)) => {}
                _ => return None,
            }
        } else if instruction.flow() != Flow::Next || !keeps_intact(instruction) {
            return None;
        }
        guarded |= GUARDS.contains(&instruction.word);
        if !instruction.is_nop() {
            before = Some(instruction);
        }
    }
    None
}

/// The slow path of a stack check saves each argument register, calls `runtime.morestack_noctxt`, restores them and
/// jumps to the entry: `stp x0, x1, [sp, #8]; strb w2, [sp, #24]; …; mov x3, x30; bl` (cmd/internal/obj/arm64/obj7.go and
/// cmd/compile/internal/ssagen, `spillArgReg`). A register that holds no argument is not saved.
pub(crate) fn saved_arguments(code: &Code<'_>) -> usize {
    let slow = stack_check(code)
        .and_then(|index| code.get(index)?.jump_target())
        .and_then(|target| code.index_of(target));
    let Some(slow) = slow else {
        return 0;
    };
    code.instructions()
        .get(slow..)
        .unwrap_or_default()
        .iter()
        .take_while(|i| i.call_target().is_none())
        .filter_map(|i| word(i).filter(|i| i.rn() == SP))
        .filter_map(|i| Memory::of(i.word))
        .filter(|memory| memory.is_general && !memory.loads)
        .map(|memory| memory.registers().count())
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::go::elf::image::Machine;

    fn bytes(words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    fn chosen(words: &[u32]) -> Option<(u64, SiteKind)> {
        let bytes = bytes(words);
        let code = Code::decode(Machine::Aarch64, &bytes, 0x1_0000);
        let (index, kind) = choose(&code)?;
        Some((code.get(index).unwrap().address() - 0x1_0000, kind))
    }

    /// `runtime.newproc.func1` of Go 1.27.
    #[test]
    fn branch_of_stack_check() {
        let words = [
            0xf940_0b90, // ldr x16, [x28, #16]
            0xeb30_63ff, // cmp sp, x16
            0x5400_02c9, // b.ls
            0xf81d_0ffe, // str x30, [sp, #-48]!
        ];
        assert_eq!(chosen(&words), Some((8, SiteKind::StackCheckBranch)));
    }

    /// The comparisons of a large frame, and of a huge one that takes two instructions to subtract.
    #[test]
    fn branch_of_stack_check_of_large_frames() {
        let large = [
            0xf940_0b90, // ldr x16, [x28, #16]
            0xd102_43f1, // sub x17, sp, #0x90
            0xeb10_023f, // cmp x17, x16
            0x5400_1009, // b.ls
            0xd108_43f4, // sub x20, sp, #0x210
        ];
        assert_eq!(chosen(&large), Some((12, SiteKind::StackCheckBranch)));
        let huge = [
            0xf940_0b90, // ldr x16, [x28, #16]
            0xd280_0c1b, // mov x27, #0x60
            0xf2a0_003b, // movk x27, #0x1, lsl #16
            0xeb3b_63f1, // subs x17, sp, x27
            0x5400_0403, // b.lo
            0xeb10_023f, // cmp x17, x16
            0x5400_03c9, // b.ls
        ];
        assert_eq!(chosen(&huge), Some((24, SiteKind::StackCheckBranch)));
    }

    /// `runtime.casgstatus`: no stack check; and what is simulated before anything has changed.
    #[test]
    fn functions_without_stack_check() {
        let entry = [0xf81a_0ffe, 0xf81f_83fd, 0xd100_23fd]; // str x30, [sp, #-96]!; …
        assert_eq!(chosen(&entry), Some((0, SiteKind::Entry)));
        let early = [0xd503_201f, 0xb400_0040, 0xd65f_03c0, 0xd65f_03c0]; // nop; cbz x0; …
        assert_eq!(chosen(&early), Some((4, SiteKind::Early)));
        // str x30, [sp, #-32]!; cbz x0: the stack pointer has moved.
        let late = [0xf81e_0ffe, 0xb400_0040, 0xd65f_03c0, 0xd65f_03c0];
        assert_eq!(chosen(&late), Some((0, SiteKind::Entry)));
    }

    /// A comparison with something else, and an argument that is changed first.
    #[test]
    fn what_is_no_stack_check() {
        let other = [0xf940_0b91, 0xeb30_63ff, 0x5400_02c9]; // ldr x17, [x28, #16]; …
        assert_ne!(chosen(&other).unwrap().1, SiteKind::StackCheckBranch);
        let changed = [0xd280_0000, 0xf940_0b90, 0xeb30_63ff, 0x5400_02c9]; // mov x0, #0; …
        assert_eq!(chosen(&changed), Some((0, SiteKind::Entry)));
    }

    /// `for {}`: each turn would be a hit.
    #[test]
    fn no_site_in_a_loop() {
        assert_eq!(chosen(&[0xd503_201f, 0x17ff_ffff]), None); // nop; b .-4
        assert_eq!(chosen(&[0x1400_0000]), None); // b .
    }

    /// The slow path of `runtime.runqsteal` of Go 1.27.
    #[test]
    fn counts_saved_arguments() {
        let three = [
            0xf940_0b90, // ldr x16, [x28, #16]
            0xeb30_63ff, // cmp sp, x16
            0x5400_0049, // b.ls .+8
            0xd65f_03c0, // ret
            0xa900_87e0, // stp x0, x1, [sp, #8]
            0x3900_63e2, // strb w2, [sp, #24]
            0xaa1e_03e3, // mov x3, x30
            0x9400_b4d5, // bl
            0xa940_87e0, // ldp x0, x1, [sp, #8]
        ];
        let code = bytes(&three);
        let code = Code::decode(Machine::Aarch64, &code, 0x1_0000);
        assert_eq!(saved_arguments(&code), 3);
        let none = bytes(&three[3..]);
        assert_eq!(
            saved_arguments(&Code::decode(Machine::Aarch64, &none, 0)),
            0
        );
    }
}
