//! Which measured releases a binary is built like, whatever it says of its version: those of which everything holds that its
//! code says.

use std::collections::BTreeMap;

use super::table::{Cell, Table, machine_name};
use super::{Fact, Field, Layout, Nearness, Origin, Release, is_withheld};
use crate::go::elf::image::Machine;
use crate::go::layout::evidence::{Doubts, Said};

/// The code must say so much for a release to be told by it.
const TELLING: usize = 60;

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
        let (table, machine) = (Table::embedded(), machine_name(machine));
        if found.len() < TELLING || is_withheld() {
            return false;
        }
        let fits = |experiment, at| {
            let agrees = |field, said: &[u32]| match table.cell(machine, experiment, at, field) {
                Some(Cell::Number(value)) => said.contains(&value),
                Some(Cell::Unmeasured) => true,
                Some(Cell::Absent) | None => false,
            };
            let lacks =
                |field| matches!(table.cell(machine, experiment, at, field), Some(Cell::Absent));
            let mut said = found.iter();
            said.all(|(field, said)| agrees(*field, &[said.offset]))
                && doubts
                    .iter()
                    .all(|(field, said)| lacks(*field) || agrees(*field, said))
        };
        let fitting: Vec<(Option<&str>, Release)> = table
            .releases(machine)
            .filter(|(experiment, at)| fits(*experiment, *at))
            .collect();
        let Some((_, newest)) = fitting.iter().max_by_key(|it| it.1) else {
            return false;
        };
        for field in Field::ALL {
            if !is_gap(self.fact(*field)) {
                continue;
            }
            let mut cells = fitting
                .iter()
                .filter_map(|(experiment, at)| table.cell(machine, *experiment, *at, *field));
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
            self.set(*field, fact);
        }
        true
    }
}

fn is_gap(fact: &Fact) -> bool {
    match fact {
        Fact::Unknown(_) => true,
        Fact::Known(_, Origin::Table(near)) | Fact::Absent(Origin::Table(near)) => near.is_loose(),
        _ => false,
    }
}
