//! What the DWARF of a binary says of its layout.

use super::dwarf::{self, Answer, DwarfError, Query};
use super::{Fact, Field, Layout, Origin};
use crate::go::elf::image::Image;

impl Layout {
    /// Replaces what the binary's DWARF knows better. Types that DWARF does not mention (the linker
    /// leaves out what the program does not use) keep their facts.
    pub fn with_dwarf(mut self, image: &Image) -> Layout {
        match from_dwarf(image) {
            Ok(found) => {
                let facts = self.facts.iter_mut().zip(Field::ALL);
                for ((fact, field), found) in facts.zip(found) {
                    let Some(found) = found else { continue };
                    if let Fact::Known(value, Origin::Table(near)) = fact {
                        let table = Some((*value, near.clone()));
                        self.traces.entry(*field).or_default().table = table;
                    }
                    *fact = found;
                }
            }
            Err(why) => self.dwarf = Some(why),
        }
        self
    }
}

/// What an image's DWARF says of every field, in the order of [`Field::ALL`]; `None` where it does not
/// mention the type.
///
/// # Errors
/// [`DwarfError`]: no DWARF, or none that can be used.
pub fn from_dwarf(image: &Image) -> Result<Vec<Option<Fact>>, DwarfError> {
    if !image.has_dwarf() {
        return Err(DwarfError::Absent);
    }
    let names: Vec<(Field, &str)> = Field::ALL
        .iter()
        .flat_map(|field| field.names().map(|name| (*field, name)))
        .collect();
    let queries: Vec<Query> = names.iter().map(|(_, name)| Query::new(name)).collect();
    let answers = dwarf::answer(image, &queries)?;
    let mut facts: Vec<Option<Fact>> = Field::ALL.iter().map(|_| None).collect();
    for ((field, _), answer) in names.iter().zip(answers) {
        let Some(fact) = facts.get_mut(field.index()) else {
            continue;
        };
        if matches!(fact, Some(Fact::Known(..))) {
            continue;
        }
        match answer {
            Answer::Number(value) => {
                let known = u32::try_from(value).ok();
                *fact = known.map(|value| Fact::Known(value, Origin::Dwarf));
            }
            Answer::NoMember => *fact = Some(Fact::Absent(Origin::Dwarf)),
            Answer::NoName => {}
        }
    }
    Ok(facts)
}
