//! How a function begins: where a call of it is seen, and what it takes. Each instruction set has its own ways.

use super::code::Code;
use super::site_kind::SiteKind;
use super::{amd64, arm64};
use crate::go::elf::image::Machine;

impl Code<'_> {
    /// The place at which a call of the function is seen once with its arguments intact, in the order of [`SiteKind`];
    /// `None` if the function begins with a loop.
    pub fn function_site(&self) -> Option<(usize, SiteKind)> {
        match self.machine {
            Machine::X86_64 => amd64::prologue::choose(self),
            Machine::Aarch64 => arm64::prologue::choose(self),
        }
    }

    /// A place behind the set-up of the frame ([`SiteKind::Framed`]), where there is one.
    pub fn framed_site(&self) -> Option<usize> {
        match self.machine {
            Machine::X86_64 => amd64::prologue::framed(self),
            Machine::Aarch64 => None,
        }
    }

    /// How many arguments the function takes in integer registers, counted where the stack check's slow path saves
    /// them. 0 also for a function without stack check.
    pub fn saved_arguments(&self) -> usize {
        match self.machine {
            Machine::X86_64 => amd64::prologue::saved_arguments(self),
            Machine::Aarch64 => arm64::prologue::saved_arguments(self),
        }
    }
}
