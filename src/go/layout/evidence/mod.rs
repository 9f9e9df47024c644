//! Offsets that the binary's own code shows.
//!
//! A function of the runtime touches the same members of a structure in the same order, whatever their offsets are: the
//! compiler has put the offsets into its instructions. `shapes.txt` says of some functions which members these are; it is
//! made by `tests/layout` from real toolchains, whose DWARF has the truth, and knows nothing of versions. Where a function
//! of a binary has one of the known shapes, each of its members has a witness. A member counts if its witnesses agree; and
//! where they say something else than the table, only if there are several. It was tried with each version as if it were
//! new, with the shapes of all others only: nothing that was found was wrong.
//!
//! What a structure is known by is the calling convention (which argument is a `*p`), the register that holds g, and the
//! addresses of global variables; from there it goes on from pointer to pointer.

mod pointers;
mod shapes;

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use super::globals::Globals;
use crate::go::elf::image::Machine;
use crate::go::isa::amd64;
use crate::go::layout::{Field, Layout};
use crate::go::site::go_statements;
use crate::go::site::runtime_functions::Runtime;

pub use pointers::{STRUCTURES, structure};
pub use shapes::{Shape, Shapes, Signature, labels};

use pointers::pointee;

/// How often is begun anew because a pointer turned out to lie elsewhere.
const ROUNDS: usize = 3;

/// A place in one of the [`STRUCTURES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pointer {
    /// The structure, as fields name it.
    pub structure: &'static str,
    /// Bytes from its start.
    pub offset: u32,
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
    pub arguments: Vec<Option<&'static str>>,
    /// Variables that are structures, by address, each with its end.
    globals: Vec<(Range<u64>, &'static str)>,
    /// What the members point to that are pointers, by structure and offset.
    pointees: HashMap<(&'static str, u32), &'static str>,
    /// What functions return, by entry.
    results: &'k HashMap<u64, &'static str>,
    /// Code of functions that keep registers.
    keeping: &'k [Range<u64>],
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
        let to = self.pointees.get(&(from.structure, from.offset))?;
        Some(Pointer::to(to))
    }

    pub(in crate::go) fn result(&self, callee: u64) -> Option<&'static str> {
        self.results.get(&callee).copied()
    }

    pub(in crate::go) fn keeps(&self, callee: u64) -> bool {
        self.keeping.iter().any(|code| code.contains(&callee))
    }
}

/// Looks at the functions of one binary.
#[derive(Debug)]
pub struct Witnesses<'r, 'b> {
    runtime: &'r Runtime<'b>,
    globals: Vec<(Range<u64>, &'static str)>,
    results: HashMap<u64, &'static str>,
    keeping: Vec<Range<u64>>,
    pointees: HashMap<(&'static str, u32), &'static str>,
}

impl<'r, 'b> Witnesses<'r, 'b> {
    /// Of a binary, with what is believed of pointers for the time being.
    pub fn new(runtime: &'r Runtime<'b>, globals: &Globals, layout: &Layout) -> Self {
        let mut witnesses = Self {
            runtime,
            globals: variables(globals, layout),
            results: HashMap::new(),
            keeping: go_statements::keeping(runtime),
            pointees: HashMap::new(),
        };
        for field in Field::ALL {
            if let Some(offset) = layout.hint(*field) {
                witnesses.point(*field, offset);
            }
        }
        witnesses
    }

    /// Notes where a member lies that points to a structure; whether that is news.
    fn point(&mut self, field: Field, offset: u32) -> bool {
        let Some(to) = pointee(field) else {
            return false;
        };
        let known = (structure(field), offset);
        if self.pointees.get(&known) == Some(&to) {
            return false;
        }
        self.pointees.insert(known, to);
        true
    }

    /// Notes what functions return.
    pub fn returns(&mut self, function: &str, structure: &'static str) {
        for entry in self.runtime.entries(function) {
            self.results.insert(entry, structure);
        }
    }

    /// What a function does to each structure, if it has code of its own.
    pub fn shapes(&self, function: &str, signature: &Signature) -> Vec<(Shape, Vec<u32>)> {
        let Ok(body) = self.runtime.body(function) else {
            return Vec::new();
        };
        let known = Known {
            arguments: signature.arguments.clone(),
            globals: self.globals.clone(),
            pointees: self.pointees.clone(),
            results: &self.results,
            keeping: &self.keeping,
        };
        shapes::of(&amd64::typing::accesses(body.code(), &known))
    }
}

/// What the code of a binary says of offsets, and how many functions say so.
pub fn derive(
    runtime: &Runtime<'_>,
    globals: &Globals,
    layout: &Layout,
) -> BTreeMap<Field, (u32, usize)> {
    derive_by(Shapes::embedded(), runtime, globals, layout)
}

/// The same by other shapes than those that grtmon carries.
pub fn derive_by(
    shapes: &Shapes,
    runtime: &Runtime<'_>,
    globals: &Globals,
    layout: &Layout,
) -> BTreeMap<Field, (u32, usize)> {
    if runtime.binary().image().machine() != Machine::X86_64 {
        return BTreeMap::new();
    }
    let mut witnesses = Witnesses::new(runtime, globals, layout);
    for (function, signature) in shapes.signatures() {
        if let Some(result) = signature.result {
            witnesses.returns(function, result);
        }
    }
    let mut found = BTreeMap::new();
    for _ in 0..ROUNDS {
        let mut votes: BTreeMap<Field, BTreeMap<u32, usize>> = BTreeMap::new();
        for (function, signature) in shapes.signatures() {
            for (shape, offsets) in witnesses.shapes(function, signature) {
                for (field, offset) in shapes.members(function, signature, &shape, &offsets) {
                    *votes.entry(field).or_default().entry(offset).or_default() += 1;
                }
            }
        }
        found = votes
            .into_iter()
            .filter_map(|(field, votes)| Some((field, agreed(&votes, layout.hint(field))?)))
            .collect();
        let mut news = false;
        for (field, (offset, _)) in &found {
            news |= witnesses.point(*field, *offset);
        }
        if !news {
            break;
        }
    }
    found
}

/// So many witnesses it takes for something that was not expected.
const SEVERAL: usize = 3;

/// What the witnesses agree on: one is enough for what is expected, something else takes several.
fn agreed(votes: &BTreeMap<u32, usize>, expected: Option<u32>) -> Option<(u32, usize)> {
    let mut votes = votes.iter();
    let (offset, count) = votes.next()?;
    let is_enough = *count >= SEVERAL || expected == Some(*offset);
    (votes.next().is_none() && is_enough).then_some((*offset, *count))
}

/// The variables that are structures, each up to the next one or as far as it is taken to reach.
fn variables(globals: &Globals, layout: &Layout) -> Vec<(Range<u64>, &'static str)> {
    let of = |address: Option<u64>, name, most: u32| {
        let members = Field::ALL.iter().filter(|field| structure(**field) == name);
        let last = members.filter_map(|field| layout.hint(*field)).max();
        let size = last.map_or(most, |last| last.saturating_add(80));
        Some((address?, name, u64::from(size)))
    };
    let mut all: Vec<(u64, &'static str, u64)> = [
        of(globals.sched, "schedt", 16384),
        of(globals.work, "workType", 1024),
        of(globals.gc_controller, "gcControllerState", 512),
        of(globals.memstats, "mstats", 16384),
        of(globals.mheap, "mheap", 1 << 17),
    ]
    .into_iter()
    .flatten()
    .collect();
    all.sort_unstable();
    let starts: Vec<u64> = all.iter().map(|(start, ..)| *start).collect();
    all.into_iter()
        .map(|(start, structure, size)| {
            let next = starts.iter().find(|other| **other > start);
            let end = start.saturating_add(size);
            (start..next.map_or(end, |next| end.min(*next)), structure)
        })
        .collect()
}
