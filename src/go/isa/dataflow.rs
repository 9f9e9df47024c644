//! Where a value in a register comes from, within one function.
//!
//! Walks backwards from a use over copies between registers and stack slots, and over all ways through the function's
//! jumps, to the instructions that made the value. Good for what the Go compiler emits: every local is addressed
//! relative to the stack pointer, which does not move between prologue and epilogue, and every call clobbers all
//! registers (src/cmd/compile/abi-internal.md), except a few helpers written in assembly: the write barriers
//! (`gcWriteBarrier` in runtime/asm_*.s) and block clearing and copying (runtime/duff_*.s). Stores through other pointers
//! are taken not to change stack slots.

use std::collections::HashSet;
use std::ops::Range;

use super::code::Code;
use super::instruction::{Effect, Effects, Flow, Instruction, Operand, Register};

/// How many instructions are looked at for one question.
const PATIENCE: usize = 20_000;

/// What made a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Origin {
    /// The address of something in the program, a link-time address.
    Address(u64),
    /// The result of the call at this place in the code.
    Call(usize),
    /// Something else: an argument, a load from memory, arithmetic, or a way that was not followed to the end.
    Unknown,
}

/// Answers questions about one function.
#[derive(Debug)]
pub struct Dataflow<'c> {
    code: &'c Code<'c>,
    /// Code of functions that keep registers.
    keeping: &'c [Range<u64>],
    /// (place of the target, place of the jump), sorted.
    jumps: Vec<(usize, usize)>,
    effects: Effects,
}

impl<'c> Dataflow<'c> {
    /// Prepares for questions. `keeping` is the code of functions that keep most registers
    /// (see [`Code::is_not_kept`]).
    pub fn new(code: &'c Code<'c>, keeping: &'c [Range<u64>]) -> Self {
        let mut jumps: Vec<_> = code
            .instructions()
            .iter()
            .enumerate()
            .filter_map(|(from, i)| Some((code.index_of(i.jump_target()?)?, from)))
            .collect();
        jumps.sort_unstable();
        Self {
            code,
            keeping,
            jumps,
            effects: Effects::default(),
        }
    }

    /// The possible origins of the value of a 64-bit register just before the instruction at `at`, ascending.
    pub fn origins(&mut self, register: Register, at: usize) -> Vec<Origin> {
        let mut found = HashSet::new();
        let mut seen = HashSet::new();
        let mut open = vec![(Operand::Register(register), at)];
        let mut patience = PATIENCE;
        while let Some((mut place, mut at)) = open.pop() {
            // Follow one way back; `at` is the instruction before which the value is wanted.
            loop {
                if patience == 0 || at == 0 {
                    found.insert(Origin::Unknown);
                    break;
                }
                patience -= 1;
                let sources = self.sources(at);
                let joined = !sources.is_empty();
                if joined && !seen.insert((place, at)) {
                    break;
                }
                open.extend(sources.iter().map(|(_, from)| (place, *from)));
                let Some(before) = self.code.get(at - 1) else {
                    found.insert(Origin::Unknown);
                    break;
                };
                if !before.falls_through() {
                    // Padding behind a jump is never run; other code is reached in a way that is not seen here.
                    let padding = self.code.get(at).is_some_and(Instruction::is_nop);
                    if !joined && !padding {
                        found.insert(Origin::Unknown);
                    }
                    break;
                }
                at -= 1;
                match self.step(before, at, place) {
                    Step::Unchanged => {}
                    Step::Copied(from) => place = from,
                    Step::Made(origin) => {
                        found.insert(origin);
                        break;
                    }
                }
            }
        }
        let mut found: Vec<_> = found.into_iter().collect();
        found.sort_unstable();
        found
    }

    /// The jumps to the instruction at `at`.
    fn sources(&self, at: usize) -> &[(usize, usize)] {
        let from = self.jumps.partition_point(|(target, _)| *target < at);
        let to = self.jumps.partition_point(|(target, _)| *target <= at);
        self.jumps.get(from..to).unwrap_or_default()
    }

    /// What the instruction at `at` does to `place`.
    fn step(&mut self, instruction: &Instruction, at: usize, place: Operand) -> Step {
        if let (Flow::Call(callee), Operand::Register(register)) = (instruction.flow(), place) {
            let keeps = || {
                let callee = callee.filter(|_| !self.code.is_not_kept(register));
                callee.is_some_and(|callee| self.keeping.iter().any(|code| code.contains(&callee)))
            };
            return match register {
                _ if keeps() => Step::Unchanged,
                Register::FIRST => Step::Made(Origin::Call(at)),
                _ => Step::Made(Origin::Unknown),
            };
        }
        match self.effects.on(instruction, place) {
            Effect::Unchanged => Step::Unchanged,
            Effect::Address(address) => Step::Made(Origin::Address(address)),
            Effect::Copied(from) => Step::Copied(from),
            Effect::Other => Step::Made(Origin::Unknown),
        }
    }
}

enum Step {
    Unchanged,
    Copied(Operand),
    Made(Origin),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::go::elf::image::Machine;

    /// Origins of rax at the last call of the code, which lies at 0x61c1e0; the write barriers at 0x46c200 keep
    /// registers.
    fn origins(bytes: &[u8]) -> Vec<Origin> {
        let code = Code::decode(Machine::X86_64, bytes, 0x61_c1e0);
        let last = code.calls().last().unwrap().0;
        let keeping = vec![0x46_c200..0x46_c220; 1];
        Dataflow::new(&code, &keeping).origins(Register::FIRST, last)
    }

    /// `main.main` of Go 1.22: `go plain()`.
    #[test]
    fn address() {
        let bytes = [
            0x48, 0x8d, 0x05, 0x6c, 0x8d, 0x09, 0x00, // lea rax, [rip+0x98d6c]
            0xe8, 0xd7, 0x7e, 0xe2, 0xff, // call
        ];
        assert_eq!(origins(&bytes), [Origin::Address(0x61_c1e7 + 0x9_8d6c)]);
    }

    /// A function of Go 1.22 whose `go` statement captures variables: the object is kept in rax through a write
    /// barrier, and a padding `nop` stands behind a jump.
    #[test]
    fn object_behind_write_barrier() {
        let bytes = [
            0x48, 0x8d, 0x05, 0xc1, 0xfd, 0x03, 0x00, // lea rax, [rip+…]: its type
            0x90, // nop
            0xe8, 0x1b, 0x25, 0xdf, 0xff, // call newobject
            0x83, 0x3d, 0x7a, 0xbf, 0x2c, 0x00, 0x00, // cmp dword [rip+writeBarrier], 0
            0x75, 0x08, // jne
            0x48, 0x8b, 0x4c, 0x24, 0x28, // mov rcx, [rsp+0x28]
            0xeb, 0x0e, // jmp
            0x90, // nop
            0xe8, 0xfd, 0xff, 0xe4, 0xff, // call gcWriteBarrier1
            0x48, 0x8b, 0x4c, 0x24, 0x28, // mov rcx, [rsp+0x28]
            0x49, 0x89, 0x0b, // mov [r11], rcx
            0x48, 0x89, 0x48, 0x08, // mov [rax+8], rcx
            0xe8, 0xa1, 0x80, 0xe2, 0xff, // call newproc
        ];
        assert_eq!(origins(&bytes), [Origin::Call(2)]);
    }

    /// Over a stack slot, and around a loop that leaves the slot alone.
    #[test]
    fn slot_around_a_loop() {
        let bytes = [
            0x48, 0x8d, 0x05, 0x10, 0x00, 0x00, 0x00, // lea rax, [rip+0x10]
            0x48, 0x89, 0x44, 0x24, 0x20, // mov [rsp+0x20], rax
            0x48, 0x89, 0x5c, 0x24, 0x28, // mov [rsp+0x28], rbx
            0xeb, 0x03, // jmp
            0x48, 0xff, 0xc1, // inc rcx
            0x48, 0x83, 0xf9, 0x03, // cmp rcx, 3
            0x7c, 0xf7, // jl
            0x48, 0x8b, 0x44, 0x24, 0x20, // mov rax, [rsp+0x20]
            0xe8, 0x00, 0x00, 0x00, 0x00, // call
        ];
        assert_eq!(origins(&bytes), [Origin::Address(0x61_c1f7)]);
    }

    /// Both sides of a branch count.
    #[test]
    fn two_ways() {
        let bytes = [
            0x48, 0x8d, 0x05, 0x10, 0x00, 0x00, 0x00, // lea rax, [rip+0x10]
            0x84, 0xc9, // test cl, cl
            0x74, 0x07, // je
            0x48, 0x8d, 0x05, 0x20, 0x00, 0x00, 0x00, // lea rax, [rip+0x20]
            0xe8, 0x00, 0x00, 0x00, 0x00, // call
        ];
        assert_eq!(
            origins(&bytes),
            [Origin::Address(0x61_c1f7), Origin::Address(0x61_c212)]
        );
    }

    /// Arguments, loads from memory, parts of registers, overlapping stores and moved stacks are not followed.
    #[test]
    fn unknown() {
        let call = [0xe8, 0x00, 0x00, 0x00, 0x00];
        for before in [
            &[][..],
            &[0x48, 0x8b, 0x42, 0x08], // mov rax, [rdx+8]
            &[0xb0, 0x01],             // mov al, 1
            &[0x48, 0xff, 0xc0],       // inc rax
            &[
                0x48, 0x8d, 0x05, 0x10, 0x00, 0x00, 0x00, // lea rax, [rip+0x10]
                0x48, 0x89, 0x44, 0x24, 0x20, // mov [rsp+0x20], rax
                0x88, 0x4c, 0x24, 0x27, // mov [rsp+0x27], cl
                0x48, 0x8b, 0x44, 0x24, 0x20, // mov rax, [rsp+0x20]
            ],
            &[
                0x48, 0x8d, 0x05, 0x10, 0x00, 0x00, 0x00, // lea rax, [rip+0x10]
                0x48, 0x89, 0x44, 0x24, 0x20, // mov [rsp+0x20], rax
                0x48, 0x83, 0xec, 0x10, // sub rsp, 0x10
                0x48, 0x8b, 0x44, 0x24, 0x20, // mov rax, [rsp+0x20]
            ],
        ] {
            let bytes = [before, &call].concat();
            assert_eq!(origins(&bytes), [Origin::Unknown], "{before:x?}");
        }
    }
}
