//! The second pass over `.debug_info`: from a type that has been found along its members.

use std::collections::HashMap;

use gimli::{Abbreviations, AttributeValue, DebugInfo, DebugInfoOffset, LittleEndian, UnitHeader};

use super::index::{EntryRef, Found, Index, Strings, number};
use super::query::{Answer, Bytes, DwarfError, Entry, Query, Wanted};

/// Types are followed through at most this many names (`typedef`), members and elements.
const MAX_HOPS: usize = 32;

/// Answers queries from what has been indexed.
pub(super) struct Reader<'s> {
    /// In the order of the section.
    units: Vec<(UnitHeader<Bytes<'s>>, &'s Abbreviations)>,
    strings: Strings<'s>,
    found: &'s HashMap<String, Found>,
}

impl<'s> Reader<'s> {
    /// `info` is what the index has walked.
    pub(super) fn new(
        info: &'s [u8],
        index: &'s Index<'_>,
        strings: Strings<'s>,
    ) -> Result<Self, DwarfError> {
        let section = DebugInfo::new(info, LittleEndian);
        let units = index.units.iter().map(|(start, abbreviations)| {
            let header = section.header_from_offset(DebugInfoOffset(*start))?;
            Ok((header, abbreviations.as_ref()))
        });
        Ok(Reader {
            units: units.collect::<Result<_, gimli::Error>>()?,
            strings,
            found: &index.found,
        })
    }

    /// Answers one query.
    pub(super) fn resolve(&self, query: &Query) -> Result<Answer, DwarfError> {
        let mut place = match self.found.get(&query.name) {
            Some(Found::Constant(value)) => return Ok(Answer::Number(*value)),
            Some(Found::Struct(place)) => *place,
            None => return Ok(Answer::NoName),
        };
        let mut offset = 0i64;
        for member in query.members.iter().take(MAX_HOPS) {
            let next = if member == "[]" {
                self.element(place)?.map(|(element, _)| (0, element))
            } else {
                self.member(place, member)?
            };
            let Some((at, ty)) = next else {
                return Ok(Answer::NoMember);
            };
            offset = offset.saturating_add(at);
            place = self.bare(ty)?;
        }
        let number = match query.wanted {
            Wanted::Offset => Some(offset),
            Wanted::Size => self.size(place)?,
            Wanted::Length => self.element(place)?.and_then(|(_, length)| length),
            Wanted::Constant => None,
        };
        Ok(number.map_or(Answer::NoMember, Answer::Number))
    }

    fn entry(&self, place: EntryRef) -> Result<Entry<'s>, DwarfError> {
        let mut entry = Entry::null();
        if let Some((header, abbreviations)) = self.units.get(place.unit) {
            let mut entries = header.entries_raw(abbreviations, Some(place.offset))?;
            entries.read_entry(&mut entry)?;
        }
        Ok(entry)
    }

    /// The entries directly below one, the first for which `take` answers.
    fn child<T>(
        &self,
        place: EntryRef,
        mut take: impl FnMut(&Entry<'s>) -> Option<T>,
    ) -> Result<Option<T>, DwarfError> {
        let Some((header, abbreviations)) = self.units.get(place.unit) else {
            return Ok(None);
        };
        let mut entries = header.entries_raw(abbreviations, Some(place.offset))?;
        let mut entry = Entry::null();
        entries.read_entry(&mut entry)?;
        if !entry.has_children() {
            return Ok(None);
        }
        while !entries.is_empty() && entries.next_depth() > 0 {
            let depth = entries.next_depth();
            if entries.read_entry(&mut entry)?
                && depth == 1
                && let Some(found) = take(&entry)
            {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// A member of a structure: its offset there and its type.
    fn member(&self, place: EntryRef, name: &str) -> Result<Option<(i64, EntryRef)>, DwarfError> {
        self.child(place, |entry| {
            if entry.tag() != gimli::DW_TAG_member || self.strings.name(entry)? != name.as_bytes() {
                return None;
            }
            let at = number(entry.attr(gimli::DW_AT_data_member_location)?)?;
            Some((at, self.type_of(place.unit, entry)?))
        })
    }

    /// An array's element type and number of elements.
    fn element(&self, place: EntryRef) -> Result<Option<(EntryRef, Option<i64>)>, DwarfError> {
        let array = self.entry(place)?;
        if array.tag() != gimli::DW_TAG_array_type {
            return Ok(None);
        }
        let Some(element) = self.type_of(place.unit, &array) else {
            return Ok(None);
        };
        let length = self.child(place, |entry| {
            number(entry.attr(gimli::DW_AT_count)?)
                .filter(|_| entry.tag() == gimli::DW_TAG_subrange_type)
        })?;
        Ok(Some((element, length)))
    }

    /// The size of a type in bytes.
    fn size(&self, place: EntryRef) -> Result<Option<i64>, DwarfError> {
        let entry = self.entry(place)?;
        match entry.attr(gimli::DW_AT_byte_size) {
            Some(size) => Ok(number(size)),
            None if entry.tag() == gimli::DW_TAG_pointer_type => Ok(Some(8)),
            None => Ok(None),
        }
    }

    /// The type behind its names (`DW_TAG_typedef`).
    fn bare(&self, mut place: EntryRef) -> Result<EntryRef, DwarfError> {
        for _ in 0..MAX_HOPS {
            let entry = self.entry(place)?;
            if entry.tag() != gimli::DW_TAG_typedef {
                break;
            }
            match self.type_of(place.unit, &entry) {
                Some(next) => place = next,
                None => break,
            }
        }
        Ok(place)
    }

    /// Where the type of an entry lies (`DW_AT_type`).
    fn type_of(&self, unit: usize, entry: &Entry<'s>) -> Option<EntryRef> {
        match entry.attr(gimli::DW_AT_type)?.value() {
            AttributeValue::UnitRef(offset) => Some(EntryRef { unit, offset }),
            AttributeValue::DebugInfoRef(at) => self.place(at),
            _ => None,
        }
    }

    /// The unit that an offset of the section falls into, and the offset there.
    fn place(&self, at: DebugInfoOffset) -> Option<EntryRef> {
        let after = self.units.partition_point(|(header, _)| {
            header
                .debug_info_offset()
                .is_some_and(|start| start.0 <= at.0)
        });
        let unit = after.checked_sub(1)?;
        let offset = at.to_unit_offset(&self.units.get(unit)?.0)?;
        Some(EntryRef { unit, offset })
    }
}
