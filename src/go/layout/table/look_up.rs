//! What the table says about a version, measured or not.

use std::collections::BTreeSet;

use crate::go::layout::field::Field;
use crate::go::layout::nearness::{Nearness, Release, release};
use crate::go::version::GoVersion;

use super::{Cell, Section, Table};

impl Table {
    /// What the table says about a field in any version.
    ///
    /// # Errors
    /// In words, why it says nothing: a minor version older than all measured ones, or neighbours that
    /// differ.
    pub fn look_up(
        &self,
        machine: &str,
        version: &GoVersion,
        field: Field,
    ) -> Result<(Cell, Nearness), String> {
        let mut moving: Option<&Section> = None;
        let mut untried = false;
        for name in &version.experiments {
            let section = self
                .section(machine, Some(name))
                .filter(|section| section.measured.iter().any(|at| at.0 == version.minor));
            // Vendors' experiments move nothing; whether this one does is for the process to say.
            let Some(section) = section else {
                untried = true;
                continue;
            };
            untried |= section.lacks(version.minor, field);
            if section.moves(version.minor, field) && moving.replace(section).is_some() {
                return Err(format!("{version} was not measured"));
            }
        }
        let Some(section) = moving.or_else(|| self.section(machine, None)) else {
            return Err(format!("nothing was measured on {machine}"));
        };
        match self.near(section, version, field)? {
            (cell, Nearness::Measured(at) | Nearness::Between(at, _)) if untried => {
                Ok((cell, Nearness::Without(at)))
            }
            (cell, Nearness::Measured(at)) if moving.is_some() && version.experiments.len() > 1 => {
                Ok((cell, Nearness::Combined(at)))
            }
            found => Ok(found),
        }
    }

    /// What the table says about a field if all that is known of the version is a range of minor
    /// versions, first and last included: a value that all measured ones share.
    ///
    /// # Errors
    /// In words, why it says nothing.
    pub fn look_up_range(
        &self,
        machine: &str,
        (oldest, newest): (u16, Option<u16>),
        field: Field,
    ) -> Result<(Cell, Nearness), String> {
        let Some(section) = self.section(machine, None) else {
            return Err(format!("nothing was measured on {machine}"));
        };
        let Some(newest) = newest else {
            return self.look_up_open(machine, section, oldest, field);
        };
        // A field may have been measured with some patch releases only.
        let measured: Vec<(Release, Cell)> = section
            .measured
            .iter()
            .map(|at| (*at, self.value(section, *at, field)))
            .filter(|(_, cell)| *cell != Cell::Unmeasured)
            .collect();
        let minors: BTreeSet<u16> = measured.iter().map(|(at, _)| at.0).collect();
        if let Some(missing) = (oldest..=newest).find(|minor| !minors.contains(minor)) {
            return Err(format!("Go 1.{missing}, which it may be, was not measured"));
        }
        let cells = measured
            .into_iter()
            .filter(|(at, _)| (oldest..=newest).contains(&at.0));
        let (mut first, mut last) = (None, None);
        for (at, cell) in cells {
            match first {
                None => first = Some((at, cell)),
                Some((before, other)) if other != cell => return Err(moved(before, at)),
                Some(_) => {}
            }
            last = Some(at);
        }
        let ((low, cell), high) = first.zip(last).ok_or("it was not measured")?;
        Ok((cell, Nearness::Bridged(low, high)))
    }

    /// The same if there is no newest: it may be newer than everything that was measured.
    fn look_up_open(
        &self,
        machine: &str,
        section: &Section,
        oldest: u16,
        field: Field,
    ) -> Result<(Cell, Nearness), String> {
        let last = section.measured.last().ok_or("it was not measured")?;
        let range = (oldest.min(last.0), Some(last.0));
        let (cell, _) = self.look_up_range(machine, range, field)?;
        Ok((cell, Nearness::Newer(*last)))
    }

    /// The rule for versions that lie between, beside or beyond measured ones.
    fn near(
        &self,
        section: &Section,
        version: &GoVersion,
        field: Field,
    ) -> Result<(Cell, Nearness), String> {
        let at = (version.minor, version.patch);
        // A pre-release comes before the release whose number it bears, and may differ from it.
        let is_release = version.pre.is_none();
        let measured = section.measured.as_slice();
        let split = measured.partition_point(|low| *low < at || is_release && *low == at);
        let (before, behind) = measured.split_at(split);
        let cell = |measured: &Release| {
            let cell = self.value(section, *measured, field);
            (cell != Cell::Unmeasured).then_some((*measured, cell))
        };
        let low = before.iter().rev().find_map(cell);
        let high = behind.iter().find_map(cell);
        let inside = |found: Option<(Release, Cell)>| found.filter(|(it, _)| it.0 == version.minor);
        match (inside(low), inside(high)) {
            (Some((low, cell)), _) if low == at => return Ok((cell, Nearness::Measured(low))),
            (Some((low, cell)), Some((high, other))) if cell == other && is_release => {
                return Ok((cell, Nearness::Between(low, high)));
            }
            (Some((low, cell)), Some((high, other))) if cell != other => {
                return Err(moved(low, high));
            }
            (Some((nearest, cell)), _) | (None, Some((nearest, cell))) => {
                return Ok((cell, Nearness::Beyond(nearest)));
            }
            (None, None) => {}
        }
        match (low, high) {
            (Some((low, cell)), Some((high, other))) if cell == other => {
                Ok((cell, Nearness::Bridged(low, high)))
            }
            (Some((low, _)), Some((high, _))) => Err(moved(low, high)),
            (Some((newest, cell)), None) => Ok((cell, Nearness::Newer(newest))),
            (None, Some((oldest, _))) => Err(format!(
                "Go 1.{} is older than the oldest that was measured, {}",
                at.0,
                release(oldest)
            )),
            (None, None) => Err("it was not measured".to_owned()),
        }
    }
}

fn moved(low: Release, high: Release) -> String {
    format!(
        "it moved somewhere between {} and {}",
        release(low),
        release(high)
    )
}
