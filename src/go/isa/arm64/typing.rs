//! Which members of the runtime's structures instructions of 64-bit ARM touch.

use super::memory::{Memory, Offset};
use super::{Instruction, Known as Base, SCRATCH, SP};
use crate::go::isa::instruction::{Instruction as Any, Register};
use crate::go::isa::typed::{Access, Known, Pointer};
use crate::go::isa::walk::{Reading, State};

/// Reads instructions.
#[derive(Default)]
pub(in crate::go) struct Typing;

impl Reading for Typing {
    const ARGUMENTS: &'static [u8] = &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
    const G: Register = Register(28);

    fn touched(&mut self, i: &Any, state: &State, known: &Known<'_>, found: &mut Vec<Access>) {
        let Any::Arm64(i) = i else { return };
        if let Some(address) = i.address_taken(state, known) {
            let access = address.map(|at| Access {
                at,
                width: 0,
                how: 'a',
            });
            // What the assembler adds for the next instruction is the address of nothing.
            found.extend(access.filter(|_| i.rd() != SCRATCH));
            return;
        }
        let mut touch = |at: Option<Pointer>, width: u64, how| {
            found.extend(at.map(|at| Access {
                at,
                width: width as u8,
                how,
            }));
        };
        if let Some((width, loads)) = i.ordered() {
            let how = if loads { 'r' } else { 'w' };
            touch(state.of(i.rn()), width, how);
        } else if let Some(memory) = Memory::of(i.word) {
            let how = if memory.loads { 'r' } else { 'w' };
            match memory.offset {
                Offset::Register => {
                    let how = how.to_ascii_uppercase();
                    touch(i.base(state, known), memory.size, how);
                }
                Offset::Constant(offset) => {
                    for (number, _) in memory.registers().enumerate() {
                        let behind = memory.size.saturating_mul(number as u64);
                        let at = i.behind_base(state, known, offset.wrapping_add_unsigned(behind));
                        touch(at, memory.size, how);
                    }
                }
            }
        }
    }

    fn step(&mut self, i: &Any, state: &mut State, known: &Known<'_>) {
        let Any::Arm64(i) = i else { return };
        let mut values: Vec<(Register, Option<Pointer>)> = Vec::new();
        let mut stored: Vec<(u64, Option<Pointer>)> = Vec::new();
        if let Some(address) = i.address_taken(state, known) {
            values.push((i.rd(), address));
        } else if i.word & 0xffe0_ffe0 == 0xaa00_03e0 && i.rm() != SP {
            // mov xd, xm: orr xd, xzr, xm
            values.push((i.rd(), state.of(i.rm())));
        } else if let Some((8, true)) = i.ordered() {
            let from = state.of(i.rn());
            values.push((i.rd(), from.and_then(|from| known.pointee(from))));
        } else if let Some(memory) = Memory::of(i.word) {
            match (i.known, memory.offset) {
                (Base::Stack(base), Offset::Constant(offset)) => {
                    let at = |offset: i64| base.wrapping_add_signed(offset);
                    if memory.loads {
                        let loaded = memory.words();
                        values.extend(loaded.map(|(slot, to)| (to, state.slot(at(slot)))));
                    } else {
                        state.overwrite(at(offset), memory.bytes());
                        let words = memory.words();
                        stored.extend(words.map(|(slot, from)| (at(slot), state.of(from))));
                    }
                }
                (Base::Stack(_), Offset::Register) if !memory.loads => state.forget_slots(),
                (_, Offset::Register) if memory.loads && memory.size == 8 => {
                    let element = i.base(state, known).and_then(|at| known.pointee(at));
                    values.extend(memory.registers().map(|to| (to, element)));
                }
                (_, Offset::Constant(_)) if memory.loads => {
                    values.extend(memory.words().map(|(offset, to)| {
                        let from = i.behind_base(state, known, offset);
                        (to, from.and_then(|from| known.pointee(from)))
                    }));
                }
                _ => {}
            }
        }
        if i.changes(SP) {
            state.forget_slots();
            stored.clear();
        }
        for register in (0..31).map(Register).filter(|it| i.changes(*it)) {
            state.set(register, None);
        }
        for (register, value) in values.into_iter().filter(|(to, _)| *to != SP) {
            state.set(register, value);
        }
        for (slot, pointer) in stored {
            state.set_slot(slot, pointer);
        }
    }
}

impl Instruction {
    /// If it computes an address: where it leads, if that is in a structure.
    fn address_taken(&self, state: &State, known: &Known<'_>) -> Option<Option<Pointer>> {
        if let Some((_, address)) = self.address_set() {
            return Some(known.global(address));
        }
        let distance = self.adds()?;
        Some(match self.known {
            Base::Nothing => state.of(self.rn()).and_then(|at| at.moved(distance)),
            Base::Address(address) => known.global(address),
            Base::Stack(_) => None,
        })
    }

    /// What the base register of a load or store points to.
    fn base(&self, state: &State, known: &Known<'_>) -> Option<Pointer> {
        self.behind_base(state, known, 0)
    }

    /// The place so many bytes behind the base register of a load or store.
    fn behind_base(&self, state: &State, known: &Known<'_>, offset: i64) -> Option<Pointer> {
        match self.known {
            Base::Address(base) => known.global(base.wrapping_add_signed(offset)),
            Base::Nothing => state.of(self.rn())?.moved(offset.cast_unsigned()),
            Base::Stack(_) => None,
        }
    }

    /// `ldar` (true) or `stlr`, and how many bytes.
    fn ordered(&self) -> Option<(u64, bool)> {
        let width = 1 << (self.word >> 30);
        match self.word & 0x3fff_fc00 {
            0x08df_fc00 => Some((width, true)),
            0x089f_fc00 => Some((width, false)),
            _ => None,
        }
    }
}
