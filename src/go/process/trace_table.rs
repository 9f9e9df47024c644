//! The distinct stacks of a program's goroutines, in words: each instruction is looked up once, each stack kept once.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use crate::go::binary::Binary;
use crate::go::binary::plugins::Tables;
use crate::go::pclntab::FuncTable;
use crate::go::pclntab::inline::Frame;
use crate::go::process::unwind::Trace;
use crate::go::symbolize::code_address::CodeAddress;
use crate::go::symbolize::display_name::for_print;
use crate::go::symbolize::shown::Rules;
use crate::go::symbolize::wrapper::is_wrapper;
use crate::go::symbolize::wrapper::wrapped;
use crate::model::dump::{SourcePlace, Stack, StackFrame};

/// A place, and what the rules of showing it need.
type Known<'b> = (Arc<SourcePlace>, Frame<'b>);

/// Names of places, and the stacks made of them.
#[derive(Debug)]
pub struct TraceTable<'b> {
    tables: Tables<'b>,
    rules: Rules,
    places: HashMap<CodeAddress, Vec<Known<'b>>>,
    binary: &'b Binary,
    /// What wrappers that goroutines began with stand for, by their entries.
    starts: HashMap<u64, Arc<SourcePlace>>,
    numbers: HashMap<Trace, usize>,
    stacks: Vec<Stack>,
    /// Frames in `stacks`.
    frames: usize,
    /// Bytes of names in `places`.
    names: usize,
}

/// Frames of different stacks that are kept: of those of a million goroutines with a stack of its own each, say.
const MAX_FRAMES: usize = 1 << 23;

/// Addresses that are looked up before what was read of the file for them is given back: they lie all over it.
const AT_ONCE: usize = 8;

/// Bytes of names that are kept: more than a large program has in its whole function table.
const MAX_NAMES: usize = 1 << 28;

impl<'b> TraceTable<'b> {
    /// For one binary.
    pub fn new(binary: &'b Binary) -> Self {
        Self::with(binary, Tables::new(binary))
    }

    /// For one binary, and what a process of it has loaded.
    pub fn with(binary: &'b Binary, tables: Tables<'b>) -> Self {
        Self {
            tables,
            rules: Rules::of(binary.version_range()).marked(binary.wrapper_id()),
            places: HashMap::new(),
            binary,
            starts: HashMap::new(),
            numbers: HashMap::new(),
            stacks: Vec::new(),
            frames: 0,
            names: 0,
        }
    }

    /// What the runtime shows.
    pub fn rules(&self) -> Rules {
        self.rules
    }

    /// Whether there are more different stacks than are kept.
    pub fn is_full(&self) -> bool {
        self.frames > MAX_FRAMES
    }

    /// The number of the stack that has this trace.
    pub fn number(&mut self, trace: &Trace) -> usize {
        if let Some(number) = self.numbers.get(trace) {
            return *number;
        }
        let number = self.stacks.len();
        let stack = self.describe(trace);
        // A trace has its own copy in `numbers`.
        self.frames += stack.frames.len() + trace.inner.len() + trace.outer.len();
        self.stacks.push(stack);
        self.numbers.insert(trace.clone(), number);
        number
    }

    /// A stack by its number.
    pub fn stack(&self, number: usize) -> Option<&Stack> {
        self.stacks.get(number)
    }

    /// Takes the stacks out; numbering begins anew.
    pub fn take(&mut self) -> Vec<Stack> {
        self.numbers.clear();
        self.frames = 0;
        std::mem::take(&mut self.stacks)
    }

    /// The place an address stands for: the innermost if functions are inlined there.
    pub fn place(&mut self, address: CodeAddress) -> Option<Arc<SourcePlace>> {
        self.known(address).first().map(|(place, _)| place.clone())
    }

    /// The place of a function's code, whatever is inlined there.
    pub fn function(&mut self, address: CodeAddress) -> Option<Arc<SourcePlace>> {
        self.known(address).last().map(|(place, _)| place.clone())
    }

    /// A start function as the `go` statement names it: `go s.handle(id)` begins with a wrapper that calls it.
    pub fn start(&mut self, entry: u64) -> Option<Arc<SourcePlace>> {
        if let Some(known) = self.starts.get(&entry) {
            return Some(known.clone());
        }
        let own = self.function(CodeAddress {
            pc: entry,
            is_return: false,
        })?;
        let function = self.binary.functions().at(entry);
        let function = function.filter(|it| it.entry == entry && is_wrapper(self.binary, it));
        let Some(function) = function else {
            return Some(own);
        };
        let place = match wrapped(self.binary, &function) {
            Some(name) => Arc::new(SourcePlace {
                function: for_print(name).into_owned(),
                ..SourcePlace::clone(&own)
            }),
            None => own,
        };
        self.starts.insert(entry, place.clone());
        Some(place)
    }

    fn describe(&mut self, trace: &Trace) -> Stack {
        let mut frames = Vec::new();
        for address in &trace.inner {
            frames.extend_from_slice(self.known(*address));
        }
        let elided = (trace.elided > 0).then_some((frames.len(), trace.elided));
        for address in &trace.outer {
            frames.extend_from_slice(self.known(*address));
        }
        let plain: Vec<Frame<'_>> = frames.iter().map(|(_, frame)| *frame).collect();
        let hidden = self.rules.hidden(&plain);
        let frames = frames.into_iter().zip(hidden);
        Stack {
            frames: frames
                .map(|((place, _), hidden)| StackFrame { place, hidden })
                .collect(),
            elided,
        }
    }

    fn known(&mut self, address: CodeAddress) -> &[Known<'b>] {
        let count = self.places.len();
        match self.places.entry(address) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => {
                if count.is_multiple_of(AT_ONCE) {
                    self.binary.image().release_all();
                }
                let mut found = match self.names < MAX_NAMES {
                    true => look_up(self.tables.at(address.pc), address),
                    false => Vec::new(),
                };
                self.names += found.iter().map(size).sum::<usize>() + size_of::<Known<'b>>();
                found.shrink_to_fit();
                unknown.insert(found)
            }
        }
    }
}

/// Bytes that a place takes.
fn size((place, _): &Known<'_>) -> usize {
    place.function.len() + place.file.len() + 2 * size_of::<SourcePlace>()
}

fn look_up<'b>(functions: &FuncTable<'b>, address: CodeAddress) -> Vec<Known<'b>> {
    let entry = functions.at(address.pc).map(|function| function.entry);
    address
        .frames(functions)
        .into_iter()
        .map(|frame| {
            let place = SourcePlace {
                function: for_print(frame.function).into_owned(),
                file: frame.file.to_owned(),
                line: frame.line,
                pc: address.pc,
                offset: entry
                    .filter(|_| !frame.inlined)
                    .and_then(|entry| address.pc.checked_sub(entry)),
            };
            (Arc::new(place), frame)
        })
        .collect()
}
