//! The first instructions of an x86-64 Go function: where a call of it is seen, and how many arguments it takes.
//!
//! The stack check (`cmp rsp, [r14+16]; jbe morestack`, where r14 is the current g and 16 the offset of
//! `g.stackguard0`), its two longer forms for large frames, and `push rbp` behind it are from
//! cmd/internal/obj/x86/obj6.go (`preprocess`, `stacksplit`), Go 1.17 to 1.27; Go ≤ 1.20 saves rbp after moving rsp
//! instead. The registers that hold arguments are from src/cmd/compile/abi-internal.md.

use iced_x86::{ConditionCode, Mnemonic, OpKind, Register};

use crate::go::isa::code::Code;
use crate::go::isa::instruction::{Effects, Flow, Instruction};
use crate::go::isa::site_kind::SiteKind;

/// Registers that must be unchanged for a site to be intact (see [`SiteKind`]), rsp and rbp besides.
const INTACT: [Register; 13] = [
    Register::RAX,
    Register::RBX,
    Register::RCX,
    Register::RDI,
    Register::RSI,
    Register::R8,
    Register::R9,
    Register::R10,
    Register::R11,
    Register::RDX,
    Register::R14,
    Register::RSP,
    Register::RBP,
];

/// The place at which a call is seen once with its arguments intact, in the order of [`SiteKind`]; `None` if the function
/// begins with a loop.
pub(crate) fn choose(code: &Code<'_>) -> Option<(usize, SiteKind)> {
    let mut effects = Effects::default();
    let mut check = None;
    let mut early = None;
    for (index, instruction) in code.instructions().iter().enumerate() {
        if is_push_rbp(iced(instruction)?) {
            return Some((index, SiteKind::PushRbp));
        }
        if instruction.is_branch() {
            match stack_check_part(code, index) {
                Some(Check::Branch) => (check, early) = (Some(index), None),
                Some(Check::Underflow) => {}
                None => {
                    early = early.or(Some(index));
                    break;
                }
            }
            continue;
        }
        if code.is_emulated(index) {
            early = early.or(Some(index));
        }
        if instruction.flow() != Flow::Next
            || INTACT
                .iter()
                .any(|intact| effects.changes(instruction, super::register(*intact)))
        {
            break;
        }
    }
    let once = |from: usize, to: usize| code.jumped_to(from..to + 1).is_empty();
    match (early, check) {
        (Some(index), Some(check)) if once(check, index) => Some((index, SiteKind::Early)),
        (Some(index), None) if once(0, index) => Some((index, SiteKind::Early)),
        (_, Some(index)) => Some((index, SiteKind::StackCheckBranch)),
        (_, None) => once(0, 0).then_some((0, SiteKind::Entry)),
    }
}

/// A place behind the set-up of the frame, for functions of Go ≤ 1.20 without a stack check: the first emulated instruction
/// after `lea rbp, [rsp+N]`, if rax, rbx, rcx and r14 are still what the caller passed and nothing leads there twice.
pub(crate) fn framed(code: &Code<'_>) -> Option<usize> {
    const KEPT: [Register; 4] = [Register::RAX, Register::RBX, Register::RCX, Register::R14];
    let mut effects = Effects::default();
    let mut has_frame = false;
    for (index, instruction) in code.instructions().iter().enumerate() {
        if has_frame && code.is_emulated(index) {
            return code.jumped_to(0..index + 1).is_empty().then_some(index);
        }
        if instruction.flow() != Flow::Next
            || KEPT
                .iter()
                .any(|kept| effects.changes(instruction, super::register(*kept)))
        {
            return None;
        }
        let i = iced(instruction)?;
        has_frame |= i.mnemonic() == Mnemonic::Lea
            && i.op0_register() == Register::RBP
            && i.memory_base() == Register::RSP;
    }
    None
}

fn iced(instruction: &Instruction) -> Option<&iced_x86::Instruction> {
    match instruction {
        Instruction::Amd64(i) => Some(&i.0),
        Instruction::Arm64(_) => None,
    }
}

fn is_push_rbp(instruction: &iced_x86::Instruction) -> bool {
    instruction.mnemonic() == Mnemonic::Push
        && instruction.op0_kind() == OpKind::Register
        && instruction.op0_register() == Register::RBP
}

enum Check {
    /// `jbe morestack` after the comparison with the stack guard.
    Branch,
    /// `jb morestack` after computing `rsp - framesize`, in functions with a huge frame.
    Underflow,
}

/// Whether the conditional branch at `index` belongs to a stack check.
fn stack_check_part(code: &Code<'_>, index: usize) -> Option<Check> {
    let branch = iced(code.get(index)?)?;
    let before = (0..index)
        .rev()
        .filter_map(|i| iced(code.get(i)?))
        .find(|i| i.mnemonic() != Mnemonic::Nop)?;
    match (branch.condition_code(), before.mnemonic()) {
        (ConditionCode::be, Mnemonic::Cmp) if is_stack_guard(before) => Some(Check::Branch),
        (ConditionCode::b, Mnemonic::Sub) if before.op0_register() == Register::R12 => {
            Some(Check::Underflow)
        }
        _ => None,
    }
}

/// `cmp rsp, [r14+16]`, with r12 instead of rsp in functions with a large frame, and 24 (`g.stackguard1`) instead of
/// 16 in those that run on system stacks only.
fn is_stack_guard(compare: &iced_x86::Instruction) -> bool {
    matches!(compare.op0_register(), Register::RSP | Register::R12)
        && compare.op1_kind() == OpKind::Memory
        && compare.memory_base() == Register::R14
        && matches!(compare.memory_displacement64(), 16 | 24)
}

/// The slow path of a stack check saves each argument register, calls `runtime.morestack_noctxt`, restores them and
/// jumps to the entry: `mov [rsp+8], rax; mov [rsp+16], bl; …; call` (cmd/internal/obj/x86/obj6.go and
/// cmd/compile/internal/ssagen, `spillArgReg`). A register that holds no argument is not saved.
pub(crate) fn saved_arguments(code: &Code<'_>) -> usize {
    let check = (0..code.instructions().len()).find(|index| {
        code.get(*index).is_some_and(Instruction::is_branch)
            && matches!(stack_check_part(code, *index), Some(Check::Branch))
    });
    let slow = check
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
        .filter_map(iced)
        .filter(|i| {
            i.mnemonic() == Mnemonic::Mov
                && i.op0_kind() == OpKind::Memory
                && i.memory_base() == Register::RSP
        })
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::go::elf::image::Machine;

    fn chosen(bytes: &[u8]) -> Option<(u64, SiteKind)> {
        let code = Code::decode(Machine::X86_64, bytes, 0x1000);
        let (index, kind) = choose(&code)?;
        Some((code.get(index).unwrap().address() - 0x1000, kind))
    }

    fn saved(bytes: &[u8]) -> usize {
        saved_arguments(&Code::decode(Machine::X86_64, bytes, 0x1000))
    }

    /// `runtime.newproc` of Go 1.21: small frame, `push rbp`.
    #[test]
    fn push_after_stack_check() {
        let bytes = [0x49, 0x3b, 0x66, 0x10, 0x76, 0x58, 0x55, 0x48, 0x89, 0xe5];
        assert_eq!(chosen(&bytes), Some((6, SiteKind::PushRbp)));
    }

    /// `runtime.stopTheWorldWithSema` of Go 1.22: large frame, long branch.
    #[test]
    fn push_after_stack_check_of_large_frame() {
        let bytes = [
            0x4c, 0x8d, 0x64, 0x24, 0xf0, // lea r12, [rsp-0x10]
            0x4d, 0x3b, 0x66, 0x10, // cmp r12, [r14+0x10]
            0x0f, 0x86, 0xd8, 0x03, 0x00, 0x00, // jbe
            0x55, 0x48, 0x89, 0xe5, // push rbp; mov rbp, rsp
        ];
        assert_eq!(chosen(&bytes), Some((15, SiteKind::PushRbp)));
    }

    /// A frame of more than half a page of stack guard: the subtraction may wrap.
    #[test]
    fn push_after_stack_check_of_huge_frame() {
        let bytes = [
            0x49, 0x89, 0xe4, // mov r12, rsp
            0x49, 0x81, 0xec, 0x00, 0x20, 0x00, 0x00, // sub r12, 0x2000
            0x72, 0x20, // jb
            0x4d, 0x3b, 0x66, 0x10, // cmp r12, [r14+0x10]
            0x76, 0x1a, // jbe
            0x55, // push rbp
        ];
        assert_eq!(chosen(&bytes), Some((18, SiteKind::PushRbp)));
    }

    /// `runtime.casgstatus` of Go 1.27: no stack check.
    #[test]
    fn push_at_entry() {
        let bytes = [0x55, 0x48, 0x89, 0xe5, 0x48, 0x83, 0xec, 0x58];
        assert_eq!(chosen(&bytes), Some((0, SiteKind::PushRbp)));
    }

    /// `runtime.newproc` of Go 1.19: rsp moves before rbp is saved.
    #[test]
    fn branch_of_stack_check() {
        let bytes = [
            0x49, 0x3b, 0x66, 0x10, // cmp rsp, [r14+0x10]
            0x76, 0x62, // jbe
            0x48, 0x83, 0xec, 0x30, // sub rsp, 0x30
            0x48, 0x89, 0x6c, 0x24, 0x28, // mov [rsp+0x28], rbp
        ];
        assert_eq!(chosen(&bytes), Some((4, SiteKind::StackCheckBranch)));
    }

    /// `runtime.casgstatus` of Go 1.19: neither stack check nor `push rbp`.
    #[test]
    fn entry_if_nothing_else() {
        let bytes = [0x48, 0x83, 0xec, 0x40, 0x48, 0x89, 0x6c, 0x24, 0x38];
        assert_eq!(chosen(&bytes), Some((0, SiteKind::Entry)));
    }

    /// The same function, further on: `bt eax, 12; jb` with the arguments where they were.
    #[test]
    fn in_the_frame() {
        let bytes = [
            0x48, 0x83, 0xec, 0x40, // sub rsp, 0x40
            0x48, 0x89, 0x6c, 0x24, 0x38, // mov [rsp+0x38], rbp
            0x48, 0x8d, 0x6c, 0x24, 0x38, // lea rbp, [rsp+0x38]
            0x0f, 0xba, 0xe3, 0x0c, // bt ebx, 12
            0x72, 0x10, // jb
        ];
        assert_eq!(framed(&Code::decode(Machine::X86_64, &bytes, 0)), Some(4));
        let overwritten = [
            0x48, 0x83, 0xec, 0x40, 0x48, 0x8d, 0x6c, 0x24, 0x38, // frame
            0x31, 0xc9, 0x72, 0x10, // xor ecx, ecx; jb
        ];
        assert_eq!(
            framed(&Code::decode(Machine::X86_64, &overwritten, 0)),
            None
        );
    }

    /// `runtime.runqputbatch` of Go 1.25 begins with a `nop`, which is emulated.
    #[test]
    fn nop_without_frame() {
        let bytes = [0x90, 0x48, 0x83, 0x3b, 0x00, 0x74, 0x00, 0xc3];
        assert_eq!(chosen(&bytes), Some((0, SiteKind::Early)));
    }

    /// A `nop` in front of the stack check is run again after a restart; one behind it is not.
    #[test]
    fn nothing_before_the_stack_check() {
        let bytes = [
            0x90, // nop
            0x49, 0x3b, 0x66, 0x10, 0x76, 0x20, // stack check
            0x48, 0x83, 0xec, 0x30, // sub rsp, 0x30
        ];
        assert_eq!(chosen(&bytes), Some((5, SiteKind::StackCheckBranch)));
        let bytes = [
            0x49, 0x3b, 0x66, 0x10, 0x76, 0x20, // stack check
            0x90, // nop
            0x48, 0x83, 0xec, 0x30, // sub rsp, 0x30
        ];
        assert_eq!(chosen(&bytes), Some((6, SiteKind::Early)));
    }

    /// An argument register that is changed before `push rbp` rules it out.
    #[test]
    fn arguments_stay_intact() {
        let bytes = [
            0x49, 0x3b, 0x66, 0x10, 0x76, 0x20, // stack check
            0x31, 0xc0, // xor eax, eax
            0x55, // push rbp
        ];
        assert_eq!(chosen(&bytes), Some((4, SiteKind::StackCheckBranch)));
    }

    /// `for {}`: each turn would be a hit.
    #[test]
    fn no_site_in_a_loop() {
        assert_eq!(chosen(&[0x90, 0xeb, 0xfd]), None);
        assert_eq!(chosen(&[0xeb, 0xfe]), None);
    }

    /// The slow paths of `runtime.startTheWorldWithSema` of Go 1.22 (three arguments) and of a function without.
    #[test]
    fn counts_saved_arguments() {
        let three = [
            0x49, 0x3b, 0x66, 0x10, 0x76, 0x01, 0xc3, // stack check; ret
            0x48, 0x89, 0x44, 0x24, 0x08, // mov [rsp+8], rax
            0x88, 0x5c, 0x24, 0x10, // mov [rsp+16], bl
            0x48, 0x89, 0x4c, 0x24, 0x18, // mov [rsp+24], rcx
            0xe8, 0, 0, 0, 0, // call
            0x48, 0x8b, 0x44, 0x24, 0x08, // mov rax, [rsp+8]
        ];
        assert_eq!(saved(&three), 3);
        let none = [0x49, 0x3b, 0x66, 0x10, 0x76, 0x01, 0xc3, 0xe8, 0, 0, 0, 0];
        assert_eq!(saved(&none), 0);
        assert_eq!(saved(&[0x55, 0xc3]), 0);
    }
}
