//! Addresses of instructions as they are found on stacks, and what functions they stand for.

use crate::go::pclntab::FuncTable;
use crate::go::pclntab::inline::Frame;

/// Where a function was when it stopped, or where it goes on when the one that it called returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CodeAddress {
    /// Link-time address.
    pub pc: u64,
    /// Whether it is the instruction after a call, as nearly always; otherwise it is the instruction itself.
    pub is_return: bool,
}

impl CodeAddress {
    /// The instruction that it stands for: for a return address one within the call (`unwinder.symPC` of
    /// runtime/traceback.go). At a function's entry nothing has been called yet.
    pub fn instruction(self, functions: &FuncTable<'_>) -> u64 {
        let at_entry = || functions.at(self.pc).is_none_or(|f| f.entry == self.pc);
        if self.is_return && !at_entry() {
            self.pc.saturating_sub(1)
        } else {
            self.pc
        }
    }

    /// The functions it belongs to, innermost first; none if there is no code.
    pub fn frames<'i>(self, functions: &FuncTable<'i>) -> Vec<Frame<'i>> {
        functions.frames(self.instruction(functions))
    }
}
