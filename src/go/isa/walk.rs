//! One pass over the code of a function, from the first instruction to the last, that knows of every register and stack slot
//! whether it points into a structure.
//!
//! It begins with what the calling convention says (cmd/compile/abi-internal.md): the arguments, and the register of g.
//! Where ways join, only what all of them agree on is kept; at the head of a loop, only what the loop leaves alone.

use std::collections::BTreeMap;

use super::typed::{Access, Known, Pointer};
use crate::go::isa::code::Code;
use crate::go::isa::instruction::{Flow, Instruction, Register};

/// What is known at one place in the code.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::go) struct State {
    registers: [Option<Pointer>; 32],
    /// By distance from the stack pointer, in no particular order. They are few.
    slots: Vec<(u64, Pointer)>,
    /// What registers held before they were set, in order; noted only where that is asked for.
    before: Option<Vec<(Register, Option<Pointer>)>>,
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
            if let Some(before) = &mut self.before {
                before.push((register, *known));
            }
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

    /// Forgets what `step` changes.
    fn forget_what(&mut self, slots: &mut Vec<(u64, Pointer)>, step: impl FnOnce(&mut Self)) {
        slots.clone_from(&self.slots);
        self.before.get_or_insert_default().clear();
        step(self);
        let before = self.before.take().unwrap_or_default();
        for (at, (register, was)) in before.iter().enumerate() {
            // What it was set from first is what it was.
            let is_first = before
                .iter()
                .take(at)
                .all(|(earlier, _)| earlier != register);
            if is_first && self.of(*register) != *was {
                self.set(*register, None);
            }
        }
        self.before = Some(before);
        self.slots.retain(|slot| slots.contains(slot));
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
    fn touched(
        &mut self,
        i: &Instruction,
        state: &State,
        known: &Known<'_>,
        found: &mut Vec<Access>,
    );

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

/// Where jumps back lead, in order, and from where the last of them comes; but for those to the entry, which begin anew.
fn loops(jumps: &[(usize, usize)]) -> Vec<(usize, usize)> {
    let back = jumps.iter().filter(|(at, to)| *to > 0 && to <= at);
    let mut loops: Vec<(usize, usize)> = back.map(|(at, head)| (*head, *at)).collect();
    // The last one of those with the same head comes first.
    loops.sort_unstable_by_key(|(head, end)| (*head, std::cmp::Reverse(*end)));
    loops.dedup_by_key(|(head, _)| *head);
    loops
}

/// What is known at places further on that jumps lead to.
#[derive(Default)]
struct Waiting {
    states: BTreeMap<usize, Box<State>>,
    /// The nearest of them.
    next: Option<usize>,
}

impl Waiting {
    /// What was known wherever jumps lead from here; for places in ascending order.
    fn at(&mut self, at: usize) -> Option<Box<State>> {
        if self.next != Some(at) {
            return None;
        }
        let (_, state) = self.states.pop_first()?;
        self.next = self.states.first_key_value().map(|(next, _)| *next);
        Some(state)
    }

    fn add(&mut self, target: usize, state: &State) {
        match self.states.get_mut(&target) {
            Some(other) => other.join(state),
            None => {
                self.states.insert(target, Box::new(state.clone()));
                let next = self.next.map_or(target, |next| next.min(target));
                self.next = Some(next);
            }
        }
    }
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
        // Where jumps of the function lead, by where they are.
        let all = code.instructions().iter().enumerate();
        let jumps: Vec<(usize, usize)> = all
            .filter_map(|(at, instruction)| Some((at, code.index_of(instruction.jump_target()?)?)))
            .collect();
        let mut loops = loops(&jumps).into_iter().peekable();
        let mut jumps = jumps.into_iter().peekable();
        let mut waiting = Waiting::default();
        let mut falls = true;
        for (at, instruction) in code.instructions().iter().enumerate() {
            let end = loops.next_if(|(head, _)| *head == at).map(|(_, end)| end);
            match (waiting.at(at), falls) {
                (Some(other), true) => state.join(&other),
                (Some(other), false) => state = *other,
                (None, true) => {}
                // A loop whose condition is at its end: it was entered by the jump before it.
                (None, false) if end.is_some() => {}
                (None, false) => state.clone_from(&nothing),
            }
            if let Some(end) = end {
                self.forget_changed(code.instructions().get(at..=end), &mut state);
            }
            self.reading
                .touched(instruction, &state, self.known, &mut self.found);
            self.step(instruction, &mut state);
            if let Some((_, target)) = jumps.next_if(|(from, _)| *from == at)
                && target > at
            {
                waiting.add(target, &state);
            }
            falls = instruction.falls_through();
        }
    }

    /// Forgets what some of these instructions change.
    fn forget_changed(&mut self, instructions: Option<&[Instruction]>, state: &mut State) {
        let mut slots = Vec::new();
        for instruction in instructions.unwrap_or_default() {
            if matches!(instruction.flow(), Flow::Call(_)) {
                state.forget_registers(R::G);
            } else {
                state.forget_what(&mut slots, |state| self.step(instruction, state));
            }
        }
        state.before = None;
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
