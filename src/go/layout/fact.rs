//! What is known of a field of the runtime, where that comes from, and why nothing is known.

use std::error::Error;
use std::fmt;

use super::field::Field;
use super::nearness::Nearness;

/// Where a fact comes from. `Display` is a phrase for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The binary's own DWARF.
    Dwarf,
    /// Instructions of the binary that read or write it.
    Code,
    /// The table, more or less directly.
    Table(Nearness),
    /// The table, but merely as an assumption, which has held in the live process.
    Confirmed(Nearness),
    /// It was found in the live process.
    Process,
}

impl Origin {
    /// Whether it must be checked on the live process before it is used.
    pub fn is_assumed(&self) -> bool {
        matches!(self, Origin::Table(near) if near.is_assumed())
    }

    /// Whether the binary itself says it, so that doubts about other members do not touch it.
    pub fn is_of_binary(&self) -> bool {
        matches!(self, Origin::Dwarf | Origin::Code)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Dwarf => f.write_str("from the binary's DWARF"),
            Origin::Code => f.write_str("from the binary's own code"),
            Origin::Table(near) => near.fmt(f),
            Origin::Confirmed(near) => write!(f, "{near}, confirmed in the live process"),
            Origin::Process => f.write_str("found in the live process"),
        }
    }
}

/// What is known of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// Its value, and whence.
    Known(u32, Origin),
    /// This version of Go has no such member, or no such type.
    Absent(Origin),
    /// Nothing; and why.
    Unknown(String),
}

/// Why a field cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayoutError {
    /// The field.
    pub field: Field,
    /// One clause: why there is no value.
    pub why: String,
}

impl fmt::Display for LayoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.field.name();
        match name.split_once(' ') {
            Some(("len", of)) => write!(f, "the length of {of}")?,
            Some((_, of)) => write!(f, "the size of {of}")?,
            None => f.write_str(name)?,
        }
        write!(f, " is not known: {}", self.why)
    }
}

impl Error for LayoutError {}

/// Why what is merely assumed cannot be used.
pub(super) fn unconfirmed(field: Field, origin: &Origin) -> String {
    let may = match field.is_of_heap() {
        true => " yet; its next garbage collection may",
        false => "",
    };
    format!("{origin}, and nothing in the live process confirms it{may}")
}
