//! What instructions of x86-64 do to registers and stack slots.

use iced_x86::{FlowControl, InstructionInfoFactory, Mnemonic, OpAccess, OpKind};

use super::{Instruction, SP, register};
use crate::go::isa::terms::{Effect, Operand, Register};

/// Tells what instructions do. Reuses its memory.
#[derive(Debug)]
pub struct Effects(InstructionInfoFactory);

impl Default for Effects {
    fn default() -> Self {
        Self(InstructionInfoFactory::new())
    }
}

impl Effects {
    /// Whether the instruction changes, or may change, the register or a part of it.
    pub(crate) fn changes(&mut self, i: &Instruction, changed: Register) -> bool {
        self.0.info(&i.0).used_registers().iter().any(|used| {
            let whole = used.register().full_register();
            whole.is_gpr64() && register(whole) == changed && writes(used.access())
        })
    }

    /// What the instruction does to a place.
    pub(crate) fn on(&mut self, i: &Instruction, place: Operand) -> Effect {
        match place {
            Operand::Register(register) => self.on_register(i, register),
            Operand::Slot(slot) => self.on_slot(i, slot),
        }
    }

    fn on_register(&mut self, i: &Instruction, changed: Register) -> Effect {
        if !self.changes(i, changed) {
            return Effect::Unchanged;
        }
        if let Some((_, address)) = i.address_set().filter(|(target, _)| *target == changed) {
            return Effect::Address(address);
        }
        let i = &i.0;
        let target = i.op0_register();
        if i.mnemonic() == Mnemonic::Mov && target.is_gpr64() && register(target) == changed {
            if i.op1_kind() == OpKind::Register && i.op1_register().is_gpr64() {
                return Effect::Copied(Operand::Register(register(i.op1_register())));
            }
            if let Some(slot) = slot_of(i, 1) {
                return Effect::Copied(Operand::Slot(slot));
            }
        }
        Effect::Other
    }

    fn on_slot(&mut self, instruction: &Instruction, slot: u64) -> Effect {
        let i = &instruction.0;
        if self.changes(instruction, register(SP)) && i.flow_control() == FlowControl::Next {
            return Effect::Other;
        }
        if i.op0_kind() != OpKind::Memory
            || i.memory_base() != SP
            || matches!(i.mnemonic(), Mnemonic::Cmp | Mnemonic::Test | Mnemonic::Nop)
        {
            return Effect::Unchanged;
        }
        let (from, size) = (i.memory_displacement64(), i.memory_size().size() as u64);
        let apart = from >= slot.saturating_add(8) || from.saturating_add(size) <= slot;
        if apart && i.memory_index() == iced_x86::Register::None {
            return Effect::Unchanged;
        }
        match instruction.stored() {
            Some(stored) if slot_of(i, 0) == Some(slot) => {
                Effect::Copied(Operand::Register(stored))
            }
            _ => Effect::Other,
        }
    }
}

/// The distance from rsp of a 64-bit operand on the stack.
fn slot_of(i: &iced_x86::Instruction, operand: u32) -> Option<u64> {
    (i.op_kind(operand) == OpKind::Memory
        && i.memory_base() == SP
        && i.memory_index() == iced_x86::Register::None
        && i.memory_size().size() == 8)
        .then(|| i.memory_displacement64())
}

fn writes(access: OpAccess) -> bool {
    matches!(
        access,
        OpAccess::Write | OpAccess::CondWrite | OpAccess::ReadWrite | OpAccess::ReadCondWrite
    )
}
