//! Which measured releases a binary is built like, whatever it says of its version: those of which everything holds that its
//! code says. Where there is none, each structure is built like those of which everything holds that its code says of that
//! structure: a new version changes few of them.

use std::collections::BTreeMap;

use super::structure::structures;
use super::table::{Cell, Table, machine_name};
use super::{Fact, Field, Layout, Nearness, Origin, Release};
use crate::go::elf::image::Machine;
use crate::go::layout::evidence::{Doubts, Said};

/// The code must say so much for a release to be told by it,
const TELLING: usize = 60;

/// and so much of a structure for that to be told alone.
const TELLING_OF_ONE: usize = 4;

impl Layout {
    /// Whether something is not known, or may be elsewhere.
    pub(in crate::go) fn has_gaps(&self) -> bool {
        self.facts.iter().any(is_gap)
    }

    /// Fills what is not known, or may be elsewhere, from the releases that the code fits, where they agree; whether there
    /// are any. It is an assumption still, to be confirmed by the code or the process.
    pub(in crate::go) fn fit(
        &mut self,
        machine: Machine,
        found: &BTreeMap<Field, Said>,
        doubts: &Doubts,
    ) -> bool {
        let releases = Releases {
            table: Table::embedded(),
            machine: machine_name(machine),
            found,
            doubts,
        };
        let fitting = releases.fitting(TELLING, |_| true);
        if self.fill(&releases, &fitting, |_| true) {
            return true;
        }
        let mut any = false;
        for structure in structures() {
            let of_it = |field: Field| field.structure() == structure;
            let fitting = releases.fitting(TELLING_OF_ONE, of_it);
            any |= self.fill(&releases, &fitting, of_it);
        }
        any
    }

    /// Fills the gaps in some fields by what all of these releases have; whether there are any releases.
    fn fill(
        &mut self,
        releases: &Releases<'_>,
        fitting: &[Built<'_>],
        wanted: impl Fn(Field) -> bool,
    ) -> bool {
        let Some((_, newest)) = fitting.iter().max_by_key(|it| it.1) else {
            return false;
        };
        let fields = Field::ALL.iter().copied().filter(|field| wanted(*field));
        for field in fields {
            if !is_gap(self.fact(field)) {
                continue;
            }
            let mut cells = fitting.iter().filter_map(|it| releases.cell(*it, field));
            let Some(cell) = cells.next() else { continue };
            if cells.any(|other| other != cell) {
                continue;
            }
            let origin = Origin::Table(Nearness::Fitting(*newest));
            let fact = match cell {
                Cell::Number(value) => Fact::Known(value, origin),
                Cell::Absent => Fact::Absent(origin),
                Cell::Unmeasured => continue,
            };
            self.set(field, fact);
        }
        true
    }
}

/// A release, and the experiment that it was built with if there was one.
type Built<'t> = (Option<&'t str>, Release);

/// All releases that were measured, and what the code of a binary says.
struct Releases<'f> {
    table: &'static Table,
    machine: &'static str,
    found: &'f BTreeMap<Field, Said>,
    doubts: &'f Doubts,
}

impl Releases<'_> {
    fn cell(&self, (experiment, at): Built<'_>, field: Field) -> Option<Cell> {
        self.table.cell(self.machine, experiment, at, field)
    }

    /// The releases that have these fields where the code says, if it says enough of them.
    fn fitting(&self, enough: usize, wanted: impl Fn(Field) -> bool) -> Vec<Built<'static>> {
        let said = || self.found.iter().filter(|it| wanted(*it.0));
        let doubts = || self.doubts.iter().filter(|it| wanted(*it.0));
        if said().count() < enough {
            return Vec::new();
        }
        let all = self.table.releases(self.machine);
        all.filter(|it| {
            let is_there = said().all(|(field, said)| match self.cell(*it, *field) {
                Some(Cell::Number(value)) => value == said.offset,
                Some(Cell::Unmeasured) => true,
                Some(Cell::Absent) | None => false,
            });
            // Little code may well speak of another member, that the release has in place of one that it does not have.
            let may_be_there = |(field, offsets): (&Field, &Vec<u32>)| match self.cell(*it, *field)
            {
                Some(Cell::Number(value)) => offsets.contains(&value),
                Some(Cell::Unmeasured | Cell::Absent) => true,
                None => false,
            };
            is_there && doubts().all(may_be_there)
        })
        .collect()
    }
}

fn is_gap(fact: &Fact) -> bool {
    match fact {
        Fact::Unknown(_) => true,
        Fact::Known(_, Origin::Table(near)) | Fact::Absent(Origin::Table(near)) => near.is_loose(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::go::version::GoVersion;

    /// What the code of a release says: all that was measured of it, or of one structure only.
    fn said(at: Release, wanted: impl Fn(Field) -> bool) -> BTreeMap<Field, Said> {
        let fields = Field::ALL.iter().filter(|it| !it.is_size() && wanted(**it));
        let said = fields.filter_map(|field| {
            let cell = Table::embedded().cell("amd64", None, at, *field)?;
            let Cell::Number(offset) = cell else {
                return None;
            };
            let one = "runtime.f".to_owned();
            let functions = 1;
            let said = Said {
                offset,
                functions,
                one,
            };
            Some((*field, said))
        });
        said.collect()
    }

    fn newer() -> Layout {
        Layout::of_version(Machine::X86_64, &GoVersion::parse("go1.99.0").unwrap())
    }

    fn fits(layout: &Layout, field: Field) -> bool {
        matches!(
            layout.fact(field),
            Fact::Known(_, Origin::Table(Nearness::Fitting(_)))
        )
    }

    #[test]
    fn a_release_is_told_by_its_code_though_little_code_speaks_of_a_member_it_lacks() {
        let at = (24, 11);
        let doubts = Doubts::from([(Field::GBubble, vec![392])]);
        let mut layout = newer();
        let told = said(at, |field| field != Field::GGoid);
        assert!(layout.fit(Machine::X86_64, &told, &doubts));
        assert_eq!(layout.hint(Field::GGoid), Some(160));
        assert_eq!(layout.exists(Field::GBubble), Some(false));
        // But not by one that lies where no release has it.
        let mut layout = newer();
        let doubts = Doubts::from([(Field::GGoid, vec![8])]);
        assert!(!layout.fit(Machine::X86_64, &told, &doubts) || !fits(&layout, Field::GGoid));
    }

    #[test]
    fn a_structure_is_told_alone_where_another_has_changed() {
        let mut told = said((24, 11), |field| field != Field::GGoid);
        if let Some(moved) = told.get_mut(&Field::MCurg) {
            moved.offset += 8;
        }
        let mut layout = newer();
        assert!(layout.fit(Machine::X86_64, &told, &Doubts::new()));
        assert_eq!(layout.hint(Field::GGoid), Some(160));
        assert!(fits(&layout, Field::GGoid) && !fits(&layout, Field::MP));
    }
}
