//! One machine instruction, and what is asked of it, whatever the machine.
//!
//! Probe sites, global variables and start functions are found with these questions only. Each instruction set answers
//! them in a module of its own: [`amd64`] and [`arm64`].

use super::{amd64, arm64};

pub use super::terms::{Access, Effect, Flow, Operand, Register};

/// An instruction of either machine.
#[derive(Clone, Copy, Debug)]
pub enum Instruction {
    /// Of x86-64.
    Amd64(amd64::Instruction),
    /// Of 64-bit ARM.
    Arm64(arm64::Instruction),
}

/// Asks the instruction set.
macro_rules! ask {
    ($instruction:expr, $inner:ident => $answer:expr) => {
        match $instruction {
            Instruction::Amd64($inner) => $answer,
            Instruction::Arm64($inner) => $answer,
        }
    };
}

impl Instruction {
    /// Its link-time address.
    pub fn address(&self) -> u64 {
        ask!(self, i => i.address())
    }

    /// The address behind it.
    pub fn end(&self) -> u64 {
        ask!(self, i => i.end())
    }

    /// Where execution goes from it.
    pub fn flow(&self) -> Flow {
        ask!(self, i => i.flow())
    }

    /// The address that a direct call calls.
    pub fn call_target(&self) -> Option<u64> {
        ask!(self, i => i.call_target())
    }

    /// Where a direct jump, conditional or not, leads to.
    pub fn jump_target(&self) -> Option<u64> {
        ask!(self, i => i.jump_target())
    }

    /// Whether it is a conditional branch.
    pub fn is_branch(&self) -> bool {
        matches!(self.flow(), Flow::Branch(_))
    }

    /// Whether it does nothing.
    pub fn is_nop(&self) -> bool {
        ask!(self, i => i.is_nop())
    }

    /// Whether the next instruction may follow it.
    pub fn falls_through(&self) -> bool {
        !matches!(self.flow(), Flow::Jump(_) | Flow::Return | Flow::Trap)
    }

    /// The register into which it puts the address of something in the program, and that address.
    pub fn address_set(&self) -> Option<(Register, u64)> {
        ask!(self, i => i.address_set())
    }

    /// The variable that it reads or writes, if its address is in the code.
    pub fn access(&self) -> Option<Access> {
        ask!(self, i => i.access())
    }

    /// The variable that it reads or writes through a register, of whose value `address` says which address it is.
    /// Code of x86-64 names variables itself.
    pub fn access_by_pointer(
        &self,
        address: impl FnOnce(Register) -> Option<u64>,
    ) -> Option<Access> {
        match self {
            Instruction::Amd64(_) => None,
            Instruction::Arm64(i) => i.access_by_pointer(address),
        }
    }

    /// If it stores a register into the eight bytes that another one, which is not the stack pointer, points to: that
    /// pointer, and the register stored.
    pub fn stored_at_pointer(&self) -> Option<(Register, Register)> {
        ask!(self, i => i.stored_at_pointer())
    }

    /// If it reads an array of strings by an index, or computes the address of one of its elements: the register that
    /// holds the address of the array.
    pub fn indexed_strings(&self) -> Option<Register> {
        ask!(self, i => i.indexed_strings())
    }

    /// The constant with which it compares a register.
    pub fn compared_with(&self) -> Option<u64> {
        ask!(self, i => i.compared_with())
    }

    /// The register into which it puts a constant, and the constant.
    pub fn constant_set(&self) -> Option<(Register, u64)> {
        ask!(self, i => i.constant_set())
    }

    /// If it compares 32 bits of memory with rax and sets them to a register atomically: the register through which it finds
    /// the memory, and the one that it may store. `None` for other machines, which take several instructions.
    pub fn compare_and_exchange(&self) -> Option<(Register, Register)> {
        match self {
            Instruction::Amd64(i) => i.compare_and_exchange(),
            Instruction::Arm64(_) => None,
        }
    }

    /// The register that it sets to 1 if what was compared before is equal, else to 0.
    pub fn equality_kept(&self) -> Option<Register> {
        match self {
            Instruction::Amd64(i) => i.equality_kept(),
            Instruction::Arm64(_) => None,
        }
    }

    /// If it copies the lower 32 bits of one register to another: to, from.
    pub fn copied_half(&self) -> Option<(Register, Register)> {
        match self {
            Instruction::Amd64(i) => i.copied_half(),
            Instruction::Arm64(_) => None,
        }
    }

    /// If it adds a register to memory atomically, in one instruction: the register that points there, and the one
    /// that is added.
    pub fn atomic_addition(&self) -> Option<(Register, Register)> {
        ask!(self, i => i.atomic_addition())
    }

    /// The register through which it reads 32 bits of memory atomically. On x86-64 every read is, and names its variable itself.
    pub fn atomic_read(&self) -> Option<Register> {
        match self {
            Instruction::Amd64(_) => None,
            Instruction::Arm64(i) => i.atomic_read(),
        }
    }
}

/// Tells what instructions do to registers and stack slots. Reuses its memory; not for more than one thread.
#[derive(Debug, Default)]
pub struct Effects(amd64::Effects);

impl Effects {
    /// Whether the instruction changes, or may change, the register or a part of it. Of a call only the stack pointer
    /// (and on ARM the link register) is considered: what the callee does is not in the instruction.
    pub fn changes(&mut self, instruction: &Instruction, register: Register) -> bool {
        match instruction {
            Instruction::Amd64(i) => self.0.changes(i, register),
            Instruction::Arm64(i) => i.changes(register),
        }
    }

    /// What the instruction, which is not a call, does to a place. Stores through other pointers than the stack pointer
    /// are taken not to change stack slots.
    pub fn on(&mut self, instruction: &Instruction, place: Operand) -> Effect {
        match instruction {
            Instruction::Amd64(i) => self.0.on(i, place),
            Instruction::Arm64(i) => i.effect_on(place),
        }
    }
}
