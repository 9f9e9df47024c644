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

mod compact;
mod enough;
mod list;
mod pointers;
mod said;
mod shapes;
mod votes;

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use super::globals::Globals;
use crate::go::elf::image::Machine;
use crate::go::isa::typed::{Known, Pointer};
use crate::go::isa::{amd64, arm64, code::Code, walk};
use crate::go::layout::{Fact, Field, Layout};
use crate::go::site::body::Body;
use crate::go::site::go_statements;
use crate::go::site::runtime_functions::Runtime;

pub use said::{Doubts, Said};
pub use shapes::{Shape, Shapes, Signature, Touch, labels};

use enough::Enough;
use list::{Entry, List};
use pointers::pointee;
use votes::{AllVotes, believed};

/// How often is begun anew because a pointer turned out to lie elsewhere.
const ROUNDS: usize = 3;

/// Looks at the functions of one binary.
#[derive(Debug)]
pub struct Witnesses<'r, 'b> {
    runtime: &'r Runtime<'b>,
    globals: Vec<(Range<u64>, &'static str)>,
    results: HashMap<u64, &'static str>,
    keeping: Vec<Range<u64>>,
    pointees: Vec<(Pointer, &'static str)>,
}

impl<'r, 'b> Witnesses<'r, 'b> {
    /// Of a binary, with what is believed of pointers for the time being.
    pub fn new(runtime: &'r Runtime<'b>, globals: &Globals, layout: &Layout) -> Self {
        let mut witnesses = Self {
            runtime,
            globals: variables(globals, layout),
            results: HashMap::new(),
            keeping: go_statements::keeping(runtime),
            pointees: Vec::new(),
        };
        for field in Field::ALL {
            if let Some(offset) = layout.hint(*field) {
                witnesses.point(*field, offset);
            }
        }
        witnesses
    }

    fn machine(&self) -> Machine {
        self.runtime.binary().image().machine()
    }

    /// Notes where a member lies that points to a structure; whether that is news.
    fn point(&mut self, field: Field, offset: u32) -> bool {
        let Some(to) = pointee(field) else {
            return false;
        };
        let structure = field.structure();
        let member = Pointer { offset, structure };
        let known = self.pointees.iter_mut().find(|(known, _)| *known == member);
        match known {
            Some((_, known)) if *known == to => return false,
            Some((_, known)) => *known = to,
            None => self.pointees.push((member, to)),
        }
        true
    }

    /// Notes what functions return.
    pub fn returns(&mut self, function: &str, structure: &'static str) {
        for entry in self.runtime.entries(function) {
            self.results.insert(entry, structure);
        }
    }

    /// Notes what all functions of a list return.
    fn note_results(&mut self, entries: &[Entry<'_>]) {
        for entry in entries {
            if let Some(result) = entry.signature.result {
                self.returns(entry.function, result);
            }
        }
    }

    /// Asks a function what it says. One that is known by several signatures is decoded once: `last` is what the call before
    /// this one returned.
    fn ask<'t>(
        &self,
        list: &List,
        entry: &Entry<'t>,
        last: Option<Asked<'t, 'b>>,
        votes: &mut AllVotes<'t>,
    ) -> Option<Asked<'t, 'b>> {
        let function = entry.function;
        let body = match last {
            Some((name, body)) if name == function => body,
            _ => self.runtime.find(function),
        };
        let code = body.as_ref().map(Body::code);
        let seen = code.map(|code| self.shapes_in(code, &entry.signature));
        for (shape, offsets) in seen.into_iter().flatten() {
            for (field, offset) in list.members(entry, &shape, &offsets) {
                let votes = votes.entry(field).or_default().entry(offset).or_default();
                votes.functions.push(function);
                votes.touches += shape.touches.len();
            }
        }
        Some((function, body))
    }

    /// What a function does to each structure, if it has code of its own.
    pub fn shapes(&self, function: &str, signature: &Signature) -> Vec<(Shape, Vec<u32>)> {
        let body = self.runtime.find(function);
        body.map(|body| self.shapes_in(body.code(), signature))
            .unwrap_or_default()
    }

    /// The same of code that is decoded.
    fn shapes_in(&self, code: &Code<'_>, signature: &Signature) -> Vec<(Shape, Vec<u32>)> {
        let known = Known {
            arguments: &signature.arguments,
            globals: &self.globals,
            pointees: &self.pointees,
            results: &self.results,
            keeping: &self.keeping,
        };
        shapes::of(&match self.machine() {
            Machine::X86_64 => walk::accesses(amd64::typing::Typing::default(), code, &known),
            Machine::Aarch64 => walk::accesses(arm64::typing::Typing, code, &known),
        })
    }
}

/// What the code of a binary says of offsets.
pub fn derive(runtime: &Runtime<'_>, globals: &Globals, layout: &Layout) -> BTreeMap<Field, Said> {
    derive_with_doubts(runtime, globals, layout).0
}

/// The same, and what little code says that is not believed.
pub fn derive_with_doubts(
    runtime: &Runtime<'_>,
    globals: &Globals,
    layout: &Layout,
) -> (BTreeMap<Field, Said>, Doubts) {
    let list = List::carried(runtime.binary().image().machine());
    derive_from(&list, runtime, globals, layout)
}

/// The same by other shapes than those that grtmon carries.
pub fn derive_by(
    shapes: &Shapes,
    runtime: &Runtime<'_>,
    globals: &Globals,
    layout: &Layout,
) -> (BTreeMap<Field, Said>, Doubts) {
    let text = shapes.to_string();
    derive_from(&List::of(&text), runtime, globals, layout)
}

/// Whether the code of a binary agrees with a layout that was measured, and so what it says of offsets: `None` if it says
/// anything else, or too little is known to compare it with. Functions that can tell only what others have told already are
/// not asked, which are most.
pub(in crate::go) fn agrees(
    runtime: &Runtime<'_>,
    globals: &Globals,
    layout: &Layout,
) -> Option<BTreeMap<Field, Said>> {
    let list = List::carried(runtime.binary().image().machine());
    let entries: Vec<Entry<'_>> = list.functions().collect();
    let mut witnesses = Witnesses::new(runtime, globals, layout);
    witnesses.note_results(&entries);
    let enough = Enough(layout);
    let mut candidates = enough.candidates(&list, &entries, runtime);
    let mut votes = AllVotes::new();
    let mut last = None;
    while let Some(entry) = candidates.next(&votes) {
        last = witnesses.ask(&list, entry, last, &mut votes);
    }
    votes.retain(|field, _| enough.counts(*field));
    enough.agree(&votes).then_some(())?;
    let (mut found, doubts) = believed(votes, layout);
    doubts.is_empty().then_some(())?;
    complete(&mut found, globals);
    Some(found)
}

fn derive_from(
    list: &List,
    runtime: &Runtime<'_>,
    globals: &Globals,
    layout: &Layout,
) -> (BTreeMap<Field, Said>, Doubts) {
    let entries: Vec<Entry<'_>> = list.functions().collect();
    let mut witnesses = Witnesses::new(runtime, globals, layout);
    witnesses.note_results(&entries);
    let (mut found, mut doubts) = (BTreeMap::new(), BTreeMap::new());
    for _ in 0..ROUNDS {
        let mut votes = AllVotes::new();
        let mut last = None;
        for entry in entries.iter().filter(|entry| entry.has_shapes()) {
            last = witnesses.ask(list, entry, last, &mut votes);
        }
        (found, doubts) = believed(votes, layout);
        let mut news = false;
        for (field, said) in &found {
            news |= witnesses.point(*field, said.offset);
        }
        if !news {
            break;
        }
    }
    complete(&mut found, globals);
    (found, doubts)
}

/// Adds what follows from what was found.
fn complete(found: &mut BTreeMap<Field, Said>, globals: &Globals) {
    let distance = globals.heap_stats.zip(globals.memstats);
    let distance = distance.and_then(|(member, start)| member.checked_sub(start));
    if let Some(offset) = distance.and_then(|it| u32::try_from(it).ok()) {
        let one = "runtime.(*mcache).refill".to_owned();
        let said = Said {
            offset,
            functions: 1,
            one,
        };
        found.insert(Field::MstatsHeapStats, said);
    }
    find_histogram(found);
}

/// Where `timeHistogram.record` has been inlined (always in Go 1.19), the code that counts names the members of the histogram
/// as members of what that is in: its counts, which come first, and the count of times below zero.
fn find_histogram(found: &mut BTreeMap<Field, Said>) {
    let counts = found.get(&Field::MstatsGcPauseDist).cloned();
    let underflow = found.get(&Field::MstatsGcPauseDistUnderflow).cloned();
    let Some((counts, underflow)) = counts.zip(underflow) else {
        return;
    };
    let Some(distance) = underflow.offset.checked_sub(counts.offset) else {
        return;
    };
    for (field, said, offset) in [
        (Field::TimeHistogramCounts, counts, 0),
        (Field::TimeHistogramUnderflow, underflow, distance),
    ] {
        found.entry(field).or_insert(Said { offset, ..said });
    }
}

/// A function that was asked, and its code if it has some.
type Asked<'t, 'b> = (&'t str, Option<Body<'b>>);

/// The variables that are structures, each up to the next one or as far as it is taken to reach.
fn variables(globals: &Globals, layout: &Layout) -> Vec<(Range<u64>, &'static str)> {
    let of = |address: Option<u64>, name, most: u32| {
        let members = || Field::ALL.iter().filter(|field| field.structure() == name);
        let last = members().filter_map(|field| layout.hint(*field)).max();
        // Where a member may be anywhere, the last of the others is not the end.
        let lacks = |field: &Field| matches!(layout.fact(*field), Fact::Unknown(_));
        let size = match last {
            Some(last) if !members().any(lacks) => last.saturating_add(80),
            last => last.unwrap_or(0).saturating_add(80).max(most),
        };
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
