//! The list of shapes as it is used: read where it lies, and of each function no more than is asked for.

use std::borrow::Cow;
use std::collections::HashMap;
use std::hash::BuildHasherDefault;

use super::compact::{NONE, compact};
use super::shapes::{Shape, Signature, Touch, carried_compact};
use crate::go::elf::image::Machine;
use crate::go::layout::{Field, structure_named};
use crate::go::quick_hash::QuickHash;

/// A list of shapes.
pub(super) struct List {
    bytes: Cow<'static, [u8]>,
    /// What the names in it stand for.
    names: Vec<Meaning>,
    /// Where its functions begin.
    functions: usize,
}

/// What a name of the list is the name of.
#[derive(Clone, Copy)]
struct Meaning {
    field: Option<Field>,
    structure: Option<&'static str>,
}

/// A function of the list.
pub(super) struct Entry<'t> {
    /// Its name.
    pub(super) function: &'t str,
    /// What it takes and returns.
    pub(super) signature: Signature,
    /// The members that it can tell of, by number.
    told: &'t [u8],
    /// Its shapes.
    shapes: &'t [u8],
}

/// A place in the bytes of a list.
struct Reader<'t>(&'t [u8]);

impl<'t> Reader<'t> {
    fn bytes(&mut self, count: usize) -> Option<&'t [u8]> {
        let (bytes, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(bytes)
    }

    fn byte(&mut self) -> Option<usize> {
        Some(usize::from(*self.bytes(1)?.first()?))
    }

    fn number(&mut self) -> Option<u16> {
        Some(u16::from_le_bytes(*self.bytes(2)?.first_chunk()?))
    }

    fn text(&mut self) -> Option<&'t str> {
        let length = self.byte()?;
        std::str::from_utf8(self.bytes(length)?).ok()
    }
}

/// The numbers in some bytes of the list.
fn numbers(bytes: &[u8]) -> impl Iterator<Item = u16> {
    let (numbers, _) = bytes.as_chunks::<2>();
    numbers.iter().map(|number| u16::from_le_bytes(*number))
}

impl Entry<'_> {
    /// Whether it tells something of structures.
    pub(super) fn has_shapes(&self) -> bool {
        !self.shapes.is_empty()
    }
}

impl List {
    /// The one that grtmon carries for a machine.
    pub(super) fn carried(machine: Machine) -> Self {
        Self::new(Cow::Borrowed(carried_compact(machine)))
    }

    /// One in its text form.
    pub(super) fn of(text: &str) -> Self {
        Self::new(Cow::Owned(compact(text).unwrap_or_default()))
    }

    fn new(bytes: Cow<'static, [u8]>) -> Self {
        let mut reader = Reader(&bytes);
        let count = reader.number().unwrap_or(0);
        let fields = Field::ALL.iter().map(|it| (it.name(), *it));
        let fields: HashMap<&str, Field, BuildHasherDefault<QuickHash>> = fields.collect();
        let mut names = Vec::with_capacity(usize::from(count));
        for _ in 0..count {
            let Some(name) = reader.text() else { break };
            let field = fields.get(name).copied();
            let structure = match field {
                Some(_) => None,
                None => structure_named(name),
            };
            names.push(Meaning { field, structure });
        }
        let functions = bytes.len() - reader.0.len();
        Self {
            bytes,
            names,
            functions,
        }
    }

    /// All functions; those of one name follow each other.
    pub(super) fn functions(&self) -> impl Iterator<Item = Entry<'_>> {
        let mut reader = Reader(self.bytes.get(self.functions..).unwrap_or_default());
        let mut left = reader.number().unwrap_or(0);
        std::iter::from_fn(move || {
            left = left.checked_sub(1)?;
            self.entry(&mut reader)
        })
    }

    fn entry<'t>(&self, reader: &mut Reader<'t>) -> Option<Entry<'t>> {
        let function = reader.text()?;
        let arguments = 2 * reader.byte()?;
        let arguments = numbers(reader.bytes(arguments)?);
        let arguments = arguments.map(|number| self.structure(number)).collect();
        let result = self.structure(reader.number()?);
        let told = 2 * usize::from(reader.number()?);
        let told = reader.bytes(told)?;
        let count = reader.number()?;
        let all = reader.0;
        for _ in 0..count {
            reader.number()?;
            let touches = reader.byte()?;
            reader.bytes(4 * touches)?;
        }
        Some(Entry {
            function,
            signature: Signature { arguments, result },
            told,
            shapes: all.get(..all.len() - reader.0.len())?,
        })
    }

    fn structure(&self, number: u16) -> Option<&'static str> {
        self.names.get(usize::from(number))?.structure
    }

    fn field(&self, number: u16) -> Option<Field> {
        self.names.get(usize::from(number))?.field
    }

    /// The fields that a function can tell of in its shapes, each once.
    pub(super) fn told<'s>(&'s self, entry: &Entry<'s>) -> impl Iterator<Item = Field> + 's {
        numbers(entry.told).filter_map(|number| self.field(number))
    }

    /// The members of a shape of a function, with their offsets.
    pub(super) fn members(
        &self,
        entry: &Entry<'_>,
        shape: &Shape,
        offsets: &[u32],
    ) -> Vec<(Field, u32)> {
        let members = self.named(entry.shapes, shape).unwrap_or_default();
        let found = numbers(members).zip(offsets);
        found
            .filter(|(number, _)| *number != NONE)
            .filter_map(|(number, offset)| Some((self.field(number)?, *offset)))
            .collect()
    }

    /// The members of a shape, if it is among those.
    fn named<'t>(&self, shapes: &'t [u8], shape: &Shape) -> Option<&'t [u8]> {
        let mut reader = Reader(shapes);
        loop {
            let structure = self.structure(reader.number()?);
            let count = 2 * reader.byte()?;
            let touches = reader.bytes(count)?;
            let members = reader.bytes(count)?;
            if structure == Some(shape.structure) && are(touches, &shape.touches) {
                return Some(members);
            }
        }
    }
}

/// Whether these bytes are those touches.
fn are(bytes: &[u8], touches: &[Touch]) -> bool {
    let (all, _) = bytes.as_chunks::<2>();
    let same = |(bytes, touch): (&[u8; 2], &Touch)| {
        *bytes.first_chunk::<1>().unwrap_or(&[0]) == [touch.width]
            && bytes
                .last()
                .is_some_and(|how| char::from(*how) == touch.how)
    };
    all.len() == touches.len() && all.iter().zip(touches).all(same)
}

#[cfg(test)]
mod tests {
    use super::super::Shapes;
    use super::*;

    /// What is found in the list is what reading all of it finds.
    #[test]
    fn the_list_is_searched_as_it_is_read() {
        for machine in [Machine::X86_64, Machine::Aarch64] {
            let (list, all) = (List::carried(machine), Shapes::embedded(machine));
            let entries: Vec<_> = list.functions().collect();
            let mut signatures = all.signatures();
            for entry in &entries {
                assert_eq!(signatures.next(), Some((entry.function, &entry.signature)));
            }
            assert_eq!(signatures.next(), None);
            assert!(all.iter().count() > 500);
            for (function, signature, shape, members) in all.iter() {
                let of_it = |it: &&Entry<'_>| it.function == function && it.signature == *signature;
                let entry = entries.iter().find(of_it).unwrap();
                let offsets: Vec<u32> = (0..100).collect();
                assert_eq!(
                    list.members(entry, shape, &offsets),
                    all.members(function, signature, shape, &offsets)
                );
                let told: Vec<Field> = list.told(entry).collect();
                let mut members = members.iter().flatten();
                assert!(members.all(|field| told.contains(field)), "{function}");
            }
            // And no more than that: each once.
            for entry in &entries {
                let told: Vec<Field> = list.told(entry).collect();
                for (at, field) in told.iter().enumerate() {
                    assert!(!told[..at].contains(field), "{}", entry.function);
                    let mut shapes = all.iter();
                    let tells = |(function, signature, _, members): (&str, &Signature, _, &[_])| {
                        function == entry.function
                            && *signature == entry.signature
                            && members.contains(&Some(*field))
                    };
                    assert!(shapes.any(tells), "{}: {field}", entry.function);
                }
            }
        }
    }

    /// What is cut off, or no list at all, has no functions; and none is read beyond the end.
    #[test]
    fn a_list_that_is_cut_has_what_is_whole() {
        let text = "f g\ng 8r 4w: g.goid _\nh > g\n";
        let whole = List::of(text);
        assert_eq!(whole.functions().count(), 2);
        let bytes = compact(text).unwrap();
        for size in 0..bytes.len() {
            let cut = List::new(Cow::Owned(bytes[..size].to_vec()));
            assert!(cut.functions().count() < 2, "{size} bytes");
        }
        assert_eq!(List::of("g 8r 4w: g.goid").functions().count(), 0);
    }
}
