//! One pass over the code of a function, from the first instruction to the last, that knows of every register and stack slot
//! whether it points into a structure.
//!
//! It begins with what the calling convention says (cmd/compile/abi-internal.md): the arguments, and the register of g.
//! Where ways join, only what all of them agree on is kept; at the head of a loop, only what the loop leaves alone.

use std::collections::HashMap;

use super::typed::{Access, Known, Pointer};
use crate::go::isa::code::Code;
use crate::go::isa::instruction::{Flow, Instruction, Register};

/// What is known at one place in the code.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::go) struct State {
    registers: [Option<Pointer>; 32],
    /// By distance from the stack pointer, in no particular order. They are few.
    slots: Vec<(u64, Pointer)>,
}

impl State {
    /// What a register points to.
    pub(in crate::go) fn of(&self, register: Register) -> Option<Pointer> {
        self.registers.get(usize::from(register.0)).copied()?
    }

    /// What eight bytes on the stack point to.
    pub(in crate::go) fn slot(&self, slot: u64) -> Option<Pointer> {
        let mut slots = self.slots.iter();
        slots
            .find(|(at, _)| *at == slot)
            .map(|(_, pointer)| *pointer)
    }

    pub(in crate::go) fn set(&mut self, register: Register, value: Option<Pointer>) {
        if let Some(known) = self.registers.get_mut(usize::from(register.0)) {
            *known = value;
        }
    }

    pub(in crate::go) fn set_slot(&mut self, slot: u64, value: Option<Pointer>) {
        if let Some(value) = value {
            self.slots.retain(|(at, _)| *at != slot);
            self.slots.push((slot, value));
        }
    }

    /// Forgets what lies in these bytes of the stack.
    pub(in crate::go) fn overwrite(&mut self, from: u64, size: u64) {
        let apart = |slot: u64| slot >= from.saturating_add(size) || slot.saturating_add(8) <= from;
        self.slots.retain(|(slot, _)| apart(*slot));
    }

    /// The stack pointer has moved.
    pub(in crate::go) fn forget_slots(&mut self) {
        self.slots.clear();
    }

    /// What both agree on.
    fn join(&mut self, other: &Self) {
        for (mine, theirs) in self.registers.iter_mut().zip(&other.registers) {
            if mine != theirs {
                *mine = None;
            }
        }
        self.slots.retain(|slot| other.slots.contains(slot));
    }

    /// Only g, as behind a call or where nothing is known.
    fn forget_registers(&mut self, g: Register) {
        for (number, register) in self.registers.iter_mut().enumerate() {
            if number != usize::from(g.0) {
                *register = None;
            }
        }
    }
}

/// An instruction set.
pub(in crate::go) trait Reading {
    /// The registers of the first arguments, in order; the first is that of the first result too.
    const ARGUMENTS: &'static [u8];
    /// The current g.
    const G: Register;

    /// What an instruction reads or writes, or takes the address of.
    fn touched(&mut self, i: &Instruction, state: &State, known: &Known<'_>) -> Vec<Access>;

    /// What an instruction that is no call makes of what is known.
    fn step(&mut self, i: &Instruction, state: &mut State, known: &Known<'_>);
}

/// All accesses of a function, in the order of their addresses.
pub(in crate::go) fn accesses<R: Reading>(
    reading: R,
    code: &Code<'_>,
    known: &Known<'_>,
) -> Vec<Access> {
    let mut walk = Walk {
        reading,
        known,
        found: Vec::new(),
    };
    walk.through(code);
    walk.found
}

struct Walk<'k, R> {
    reading: R,
    known: &'k Known<'k>,
    found: Vec<Access>,
}

impl<R: Reading> Walk<'_, R> {
    fn through(&mut self, code: &Code<'_>) {
        let mut nothing = State::default();
        nothing.set(R::G, Some(Pointer::to("g")));
        let mut state = nothing.clone();
        for (argument, place) in self.known.arguments.iter().zip(R::ARGUMENTS) {
            state.set(Register(*place), argument.map(Pointer::to));
        }
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
            let touched = self.reading.touched(instruction, &state, self.known);
            self.found.extend(touched);
            self.step(instruction, &mut state);
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
    fn forget_changed(&mut self, instructions: Option<&[Instruction]>, state: &mut State) {
        for instruction in instructions.unwrap_or_default() {
            if matches!(instruction.flow(), Flow::Call(_)) {
                state.forget_registers(R::G);
                continue;
            }
            let before = state.clone();
            self.step(instruction, state);
            for (now, was) in state.registers.iter_mut().zip(before.registers) {
                if *now != was {
                    *now = None;
                }
            }
            state.slots.retain(|slot| before.slots.contains(slot));
        }
    }

    /// What an instruction makes of what is known. A call changes all registers but g and the stack pointer.
    fn step(&mut self, instruction: &Instruction, state: &mut State) {
        let Flow::Call(callee) = instruction.flow() else {
            return self.reading.step(instruction, state, self.known);
        };
        if callee.is_some_and(|callee| self.known.keeps(callee)) {
            return;
        }
        state.forget_registers(R::G);
        let result = callee.and_then(|callee| self.known.result(callee));
        if let Some(first) = R::ARGUMENTS.first() {
            state.set(Register(*first), result.map(Pointer::to));
        }
    }
}
