//! What is known of pointers into structures when code is looked at, and what the code does through them.

use std::collections::HashMap;
use std::ops::Range;

/// A place in a structure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pointer {
    /// Bytes from the start of the structure.
    pub offset: u32,
    /// The structure, as fields name it.
    pub structure: &'static str,
}

impl Pointer {
    /// The start of a structure.
    pub fn to(structure: &'static str) -> Self {
        Self {
            structure,
            offset: 0,
        }
    }

    /// So many bytes further on; `None` if that is not in the structure.
    pub fn moved(self, by: u64) -> Option<Self> {
        let offset = u64::from(self.offset).wrapping_add(by);
        let offset = u32::try_from(offset)
            .ok()
            .filter(|offset| *offset < 1 << 20)?;
        Some(Self { offset, ..self })
    }
}

/// An instruction that reads a member of a structure, writes it, or takes its address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Access {
    /// Which.
    pub at: Pointer,
    /// Bytes read or written.
    pub width: u8,
    /// `r`, `w`, `a`; in capital letters for an element of an array.
    pub how: char,
}

/// What is known when a function is looked at.
#[derive(Debug)]
pub struct Known<'k> {
    /// The structures that its arguments point to, by register.
    pub arguments: &'k [Option<&'static str>],
    /// Variables that are structures, by address, each with its end.
    pub(in crate::go) globals: &'k [(Range<u64>, &'static str)],
    /// What the members point to that are pointers. They are few.
    pub(in crate::go) pointees: &'k [(Pointer, &'static str)],
    /// What functions return, by entry.
    pub(in crate::go) results: &'k HashMap<u64, &'static str>,
    /// Code of functions that keep registers.
    pub(in crate::go) keeping: &'k [Range<u64>],
}

impl Known<'_> {
    /// The place in a variable that an address is.
    pub(in crate::go) fn global(&self, address: u64) -> Option<Pointer> {
        let (range, structure) = self
            .globals
            .iter()
            .find(|(range, _)| range.contains(&address))?;
        Pointer::to(structure).moved(address.checked_sub(range.start)?)
    }

    /// What is loaded from a place, if it is the start of a structure.
    pub(in crate::go) fn pointee(&self, from: Pointer) -> Option<Pointer> {
        let (_, to) = self.pointees.iter().find(|(member, _)| *member == from)?;
        Some(Pointer::to(to))
    }

    pub(in crate::go) fn result(&self, callee: u64) -> Option<&'static str> {
        self.results.get(&callee).copied()
    }

    pub(in crate::go) fn keeps(&self, callee: u64) -> bool {
        self.keeping.iter().any(|code| code.contains(&callee))
    }
}
