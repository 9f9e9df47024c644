//! The machine code of one x86-64 function, decoded.
//!
//! Decoding is iced-x86's; what is added here are the few questions that probe sites, global variables and start
//! functions need answered: which function a `call` calls, which address an operand names, which registers an
//! instruction changes, and what the kernel's uprobes make of it. The last is from arch/x86/kernel/uprobes.c (Linux
//! 5.10 to 6.18): `branch_setup_xol_ops` and `push_setup_xol_ops` for what is emulated, `is_prefix_bad` and the tables
//! of good opcodes for what is refused.

use std::ops::Range;

use iced_x86::{
    Decoder, DecoderOptions, EncodingKind, FlowControl, Instruction, InstructionInfoFactory,
    Mnemonic, OpAccess, OpKind, Register,
};

/// No function of a Go program is decoded beyond this many bytes.
const MAX_CODE: usize = 4 << 20;

/// Prefix bytes that the kernel refuses: ES, CS, SS, DS and LOCK (`is_prefix_bad`).
const REFUSED_PREFIXES: [u8; 5] = [0x26, 0x2e, 0x36, 0x3e, 0xf0];

/// The decoded instructions of a function, in the order of their addresses.
#[derive(Clone, Debug)]
pub struct Code<'i> {
    bytes: &'i [u8],
    entry: u64,
    instructions: Vec<Instruction>,
}

impl<'i> Code<'i> {
    /// Decodes `bytes`, whose first lies at the link-time address `entry`. Ends early at bytes that are no instruction.
    pub fn decode(bytes: &'i [u8], entry: u64) -> Self {
        let bytes = bytes.get(..bytes.len().min(MAX_CODE)).unwrap_or_default();
        let mut decoder = Decoder::with_ip(64, bytes, entry, DecoderOptions::NONE);
        let mut instructions = Vec::with_capacity(bytes.len() / 4);
        while decoder.can_decode() {
            let instruction = decoder.decode();
            if instruction.is_invalid() {
                break;
            }
            instructions.push(instruction);
        }
        Self {
            bytes,
            entry,
            instructions,
        }
    }

    /// Link-time address of the first instruction.
    pub fn entry(&self) -> u64 {
        self.entry
    }

    /// All instructions.
    pub fn instructions(&self) -> &[Instruction] {
        &self.instructions
    }

    /// The instruction at this place in the order.
    pub fn get(&self, index: usize) -> Option<&Instruction> {
        self.instructions.get(index)
    }

    /// The place of the instruction that begins at a link-time address.
    pub fn index_of(&self, vaddr: u64) -> Option<usize> {
        self.instructions
            .binary_search_by_key(&vaddr, Instruction::ip)
            .ok()
    }

    /// Each `call rel32`: its place, and the address that it calls.
    pub fn calls(&self) -> impl Iterator<Item = (usize, u64)> + '_ {
        self.instructions
            .iter()
            .enumerate()
            .filter_map(|(index, instruction)| Some((index, call_target(instruction)?)))
    }

    /// The places of the calls to one of `callees`.
    pub fn calls_to<'a>(&'a self, callees: &'a [u64]) -> impl Iterator<Item = usize> + 'a {
        self.calls()
            .filter(|(_, target)| callees.contains(target))
            .map(|(index, _)| index)
    }

    /// The places of the `ret` instructions.
    pub fn returns(&self) -> impl Iterator<Item = usize> + '_ {
        self.instructions
            .iter()
            .enumerate()
            .filter(|(_, i)| i.flow_control() == FlowControl::Return)
            .map(|(index, _)| index)
    }

    /// The places in `range` that a jump of this function leads to.
    pub fn jumped_to(&self, range: Range<usize>) -> Vec<usize> {
        let mut places: Vec<usize> = self
            .instructions
            .iter()
            .filter_map(jump_target)
            .filter_map(|target| self.index_of(target))
            .filter(|place| range.contains(place))
            .collect();
        places.sort_unstable();
        places.dedup();
        places
    }

    /// The bytes of the instruction at this place.
    fn bytes_of(&self, index: usize) -> Option<&'i [u8]> {
        let instruction = self.get(index)?;
        let start = usize::try_from(instruction.ip().checked_sub(self.entry)?).ok()?;
        self.bytes.get(start..start.checked_add(instruction.len())?)
    }

    /// Whether the kernel emulates the instruction when a uprobe is on it (one trap) instead of single-stepping a copy
    /// of it out of line (two): `push reg`, `call rel32`, `jmp`, `jcc` and the one-byte `nop`, without odd prefixes.
    pub fn is_emulated(&self, index: usize) -> bool {
        let Some(bytes) = self.bytes_of(index) else {
            return false;
        };
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

    /// Why the kernel would refuse a uprobe on the instruction, if it would. Where kernels differ, or an instruction
    /// has no business in a Go function, it counts as refused.
    pub fn refused(&self, index: usize) -> Option<&'static str> {
        let (Some(instruction), Some(bytes)) = (self.get(index), self.bytes_of(index)) else {
            return Some("no instruction can be decoded there");
        };
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
}

/// The address that a `call rel32` calls.
pub fn call_target(instruction: &Instruction) -> Option<u64> {
    instruction
        .is_call_near()
        .then(|| instruction.near_branch_target())
}

/// Where a direct jump, conditional or not, leads to.
pub fn jump_target(instruction: &Instruction) -> Option<u64> {
    (instruction.is_jcc_short_or_near() || instruction.is_jmp_short_or_near())
        .then(|| instruction.near_branch_target())
}

/// The address in `lea reg, [rip+…]`, and the register.
pub fn lea_rip(instruction: &Instruction) -> Option<(Register, u64)> {
    (instruction.mnemonic() == Mnemonic::Lea && instruction.is_ip_rel_memory_operand()).then(|| {
        (
            instruction.op0_register(),
            instruction.ip_rel_memory_address(),
        )
    })
}

/// The address that any RIP-relative operand names.
pub fn rip_operand(instruction: &Instruction) -> Option<u64> {
    instruction
        .is_ip_rel_memory_operand()
        .then(|| instruction.ip_rel_memory_address())
}

/// `mov [memory], register` with 64 bits: the register.
pub fn stored_register(instruction: &Instruction) -> Option<Register> {
    (instruction.mnemonic() == Mnemonic::Mov
        && instruction.op0_kind() == OpKind::Memory
        && instruction.op1_kind() == OpKind::Register
        && instruction.op1_register().is_gpr64())
    .then(|| instruction.op1_register())
}

/// Tells which registers instructions change. Reuses its memory; not for more than one thread.
#[derive(Debug)]
pub struct Changes(InstructionInfoFactory);

impl Default for Changes {
    fn default() -> Self {
        Self(InstructionInfoFactory::new())
    }
}

impl Changes {
    /// Whether the instruction changes, or may change, the 64-bit register or a part of it. Of a `call` only the
    /// stack pointer is considered: what the callee does is not in the instruction.
    pub fn changes(&mut self, instruction: &Instruction, register: Register) -> bool {
        self.0
            .info(instruction)
            .used_registers()
            .iter()
            .any(|used| used.register().full_register() == register && writes(used.access()))
    }
}

fn writes(access: OpAccess) -> bool {
    matches!(
        access,
        OpAccess::Write | OpAccess::CondWrite | OpAccess::ReadWrite | OpAccess::ReadCondWrite
    )
}

#[cfg(test)]
mod tests {
    use super::*;

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
            assert_eq!(
                Code::decode(bytes, 0).is_emulated(0),
                emulated,
                "{bytes:x?}"
            );
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
            assert_eq!(
                Code::decode(bytes, 0).refused(0).is_some(),
                refused,
                "{bytes:x?}"
            );
        }
        assert!(Code::decode(&[0x90], 0).refused(1).is_some());
    }

    #[test]
    fn addresses_of_operands() {
        let code = Code::decode(
            &[
                0x48, 0x8d, 0x05, 0x10, 0, 0, 0, // lea rax, [rip+0x10]
                0x83, 0x3d, 0x20, 0, 0, 0, 0x00, // cmp dword [rip+0x20], 0
                0xe8, 0x30, 0, 0, 0, // call
                0x48, 0x89, 0x08, // mov [rax], rcx
            ],
            0x1000,
        );
        let at = |i| code.get(i).unwrap();
        assert_eq!(lea_rip(at(0)), Some((Register::RAX, 0x1017)));
        assert_eq!(lea_rip(at(1)), None);
        assert_eq!(rip_operand(at(1)), Some(0x102e));
        assert_eq!(call_target(at(2)), Some(0x1043));
        assert_eq!(stored_register(at(3)), Some(Register::RCX));
        assert_eq!(code.calls_to(&[0x1043]).collect::<Vec<_>>(), [2]);
        assert_eq!(code.index_of(0x100e), Some(2));
        assert_eq!(code.index_of(0x100f), None);
    }

    /// Decoding ends at what is no instruction, or is cut off.
    #[test]
    fn damaged_code() {
        assert_eq!(Code::decode(&[0x90, 0x06, 0x90], 0).instructions().len(), 1);
        assert_eq!(Code::decode(&[0x90, 0xe8, 0], 0).instructions().len(), 1);
        assert_eq!(Code::decode(&[], 0).instructions().len(), 0);
        assert_eq!(
            Code::decode(&[0xe8, 0, 0, 0, 0], u64::MAX).calls().count(),
            1
        );
    }
}
