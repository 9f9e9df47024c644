//! The distinct stacks of a program's goroutines, in words: each instruction is looked up once, each stack kept once.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use super::binary::Binary;
use super::code_address::CodeAddress;
use super::inline::Frame;
use super::pclntab::FuncTable;
use super::printed::for_print;
use super::shown::Rules;
use super::unwind::Trace;
use crate::model::dump::{Place, Stack, StackFrame};

/// A place, and what the rules of showing it need.
type Known<'b> = (Arc<Place>, Frame<'b>);

/// Names of places, and the stacks made of them.
#[derive(Debug)]
pub struct TraceTable<'b> {
    functions: FuncTable<'b>,
    rules: Rules,
    places: HashMap<CodeAddress, Vec<Known<'b>>>,
    numbers: HashMap<Trace, usize>,
    stacks: Vec<Stack>,
}

impl<'b> TraceTable<'b> {
    /// For one binary.
    pub fn new(binary: &'b Binary) -> Self {
        Self {
            functions: binary.functions(),
            rules: Rules::of(binary.version_range()).marked(binary.wrapper_id()),
            places: HashMap::new(),
            numbers: HashMap::new(),
            stacks: Vec::new(),
        }
    }

    /// What the runtime shows.
    pub fn rules(&self) -> Rules {
        self.rules
    }

    /// The number of the stack that has this trace.
    pub fn number(&mut self, trace: &Trace) -> usize {
        if let Some(number) = self.numbers.get(trace) {
            return *number;
        }
        let number = self.stacks.len();
        let stack = self.describe(trace);
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
        std::mem::take(&mut self.stacks)
    }

    /// The place an address stands for: the innermost if functions are inlined there.
    pub fn place(&mut self, address: CodeAddress) -> Option<Arc<Place>> {
        self.known(address).first().map(|(place, _)| place.clone())
    }

    /// The place of a function's code, whatever is inlined there.
    pub fn function(&mut self, address: CodeAddress) -> Option<Arc<Place>> {
        self.known(address).last().map(|(place, _)| place.clone())
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
        match self.places.entry(address) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => unknown.insert(look_up(&self.functions, address)),
        }
    }
}

fn look_up<'b>(functions: &FuncTable<'b>, address: CodeAddress) -> Vec<Known<'b>> {
    let entry = functions.at(address.pc).map(|function| function.entry);
    address
        .frames(functions)
        .into_iter()
        .map(|frame| {
            let place = Place {
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
