//! The list of shapes as it is used: searched where it lies. Of some hundred functions most have one of several shapes, so
//! that to read all of them would take longer than to look for the one that was seen.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use super::shapes::{Shape, Signature, carried};
use crate::go::elf::image::Machine;
use crate::go::layout::Field;

/// A list of shapes.
pub(super) struct List<'t> {
    text: &'t str,
    fields: HashMap<&'static str, Field, BuildHasherDefault<Quick>>,
}

/// Tells names apart that nobody chooses but grtmon, in less time than what is safe for any.
#[derive(Default)]
struct Quick(u64);

impl Hasher for Quick {
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.write_u64(u64::from_le_bytes(*word));
        }
        let rest = rest
            .iter()
            .fold(0, |word, byte| word << 8 | u64::from(*byte));
        self.write_u64(rest);
    }

    fn write_u8(&mut self, _end_of_text: u8) {}

    fn write_u64(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95);
    }

    fn finish(&self) -> u64 {
        self.0.rotate_left(26)
    }
}

/// A function of the list.
pub(super) struct Entry<'t> {
    /// Its name.
    pub(super) function: &'t str,
    /// What it takes and returns.
    pub(super) signature: Signature,
    /// The lines of its shapes.
    shapes: &'t str,
}

impl<'t> Entry<'t> {
    /// Whether it tells something of structures.
    pub(super) fn has_shapes(&self) -> bool {
        !self.shapes.is_empty()
    }

    /// The names of the members that it can tell of in its shapes.
    pub(super) fn names(&self) -> impl Iterator<Item = &'t str> + use<'t> {
        let lines = self.shapes.split('\n');
        let members = lines.filter_map(|line| {
            let head = memchr::memchr(b':', line.as_bytes())?;
            line.get(head + 2..)
        });
        let names = members.flat_map(|members| members.split(' '));
        names.filter(|name| *name != "_")
    }
}

impl List<'static> {
    /// The one that grtmon carries for a machine.
    pub(super) fn carried(machine: Machine) -> Self {
        Self::of(carried(machine))
    }
}

impl<'t> List<'t> {
    /// One in its text form.
    pub(super) fn of(text: &'t str) -> Self {
        let fields = Field::ALL.iter().map(|it| (it.name(), *it)).collect();
        Self { text, fields }
    }

    /// All functions; those of one name follow each other.
    pub(super) fn functions(&self) -> impl Iterator<Item = Entry<'t>> + use<'t> {
        let mut rest = self.text;
        std::iter::from_fn(move || {
            let (line, behind) = rest.split_once('\n')?;
            let mut end = 0;
            while let Some(next) = behind.get(end..)
                && let Some(size) = memchr::memchr(b'\n', next.as_bytes())
                && memchr::memchr(b':', next.as_bytes().get(..size)?).is_some()
            {
                end += size + 1;
            }
            let (shapes, behind) = behind.split_at_checked(end)?;
            rest = behind;
            let (function, signature) = Signature::parse(line);
            Some(Entry {
                function,
                signature,
                shapes,
            })
        })
    }

    /// The field of that name.
    pub(super) fn field(&self, name: &str) -> Option<Field> {
        self.fields.get(name).copied()
    }

    /// The members of a shape of a function, with their offsets.
    pub(super) fn members(
        &self,
        entry: &Entry<'t>,
        shape: &Shape,
        offsets: &[u32],
    ) -> Vec<(Field, u32)> {
        let head = format!("{shape}: ");
        let mut lines = entry.shapes.lines();
        let members = lines.find_map(|line| line.strip_prefix(&head));
        let members = members.unwrap_or_default().split(' ');
        let found = members.zip(offsets);
        found
            .filter_map(|(name, offset)| Some((self.field(name)?, *offset)))
            .collect()
    }
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
            for (function, signature, shape, _) in all.iter() {
                let of_it = |it: &&Entry<'_>| it.function == function && it.signature == *signature;
                let entry = entries.iter().find(of_it).unwrap();
                let offsets: Vec<u32> = (0..100).collect();
                assert_eq!(
                    list.members(entry, shape, &offsets),
                    all.members(function, signature, shape, &offsets)
                );
            }
        }
    }
}
