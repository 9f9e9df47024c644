//! Goroutines as a profile that `go tool pprof` opens, like that of `/debug/pprof/goroutine`: one sample for each
//! stack, with the number of goroutines on it. Labels of a sample say what they do and where they were created.
//!
//! The format is a gzipped protocol buffer, described in proto/profile.proto of github.com/google/pprof.

use std::collections::HashMap;
use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::model::dump::{Goroutine, SourcePlace, Stack, StackState};
use crate::model::foreign;

use super::protobuf::Message;

/// Fields of `Profile`.
mod profile {
    pub(super) const SAMPLE_TYPE: u64 = 1;
    pub(super) const SAMPLE: u64 = 2;
    pub(super) const MAPPING: u64 = 3;
    pub(super) const LOCATION: u64 = 4;
    pub(super) const FUNCTION: u64 = 5;
    pub(super) const STRING_TABLE: u64 = 6;
    pub(super) const TIME_NANOS: u64 = 9;
    pub(super) const PERIOD_TYPE: u64 = 11;
    pub(super) const PERIOD: u64 = 12;
}

/// A profile being made.
#[derive(Debug)]
pub struct Profile {
    message: Message,
    strings: HashMap<String, u64>,
    functions: HashMap<(String, String), u64>,
    locations: HashMap<Vec<Line>, u64>,
    tables: Message,
}

/// Address, function and line of a frame.
type Line = (u64, u64, u32);

impl Profile {
    /// Of the program `binary`, which has that build id, and whose code lies at the link-time addresses `text`; taken so many nanoseconds after the
    /// beginning of 1970, if that is known.
    pub fn new(
        binary: &str,
        build_id: Option<&str>,
        text: std::ops::Range<u64>,
        unix_ns: Option<u64>,
    ) -> Self {
        let mut profile = Self {
            message: Message::default(),
            strings: HashMap::new(),
            functions: HashMap::new(),
            locations: HashMap::new(),
            tables: Message::default(),
        };
        profile.string("");
        let kind = profile.value_type();
        profile.message.message(profile::SAMPLE_TYPE, &kind);
        profile.message.message(profile::PERIOD_TYPE, &kind);
        profile.message.number(profile::PERIOD, 1);
        profile
            .message
            .number(profile::TIME_NANOS, unix_ns.unwrap_or(0));

        // id, memory_start, memory_limit, filename, build_id, has_functions, has_filenames, has_line_numbers, has_inline_frames
        let mut mapping = Message::default();
        mapping
            .number(1, 1)
            .number(2, text.start)
            .number(3, text.end);
        mapping.number(5, profile.string(binary));
        mapping.number(6, profile.string(build_id.unwrap_or_default()));
        (7..=10).for_each(|has| {
            mapping.number(has, 1);
        });
        profile.message.message(profile::MAPPING, &mapping);
        profile
    }

    /// Adds `count` goroutines like `example`, which are on `stack` if it was read.
    pub fn add(&mut self, example: &Goroutine, stack: Option<&Stack>, count: u64) {
        let mut locations = Vec::new();
        match stack {
            Some(stack) => self.stack(&mut locations, stack),
            None => {
                let function = self.function(no_stack(example.stack), "");
                locations.push(self.location(vec![(0, function, 0)]));
                if let Some(start) = example.start.as_deref() {
                    let line = self.line(start);
                    locations.push(self.location(vec![line]));
                }
            }
        }
        let mut sample = Message::default();
        sample.numbers(1, &locations).numbers(2, &[count]);
        self.label(&mut sample, "state", example.activity());
        if let Some(created) = example.created.as_deref() {
            self.label(&mut sample, "created_by", &created.function);
        }
        self.message.message(profile::SAMPLE, &sample);
    }

    /// The finished profile, compressed.
    ///
    /// # Errors
    /// None that can be told: memory does not refuse to be written to.
    pub fn finish(mut self) -> std::io::Result<Vec<u8>> {
        let mut strings: Vec<(String, u64)> = self.strings.drain().collect();
        strings.sort_by_key(|(_, number)| *number);
        for (text, _) in &strings {
            self.message.bytes(profile::STRING_TABLE, text.as_bytes());
        }
        let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
        gzip.write_all(self.message.encoded())?;
        gzip.write_all(self.tables.encoded())?;
        gzip.finish()
    }

    /// `ValueType` {type, unit}.
    fn value_type(&mut self) -> Message {
        let mut kind = Message::default();
        kind.number(1, self.string("goroutine"));
        kind.number(2, self.string("count"));
        kind
    }

    /// `Label` {key, str}, field 3 of a sample.
    fn label(&mut self, sample: &mut Message, key: &str, text: &str) {
        let mut label = Message::default();
        label.number(1, self.string(key));
        label.number(2, self.string(text));
        sample.message(3, &label);
    }

    /// The locations of a stack: one for each function with code of its own, and those inlined into it.
    fn stack(&mut self, locations: &mut Vec<u64>, stack: &Stack) {
        let (gap, elided) = stack.elided.unwrap_or((usize::MAX, 0));
        let mut lines = Vec::new();
        for (index, frame) in stack.frames.iter().enumerate() {
            if index == gap {
                let function = self.function(&format!("[{elided} frames elided]"), "");
                locations.push(self.location(vec![(0, function, 0)]));
            }
            lines.push(self.line(&frame.place));
            if frame.place.offset.is_some() {
                locations.push(self.location(std::mem::take(&mut lines)));
            }
        }
    }

    fn line(&mut self, place: &SourcePlace) -> Line {
        let function = self.function(&place.function, &place.file);
        // Of a return address, pprof wants the call; at offset 0 nothing has been called.
        let pc = match place.offset {
            Some(0) => place.pc,
            _ => place.pc.saturating_sub(1),
        };
        (pc, function, place.line)
    }

    /// `Location` {id, mapping_id, address, line}, with `Line` {function_id, line}.
    fn location(&mut self, lines: Vec<Line>) -> u64 {
        let next = self.locations.len() as u64 + 1;
        if let Some(known) = self.locations.get(&lines) {
            return *known;
        }
        let pc = lines.first().map_or(0, |(pc, ..)| *pc);
        let mut location = Message::default();
        location
            .number(1, next)
            .number(2, u64::from(pc != 0))
            .number(3, pc);
        for (_, function, line) in &lines {
            let mut message = Message::default();
            message.number(1, *function).number(2, u64::from(*line));
            location.message(4, &message);
        }
        self.tables.message(profile::LOCATION, &location);
        self.locations.insert(lines, next);
        next
    }

    /// `Function` {id, name, system_name, filename}.
    fn function(&mut self, name: &str, file: &str) -> u64 {
        let next = self.functions.len() as u64 + 1;
        let key = (name.to_owned(), file.to_owned());
        if let Some(known) = self.functions.get(&key) {
            return *known;
        }
        let (name, file) = (self.string(name), self.string(file));
        let mut function = Message::default();
        function
            .number(1, next)
            .number(2, name)
            .number(3, name)
            .number(4, file);
        self.tables.message(profile::FUNCTION, &function);
        self.functions.insert(key, next);
        next
    }

    fn string(&mut self, text: &str) -> u64 {
        // Who reads a profile prints it to a terminal.
        let text = &*foreign::line(text);
        if let Some(known) = self.strings.get(text) {
            return *known;
        }
        let next = self.strings.len() as u64;
        self.strings.insert(text.to_owned(), next);
        next
    }
}

/// What stands in place of a stack that could not be read.
fn no_stack(state: StackState) -> &'static str {
    match state {
        StackState::Running => "[running: stack unavailable]",
        StackState::Moving => "[moving: stack unavailable]",
        StackState::Read(_) | StackState::Unwalkable | StackState::NotInCore => {
            "[stack unavailable]"
        }
    }
}
