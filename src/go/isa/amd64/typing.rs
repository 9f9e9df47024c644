//! Which members of the runtime's structures a function touches, on x86-64.
//!
//! One pass over the code, from the first instruction to the last, that knows of every register and stack slot whether it
//! points into a structure. It begins with what the calling convention says (cmd/compile/abi-internal.md): the arguments,
//! and g in r14. Where ways join, only what all of them agree on is kept; at the head of a loop, only what the loop
//! leaves alone.

use std::collections::HashMap;

use iced_x86::{FlowControl, InstructionInfoFactory, Mnemonic, OpAccess, OpKind, Register as Iced};

use super::{Instruction, SP};
use crate::go::isa::code::Code;
use crate::go::isa::instruction::Instruction as Any;
use crate::go::layout::evidence::{Access, Known, Pointer};

/// The registers of the first arguments, in order.
const ARGUMENTS: [u8; 9] = [0, 3, 1, 7, 6, 8, 9, 10, 11];

/// The current g.
const G: usize = 14;

/// What is known at one place in the code.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct State {
    registers: [Option<Pointer>; 16],
    /// By distance from the stack pointer.
    slots: HashMap<u64, Pointer>,
}

impl State {
    /// What both agree on.
    fn join(&mut self, other: &Self) {
        for (mine, theirs) in self.registers.iter_mut().zip(&other.registers) {
            if mine != theirs {
                *mine = None;
            }
        }
        self.slots
            .retain(|slot, value| other.slots.get(slot) == Some(value));
    }

    fn of(&self, register: Iced) -> Option<Pointer> {
        let number = usize::from(super::register(register).0);
        register
            .is_gpr64()
            .then(|| self.registers.get(number).copied())??
    }

    fn set(&mut self, register: Iced, value: Option<Pointer>) {
        let whole = register.full_register();
        if whole.is_gpr64()
            && let Some(known) = self
                .registers
                .get_mut(usize::from(super::register(whole).0))
        {
            *known = value;
        }
    }
}

/// All accesses of a function, in the order of their addresses.
pub(in crate::go) fn accesses(code: &Code<'_>, known: &Known<'_>) -> Vec<Access> {
    let mut walk = Walk {
        known,
        info: InstructionInfoFactory::new(),
        found: Vec::new(),
    };
    walk.through(code);
    walk.found
}

struct Walk<'k> {
    known: &'k Known<'k>,
    info: InstructionInfoFactory,
    found: Vec<Access>,
}

impl Walk<'_> {
    fn through(&mut self, code: &Code<'_>) {
        let mut state = State::default();
        for (argument, place) in self.known.arguments.iter().zip(ARGUMENTS) {
            if let Some(register) = state.registers.get_mut(usize::from(place)) {
                *register = argument.map(Pointer::to);
            }
        }
        if let Some(g) = state.registers.get_mut(G) {
            *g = Some(Pointer::to("g"));
        }
        let nothing = State {
            slots: HashMap::new(),
            registers: std::array::from_fn(|at| {
                state
                    .registers
                    .get(at)
                    .copied()
                    .flatten()
                    .filter(|_| at == G)
            }),
        };
        // Where jumps back lead, and from where the last of them comes; but for those to the entry, which begin anew.
        let mut loops: HashMap<usize, usize> = HashMap::new();
        for (at, instruction) in code.instructions().iter().enumerate() {
            if let Some(head) = instruction.jump_target().and_then(|to| code.index_of(to))
                && head > 0
                && head <= at
            {
                loops.insert(head, at);
            }
        }
        let mut waiting: HashMap<usize, State> = HashMap::new();
        let mut falls = true;
        for (at, instruction) in code.instructions().iter().enumerate() {
            let Any::Amd64(i) = instruction else { return };
            match (waiting.remove(&at), falls) {
                (Some(other), true) => state.join(&other),
                (Some(other), false) => state = other,
                (None, true) => {}
                // A loop whose condition is at its end: it was entered by the jump before it.
                (None, false) if loops.contains_key(&at) => {}
                (None, false) => state = nothing.clone(),
            }
            if let Some(end) = loops.get(&at) {
                self.forget_changed(code.instructions().get(at..=*end), &mut state);
            }
            self.touch(i, &state);
            self.step(i, &mut state);
            if let Some(target) = instruction.jump_target().and_then(|to| code.index_of(to))
                && target > at
            {
                match waiting.get_mut(&target) {
                    Some(other) => other.join(&state),
                    None => {
                        waiting.insert(target, state.clone());
                    }
                }
            }
            falls = instruction.falls_through();
        }
    }

    /// Forgets what some of these instructions change.
    fn forget_changed(&mut self, instructions: Option<&[Any]>, state: &mut State) {
        for instruction in instructions.unwrap_or_default() {
            let Any::Amd64(i) = instruction else { continue };
            if is_call(&i.0) {
                self.call(state);
                continue;
            }
            let before = state.clone();
            self.step(i, state);
            for (now, was) in state.registers.iter_mut().zip(before.registers) {
                if *now != was {
                    *now = None;
                }
            }
            state
                .slots
                .retain(|slot, value| before.slots.get(slot) == Some(value));
        }
    }

    /// Notes what an instruction reads or writes, or takes the address of.
    fn touch(&mut self, instruction: &Instruction, state: &State) {
        let i = &instruction.0;
        let Some(at) = self.place(i, state) else {
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
        self.found.push(Access {
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

    /// The place in a structure that a memory operand names.
    fn place(&self, i: &iced_x86::Instruction, state: &State) -> Option<Pointer> {
        if !(0..i.op_count()).any(|operand| i.op_kind(operand) == OpKind::Memory)
            || matches!(i.memory_segment(), Iced::FS | Iced::GS)
            || i.mnemonic() == Mnemonic::Nop
        {
            return None;
        }
        if i.is_ip_rel_memory_operand() {
            return self.known.global(i.ip_rel_memory_address());
        }
        state.of(i.memory_base())?.moved(i.memory_displacement64())
    }

    /// What an instruction makes of what is known.
    fn step(&mut self, instruction: &Instruction, state: &mut State) {
        let i = &instruction.0;
        if is_call(i) {
            let result = instruction
                .call_target()
                .and_then(|callee| self.known.result(callee));
            let keeps = instruction
                .call_target()
                .is_some_and(|callee| self.known.keeps(callee));
            if !keeps {
                self.call(state);
                state.set(Iced::RAX, result.map(Pointer::to));
            }
            return;
        }
        let whole = i.op0_kind() == OpKind::Register && i.op0_register().is_gpr64();
        let value = match i.mnemonic() {
            Mnemonic::Mov if whole && i.op1_kind() == OpKind::Register => {
                state.of(i.op1_register())
            }
            Mnemonic::Mov if whole && i.op1_kind() == OpKind::Memory => match slot(i) {
                Some(slot) => state.slots.get(&slot).copied(),
                None => self.load(i, state),
            },
            Mnemonic::Lea if whole && i.memory_index() == Iced::None => self.place(i, state),
            _ => None,
        };
        let stored = match (i.mnemonic(), slot(i)) {
            (Mnemonic::Mov, Some(slot)) if i.op0_kind() == OpKind::Memory => {
                Some((slot, state.of(i.op1_register())))
            }
            _ => None,
        };
        if i.op0_kind() == OpKind::Memory
            && i.memory_base() == SP
            && !matches!(i.mnemonic(), Mnemonic::Cmp | Mnemonic::Test)
        {
            let (from, size) = (i.memory_displacement64(), i.memory_size().size() as u64);
            let apart =
                |slot: u64| slot >= from.saturating_add(size) || slot.saturating_add(8) <= from;
            state.slots.retain(|slot, _| apart(*slot));
        }
        let used = self.info.info(i).used_registers();
        for register in used.iter().filter(|used| writes(used.access())) {
            if register.register().full_register() == SP {
                state.slots.clear();
            }
            state.set(register.register(), None);
        }
        if whole {
            state.set(i.op0_register(), value);
        }
        if let Some((slot, Some(pointer))) = stored {
            state.slots.insert(slot, pointer);
        }
    }

    /// What is loaded from a member of a structure.
    fn load(&self, i: &iced_x86::Instruction, state: &State) -> Option<Pointer> {
        let from = self.place(i, state)?;
        self.known.pointee(from)
    }

    /// A call changes all registers but g and the stack pointer.
    fn call(&self, state: &mut State) {
        for (number, register) in state.registers.iter_mut().enumerate() {
            if number != G {
                *register = None;
            }
        }
    }
}

fn is_call(i: &iced_x86::Instruction) -> bool {
    matches!(
        i.flow_control(),
        FlowControl::Call | FlowControl::IndirectCall
    )
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
