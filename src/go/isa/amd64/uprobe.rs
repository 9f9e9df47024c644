//! What the kernel's uprobes make of an instruction of x86-64.
//!
//! From arch/x86/kernel/uprobes.c (Linux 5.10 to 6.18): `branch_setup_xol_ops` and `push_setup_xol_ops` for what is
//! emulated, `is_prefix_bad` and the tables of good opcodes for what is refused.

use iced_x86::{EncodingKind, FlowControl, Mnemonic};

use super::Instruction;

/// Prefix bytes that the kernel refuses: ES, CS, SS, DS and LOCK (`is_prefix_bad`).
const REFUSED_PREFIXES: [u8; 5] = [0x26, 0x2e, 0x36, 0x3e, 0xf0];

/// Whether the instruction with these bytes is emulated: `push reg`, `call rel32`, `jmp`, `jcc` and the one-byte `nop`,
/// without odd prefixes.
pub(crate) fn is_emulated(bytes: &[u8]) -> bool {
    matches!(
        bytes,
        [0x50..=0x57]
            | [0x41, 0x50..=0x57]
            | [0xe8, _, _, _, _]
            | [0xe9, _, _, _, _]
            | [0xeb, _]
            | [0x70..=0x7f, _]
            | [0x0f, 0x80..=0x8f, _, _, _, _]
            | [0x90]
            | [0x66, 0x90]
    )
}

/// Why the kernel would refuse the instruction with these bytes, if it would.
pub(crate) fn refused(instruction: &Instruction, bytes: &[u8]) -> Option<&'static str> {
    let instruction = &instruction.0;
    if instruction.has_lock_prefix() {
        return Some("the instruction has a LOCK prefix, which uprobes refuse");
    }
    let mut prefixes = bytes.iter().take_while(|b| {
        matches!(
            b,
            0x26 | 0x2e | 0x36 | 0x3e | 0x64..=0x67 | 0xf0 | 0xf2 | 0xf3
        )
    });
    if prefixes.any(|b| REFUSED_PREFIXES.contains(b)) {
        return Some("the instruction has a segment prefix, which uprobes refuse");
    }
    if instruction.code().encoding() != EncodingKind::Legacy {
        return Some("uprobes refuse VEX-encoded instructions on some kernels");
    }
    let refused = instruction.is_privileged()
        || instruction.mnemonic() == Mnemonic::Syscall
        || matches!(
            instruction.flow_control(),
            FlowControl::Interrupt | FlowControl::Exception | FlowControl::XbeginXabortXend
        );
    refused.then_some("uprobes refuse this instruction")
}

#[cfg(test)]
mod tests {
    use crate::go::elf::image::Machine;
    use crate::go::isa::code::Code;

    fn code(bytes: &[u8]) -> Code<'_> {
        Code::decode(Machine::X86_64, bytes, 0)
    }

    #[test]
    fn emulated_instructions() {
        for (bytes, emulated) in [
            (&[0x55][..], true),                // push rbp
            (&[0x41, 0x54], true),              // push r12
            (&[0xe8, 1, 0, 0, 0], true),        // call
            (&[0xe9, 1, 0, 0, 0], true),        // jmp
            (&[0xeb, 1], true),                 // jmp
            (&[0x76, 1], true),                 // jbe
            (&[0x0f, 0x86, 1, 0, 0, 0], true),  // jbe
            (&[0x90], true),                    // nop
            (&[0x66, 0x90], true),              // xchg ax, ax
            (&[0x0f, 0x1f, 0x44, 0, 0], false), // nop
            (&[0x49, 0x3b, 0x66, 0x10], false), // cmp rsp, [r14+16]
            (&[0xc3], false),                   // ret
            (&[0x5d], false),                   // pop rbp
            (&[0xff, 0x12], false),             // call [rdx]
            (&[0xff, 0x75, 0x08], false),       // push [rbp+8]
            (&[0xe3, 0x01], false),             // jrcxz
        ] {
            assert_eq!(code(bytes).is_emulated(0), emulated, "{bytes:x?}");
        }
    }

    #[test]
    fn refused_instructions() {
        for (bytes, refused) in [
            (&[0xf0, 0x0f, 0xb1, 0x0a][..], true), // lock cmpxchg [rdx], ecx
            (&[0x66, 0x2e, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0], true), // nop cs:[…]
            (&[0xc5, 0xf9, 0xef, 0xc0], true),     // vpxor
            (&[0xcc], true),                       // int3
            (&[0x0f, 0x0b], true),                 // ud2
            (&[0x0f, 0x05], true),                 // syscall
            (&[0xf4], true),                       // hlt
            (&[0x55], false),                      // push rbp
            (&[0x49, 0x3b, 0x66, 0x10], false),    // cmp rsp, [r14+16]
            (
                &[0x64, 0x48, 0x8b, 0x04, 0x25, 0xf8, 0xff, 0xff, 0xff],
                false,
            ), // mov rax, fs:[-8]
            (&[0xf3, 0x0f, 0x1e, 0xfa], false),    // endbr64
            (&[0xc3], false),                      // ret
        ] {
            assert_eq!(code(bytes).refused(0).is_some(), refused, "{bytes:x?}");
        }
        assert!(code(&[0x90]).refused(1).is_some());
    }
}
