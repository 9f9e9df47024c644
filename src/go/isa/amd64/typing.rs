//! Which members of the runtime's structures instructions of x86-64 touch.

use iced_x86::{InstructionInfoFactory, Mnemonic, OpAccess, OpKind, Register as Iced};

use super::{SP, register};
use crate::go::isa::instruction::{Instruction as Any, Register};
use crate::go::isa::typed::{Access, Known, Pointer};
use crate::go::isa::walk::{Reading, State};

/// Reads instructions. Reuses its memory.
pub(in crate::go) struct Typing(InstructionInfoFactory);

impl Default for Typing {
    fn default() -> Self {
        Self(InstructionInfoFactory::new())
    }
}

impl Reading for Typing {
    const ARGUMENTS: &'static [u8] = &[0, 3, 1, 7, 6, 8, 9, 10, 11];
    const G: Register = Register(14);

    fn touched(&mut self, i: &Any, state: &State, known: &Known<'_>, found: &mut Vec<Access>) {
        let Any::Amd64(instruction) = i else { return };
        let i = &instruction.0;
        let Some(at) = place(i, state, known) else {
            return;
        };
        let is_address = i.mnemonic() == Mnemonic::Lea;
        let only_read = i.op0_kind() != OpKind::Memory
            || matches!(i.mnemonic(), Mnemonic::Cmp | Mnemonic::Test);
        let how = match (is_address, only_read) {
            (true, _) => 'a',
            (false, true) => 'r',
            (false, false) => 'w',
        };
        found.push(Access {
            at,
            width: if is_address {
                0
            } else {
                i.memory_size().size() as u8
            },
            how: if i.memory_index() == Iced::None {
                how
            } else {
                how.to_ascii_uppercase()
            },
        });
    }

    fn step(&mut self, i: &Any, state: &mut State, known: &Known<'_>) {
        let Any::Amd64(instruction) = i else { return };
        let i = &instruction.0;
        let whole = i.op0_kind() == OpKind::Register && i.op0_register().is_gpr64();
        let value = match i.mnemonic() {
            Mnemonic::Mov if whole && i.op1_kind() == OpKind::Register => {
                of(state, i.op1_register())
            }
            Mnemonic::Mov if whole && i.op1_kind() == OpKind::Memory => match slot(i) {
                Some(slot) => state.slot(slot),
                // What is loaded from a member of a structure.
                None => place(i, state, known).and_then(|from| known.pointee(from)),
            },
            Mnemonic::Lea if whole && i.memory_index() == Iced::None => place(i, state, known),
            _ => None,
        };
        let stored = match (i.mnemonic(), slot(i)) {
            (Mnemonic::Mov, Some(slot)) if i.op0_kind() == OpKind::Memory => {
                Some((slot, of(state, i.op1_register())))
            }
            _ => None,
        };
        if i.op0_kind() == OpKind::Memory
            && i.memory_base() == SP
            && !matches!(i.mnemonic(), Mnemonic::Cmp | Mnemonic::Test)
        {
            state.overwrite(i.memory_displacement64(), i.memory_size().size() as u64);
        }
        if let Some(written) = written(i) {
            forget(state, written.full_register());
        } else {
            let used = self.0.info(i).used_registers();
            for used in used.iter().filter(|used| writes(used.access())) {
                forget(state, used.register().full_register());
            }
        }
        if whole {
            state.set(register(i.op0_register()), value);
        }
        if let Some((slot, pointer)) = stored {
            state.set_slot(slot, pointer);
        }
    }
}

/// A register has another value.
fn forget(state: &mut State, whole: Iced) {
    if whole == SP {
        state.forget_slots();
    }
    if whole.is_gpr64() {
        state.set(register(whole), None);
    }
}

/// The only register that the instruction writes, if it is one of the many that write their first operand and nothing else;
/// no register if that is memory. To find it out for others takes longer.
fn written(i: &iced_x86::Instruction) -> Option<Iced> {
    use Mnemonic as M;
    match i.mnemonic() {
        M::Mov | M::Lea | M::Movzx | M::Movsx | M::Movsxd | M::Movups | M::Movdqu => {}
        M::Add | M::Sub | M::And | M::Or | M::Xor | M::Shl | M::Shr | M::Sar => {}
        M::Inc | M::Dec | M::Neg | M::Not => {}
        M::Cmp | M::Test | M::Nop => return Some(Iced::None),
        _ if i.is_jcc_short_or_near() || i.is_jmp_short_or_near() => return Some(Iced::None),
        _ => return None,
    }
    Some(match i.op0_kind() {
        OpKind::Register => i.op0_register(),
        _ => Iced::None,
    })
}

fn of(state: &State, of: Iced) -> Option<Pointer> {
    of.is_gpr64().then(|| state.of(register(of)))?
}

/// The place in a structure that a memory operand names.
fn place(i: &iced_x86::Instruction, state: &State, known: &Known<'_>) -> Option<Pointer> {
    if !(0..i.op_count()).any(|operand| i.op_kind(operand) == OpKind::Memory)
        || matches!(i.memory_segment(), Iced::FS | Iced::GS)
        || i.mnemonic() == Mnemonic::Nop
    {
        return None;
    }
    if i.is_ip_rel_memory_operand() {
        return known.global(i.ip_rel_memory_address());
    }
    of(state, i.memory_base())?.moved(i.memory_displacement64())
}

/// The eight bytes on the stack that an operand names.
fn slot(i: &iced_x86::Instruction) -> Option<u64> {
    (i.memory_base() == SP && i.memory_index() == Iced::None && i.memory_size().size() == 8)
        .then(|| i.memory_displacement64())
}

fn writes(access: OpAccess) -> bool {
    matches!(
        access,
        OpAccess::Write | OpAccess::CondWrite | OpAccess::ReadWrite | OpAccess::ReadCondWrite
    )
}
