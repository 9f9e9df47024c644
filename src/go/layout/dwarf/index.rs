//! The first pass over `.debug_info`: where the names lie that the queries ask for.

use std::collections::HashMap;
use std::rc::Rc;

use gimli::{
    Abbreviations, Attribute, AttributeValue, DebugAbbrev, DebugInfo, DebugInfoOffset,
    DebugLineStr, DebugStr, LittleEndian, UnitHeader, UnitOffset,
};

use super::query::{Bytes, DwarfError, Entry, Wanted};

/// Bytes of the longest table of abbreviations believed: those of Go and of C compilers have a few thousand.
const MAX_TABLE: usize = 1 << 18;
/// Tables believed. Go has one; C compilers make one for each unit.
const MAX_TABLES: usize = 1 << 12;

/// A name that a query asks for, once found.
#[derive(Debug, Clone, Copy)]
pub(super) enum Found {
    /// A structure type.
    Struct(EntryRef),
    Constant(i64),
}

/// An entry of `.debug_info`: its unit (index into `Index::units`) and where in it.
#[derive(Debug, Clone, Copy)]
pub(super) struct EntryRef {
    pub(super) unit: usize,
    pub(super) offset: UnitOffset,
}

/// Where names lie that are not written in place.
#[derive(Clone, Copy)]
pub(super) struct Strings<'s> {
    pub(super) plain: DebugStr<Bytes<'s>>,
    pub(super) line: DebugLineStr<Bytes<'s>>,
}

impl<'s> Strings<'s> {
    pub(super) fn name<'e: 's>(&self, entry: &Entry<'e>) -> Option<&'s [u8]> {
        self.text(entry.attr(gimli::DW_AT_name)?)
    }

    fn text<'e: 's>(&self, attribute: &Attribute<Bytes<'e>>) -> Option<&'s [u8]> {
        let text = match attribute.value() {
            AttributeValue::String(text) => text,
            AttributeValue::DebugStrRef(at) => self.plain.get_str(at).ok()?,
            AttributeValue::DebugLineStrRef(at) => self.line.get_str(at).ok()?,
            _ => return None,
        };
        Some(text.slice())
    }
}

/// What is known after the units walked so far. Keeps nothing borrowed from `.debug_info`, which is still growing.
pub(super) struct Index<'s> {
    abbrev: &'s [u8],
    /// Abbreviation tables by their offset: Go has one for all units.
    tables: HashMap<usize, Rc<Abbreviations>>,
    /// Where each unit begins, as far as they have been walked.
    pub(super) units: Vec<(usize, Rc<Abbreviations>)>,
    pub(super) found: HashMap<String, Found>,
    sought: HashMap<&'s [u8], Wanted>,
}

impl<'s> Index<'s> {
    /// Nothing found yet of what `sought` names.
    pub(super) fn new(abbrev: &'s [u8], sought: HashMap<&'s [u8], Wanted>) -> Self {
        Index {
            abbrev,
            tables: HashMap::new(),
            units: Vec::new(),
            found: HashMap::new(),
            sought,
        }
    }

    /// Whether further units can have nothing more: all types lie in one unit, all constants in one.
    pub(super) fn is_complete(&self, constants: bool) -> bool {
        let has = |kind: fn(&Found) -> bool| self.found.values().any(kind);
        has(|found| matches!(found, Found::Struct(_)))
            && (!constants || has(|found| matches!(found, Found::Constant(_))))
    }

    /// The table of abbreviations at an offset.
    fn read_table(
        &self,
        header: &UnitHeader<Bytes<'_>>,
        at: usize,
    ) -> Result<Abbreviations, DwarfError> {
        if self.tables.len() >= MAX_TABLES {
            return Err(DwarfError::Damaged("too many abbreviations".to_owned()));
        }
        let end = at.saturating_add(MAX_TABLE).min(self.abbrev.len());
        let table = self.abbrev.get(..end).unwrap_or_default();
        Ok(header.abbreviations(&DebugAbbrev::new(table, LittleEndian))?)
    }

    /// Walks the unit that begins at `start`.
    pub(super) fn unit(
        &mut self,
        info: &[u8],
        start: usize,
        strings: Strings<'_>,
    ) -> Result<(), DwarfError> {
        let section = DebugInfo::new(info, LittleEndian);
        let header = section.header_from_offset(DebugInfoOffset(start))?;
        let at = header.debug_abbrev_offset().0;
        let abbreviations = match self.tables.get(&at) {
            Some(table) => Rc::clone(table),
            None => Rc::new(self.read_table(&header, at)?),
        };
        self.tables
            .entry(at)
            .or_insert_with(|| Rc::clone(&abbreviations));
        let unit = self.units.len();
        self.units.push((start, Rc::clone(&abbreviations)));

        let mut entries = header.entries_raw(&abbreviations, None)?;
        let mut root = Entry::null();
        entries.read_entry(&mut root)?;
        if !strings.name(&root).is_some_and(is_runtime) {
            return Ok(());
        }
        while !entries.is_empty() && !self.sought.is_empty() {
            let (offset, depth) = (entries.next_offset(), entries.next_depth());
            let Some(kind) = entries.read_abbreviation()? else {
                continue;
            };
            let constant = kind.tag() == gimli::DW_TAG_constant;
            if depth != 1 || !(constant || kind.tag() == gimli::DW_TAG_structure_type) {
                entries.skip_attributes(kind.attributes())?;
                continue;
            }
            let (mut name, mut value) = (None, None);
            for spec in kind.attributes() {
                let attribute = entries.read_attribute(*spec)?;
                match attribute.name() {
                    gimli::DW_AT_name => name = strings.text(&attribute),
                    gimli::DW_AT_const_value => value = number(&attribute),
                    _ => {}
                }
            }
            let Some(name) = name else { continue };
            let Some(wanted) = self.sought.get(name) else {
                continue;
            };
            let found = match (constant, value) {
                (true, Some(value)) if *wanted == Wanted::Constant => Found::Constant(value),
                (false, _) if *wanted != Wanted::Constant => {
                    Found::Struct(EntryRef { unit, offset })
                }
                _ => continue,
            };
            self.found
                .insert(String::from_utf8_lossy(name).into_owned(), found);
            self.sought.remove(name);
        }
        Ok(())
    }
}

/// Whether a unit of this name can hold runtime types or constants.
fn is_runtime(name: &[u8]) -> bool {
    name == b"runtime" || name == b"internal/abi" || name.starts_with(b"internal/runtime/")
}

/// A number that fits, however it is encoded. Forms of a fixed size say nothing about the sign: in
/// the attributes read here they are never negative.
pub(super) fn number(attribute: &Attribute<Bytes<'_>>) -> Option<i64> {
    match attribute.udata_value() {
        Some(value) => i64::try_from(value).ok(),
        None => attribute.sdata_value(),
    }
}
