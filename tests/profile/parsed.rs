//! Profiles as `net/http/pprof` writes them, read without grtmon: proto/profile.proto of github.com/google/pprof.

use std::{collections::BTreeMap, fs, io::Read, path::Path};

use flate2::read::GzDecoder;

/// Function, file and line, of all functions of a stack, innermost first.
pub(crate) type Stack = Vec<(String, String, u64)>;

/// A sample.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Sample {
    pub(crate) stack: Stack,
    pub(crate) values: Vec<u64>,
    /// Those that are numbers.
    pub(crate) labels: Vec<(String, u64)>,
    /// Those that are texts.
    pub(crate) texts: Vec<(String, String)>,
}

/// A profile.
#[derive(Debug)]
pub(crate) struct Profile {
    /// Name and unit.
    pub(crate) types: Vec<(String, String)>,
    pub(crate) period_type: (String, String),
    pub(crate) period: u64,
    pub(crate) default: String,
    pub(crate) unix_ns: u64,
    pub(crate) samples: Vec<Sample>,
    pub(crate) comments: Vec<String>,
    /// By function.
    pub(crate) start_lines: BTreeMap<String, u64>,
}

/// A field of a message.
enum Value<'b> {
    Number(u64),
    Bytes(&'b [u8]),
}

impl Value<'_> {
    fn number(&self) -> u64 {
        match self {
            Value::Number(number) => *number,
            Value::Bytes(_) => panic!("bytes where a number is expected"),
        }
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Value::Number(_) => panic!("a number where bytes are expected"),
            Value::Bytes(bytes) => bytes,
        }
    }

    /// One number, or several packed.
    fn numbers(&self) -> Vec<u64> {
        match self {
            Value::Number(number) => vec![*number],
            Value::Bytes(bytes) => {
                let (mut bytes, mut all) = (*bytes, Vec::new());
                while !bytes.is_empty() {
                    all.push(varint(&mut bytes));
                }
                all
            }
        }
    }
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let (mut value, mut shift) = (0, 0);
    loop {
        let byte = bytes[0];
        *bytes = &bytes[1..];
        value |= u64::from(byte & 0x7f) << shift;
        shift += 7;
        if byte < 0x80 {
            return value;
        }
    }
}

fn fields(mut bytes: &[u8]) -> Vec<(u64, Value<'_>)> {
    let mut all = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes);
        let value = match key & 7 {
            0 => Value::Number(varint(&mut bytes)),
            2 => {
                let length = usize::try_from(varint(&mut bytes)).unwrap();
                let (value, rest) = bytes.split_at(length);
                bytes = rest;
                Value::Bytes(value)
            }
            other => panic!("wire type {other}"),
        };
        all.push((key >> 3, value));
    }
    all
}

/// The only field of this number, or 0.
fn number(message: &[(u64, Value<'_>)], field: u64) -> u64 {
    let found = message.iter().find(|(number, _)| *number == field);
    found.map_or(0, |(_, value)| value.number())
}

impl Profile {
    pub(crate) fn read(path: &Path) -> Self {
        Self::parse(&fs::read(path).unwrap())
    }

    /// Checks what those who take profiles require, too: `Profile.CheckValid`, and numbers without gaps.
    pub(crate) fn parse(compressed: &[u8]) -> Self {
        let mut bytes = Vec::new();
        GzDecoder::new(compressed).read_to_end(&mut bytes).unwrap();
        let all = fields(&bytes);
        let of = |field: u64| {
            let found = all.iter().filter(move |(number, _)| *number == field);
            found.map(|(_, value)| value)
        };
        let strings: Vec<String> = of(6)
            .map(|it| String::from_utf8(it.bytes().to_vec()).unwrap())
            .collect();
        assert_eq!(strings[0], "");
        let text = |index: u64| strings[usize::try_from(index).unwrap()].clone();
        let value_type = |value: &Value<'_>| {
            let message = fields(value.bytes());
            (text(number(&message, 1)), text(number(&message, 2)))
        };
        let functions: BTreeMap<u64, (String, String)> = of(5)
            .map(|it| {
                let message = fields(it.bytes());
                let names = (text(number(&message, 2)), text(number(&message, 4)));
                (number(&message, 1), names)
            })
            .collect();
        let mut locations: BTreeMap<u64, Stack> = BTreeMap::new();
        for location in of(4) {
            let message = fields(location.bytes());
            let lines = message.iter().filter(|(number, _)| *number == 4);
            let lines = lines.map(|(_, line)| {
                let line = fields(line.bytes());
                let (function, file) = functions[&number(&line, 1)].clone();
                (function, file, number(&line, 2))
            });
            let id = number(&message, 1);
            assert!(locations.insert(id, lines.collect()).is_none(), "{id}");
        }
        for ids in [
            functions.keys().copied().collect::<Vec<_>>(),
            locations.keys().copied().collect(),
        ] {
            assert!(ids.iter().copied().eq(1..=ids.len() as u64), "{ids:?}");
        }
        let types: Vec<(String, String)> = of(1).map(value_type).collect();
        let samples: Vec<Sample> = of(2)
            .map(|it| {
                let message = fields(it.bytes());
                let numbers = |field: u64| {
                    let found = message.iter().filter(move |(number, _)| *number == field);
                    found.flat_map(|(_, it)| it.numbers()).collect::<Vec<_>>()
                };
                let all = message.iter().filter(|(number, _)| *number == 3);
                let (mut labels, mut texts) = (Vec::new(), Vec::new());
                for (_, label) in all {
                    let label = fields(label.bytes());
                    let key = text(number(&label, 1));
                    match number(&label, 2) {
                        0 => labels.push((key, number(&label, 3))),
                        value => texts.push((key, text(value))),
                    }
                }
                let values = numbers(2);
                assert_eq!(values.len(), types.len());
                Sample {
                    stack: numbers(1)
                        .iter()
                        .flat_map(|it| locations[it].clone())
                        .collect(),
                    values,
                    labels: labels.into_iter().filter(|(_, value)| *value > 0).collect(),
                    texts,
                }
            })
            .collect();
        let single = |field| of(field).next().map_or(0, Value::number);
        Self {
            period_type: value_type(of(11).next().unwrap()),
            period: single(12),
            default: text(single(14)),
            start_lines: of(5)
                .map(|it| {
                    let message = fields(it.bytes());
                    (text(number(&message, 2)), number(&message, 5))
                })
                .collect(),
            comments: of(13).flat_map(|it| it.numbers()).map(text).collect(),
            unix_ns: single(9),
            types,
            samples,
        }
    }

    /// The samples that count something, in some order of their own.
    pub(crate) fn sorted(&self) -> Vec<Sample> {
        let counting = self
            .samples
            .iter()
            .filter(|it| it.values.iter().any(|it| *it > 0));
        let mut samples: Vec<Sample> = counting.cloned().collect();
        samples.sort();
        samples
    }
}
