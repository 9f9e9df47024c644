//! Inlining: which functions an instruction belongs to besides the one whose code it is.
//!
//! A function into which others were inlined has an array of `inlinedCall` (FUNCDATA_InlTree = 3), and a
//! per-instruction table that says which entry is innermost (PCDATA_InlTreeIndex = 2). An entry names the inlined
//! function and an instruction (`parentPc`) whose source line and own entry are those of the call site. Source:
//! runtime/symtabinl.go and internal/abi/funcid.go (Go 1.21 to 1.27), runtime/symtab.go (Go 1.18 to 1.20).

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::Range;

use super::header::Format;
use super::pcvalue::{Step, Steps};
use crate::go::pclntab::{FuncTable, Function};

/// Calls are not inlined deeper than this; the compiler's budget keeps real depths below 50.
const MAX_DEPTH: usize = 100;

pub(super) const PCDATA_INL_TREE_INDEX: usize = 2;
pub(super) const FUNCDATA_INL_TREE: usize = 3;

/// One function that an instruction belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Frame<'i> {
    /// Full name of the function.
    pub function: &'i str,
    /// File name as recorded; empty if unknown.
    pub file: &'i str,
    /// Line number from 1; 0 if unknown. Of a frame that is not the innermost one: the line of the call.
    pub line: u32,
    /// Line on which the function's source begins, from 1; 0 if unknown, as before Go 1.20.
    pub start_line: u32,
    /// Whether it was inlined into the frame that follows.
    pub inlined: bool,
    /// The function's `funcID` (internal/abi/symtab.go); 0 for an ordinary one, or if the table is damaged.
    pub id: u8,
}

/// Where things are in an `inlinedCall`, in bytes.
pub(super) struct Layout {
    pub(super) size: usize,
    /// The offset of the name.
    pub(super) name: usize,
    /// `parentPc`
    parent: usize,
    /// `funcID`
    id: usize,
    /// `startLine`
    start_line: Option<usize>,
}

pub(super) fn layout(format: Format) -> Layout {
    match format {
        // parent i16, funcID u8, padding, file i32, line i32, func i32, parentPc i32
        Format::Go118 => Layout {
            size: 20,
            name: 12,
            parent: 16,
            id: 2,
            start_line: None,
        },
        // funcID u8, padding, nameOff i32, parentPc i32, startLine i32
        Format::Go120 => Layout {
            size: 16,
            name: 4,
            parent: 8,
            id: 0,
            start_line: Some(12),
        },
    }
}

/// The body of a function that stands in the code of another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copy<'i> {
    /// The function whose body it is.
    pub name: &'i str,
    /// The function in whose code it stands.
    pub within: Function<'i>,
    /// Address of the instruction that stands for the call: where the compiler had no other instruction for that, it is a
    /// `nop` with which the body begins (cmd/compile/internal/ssagen/ssa.go, `OpInlMark`).
    pub call: u64,
    /// Its instructions, those of functions inlined into it included, by address. The compiler mixes them with others.
    pub ranges: Vec<Range<u64>>,
}

/// A function that was inlined.
struct InlinedCall<'i> {
    name: &'i str,
    id: u8,
    start_line: u32,
    /// Address of an instruction that stands for the call to it.
    call: u64,
}

impl<'i> FuncTable<'i> {
    /// The functions that the instruction at a link-time address belongs to, innermost first: those inlined there, and
    /// at last the one whose code it is. Empty if no function is there. For a return address ask for the address
    /// before it.
    pub fn frames(&self, pc: u64) -> Vec<Frame<'i>> {
        self.at(pc)
            .and_then(|function| self.believed(self.expand(&function, pc)))
            .unwrap_or_default()
    }

    /// The frames of the instruction at `pc` in `function`, innermost first.
    pub(in crate::go) fn expand(&self, function: &Function<'i>, pc: u64) -> Vec<Frame<'i>> {
        let mut frames = Vec::new();
        let mut pc = pc;
        while frames.len() < MAX_DEPTH {
            let Some(inlined) = self.inlined_call(function, pc) else {
                break;
            };
            frames.push(Frame {
                inlined: true,
                start_line: inlined.start_line,
                ..self.frame(inlined.name, inlined.id, function, pc)
            });
            pc = inlined.call;
        }
        frames.push(Frame {
            start_line: self.start_line(function),
            ..self.frame(function.name, self.id(function).unwrap_or(0), function, pc)
        });
        frames
    }

    /// An instruction for each of its [`frames`](Self::frames): the one at `pc`, and those that stand for the calls that
    /// were inlined.
    pub fn calls(&self, pc: u64) -> Vec<u64> {
        let mut calls = vec![pc];
        let function = self.at(pc);
        let mut last = pc;
        while calls.len() < MAX_DEPTH
            && let Some(inlined) = function.and_then(|it| self.inlined_call(&it, last))
        {
            last = inlined.call;
            calls.push(last);
        }
        calls
    }

    fn frame(&self, name: &'i str, id: u8, function: &Function<'i>, pc: u64) -> Frame<'i> {
        let line = self.line_in(function, pc);
        Frame {
            function: name,
            file: line.map_or("", |l| l.file),
            line: line.map_or(0, |l| l.line),
            start_line: 0,
            inlined: false,
            id,
        }
    }

    /// The bodies of functions that were inlined into `function` and that are `wanted` by name; none as well if where
    /// functions are inlined is not known.
    pub(in crate::go) fn copies_in(
        &self,
        function: &Function<'i>,
        wanted: impl Fn(&str) -> bool,
    ) -> Vec<Copy<'i>> {
        let Some((index, tree)) = self.inline_tables(function) else {
            return Vec::new();
        };
        let steps: Vec<Step> = self.steps(function, index).collect();
        let mut nodes: BTreeMap<i32, Node<'i>> = BTreeMap::new();
        let mut begin = 0;
        for step in &steps {
            let range =
                function.entry.saturating_add(begin)..function.entry.saturating_add(step.end);
            begin = step.end;
            let mut at = step.value;
            for _ in 0..MAX_DEPTH {
                let node = match nodes.entry(at) {
                    Entry::Occupied(known) => known.into_mut(),
                    Entry::Vacant(place) => {
                        let Some(call) = usize::try_from(at)
                            .ok()
                            .and_then(|at| self.inline_entry(function, tree, at))
                        else {
                            break;
                        };
                        place.insert(Node {
                            parent: value_in(&steps, call.call.saturating_sub(function.entry)),
                            is_wanted: wanted(call.name),
                            ranges: Vec::new(),
                            call,
                        })
                    }
                };
                if node.is_wanted {
                    node.ranges.push(range.clone());
                }
                at = node.parent;
            }
        }
        nodes
            .into_values()
            .filter(|node| node.is_wanted)
            .map(|node| Copy {
                name: node.call.name,
                within: *function,
                call: node.call.call,
                ranges: node.ranges,
            })
            .collect()
    }

    /// How many entries the array of what was inlined into `function` has: of every one there are instructions, or of
    /// something that was inlined into it.
    pub(super) fn count_inlined(&self, function: &Function<'i>) -> usize {
        let Some((index, _)) = self.inline_tables(function) else {
            return 0;
        };
        let (mut highest, mut most) = (-1, 0usize);
        for step in self.steps(function, index) {
            highest = highest.max(step.value);
            most = most.saturating_add(MAX_DEPTH);
        }
        let count = usize::try_from(highest.saturating_add(1)).unwrap_or(0);
        count.min(most)
    }

    /// The stretches of a per-instruction table of the function.
    fn steps(&self, function: &Function<'i>, table: u32) -> impl Iterator<Item = Step> + use<'i> {
        let size = function.end.saturating_sub(function.entry);
        let most = usize::try_from(size).unwrap_or(usize::MAX);
        let table = usize::try_from(table)
            .ok()
            .and_then(|at| self.pcs.get(at..));
        Steps::new(table.unwrap_or_default(), self.quantum)
            .take(most)
            .take_while(move |step| step.end <= size)
    }

    /// The innermost inlined function at `pc`.
    fn inlined_call(&self, function: &Function<'i>, pc: u64) -> Option<InlinedCall<'i>> {
        let (index, tree) = self.inline_tables(function)?;
        let index = usize::try_from(self.value_of_table(function, index, pc)?).ok()?;
        self.inline_entry(function, tree, index)
    }

    /// Where the function's table of indices and its array of inlined calls are.
    fn inline_tables(&self, function: &Function<'i>) -> Option<(u32, u32)> {
        let npcdata =
            usize::try_from(self.u32_at(function.record.checked_add(self.format.npcdata())?)?)
                .ok()?;
        let nfuncdata = self.u8_at(function.record.checked_add(self.format.nfuncdata())?)?;
        if npcdata <= PCDATA_INL_TREE_INDEX || usize::from(nfuncdata) <= FUNCDATA_INL_TREE {
            return None;
        }
        let arrays = function.record.checked_add(self.format.size())?;
        let index = self.u32_at(arrays.checked_add(4 * PCDATA_INL_TREE_INDEX)?)?;
        let tree = self
            .u32_at(arrays.checked_add(npcdata.checked_add(FUNCDATA_INL_TREE)?.checked_mul(4)?)?)?;
        (tree != u32::MAX && index != 0).then_some((index, tree))
    }

    fn inline_entry(
        &self,
        function: &Function<'i>,
        tree: u32,
        index: usize,
    ) -> Option<InlinedCall<'i>> {
        let layout = layout(self.format);
        let size = layout.size;
        let entry = self
            .funcdata?
            .checked_add(u64::from(tree))?
            .checked_add(index.checked_mul(size)? as u64)?;
        let entry = self.image.slice(entry, size)?;
        let name = self.name(usize::try_from(number(entry, layout.name)?).ok()?)?;
        let call = function
            .entry
            .checked_add(u64::try_from(number(entry, layout.parent)?).ok()?)?;
        let id = entry.get(layout.id).copied()?;
        let start_line = layout.start_line.and_then(|at| number(entry, at));
        (call < function.end).then_some(InlinedCall {
            name,
            id,
            start_line: start_line.map_or(0, |line| u32::try_from(line).unwrap_or(0)),
            call,
        })
    }
}

/// The signed number at this place of an entry.
fn number(entry: &[u8], at: usize) -> Option<i32> {
    let bytes = entry.get(at..)?.get(..4)?;
    Some(i32::from_le_bytes(bytes.try_into().ok()?))
}

/// A node of the tree of what was inlined into a function.
struct Node<'i> {
    call: InlinedCall<'i>,
    /// The index of what it was inlined into; -1: the function itself.
    parent: i32,
    is_wanted: bool,
    ranges: Vec<Range<u64>>,
}

/// The value in force at `offset` bytes from the function's entry; -1 where there is none.
fn value_in(steps: &[Step], offset: u64) -> i32 {
    let at = steps.partition_point(|step| step.end <= offset);
    steps.get(at).map_or(-1, |step| step.value)
}
