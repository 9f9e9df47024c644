//! A CPU profile as `go build -pgo` takes it, made up: in it every call counts the same, so that the compiler inlines
//! whatever it can, and more than any real profile makes it.
//!
//! The compiler looks for calls by the names of caller and callee and by how many lines below the beginning of the
//! caller the call is (cmd/compile/internal/pgoir). These are read from a program built without inlining.

use std::{collections::BTreeMap, fs, path::Path};

use grtmon::go::{Binary, isa::code::Code};

/// What a call in the profile is: caller, line, callee.
type Call = (String, u32, String);

/// Writes a profile of all direct calls from Go's runtime, and from the packages around it, in a program built with
/// `-gcflags=all=-l`, that are `hot`: caller, callee.
pub(crate) fn write(not_inlined: &Path, to: &Path, hot: impl Fn(&str, &str) -> bool) {
    let binary = Binary::parse(fs::read(not_inlined).unwrap()).unwrap();
    let functions = binary.functions();
    let mut lines: BTreeMap<String, u32> = BTreeMap::new();
    let mut calls: Vec<Call> = Vec::new();
    for function in functions.iter() {
        let Some(begin) = functions.line(function.entry) else {
            continue;
        };
        lines.entry(function.name.to_owned()).or_insert(begin.line);
        let ours = ["runtime.", "internal/", "sync", "main."];
        if !ours.iter().any(|it| function.name.starts_with(it)) {
            continue;
        }
        let Some(bytes) = function.code(binary.image()) else {
            continue;
        };
        let code = Code::decode(binary.image().machine(), bytes, function.entry);
        for (index, target) in code.calls() {
            let callee = functions.at(target).filter(|it| it.entry == target);
            let line = functions.line(code.get(index).unwrap().address());
            if let (Some(callee), Some(line)) = (callee, line)
                && hot(function.name, callee.name)
            {
                calls.push((function.name.to_owned(), line.line, callee.name.to_owned()));
            }
        }
    }
    assert!(calls.len() > 100, "{} calls", calls.len());
    calls.sort();
    calls.dedup();
    let mut profile = Profile::default();
    for (caller, line, callee) in &calls {
        let of = |name: &str| lines.get(name).copied().unwrap_or(1);
        let from = profile.location(caller, of(caller), *line);
        let to = profile.location(callee, of(callee), of(callee) + 1);
        profile.sample(to, from);
    }
    fs::write(to, profile.bytes()).unwrap();
}

/// The message `Profile` of github.com/google/pprof/proto/profile.proto, as far as it is needed.
#[derive(Default)]
struct Profile {
    samples: Vec<u8>,
    locations: BTreeMap<(String, u32), u64>,
    /// First lines, by number.
    functions: BTreeMap<String, (u64, u32)>,
}

impl Profile {
    fn location(&mut self, function: &str, begin: u32, line: u32) -> u64 {
        let number = self.functions.len() as u64 + 1;
        self.functions
            .entry(function.to_owned())
            .or_insert((number, begin));
        let number = self.locations.len() as u64 + 1;
        *self
            .locations
            .entry((function.to_owned(), line))
            .or_insert(number)
    }

    fn sample(&mut self, callee: u64, caller: u64) {
        let mut sample = Vec::new();
        bytes(&mut sample, 1, &[varint(callee), varint(caller)].concat());
        bytes(
            &mut sample,
            2,
            &[varint(1000), varint(10_000_000_000)].concat(),
        );
        bytes(&mut self.samples, 2, &sample);
    }

    fn bytes(&self) -> Vec<u8> {
        let mut strings: Vec<&str> = vec!["", "samples", "count", "cpu", "nanoseconds"];
        let mut out = Vec::new();
        for (kind, unit) in [(1, 2), (3, 4)] {
            let mut value_type = Vec::new();
            number(&mut value_type, 1, kind);
            number(&mut value_type, 2, unit);
            bytes(&mut out, 1, &value_type);
        }
        out.extend_from_slice(&self.samples);
        for ((function, line), id) in &self.locations {
            let mut inner = Vec::new();
            number(&mut inner, 1, self.functions[function].0);
            number(&mut inner, 2, u64::from(*line));
            let mut location = Vec::new();
            number(&mut location, 1, *id);
            number(&mut location, 3, 0x1000 + id);
            bytes(&mut location, 4, &inner);
            bytes(&mut out, 4, &location);
        }
        for (name, (id, begin)) in &self.functions {
            let text = strings.len() as u64;
            strings.push(name);
            let mut function = Vec::new();
            number(&mut function, 1, *id);
            number(&mut function, 2, text);
            number(&mut function, 3, text);
            number(&mut function, 5, u64::from(*begin));
            bytes(&mut out, 5, &function);
        }
        for text in strings {
            bytes(&mut out, 6, text.as_bytes());
        }
        let mut period = Vec::new();
        number(&mut period, 1, 3);
        number(&mut period, 2, 4);
        bytes(&mut out, 11, &period);
        number(&mut out, 12, 10_000_000);
        out
    }
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while value >= 0x80 {
        out.push(u8::try_from(value & 0x7f).unwrap() | 0x80);
        value >>= 7;
    }
    out.push(u8::try_from(value).unwrap());
    out
}

/// A field that is a number.
fn number(out: &mut Vec<u8>, field: u64, value: u64) {
    out.extend(varint(field << 3));
    out.extend(varint(value));
}

/// A field that is bytes: text, a message, or packed numbers.
fn bytes(out: &mut Vec<u8>, field: u64, value: &[u8]) {
    out.extend(varint(field << 3 | 2));
    out.extend(varint(value.len() as u64));
    out.extend_from_slice(value);
}
