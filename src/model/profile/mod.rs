//! Profiles of every kind: what was counted, by the stacks that it happened on.
//!
//! Functions, locations and samples refer to each other by numbers, so that a stack that many samples share is there
//! once, and no name is kept twice. How it looks as a file or on a terminal is decided in `render`.

mod difference;
mod label;
mod mapping;
mod of_goroutines;
mod packages;
mod part;
mod parts;
mod ranking;
mod sampling;

use std::collections::HashMap;
use std::hash::Hash;

pub use self::difference::Change;
pub use self::difference::Changes;
pub use self::label::GOROUTINE;
pub use self::label::LABELS;
pub use self::label::Label;
pub use self::label::LabelValue;
pub use self::label::NOT_KNOWN;
pub use self::mapping::Mapping;
pub use self::part::Part;
pub use self::ranking::By;
pub use self::ranking::Entry;
pub use self::ranking::Ranking;
pub use self::sampling::End;
pub use self::sampling::Sampling;

/// What a number of a sample counts, in the words of `net/http/pprof`: `inuse_space`, in `bytes`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ValueType {
    /// Its name.
    pub name: &'static str,
    /// Its unit.
    pub unit: &'static str,
}

/// A number of something that is counted.
pub const COUNT: &str = "count";
/// The unit of time.
pub const NANOSECONDS: &str = "nanoseconds";
/// The unit of memory.
pub const BYTES: &str = "bytes";

/// A function, by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FunctionId(usize);

impl FunctionId {
    /// Its number, from 0.
    pub fn number(self) -> usize {
        self.0
    }
}

/// A location, by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LocationId(usize);

impl LocationId {
    /// Its number, from 0.
    pub fn number(self) -> usize {
        self.0
    }
}

/// A function.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// Its file; empty if unknown.
    pub file: String,
    /// The line on which its source begins; 0 if unknown. By it the compiler finds what to optimise.
    pub start_line: u32,
}

/// A line of a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Line {
    /// The function.
    pub function: FunctionId,
    /// The line, from 1; 0 if unknown.
    pub line: u32,
}

/// An instruction, and the functions that it belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Location {
    /// Link-time address; 0 if it stands for no instruction.
    pub address: u64,
    /// The number of the program that it is in: see [`Profile::mappings`].
    pub mapping: usize,
    /// The function, after those that are inlined there: innermost first.
    pub lines: Vec<Line>,
}

/// What was counted on one stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// The stack, innermost first; never empty.
    pub stack: Vec<LocationId>,
    /// A number for each of [`Profile::types`].
    pub values: Vec<u64>,
    /// The rest.
    pub labels: Vec<Label>,
}

/// A profile.
#[derive(Debug, Clone)]
pub struct Profile {
    /// Its kind: `heap`.
    pub kind: &'static str,
    /// What is counted.
    pub types: Vec<ValueType>,
    /// Which of them is meant unless another one is asked for.
    pub default: usize,
    /// What is counted between two samples, and how much of it.
    pub period: (ValueType, u64),
    /// When it was taken, in nanoseconds since 1970, if that is known.
    pub unix_ns: Option<u64>,
    /// How long it took to take, in nanoseconds; `None`: it is of one moment, or of all time.
    pub duration_ns: Option<u64>,
    /// The program; the first one of several.
    pub mapping: Mapping,
    /// How it was sampled, if it was.
    pub sampling: Option<Sampling>,
    /// What is to be known of it besides, for people.
    pub notes: Vec<String>,
    /// Samples that nobody wanted have been left out.
    pub is_partial: bool,
    /// Samples of goroutines are to say of which ones.
    pub tells_goroutines: bool,
    /// The other programs.
    others: Vec<Mapping>,
    parts: Vec<Part>,
    samples: Vec<Sample>,
    functions: Numbered<Function>,
    locations: Numbered<Location>,
}

/// Things, each once, by their numbers.
#[derive(Debug, Clone)]
struct Numbered<T> {
    all: Vec<T>,
    numbers: HashMap<T, usize>,
}

impl<T> Default for Numbered<T> {
    fn default() -> Self {
        Self {
            all: Vec::new(),
            numbers: HashMap::new(),
        }
    }
}

impl<T: Clone + Eq + Hash> Numbered<T> {
    fn number(&mut self, thing: T) -> usize {
        if let Some(number) = self.numbers.get(&thing) {
            return *number;
        }
        let number = self.all.len();
        self.all.push(thing.clone());
        self.numbers.insert(thing, number);
        number
    }
}

impl Profile {
    /// One of these types, of which the last is meant unless another one is asked for; without samples.
    pub fn new(
        kind: &'static str,
        types: Vec<ValueType>,
        period: (ValueType, u64),
        mapping: Mapping,
    ) -> Self {
        Self {
            kind,
            default: types.len().saturating_sub(1),
            types,
            period,
            unix_ns: None,
            duration_ns: None,
            mapping,
            sampling: None,
            notes: Vec::new(),
            is_partial: false,
            tells_goroutines: false,
            others: Vec::new(),
            parts: Vec::new(),
            samples: Vec::new(),
            functions: Numbered::default(),
            locations: Numbered::default(),
        }
    }

    /// What one counts that counts things, each for itself: `goroutine`, in `count`.
    pub const fn things(kind: &'static str) -> ValueType {
        ValueType {
            name: kind,
            unit: COUNT,
        }
    }

    /// One of them.
    pub fn counting(kind: &'static str, mapping: Mapping) -> Self {
        let what = Self::things(kind);
        Self::new(kind, vec![what], (what, 1), mapping)
    }

    /// The number of a function.
    pub fn function(&mut self, name: &str, file: &str) -> FunctionId {
        self.function_from(name, file, 0)
    }

    /// The same, where it is known on which line its source begins.
    pub fn function_from(&mut self, name: &str, file: &str, start_line: u32) -> FunctionId {
        FunctionId(self.functions.number(Function {
            name: name.to_owned(),
            file: file.to_owned(),
            start_line,
        }))
    }

    /// The number of a location.
    pub fn location(&mut self, address: u64, lines: Vec<Line>) -> LocationId {
        LocationId(self.locations.number(Location {
            address,
            mapping: 0,
            lines,
        }))
    }

    /// The number of a location that says in words why there is no other.
    pub fn words(&mut self, words: &str) -> LocationId {
        let function = self.function(words, "");
        self.location(0, vec![Line { function, line: 0 }])
    }

    /// Adds a sample, unless it has no stack or counts nothing.
    pub fn add(&mut self, sample: Sample) {
        let counts = sample.values.iter().any(|value| *value > 0);
        if counts && !sample.stack.is_empty() {
            self.samples.push(sample);
        }
    }

    /// Takes the samples out, to be put together and added again.
    pub fn take_samples(&mut self) -> Vec<Sample> {
        std::mem::take(&mut self.samples)
    }

    /// What was counted.
    pub fn samples(&self) -> &[Sample] {
        &self.samples
    }

    /// All functions, by their numbers.
    pub fn functions(&self) -> &[Function] {
        &self.functions.all
    }

    /// All locations, by their numbers.
    pub fn locations(&self) -> &[Location] {
        &self.locations.all
    }

    /// The sum of what one of its types counts.
    pub fn total(&self, value: usize) -> u64 {
        let values = self.samples.iter().filter_map(|it| it.values.get(value));
        values.fold(0, |sum, value| sum.saturating_add(*value))
    }

    /// The lines of a stack, innermost first, each with its function.
    pub fn lines<'p>(
        &'p self,
        stack: &'p [LocationId],
    ) -> impl DoubleEndedIterator<Item = (&'p Location, &'p Function, Line)> {
        let locations = stack.iter().filter_map(|id| self.locations.all.get(id.0));
        locations.flat_map(move |location| {
            let lines = location.lines.iter();
            lines.filter_map(move |line| {
                Some((location, self.functions.all.get(line.function.0)?, *line))
            })
        })
    }

    /// Keeps the samples with all of these labels. Returns how many of its first type were left out though they may
    /// have them, as their labels are not known.
    pub fn retain_labelled(&mut self, wanted: &[(String, String)]) -> u64 {
        let (before, mut not_known) = (self.samples.len(), 0);
        self.samples.retain(|sample| {
            let has = |(key, value): &(String, String)| {
                let mut labels = sample.labels.iter().filter(|label| label.key == **key);
                labels.any(|label| label.value.is(value))
            };
            let is_wanted = wanted.iter().all(has);
            if !is_wanted && sample.labels.iter().any(Label::is_not_known) {
                not_known += sample.values.first().copied().unwrap_or(0);
            }
            is_wanted
        });
        self.is_partial |= self.samples.len() < before;
        not_known
    }

    /// Keeps the samples with a function on their stack whose name is wanted.
    pub fn retain(&mut self, wanted: impl Fn(&str) -> bool) {
        let functions = self.functions.all.iter();
        let functions: Vec<bool> = functions.map(|it| wanted(&it.name)).collect();
        let is_wanted = |line: &Line| functions.get(line.function.0) == Some(&true);
        let locations = self.locations.all.iter();
        let locations: Vec<bool> = locations
            .map(|location| location.lines.iter().any(is_wanted))
            .collect();
        let before = self.samples.len();
        self.samples.retain(|sample| {
            let mut stack = sample.stack.iter();
            stack.any(|id| locations.get(id.0) == Some(&true))
        });
        self.is_partial |= self.samples.len() < before;
    }
}

#[cfg(test)]
pub(crate) mod sample;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_there_once() {
        let mut profile = sample::heap();
        let again = profile.function("main.leaf", "/src/main.go");
        assert_eq!(again.number(), 0);
        assert_eq!(profile.functions().len(), 4);
        assert_eq!(profile.locations().len(), 3);
        assert_eq!((profile.total(0), profile.total(1)), (13, 4000));
        let stack = profile.samples()[0].stack.clone();
        let names: Vec<&str> = profile.lines(&stack).map(|it| &*it.1.name).collect();
        let expected = ["main.leaf", "main.inner", "main.work", "main.main"];
        assert_eq!(names, expected);
    }

    #[test]
    fn samples_of_nothing_are_none() {
        let mut profile = sample::heap();
        let stack = profile.samples()[0].stack.clone();
        for (stack, values) in [(stack, vec![0, 0]), (Vec::new(), vec![1, 1])] {
            let labels = Vec::new();
            profile.add(Sample {
                stack,
                values,
                labels,
            });
        }
        assert_eq!(profile.samples().len(), 2);
    }

    #[test]
    fn stacks_with_a_function_are_kept() {
        let mut profile = sample::heap();
        profile.retain(|name| name == "main.leaf");
        assert_eq!(profile.samples().len(), 1);
        profile.retain(|name| name == "main.main");
        assert_eq!(profile.samples().len(), 1);
        profile.retain(|name| name == "main.other");
        assert_eq!(profile.samples().len(), 0);
    }
}
