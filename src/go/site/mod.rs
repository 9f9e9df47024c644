//! Where in a function a probe goes: the cheapest instruction at which the wanted facts are exact.
//!
//! A uprobe on an instruction that the kernel emulates (on ARM: simulates) costs one trap, on any other a second one for
//! the single step, on x86-64 about 13 times as much; and a probe on a function's entry is hit twice when the stack is
//! grown, since `runtime.morestack` restarts the function (runtime/asm_*.s, `gogo(newg.sched)` in `newstack`).

pub mod allocators;
pub mod body;
pub mod copied;
mod copied_change;
pub mod events;
pub mod frame_pointers;
pub mod gc;
pub mod go_statements;
pub mod inlined;
pub(in crate::go) mod pieces;
pub(in crate::go) mod receivers;
pub mod runtime_functions;
pub mod site_code;
mod starts;
pub mod state_changes;

use std::fmt;

pub use crate::go::isa::site_kind::SiteKind;

/// What a hit of a probe costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cost {
    /// The kernel emulates the instruction: one trap.
    OneTrap,
    /// The kernel runs a copy of the instruction out of line and single-steps it: two traps, several times the cost.
    SingleStepped,
}

/// A place for a probe. `Display` shows it on one line: function and offset, kind, cost.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Site {
    /// The function's name.
    pub function: String,
    /// Bytes from the function's entry to the site.
    pub offset: u64,
    /// Link-time address.
    pub vaddr: u64,
    /// Where the instruction lies in the file, in bytes: what a uprobe is attached to.
    pub file_offset: u64,
    /// What a probe there may rely on.
    pub kind: SiteKind,
    /// What a hit costs.
    pub cost: Cost,
    /// Where the values are that the event is about, if not where the function's arguments are.
    pub operands: Operands,
    /// The code from the function's entry to the end of the site's instruction, as it was decoded: what a probe there may
    /// rely on was read from it.
    pub code: Box<[u8]>,
}

/// What is known of the values at a site in an inlined body, packed as BPF programs read it (`GO_OPERANDS_…` in
/// `go.bpf.h`); 15 bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Operands(pub u16);

impl Operands {
    /// The value is in this register.
    pub fn register(register: u8) -> Self {
        Self(u16::from(register & 15))
    }

    /// A change of the state of the goroutine whose g is in the register.
    pub fn change(g: u8, old: Status, new: Status, meaning: Meaning) -> Self {
        let (old, old_is_register) = old.packed();
        let (new, new_is_register) = new.packed();
        // Old is a register only as rax, and no state has the number 15.
        let old = if old_is_register { 15 } else { old };
        let meaning = match meaning {
            Meaning::Plain => 0,
            Meaning::Parks => 1,
            Meaning::FindsNoP => 2,
        };
        let new_is_register = if new_is_register { 1 << 12 } else { 0 };
        Self(u16::from(g & 15) | old << 4 | new << 8 | new_is_register | meaning << 13)
    }
}

/// A state of a goroutine at a site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// This one (`_Grunnable` …, runtime/runtime2.go).
    Constant(u8),
    /// It is in this register.
    Register(u8),
}

impl Status {
    fn packed(self) -> (u16, bool) {
        match self {
            Self::Constant(number) => (u16::from(number & 15), false),
            Self::Register(register) => (u16::from(register & 15), true),
        }
    }
}

/// What a change of state means beside itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// Nothing.
    Plain,
    /// A goroutine that was running really waits from now on.
    Parks,
    /// A goroutine that made a system call finds no P.
    FindsNoP,
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cost = match self.cost {
            Cost::OneTrap => "one trap",
            Cost::SingleStepped => "single-stepped",
        };
        write!(
            f,
            "{}+{:#x} ({}, {cost})",
            self.function,
            self.offset,
            self.kind.describe()
        )
    }
}

/// Why there is no place for a probe: one line for people.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NoSite {
    /// The reason.
    pub why: String,
}

impl NoSite {
    /// There is none because of `why`.
    pub(in crate::go) fn new(why: impl Into<String>) -> Self {
        Self { why: why.into() }
    }
}

impl fmt::Display for NoSite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

impl std::error::Error for NoSite {}

#[cfg(test)]
impl Site {
    /// Of tests that care for little of it.
    pub(crate) fn sample(vaddr: u64) -> Self {
        Self {
            function: "main.f".to_owned(),
            offset: 0,
            vaddr,
            file_offset: vaddr,
            kind: SiteKind::Entry,
            cost: Cost::OneTrap,
            code: Box::default(),
            operands: Operands::default(),
        }
    }
}
