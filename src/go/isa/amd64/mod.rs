//! x86-64 as Go's compiler emits it.
//!
//! Decoding is iced-x86's; what is added here is what [`super::instruction`] asks, and what the kernel's uprobes make of
//! an instruction. Registers are those of cmd/compile/abi-internal.md: arguments in rax, rbx, rcx, rdi, rsi, r8 to r11,
//! the closure context in rdx, the current g in r14.

mod calls;
pub(in crate::go) mod comparison;
mod effects;
pub(in crate::go) mod prologue;
pub mod thread_local;
pub(in crate::go) mod typing;
pub(in crate::go) mod uprobe;

use iced_x86::{Decoder, DecoderOptions, FlowControl, Mnemonic, OpKind};

use super::terms::{Access, Flow, Register};

pub(in crate::go) use calls::{called_from, possible_calls, possible_calls_to};
pub use effects::Effects;

/// Registers that the helpers which keep registers may still change: rsi, rdi and r11.
pub(in crate::go) const NOT_KEPT: [Register; 3] = [Register(6), Register(7), Register(11)];

/// The stack pointer.
const SP: iced_x86::Register = iced_x86::Register::RSP;

/// A decoded instruction.
#[derive(Clone, Copy, Debug)]
pub struct Instruction(iced_x86::Instruction);

/// Decodes code that lies at the link-time address `entry`, up to what is no instruction.
pub(in crate::go) fn decode(bytes: &[u8], entry: u64) -> impl Iterator<Item = Instruction> {
    let decoder = Decoder::with_ip(64, bytes, entry, DecoderOptions::NONE);
    let instructions = decoder.into_iter().take_while(|it| !it.is_invalid());
    instructions.map(Instruction)
}

impl Instruction {
    pub(in crate::go) fn address(&self) -> u64 {
        self.0.ip()
    }

    pub(in crate::go) fn end(&self) -> u64 {
        self.0.next_ip()
    }

    pub(in crate::go) fn flow(&self) -> Flow {
        match self.0.flow_control() {
            FlowControl::Next => Flow::Next,
            FlowControl::UnconditionalBranch => Flow::Jump(self.jump_target()),
            FlowControl::IndirectBranch => Flow::Jump(None),
            FlowControl::ConditionalBranch => match self.jump_target() {
                Some(target) => Flow::Branch(target),
                None => Flow::Other,
            },
            FlowControl::Call | FlowControl::IndirectCall => Flow::Call(self.call_target()),
            FlowControl::Return => Flow::Return,
            FlowControl::Exception => Flow::Trap,
            FlowControl::Interrupt | FlowControl::XbeginXabortXend => Flow::Other,
        }
    }

    pub(in crate::go) fn call_target(&self) -> Option<u64> {
        self.0.is_call_near().then(|| self.0.near_branch_target())
    }

    pub(in crate::go) fn jump_target(&self) -> Option<u64> {
        (self.0.is_jcc_short_or_near() || self.0.is_jmp_short_or_near())
            .then(|| self.0.near_branch_target())
    }

    pub(in crate::go) fn is_nop(&self) -> bool {
        self.0.mnemonic() == Mnemonic::Nop
    }

    /// `lea reg, [rip+…]`.
    pub(in crate::go) fn address_set(&self) -> Option<(Register, u64)> {
        (self.0.mnemonic() == Mnemonic::Lea && self.0.is_ip_rel_memory_operand()).then(|| {
            (
                register(self.0.op0_register()),
                self.0.ip_rel_memory_address(),
            )
        })
    }

    /// Any other instruction with an operand `[rip+…]`.
    pub(in crate::go) fn access(&self) -> Option<Access> {
        (self.0.mnemonic() != Mnemonic::Lea && self.0.is_ip_rel_memory_operand()).then(|| Access {
            address: self.0.ip_rel_memory_address(),
            words: usize::from(self.0.memory_size().size() == 8),
            stores: self.stored().is_some(),
        })
    }

    /// `mov [memory], register` with 64 bits: the register.
    fn stored(&self) -> Option<Register> {
        (self.0.mnemonic() == Mnemonic::Mov
            && self.0.op0_kind() == OpKind::Memory
            && self.0.op1_kind() == OpKind::Register
            && self.0.op1_register().is_gpr64())
        .then(|| register(self.0.op1_register()))
    }

    pub(in crate::go) fn stored_at_pointer(&self) -> Option<(Register, Register)> {
        let value = self.stored()?;
        let pointer = self.0.memory_base();
        (self.0.memory_displacement64() == 0
            && self.0.memory_index() == iced_x86::Register::None
            && pointer.is_gpr64()
            && pointer != SP)
            .then(|| (register(pointer), value))
    }

    /// `mov reg, [base+index]` or `mov reg, [base+index+8]`.
    pub(in crate::go) fn indexed_strings(&self) -> Option<Register> {
        (self.0.mnemonic() == Mnemonic::Mov
            && self.0.op1_kind() == OpKind::Memory
            && self.0.memory_size().size() == 8
            && self.0.memory_base().is_gpr64()
            && self.0.memory_index().is_gpr64()
            && self.0.memory_index_scale() == 1
            && matches!(self.0.memory_displacement64(), 0 | 8))
        .then(|| register(self.0.memory_base()))
    }

    pub(in crate::go) fn compared_with(&self) -> Option<u64> {
        (self.0.mnemonic() == Mnemonic::Cmp && self.0.op0_kind() == OpKind::Register)
            .then(|| self.immediate())?
    }

    pub(in crate::go) fn constant_set(&self) -> Option<(Register, u64)> {
        let target = self.0.op0_register().full_register();
        if self.0.mnemonic() != Mnemonic::Mov || !target.is_gpr64() {
            return None;
        }
        Some((register(target), self.immediate()?))
    }

    /// `lock xadd [pointer], register`.
    pub(in crate::go) fn atomic_addition(&self) -> Option<(Register, Register)> {
        (self.0.mnemonic() == Mnemonic::Xadd && self.0.op0_kind() == OpKind::Memory).then(|| {
            (
                register(self.0.memory_base()),
                register(self.0.op1_register().full_register()),
            )
        })
    }

    /// `lock cmpxchg dword [pointer+…], register`.
    pub(in crate::go) fn compare_and_exchange(&self) -> Option<(Register, Register)> {
        (self.0.mnemonic() == Mnemonic::Cmpxchg
            && self.0.op0_kind() == OpKind::Memory
            && self.0.memory_size().size() == 4
            && self.0.memory_index() == iced_x86::Register::None
            && self.0.memory_base().is_gpr64()
            && self.0.memory_base() != SP)
            .then(|| {
                (
                    register(self.0.memory_base()),
                    register(self.0.op1_register().full_register()),
                )
            })
    }

    /// `sete register`.
    pub(in crate::go) fn equality_kept(&self) -> Option<Register> {
        (self.0.mnemonic() == Mnemonic::Sete && self.0.op0_kind() == OpKind::Register)
            .then(|| register(self.0.op0_register().full_register()))
    }

    /// `mov register, register` with 32 bits.
    pub(in crate::go) fn copied_half(&self) -> Option<(Register, Register)> {
        let (to, from) = (self.0.op0_register(), self.0.op1_register());
        (self.0.mnemonic() == Mnemonic::Mov
            && self.0.op1_kind() == OpKind::Register
            && to.is_gpr32()
            && from.is_gpr32())
        .then(|| (register(to.full_register()), register(from.full_register())))
    }

    /// `test register, register`: the register.
    fn tested(&self) -> Option<Register> {
        (self.0.mnemonic() == Mnemonic::Test
            && self.0.op0_kind() == OpKind::Register
            && self.0.op1_kind() == OpKind::Register
            && self.0.op0_register() == self.0.op1_register())
        .then(|| register(self.0.op0_register().full_register()))
    }

    /// The second operand, if it is a constant.
    fn immediate(&self) -> Option<u64> {
        (!matches!(self.0.op1_kind(), OpKind::Register | OpKind::Memory))
            .then(|| self.0.immediate(1))
    }

    /// `cmp dword [rip+…], 0`.
    fn compares_global_with_zero(&self) -> bool {
        self.0.mnemonic() == Mnemonic::Cmp
            && self.0.is_ip_rel_memory_operand()
            && matches!(
                self.0.op1_kind(),
                OpKind::Immediate8 | OpKind::Immediate8to32 | OpKind::Immediate32
            )
            && self.0.immediate(1) == 0
    }
}

/// A general-purpose register by its number.
fn register(register: iced_x86::Register) -> Register {
    // 255 is no register: it is equal to none that is asked for.
    Register(u8::try_from(register.number()).unwrap_or(u8::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RAX: Register = Register(0);
    const RCX: Register = Register(1);

    fn at(bytes: &[u8], index: usize) -> Instruction {
        decode(bytes, 0x1000).nth(index).unwrap()
    }

    #[test]
    fn addresses_of_operands() {
        let bytes = [
            0x48, 0x8d, 0x05, 0x10, 0, 0, 0, // lea rax, [rip+0x10]
            0x83, 0x3d, 0x20, 0, 0, 0, 0x00, // cmp dword [rip+0x20], 0
            0xe8, 0x30, 0, 0, 0, // call
            0x48, 0x89, 0x08, // mov [rax], rcx
        ];
        assert_eq!(at(&bytes, 0).address_set(), Some((RAX, 0x1017)));
        assert_eq!(at(&bytes, 0).access(), None);
        assert_eq!(at(&bytes, 1).address_set(), None);
        let access = at(&bytes, 1).access().unwrap();
        assert_eq!((access.address, access.words), (0x102e, 0));
        assert_eq!(at(&bytes, 2).call_target(), Some(0x1043));
        assert_eq!(at(&bytes, 3).stored_at_pointer(), Some((RAX, RCX)));
    }

    /// `runtime.execute` of Go 1.25 with `runtime.casgstatus` in it.
    #[test]
    fn compare_and_swap() {
        let bytes = [
            0x41, 0xb8, 0x01, 0, 0, 0, // mov r8d, 1
            0x44, 0x89, 0xc0, // mov eax, r8d
            0xf0, 0x44, 0x0f, 0xb1, 0x86, 0x90, 0, 0, 0, // lock cmpxchg [rsi+0x90], r8d
            0x41, 0x0f, 0x94, 0xc2, // sete r10b
            0x45, 0x84, 0xd2, // test r10b, r10b
            0x75, 0x10, // jne
        ];
        let all: Vec<Instruction> = decode(&bytes, 0x1000).collect();
        let (rsi, r8, r10) = (Register(6), Register(8), Register(10));
        assert_eq!(all[0].constant_set(), Some((r8, 1)));
        assert_eq!(all[1].copied_half(), Some((RAX, r8)));
        assert_eq!(all[2].compare_and_exchange(), Some((rsi, r8)));
        assert_eq!(all[3].equality_kept(), Some(r10));
        assert_eq!(all[4].tested(), Some(r10));
    }
}
