//! The machine code of one function, decoded.
//!
//! Each instruction set has its module, [`amd64`] and [`arm64`]; what is here is the same for both.

use std::ops::Range;

use super::instruction::{Flow, Instruction, Register};
use crate::go::elf::image::Machine;
use crate::go::isa::{amd64, arm64};

/// No function of a Go program is decoded beyond this many bytes.
const MAX_CODE: usize = 4 << 20;

/// The decoded instructions of a function, in the order of their addresses.
#[derive(Clone, Debug)]
pub struct Code<'i> {
    pub(super) machine: Machine,
    bytes: &'i [u8],
    entry: u64,
    instructions: Vec<Instruction>,
}

impl<'i> Code<'i> {
    /// Decodes `bytes`, whose first lies at the link-time address `entry`. Ends early at bytes that are no instruction of
    /// x86-64; on ARM all others have their place.
    pub fn decode(machine: Machine, bytes: &'i [u8], entry: u64) -> Self {
        let bytes = bytes.get(..bytes.len().min(MAX_CODE)).unwrap_or_default();
        let mut instructions = Vec::with_capacity(bytes.len() / 4);
        match machine {
            Machine::X86_64 => {
                instructions.extend(amd64::decode(bytes, entry).map(Instruction::Amd64));
            }
            Machine::Aarch64 => {
                instructions.extend(arm64::decode(bytes, entry).map(Instruction::Arm64));
            }
        }
        Self {
            machine,
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
            .binary_search_by_key(&vaddr, Instruction::address)
            .ok()
    }

    /// Each direct call: its place, and the address that it calls.
    pub fn calls(&self) -> impl Iterator<Item = (usize, u64)> + '_ {
        self.instructions
            .iter()
            .enumerate()
            .filter_map(|(index, instruction)| Some((index, instruction.call_target()?)))
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
            .filter(|(_, i)| i.flow() == Flow::Return)
            .map(|(index, _)| index)
    }

    /// The places in `range` that a jump of this function leads to.
    pub fn jumped_to(&self, range: Range<usize>) -> Vec<usize> {
        let mut places: Vec<usize> = self
            .instructions
            .iter()
            .filter_map(Instruction::jump_target)
            .filter_map(|target| self.index_of(target))
            .filter(|place| range.contains(place))
            .collect();
        places.sort_unstable();
        places.dedup();
        places
    }

    /// Whether the conditional branch at this place depends on comparing a global variable with 0 just before.
    pub fn branches_on_global(&self, index: usize) -> bool {
        self.get(index).is_some_and(Instruction::is_branch)
            && match self.machine {
                Machine::X86_64 => amd64::comparison::branches_on_global(&self.instructions, index),
                Machine::Aarch64 => {
                    arm64::comparison::branches_on_global(&self.instructions, index)
                }
            }
    }

    /// The register of which the conditional branch at this place depends on whether it is 0.
    pub fn tests_for_zero(&self, index: usize) -> Option<Register> {
        match self.machine {
            Machine::X86_64 => amd64::comparison::tests_for_zero(&self.instructions, index),
            Machine::Aarch64 => None,
        }
    }

    /// Whether the helpers that keep registers may change this one all the same.
    pub fn is_not_kept(&self, register: Register) -> bool {
        match self.machine {
            Machine::X86_64 => amd64::NOT_KEPT.contains(&register),
            Machine::Aarch64 => arm64::NOT_KEPT.contains(&register),
        }
    }

    /// The bytes of the instruction at this place.
    fn bytes_of(&self, index: usize) -> Option<&'i [u8]> {
        let instruction = self.get(index)?;
        let start = usize::try_from(instruction.address().checked_sub(self.entry)?).ok()?;
        let size = usize::try_from(instruction.end().checked_sub(instruction.address())?).ok()?;
        self.bytes.get(start..start.checked_add(size)?)
    }

    /// The bytes from the entry to the end of the instruction at this place; none if there is no such instruction.
    pub fn bytes_through(&self, index: usize) -> &'i [u8] {
        let size = self
            .get(index)
            .and_then(|instruction| instruction.end().checked_sub(self.entry))
            .and_then(|size| usize::try_from(size).ok());
        size.and_then(|size| self.bytes.get(..size))
            .unwrap_or_default()
    }

    /// Whether the kernel emulates the instruction when a uprobe is on it (one trap) instead of single-stepping a copy
    /// of it out of line (two). Where kernels differ, it counts as not emulated.
    pub fn is_emulated(&self, index: usize) -> bool {
        match self.get(index) {
            Some(Instruction::Amd64(_)) => {
                self.bytes_of(index).is_some_and(amd64::uprobe::is_emulated)
            }
            Some(Instruction::Arm64(i)) => arm64::uprobe::is_simulated(i),
            None => false,
        }
    }

    /// Why the kernel would refuse a uprobe on the instruction, if it would. Where kernels differ, or an instruction
    /// has no business in a Go function, it counts as refused.
    pub fn refused(&self, index: usize) -> Option<&'static str> {
        match (self.get(index), self.bytes_of(index)) {
            (Some(Instruction::Amd64(i)), Some(bytes)) => amd64::uprobe::refused(i, bytes),
            (Some(Instruction::Arm64(i)), Some(_)) => arm64::uprobe::refused(i),
            _ => Some("no instruction can be decoded there"),
        }
    }
}

/// Where direct calls may be in some code, in bytes from its start. Some are no instructions.
pub fn possible_calls(machine: Machine, code: &[u8]) -> Box<dyn Iterator<Item = usize> + '_> {
    match machine {
        Machine::X86_64 => Box::new(amd64::possible_calls(code)),
        Machine::Aarch64 => Box::new(arm64::possible_calls(code)),
    }
}

/// The same of those that may call one of `targets`, in code that lies at `start`: no call of them that is whole is left out.
pub fn possible_calls_to(machine: Machine, code: &[u8], start: u64, targets: &[u64]) -> Vec<usize> {
    match machine {
        Machine::X86_64 => amd64::possible_calls_to(code, start, targets),
        Machine::Aarch64 => arm64::possible_calls(code).collect(),
    }
}

/// The callee of the direct call at a link-time address whose code begins with `bytes`.
pub fn called_from(machine: Machine, call: u64, bytes: &[u8]) -> Option<u64> {
    match machine {
        Machine::X86_64 => amd64::called_from(call, bytes),
        Machine::Aarch64 => arm64::called_from(call, bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_and_places() {
        let bytes = [
            0x48, 0x8d, 0x05, 0x10, 0, 0, 0, // lea rax, [rip+0x10]
            0x83, 0x3d, 0x20, 0, 0, 0, 0x00, // cmp dword [rip+0x20], 0
            0xe8, 0x30, 0, 0, 0, // call
        ];
        let code = Code::decode(Machine::X86_64, &bytes, 0x1000);
        assert_eq!(code.calls_to(&[0x1043]).collect::<Vec<_>>(), [2]);
        assert_eq!(code.index_of(0x100e), Some(2));
        assert_eq!(code.index_of(0x100f), None);
    }

    /// Decoding ends at what is no instruction, or is cut off.
    #[test]
    fn damaged_code() {
        let decode = |bytes, entry| Code::decode(Machine::X86_64, bytes, entry);
        assert_eq!(decode(&[0x90, 0x06, 0x90], 0).instructions().len(), 1);
        assert_eq!(decode(&[0x90, 0xe8, 0], 0).instructions().len(), 1);
        assert_eq!(decode(&[], 0).instructions().len(), 0);
        assert_eq!(decode(&[0xe8, 0, 0, 0, 0], u64::MAX).calls().count(), 1);
        let decode = |bytes, entry| Code::decode(Machine::Aarch64, bytes, entry);
        assert_eq!(decode(&[0, 0, 0, 0x94, 0, 0, 0], 0).calls().count(), 1);
        assert_eq!(decode(&[0xff; 40], u64::MAX - 7).instructions().len(), 10);
    }
}
