//! A profile that grtmon or `net/http/pprof` wrote, read again, to be compared with.
//!
//! Such a file comes from anywhere. It is read or refused in words, whatever is in it, and takes no more memory and time
//! than the limits here allow: what is packed, what it unpacks to, how many things it has, how long all stacks are.

use std::cell::Cell;
use std::collections::HashMap;
use std::io::Read;

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;
use flate2::read::MultiGzDecoder;

use crate::model::profile::Label;
use crate::model::profile::LabelValue;
use crate::model::profile::Line;
use crate::model::profile::LocationId;
use crate::model::profile::Mapping;
use crate::model::profile::Profile;
use crate::model::profile::Sample;
use crate::model::profile::ValueType;

use super::fields::DAMAGED;
use super::fields::Fields;
use super::fields::Value;
use super::profile as field;

/// Bytes that a file may have, and what it may unpack to.
pub const MOST_BYTES: u64 = 64 << 20;
/// Functions, locations, texts, and samples, each.
const MOST: usize = 1 << 20;
/// Functions on all stacks together.
const MOST_FRAMES: usize = 1 << 24;
/// Labels of all samples together.
const MOST_LABELS: usize = 1 << 22;
/// Bytes of all names and labels together, where each that is used several times counts as often.
const MOST_TEXT: usize = 128 << 20;

/// The profile, of which only what `types` counts is kept: samples have their numbers in this order.
///
/// # Errors
/// It is no profile, it counts something else, or it is larger than any profile is.
pub fn decode(file: &[u8], types: &[ValueType]) -> Result<Profile> {
    let mut unpacked = Vec::new();
    let bytes = if file.starts_with(&[0x1f, 0x8b]) {
        MultiGzDecoder::new(file)
            .take(MOST_BYTES + 1)
            .read_to_end(&mut unpacked)
            .context("it cannot be unpacked")?;
        &unpacked
    } else {
        file
    };
    if bytes.len() as u64 > MOST_BYTES {
        bail!("it is larger than {} MiB", MOST_BYTES >> 20);
    }
    let mut reader = Reader {
        all: Fields::of(bytes),
        strings: Vec::new(),
        room: Cell::new(MOST_TEXT),
    };
    reader.strings()?;
    reader.profile(types)
}

/// What has been read.
struct Reader<'b> {
    all: Fields<'b>,
    strings: Vec<&'b [u8]>,
    /// How much more text may be taken out of it.
    room: Cell<usize>,
}

impl<'b> Reader<'b> {
    /// Goes through all fields of a number. They may come in any order, so that each needs a pass of its own.
    fn each(&self, wanted: u64, mut take: impl FnMut(Value<'b>) -> Result<()>) -> Result<()> {
        let (mut all, mut count) = (self.all, 0);
        while let Some((number, value)) = all.next()? {
            if number == wanted {
                count += 1;
                if count > MOST {
                    bail!("it has more than {MOST} functions, locations, texts or samples");
                }
                take(value)?;
            }
        }
        Ok(())
    }

    fn strings(&mut self) -> Result<()> {
        let mut strings = Vec::new();
        self.each(field::STRING_TABLE, |value| {
            strings.push(value.bytes()?);
            Ok(())
        })?;
        self.strings = strings;
        Ok(())
    }

    fn string(&self, index: u64) -> Result<String> {
        let found = usize::try_from(index)
            .ok()
            .and_then(|index| self.strings.get(index));
        let bytes = found.context("it refers to a text that it does not have")?;
        let room = self.room.get().checked_sub(bytes.len());
        self.room
            .set(room.context("its names are longer than anybody's")?);
        Ok(String::from_utf8_lossy(bytes).into_owned())
    }

    /// The only number of this field, or 0.
    fn single(&self, wanted: u64) -> Result<u64> {
        let mut found = 0;
        self.each(wanted, |value| {
            found = value.number()?;
            Ok(())
        })?;
        Ok(found)
    }

    fn profile(&self, types: &[ValueType]) -> Result<Profile> {
        let places = self.places(types)?;
        let period = types.last().context("nothing is counted")?;
        let mut profile = Profile::new(
            "base",
            types.to_vec(),
            (*period, self.single(field::PERIOD)?),
            self.mapping()?,
        );
        let known = |number: u64| (number > 0).then_some(number);
        profile.unix_ns = known(self.single(field::TIME_NANOS)?);
        profile.duration_ns = known(self.single(field::DURATION_NANOS)?);
        self.each(field::COMMENT, |value| {
            value.numbers(|text| {
                if profile.notes.len() < 100 {
                    profile.notes.push(self.string(text)?);
                }
                Ok(())
            })
        })?;
        let locations = self.locations(&mut profile)?;
        let (all, mut frames, mut label_count) = (places.all, 0, 0);
        self.each(field::SAMPLE, |value| {
            let (mut stack, mut values, mut labels) = (Vec::new(), Vec::new(), Vec::new());
            let mut fields = value.message()?;
            while let Some((number, value)) = fields.next()? {
                match number {
                    1 => value.numbers(|id| {
                        let location = locations.get(&id);
                        let (location, lines) =
                            location.context("a stack has a location that is not there")?;
                        frames += lines;
                        if frames > MOST_FRAMES {
                            bail!("its stacks have more than {MOST_FRAMES} functions together");
                        }
                        stack.push(*location);
                        Ok(())
                    })?,
                    2 => value.numbers(|value| {
                        if values.len() >= all {
                            bail!("a sample has more numbers than there are types of them");
                        }
                        if i64::try_from(value).is_err() {
                            bail!("it has negative numbers, as differences of profiles do");
                        }
                        values.push(value);
                        Ok(())
                    })?,
                    3 => {
                        label_count += 1;
                        if label_count > MOST_LABELS {
                            bail!("its samples have more than {MOST_LABELS} labels together");
                        }
                        labels.extend(self.label(value)?);
                    }
                    _ => {}
                }
            }
            if values.len() != all {
                bail!("a sample has fewer numbers than there are types of them");
            }
            let chosen = places.chosen.iter();
            profile.add(Sample {
                stack,
                values: chosen
                    .map(|place| values.get(*place).copied().unwrap_or(0))
                    .collect(),
                labels,
            });
            Ok(())
        })?;
        Ok(profile)
    }

    /// Where the numbers of these types are.
    fn places(&self, types: &[ValueType]) -> Result<Places> {
        let mut there = Vec::new();
        self.each(field::SAMPLE_TYPE, |value| {
            if there.len() > 100 {
                bail!("it counts more than anybody does");
            }
            let (mut message, mut names) = (value.message()?, [0; 2]);
            while let Some((number, value)) = message.next()? {
                match number {
                    1 => names[0] = value.number()?,
                    2 => names[1] = value.number()?,
                    _ => {}
                }
            }
            there.push((self.string(names[0])?, self.string(names[1])?));
            Ok(())
        })?;
        if there.is_empty() {
            bail!(DAMAGED);
        }
        let place = |wanted: &ValueType| {
            there
                .iter()
                .position(|(name, unit)| name == wanted.name && unit == wanted.unit)
        };
        match types.iter().map(place).collect::<Option<Vec<usize>>>() {
            Some(chosen) => Ok(Places {
                chosen,
                all: there.len(),
            }),
            None => {
                let counts = there.into_iter().map(|(name, _)| name).collect::<Vec<_>>();
                let wanted = types.iter().map(|it| it.name).collect::<Vec<_>>();
                bail!(
                    "it is a profile of another kind: it counts {}, this one {}",
                    counts.join(", "),
                    wanted.join(", ")
                )
            }
        }
    }

    /// The program: the first mapping.
    fn mapping(&self) -> Result<Mapping> {
        let mut found = None;
        self.each(field::MAPPING, |value| {
            if found.is_some() {
                return Ok(());
            }
            let (mut message, mut file, mut build_id) = (value.message()?, 0, 0);
            while let Some((number, value)) = message.next()? {
                match number {
                    5 => file = value.number()?,
                    6 => build_id = value.number()?,
                    _ => {}
                }
            }
            let build_id = self.string(build_id)?;
            found = Some(Mapping {
                file: self.string(file)?,
                build_id: Some(build_id).filter(|it| !it.is_empty()),
                text: 0..0,
            });
            Ok(())
        })?;
        Ok(found.unwrap_or(Mapping {
            file: String::new(),
            build_id: None,
            text: 0..0,
        }))
    }

    /// By their ids, each with how many functions it has.
    fn locations(&self, profile: &mut Profile) -> Result<HashMap<u64, (LocationId, usize)>> {
        let mut functions = HashMap::new();
        self.each(field::FUNCTION, |value| {
            let (mut message, mut id, mut name, mut file) = (value.message()?, 0, 0, 0);
            while let Some((number, value)) = message.next()? {
                match number {
                    1 => id = value.number()?,
                    2 => name = value.number()?,
                    4 => file = value.number()?,
                    _ => {}
                }
            }
            let function = profile.function(&self.string(name)?, &self.string(file)?);
            functions.insert(id, function);
            Ok(())
        })?;
        let (mut locations, mut count) = (HashMap::new(), 0);
        self.each(field::LOCATION, |value| {
            let (mut message, mut id, mut address) = (value.message()?, 0, 0);
            let mut lines = Vec::new();
            while let Some((number, value)) = message.next()? {
                match number {
                    1 => id = value.number()?,
                    3 => address = value.number()?,
                    4 => {
                        count += 1;
                        if count > MOST {
                            bail!("its locations have more than {MOST} lines together");
                        }
                        let (function, line) = self::line(value)?;
                        let known = functions.get(&function);
                        let function =
                            *known.context("a location is in a function that is not there")?;
                        lines.push(Line { function, line });
                    }
                    _ => {}
                }
            }
            let of = lines.len().max(1);
            let location = match lines.is_empty() {
                true => profile.words(&format!("{address:#x}")),
                false => profile.location(address, lines),
            };
            locations.insert(id, (location, of));
            Ok(())
        })?;
        Ok(locations)
    }

    /// `None`: it says nothing.
    fn label(&self, value: Value<'_>) -> Result<Option<Label>> {
        let (mut message, mut key, mut text, mut count) = (value.message()?, 0, 0, 0);
        while let Some((number, value)) = message.next()? {
            match number {
                1 => key = value.number()?,
                2 => text = value.number()?,
                3 => count = value.number()?,
                _ => {}
            }
        }
        let value = match (text, count) {
            (0, 0) => return Ok(None),
            (0, number) => LabelValue::Number(number),
            (text, _) => LabelValue::Text(self.string(text)?),
        };
        Ok(Some(Label {
            key: self.string(key)?.into(),
            value,
        }))
    }
}

/// Which of a sample's numbers are meant, and how many it has.
struct Places {
    chosen: Vec<usize>,
    all: usize,
}

/// `Line` {function_id, line}.
fn line(value: Value<'_>) -> Result<(u64, u32)> {
    let (mut message, mut function, mut line) = (value.message()?, 0, 0);
    while let Some((number, value)) = message.next()? {
        match number {
            1 => function = value.number()?,
            2 => line = value.number()?,
            _ => {}
        }
    }
    Ok((function, u32::try_from(line).unwrap_or(0)))
}
