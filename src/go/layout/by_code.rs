//! What instructions of a binary say of its layout, against what was measured of others.

use std::collections::{BTreeMap, BTreeSet};

use super::evidence::{Doubts, Said};
use super::{Fact, Field, Layout, Nearness, Origin};

impl Layout {
    /// Notes what instructions of the binary say without believing it.
    pub(in crate::go) fn note(&mut self, found: BTreeMap<Field, Said>) {
        for (field, said) in found {
            self.traces.entry(field).or_default().said = Some(said);
        }
    }

    /// Notes what instructions of the binary say, and how many functions say it. Where that is something else than what was
    /// measured, somebody has changed the structure: nothing else that was measured of it is believed without proof.
    pub(in crate::go) fn read_in_code(&mut self, found: BTreeMap<Field, Said>, doubts: &Doubts) {
        let mut changes = Changes::default();
        for (field, said) in &found {
            self.believe(*field, said, &mut changes);
        }
        // Some code says something else, but too little of it to be believed.
        let mut doubtful = Vec::new();
        for (field, offsets) in doubts {
            if let Fact::Known(measured, Origin::Table(near)) = self.fact(*field)
                && !offsets.contains(measured)
                && let Some(value) = offsets.first()
            {
                doubtful.push((*field, *measured, near.nearest()));
                changes.changed.insert(field.structure());
                changes.note(*field, *measured, *value);
            }
        }
        self.note(found);
        for field in Field::ALL {
            if let Fact::Known(value, Origin::Table(near)) = self.fact(*field)
                && let Some((value, near)) = changes.of(*field, *value, near)
            {
                self.set(*field, Fact::Known(value, Origin::Table(near)));
            }
        }
        for (field, value, nearest) in doubtful {
            let near = Nearness::Contradicted(nearest);
            self.set(field, Fact::Known(value, Origin::Table(near)));
        }
    }

    /// Takes what the code says for the truth, unless DWARF has it, and compares it with what was measured.
    fn believe(&mut self, field: Field, said: &Said, changes: &mut Changes) {
        match &self.fact(field).clone() {
            Fact::Known(measured, Origin::Table(near)) => {
                let table = Some((*measured, near.clone()));
                self.traces.entry(field).or_default().table = table;
                changes.note(field, *measured, said.offset);
                if *measured != said.offset && !near.is_assumed() {
                    changes.changed.insert(field.structure());
                }
            }
            Fact::Known(..) | Fact::Absent(Origin::Dwarf) => return,
            Fact::Absent(Origin::Table(near)) if !near.is_loose() => return,
            Fact::Absent(_) if said.functions < 2 => return,
            Fact::Absent(_) | Fact::Unknown(_) => {}
        }
        self.set(field, Fact::Known(said.offset, Origin::Code));
    }
}

/// Where the code of a binary differs from what was measured.
#[derive(Debug, Default)]
struct Changes {
    /// The structures that somebody has changed.
    changed: BTreeSet<&'static str>,
    /// By structure: from where to where members have moved, those included that have not.
    moves: BTreeMap<&'static str, BTreeMap<u32, u32>>,
}

impl Changes {
    fn note(&mut self, field: Field, measured: u32, value: u32) {
        let of = self.moves.entry(field.structure()).or_default();
        of.insert(measured, value);
    }

    /// Where a field is taken to be, of which the code itself says nothing, and how sure that is now; `None` if nothing
    /// speaks against what was measured.
    fn of(&self, field: Field, value: u32, near: &Nearness) -> Option<(u32, Nearness)> {
        if let Some(of) = field.name().strip_prefix("sizeof ") {
            let is_changed = self.changed.contains(of);
            return is_changed.then(|| (value, Nearness::Contradicted(near.nearest())));
        }
        if field.is_size() {
            return None;
        }
        let of = field.structure();
        let is_changed = self.changed.contains(of);
        let shift = |it: (&u32, &u32)| i64::from(*it.1) - i64::from(*it.0);
        let moves = self.moves.get(of);
        let before = moves.and_then(|moves| moves.range(..=value).next_back().map(shift));
        let behind = moves.and_then(|moves| moves.range(value..).next().map(shift));
        let near = match before == behind {
            _ if behind.is_none() && !is_changed => match self.changed.is_empty() {
                false if !near.is_assumed() => Nearness::Elsewhere(near.nearest()),
                _ => near.clone(),
            },
            true if near.is_loose() || behind == Some(0) && !is_changed => near.clone(),
            true => Nearness::Alongside(near.nearest()),
            false if is_changed => Nearness::Contradicted(near.nearest()),
            false => near.clone(),
        };
        let by = before.or(behind).unwrap_or_default();
        let moved = u32::try_from(i64::from(value) + by).unwrap_or(value);
        Some((moved, near))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::go::elf::image::Machine;
    use crate::go::version::GoVersion;

    #[test]
    fn what_a_changed_runtime_has_behind_all_that_its_code_speaks_of_is_to_be_proven() {
        let version = GoVersion::parse("go1.27.3").unwrap();
        let measured = Layout::of_version(Machine::X86_64, &version);
        let said = |field, by| {
            let offset = measured.offset(field).unwrap() + by;
            let one = "runtime.f".to_owned();
            let functions = 3;
            let said = Said {
                offset,
                functions,
                one,
            };
            (field, said)
        };
        let read = |found: BTreeMap<Field, Said>| {
            let mut layout = measured.clone();
            layout.read_in_code(found, &Doubts::new());
            layout
        };
        let (before, last) = (Field::HchanElemsize, Field::HchanSendqFirst);
        let as_it_was = read(BTreeMap::from([said(before, 0), said(Field::GGoid, 0)]));
        assert!(as_it_was.require_checked(last).is_ok());
        let changed = read(BTreeMap::from([said(before, 0), said(Field::GGoid, 8)]));
        assert!(changed.require_checked(last).is_err());
        // What lies between members that are where they were is where it was.
        assert!(changed.require_checked(Field::HchanQcount).is_ok());
    }
}
