//! The code of one of the runtime's functions wherever it stands, and what it does there to global variables.
//!
//! A statement of the runtime is in the function's own code, and in each copy of its body in another one's. What it says
//! of a variable is the same in all of them.

use std::collections::BTreeSet;
use std::ops::Range;

use super::body::Body;
use super::runtime_functions::Runtime;
use crate::go::isa::dataflow::{Dataflow, Origin};
use crate::go::isa::instruction::{Access, Effects, Instruction, Register};

/// A function's code in one place.
#[derive(Clone, Debug)]
pub(in crate::go) struct Piece<'b> {
    /// The function in which it stands.
    host: Body<'b>,
    /// Its instructions there, by address; `None`: all of them.
    ranges: Option<Vec<Range<u64>>>,
}

impl<'b> Piece<'b> {
    /// All places of the function's code: its own first.
    pub(in crate::go) fn of(runtime: &Runtime<'b>, name: &str) -> Vec<Self> {
        let own = Self::own(runtime, name);
        let copies = runtime.copies(name).unwrap_or_default();
        let copies = copies.into_iter().map(|copy| Self {
            host: copy.host().clone(),
            ranges: Some(copy.copy().ranges.clone()),
        });
        own.into_iter().chain(copies).collect()
    }

    /// The function's own code, if it has any.
    pub(in crate::go) fn own(runtime: &Runtime<'b>, name: &str) -> Option<Self> {
        let host = runtime.find(name)?;
        Some(Self { host, ranges: None })
    }

    fn contains(&self, at: usize) -> bool {
        let Some(ranges) = &self.ranges else {
            return true;
        };
        let address = self.host.code().get(at).map(Instruction::address);
        address.is_some_and(|address| ranges.iter().any(|range| range.contains(&address)))
    }

    /// Its instructions, with their places in the code around them.
    pub(in crate::go) fn instructions(&self) -> impl Iterator<Item = (usize, &Instruction)> {
        let all = self.host.code().instructions().iter().enumerate();
        all.filter(|(at, _)| self.contains(*at))
    }

    /// The variables that are read or written.
    pub(in crate::go) fn accesses(&self) -> Vec<Access> {
        let mut dataflow = Dataflow::new(self.host.code(), &[]);
        self.instructions()
            .filter_map(|(at, i)| {
                i.access()
                    .or_else(|| i.access_by_pointer(|pointer| address(&mut dataflow, pointer, at)))
            })
            .collect()
    }

    /// The addresses of the variables that are read or written as whole machine words.
    pub(in crate::go) fn words(&self) -> BTreeSet<u64> {
        let accesses = self.accesses().into_iter();
        accesses
            .flat_map(|access| (access.address..).step_by(8).take(access.words))
            .collect()
    }

    /// The addresses that are put into registers.
    pub(in crate::go) fn pointed_to(&self) -> BTreeSet<u64> {
        let set = self.instructions().filter_map(|(_, i)| i.address_set());
        set.map(|(_, address)| address).collect()
    }

    /// The addresses of the variables of which 32 bits are read by instructions that do so atomically.
    pub(in crate::go) fn atomic_reads(&self) -> BTreeSet<u64> {
        let mut dataflow = Dataflow::new(self.host.code(), &[]);
        let read = self.instructions().filter_map(|(at, i)| {
            let pointer = i.atomic_read()?;
            address(&mut dataflow, pointer, at)
        });
        read.collect()
    }

    /// The address that is passed as first argument in the first call of a function that begins at one of `callees`; `None`
    /// if that one passes something else.
    pub(in crate::go) fn first_argument(
        &self,
        callees: &[u64],
        keeping: &[Range<u64>],
    ) -> Option<u64> {
        let code = self.host.code();
        let call = code.calls_to(callees).find(|call| self.contains(*call))?;
        address(&mut Dataflow::new(code, keeping), Register::FIRST, call)
    }

    /// The addresses to which the constant is added atomically: in one instruction, and by calls that get it in the register
    /// `second`, where the addition is not inlined.
    pub(in crate::go) fn additions(
        &self,
        constant: u64,
        second: Register,
    ) -> (BTreeSet<u64>, BTreeSet<u64>) {
        let mut dataflow = Dataflow::new(self.host.code(), &[]);
        let mut adds = |at, pointer, added| {
            let is_it = self.constant_before(at, added) == Some(constant);
            is_it.then(|| address(&mut dataflow, pointer, at))?
        };
        let (mut inlined, mut called) = (BTreeSet::new(), BTreeSet::new());
        for (at, i) in self.instructions() {
            if let Some((pointer, added)) = i.atomic_addition() {
                inlined.extend(adds(at, pointer, added));
            } else if i.call_target().is_some() {
                called.extend(adds(at, Register::FIRST, second));
            }
        }
        (inlined, called)
    }

    /// The constant that was put into a register a few instructions before `at`.
    fn constant_before(&self, at: usize, register: Register) -> Option<u64> {
        let code = self.host.code();
        let mut effects = Effects::default();
        let set = (at.saturating_sub(4)..at)
            .rev()
            .filter_map(|index| code.get(index))
            .find(|i| effects.changes(i, register))?;
        let (_, constant) = set.constant_set().filter(|(set, _)| *set == register)?;
        Some(constant)
    }
}

/// The address that a register holds before the instruction at `at`, if it is one and the same on all ways there.
pub(in crate::go) fn address(
    dataflow: &mut Dataflow<'_>,
    register: Register,
    at: usize,
) -> Option<u64> {
    match dataflow.origins(register, at).as_slice() {
        &[Origin::Address(address)] => Some(address),
        _ => None,
    }
}
