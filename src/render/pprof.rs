//! A profile as `go tool pprof`, and whoever else reads what `net/http/pprof` writes, takes it.
//!
//! The format is a gzipped protocol buffer, described in proto/profile.proto of github.com/google/pprof. Numbers of
//! mappings, locations and functions begin with 1 and have no gaps, which some readers require.

mod fields;
mod reader;

use std::collections::HashMap;
use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::model::foreign;
use crate::model::profile::Function;
use crate::model::profile::Label;
use crate::model::profile::LabelValue;
use crate::model::profile::Location;
use crate::model::profile::Mapping;
use crate::model::profile::Profile;
use crate::model::profile::Sample;
use crate::model::profile::ValueType;

use super::protobuf::Message;

pub use self::reader::MOST_BYTES;
pub use self::reader::decode;

/// Fields of `Profile`.
mod profile {
    pub(super) const SAMPLE_TYPE: u64 = 1;
    pub(super) const SAMPLE: u64 = 2;
    pub(super) const MAPPING: u64 = 3;
    pub(super) const LOCATION: u64 = 4;
    pub(super) const FUNCTION: u64 = 5;
    pub(super) const STRING_TABLE: u64 = 6;
    pub(super) const TIME_NANOS: u64 = 9;
    pub(super) const DURATION_NANOS: u64 = 10;
    pub(super) const PERIOD_TYPE: u64 = 11;
    pub(super) const PERIOD: u64 = 12;
    pub(super) const COMMENT: u64 = 13;
    pub(super) const DEFAULT_SAMPLE_TYPE: u64 = 14;
}

/// The profile, compressed.
///
/// # Errors
/// None that can be told: memory does not refuse to be written to.
pub fn encode(profile: &Profile) -> std::io::Result<Vec<u8>> {
    let mut strings = Strings::default();
    strings.number("");
    let mut message = Message::default();
    for value in &profile.types {
        message.message(profile::SAMPLE_TYPE, &strings.value_type(*value));
    }
    let (period_type, period) = profile.period;
    let keys = profile.keys_of_processes();
    for (sample, part) in profile.samples_with_parts() {
        let process = part.map(|it| it.labels(keys));
        let process = process.as_ref().map_or(&[][..], |it| it);
        message.message(profile::SAMPLE, &strings.sample(sample, process));
    }
    for (number, mapping) in (1..).zip(profile.mappings()) {
        message.message(profile::MAPPING, &strings.mapping(number, mapping));
    }
    for (number, location) in (1..).zip(profile.locations()) {
        message.message(profile::LOCATION, &self::location(number, location));
    }
    for (number, function) in (1..).zip(profile.functions()) {
        message.message(profile::FUNCTION, &strings.function(number, function));
    }
    message.message(profile::PERIOD_TYPE, &strings.value_type(period_type));
    message.number(profile::PERIOD, period);
    message.number(profile::TIME_NANOS, profile.unix_ns.unwrap_or(0));
    message.number(profile::DURATION_NANOS, profile.duration_ns.unwrap_or(0));
    let notes = profile.notes.iter().map(|note| strings.number(note));
    message.numbers(profile::COMMENT, &notes.collect::<Vec<_>>());
    // Others need none: of what Go's own say nothing of, readers take the last one.
    if profile.sampling.is_some()
        && let Some(value) = profile.types.get(profile.default)
    {
        message.number(profile::DEFAULT_SAMPLE_TYPE, strings.number(value.name));
    }
    for text in strings.in_order() {
        message.bytes(profile::STRING_TABLE, text.as_bytes());
    }
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(message.encoded())?;
    gzip.finish()
}

/// `Location` {id, mapping_id, address, line}, with `Line` {function_id, line}.
fn location(number: u64, location: &Location) -> Message {
    let mut message = Message::default();
    message.number(1, number);
    if location.address != 0 {
        let mapping = location.mapping as u64 + 1;
        message.number(2, mapping).number(3, location.address);
    }
    for line in &location.lines {
        let mut inner = Message::default();
        inner
            .number(1, line.function.number() as u64 + 1)
            .number(2, u64::from(line.line));
        message.message(4, &inner);
    }
    message
}

/// The texts of a profile, which refers to them by number.
#[derive(Debug, Default)]
struct Strings {
    numbers: HashMap<String, u64>,
}

impl Strings {
    fn number(&mut self, text: &str) -> u64 {
        // Who reads a profile prints it to a terminal.
        let text = &*foreign::line(text);
        if let Some(known) = self.numbers.get(text) {
            return *known;
        }
        let next = self.numbers.len() as u64;
        self.numbers.insert(text.to_owned(), next);
        next
    }

    fn in_order(self) -> impl Iterator<Item = String> {
        let mut all: Vec<(String, u64)> = self.numbers.into_iter().collect();
        all.sort_unstable_by_key(|(_, number)| *number);
        all.into_iter().map(|(text, _)| text)
    }

    /// `ValueType` {type, unit}.
    fn value_type(&mut self, value: ValueType) -> Message {
        let mut message = Message::default();
        message.number(1, self.number(value.name));
        message.number(2, self.number(value.unit));
        message
    }

    /// `Sample` {location_id, value, label}; with labels that say of which process it is.
    fn sample(&mut self, sample: &Sample, process: &[Label]) -> Message {
        let stack = sample.stack.iter();
        let stack: Vec<u64> = stack.map(|id| id.number() as u64 + 1).collect();
        let mut message = Message::default();
        message.numbers(1, &stack).numbers(2, &sample.values);
        for label in sample.labels.iter().chain(process) {
            message.message(3, &self.label(label));
        }
        message
    }

    /// `Label` {key, str, num}.
    fn label(&mut self, label: &Label) -> Message {
        let mut message = Message::default();
        message.number(1, self.number(&label.key));
        match &label.value {
            LabelValue::Text(text) => message.number(2, self.number(text)),
            LabelValue::Number(number) => message.number(3, *number),
        };
        message
    }

    /// `Mapping` {id, memory_start, memory_limit, file_offset, filename, build_id, has_functions, has_filenames,
    /// has_line_numbers, has_inline_frames}.
    fn mapping(&mut self, number: u64, mapping: &Mapping) -> Message {
        let mut message = Message::default();
        message
            .number(1, number)
            .number(2, mapping.text.start)
            .number(3, mapping.text.end);
        message.number(5, self.number(&mapping.file));
        message.number(
            6,
            self.number(mapping.build_id.as_deref().unwrap_or_default()),
        );
        (7..=10).for_each(|has| {
            message.number(has, 1);
        });
        message
    }

    /// `Function` {id, name, system_name, filename, start_line}.
    fn function(&mut self, number: u64, function: &Function) -> Message {
        let name = self.number(&function.name);
        let mut message = Message::default();
        message.number(1, number).number(2, name).number(3, name);
        message.number(4, self.number(&function.file));
        message.number(5, u64::from(function.start_line));
        message
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::model::profile::{COUNT, sample};

    fn refused(file: &[u8], types: &[ValueType]) -> String {
        format!("{:#}", decode(file, types).unwrap_err())
    }

    #[test]
    fn what_is_written_is_read_again() {
        let mut profile = sample::heap();
        profile.unix_ns = Some(7);
        profile.notes.push("a note".to_owned());
        let file = encode(&profile).unwrap();
        let read = decode(&file, &profile.types).unwrap();
        assert_eq!(read.samples(), profile.samples());
        assert_eq!(read.locations(), profile.locations());
        assert_eq!(read.notes, profile.notes);
        assert_eq!((read.unix_ns, read.period.1), (Some(7), 524_288));
        assert_eq!(read.mapping.build_id.as_deref(), Some("abc"));
        // Only the types that are wanted, in their order.
        let read = decode(&file, &[profile.types[1], profile.types[0]]).unwrap();
        assert_eq!(read.samples()[0].values, [3000, 3]);
        let other = ValueType {
            name: "goroutine",
            unit: COUNT,
        };
        let why = refused(&file, &[other]);
        assert!(
            why.contains("another kind") && why.contains("goroutine"),
            "{why}"
        );
        for garbage in [
            &b""[..],
            b"garbage",
            b"\x1f\x8bgarbage",
            &file[..file.len() / 2],
        ] {
            refused(garbage, &profile.types);
        }
    }

    /// A profile of one type, with what is added to it.
    fn made(add: impl FnOnce(&mut Message)) -> String {
        let mut message = Message::default();
        for text in ["", "n", COUNT] {
            message.bytes(profile::STRING_TABLE, text.as_bytes());
        }
        let mut value = Message::default();
        value.number(1, 1).number(2, 2);
        message.message(profile::SAMPLE_TYPE, &value);
        add(&mut message);
        let count = ValueType {
            name: "n",
            unit: COUNT,
        };
        refused(message.encoded(), &[count])
    }

    #[test]
    fn hostile_files_take_no_more_than_others() {
        let types = sample::heap().types;
        // Zeros that unpack to 4 GiB, as one stream and as many.
        let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
        let zeros = vec![0; 1 << 20];
        for _ in 0..128 {
            gzip.write_all(&zeros).unwrap();
        }
        let bomb = gzip.finish().unwrap().repeat(32);
        assert!(refused(&bomb, &types).contains("larger"));
        // One location of many functions, on the stacks of many samples.
        let mut sample = Message::default();
        sample.numbers(1, &[1; 10_000]).numbers(2, &[1]);
        let mut line = Message::default();
        line.number(1, 1);
        let mut location = Message::default();
        location.number(1, 1);
        (0..10_000).for_each(|_| {
            location.message(4, &line);
        });
        let mut function = Message::default();
        function.number(1, 1).number(2, 1);
        let why = made(|message| {
            message.message(profile::FUNCTION, &function);
            message.message(profile::LOCATION, &location);
            message.message(profile::SAMPLE, &sample);
        });
        assert!(why.contains("functions together"), "{why}");
        // One long name of many functions.
        let why = made(|message| {
            message.bytes(profile::STRING_TABLE, &[b'a'; 1 << 20]);
            for id in 1..1000 {
                let mut function = Message::default();
                function.number(1, id).number(2, 3);
                message.message(profile::FUNCTION, &function);
            }
        });
        assert!(why.contains("names"), "{why}");
        // Texts, functions, locations, numbers that are not there; negative numbers.
        for (stack, values, expected) in [
            (&[7][..], &[1][..], "location"),
            (&[], &[1, 2], "more numbers"),
            (&[], &[], "fewer numbers"),
            (&[], &[u64::MAX], "negative"),
        ] {
            let why = made(|message| {
                let mut sample = Message::default();
                sample.numbers(1, stack).numbers(2, values);
                message.message(profile::SAMPLE, &sample);
            });
            assert!(why.contains(expected), "{why}");
        }
        let why = made(|message| {
            let mut function = Message::default();
            function.number(1, 1).number(2, 99);
            message.message(profile::FUNCTION, &function);
        });
        assert!(why.contains("text"), "{why}");
    }
}
