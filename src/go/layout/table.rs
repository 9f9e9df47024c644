//! The table of measured layouts. What it says about a version that was not measured: `look_up`.
//!
//! `table.txt` is made by `tests/layout` and read here when somebody asks. Its form is meant for
//! people who review a change: a value is written down where it changed, so that a new Go version
//! that moves nothing adds one word to one line.
//!
//! ```text
//! [amd64]                                   a processor
//! measured 1.23.1 1.23.9 1.24.3             versions of Go that were really built with
//! g.goid: 1.23.1 160, 1.25.0 152            160 from 1.23.1 on, 152 from 1.25.0 on
//! g.coroarg: 1.19.8 -, 1.22.10 368          a dash: there is no such member
//! workType.cycles: 1.23.1 ?, 1.23.9 424     a question mark: not measured
//! [amd64 greenteagc]                        an experiment: only fields that it moves are listed
//! measured 1.25.0 1.25.12
//! workType.cycles: 1.25.0 608, 1.26.0 =     an equals sign: as without the experiment
//! [arm64]                                   likewise only what differs from amd64
//! ```

mod look_up;

use std::ops::Range;
use std::sync::OnceLock;

use super::field::Field;
use super::nearness::Release;
use crate::go::elf::image::Machine;

/// What the table has for a field in a version that was measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cell {
    /// The number.
    Number(u32),
    /// That version has no such member or type.
    Absent,
    /// The field was added to grtmon when this version was not at hand.
    Unmeasured,
}

/// The table's name for a processor: Go's own.
pub fn machine_name(machine: Machine) -> &'static str {
    match machine {
        Machine::X86_64 => "amd64",
        Machine::Aarch64 => "arm64",
    }
}

/// What was measured on one processor with one experiment, or none.
#[derive(Debug, Default)]
pub struct Section {
    /// `amd64`.
    pub machine: String,
    /// `greenteagc`; none for what is built by default.
    pub experiment: Option<String>,
    /// Ascending.
    pub measured: Vec<Release>,
    /// The lines of its fields.
    text: String,
    rows: OnceLock<Rows>,
}

/// From which release on a field has which value; `None`: that of the section which this one is a difference to. Ascending.
#[derive(Debug, Default)]
struct Rows {
    cells: Vec<(Release, Option<Cell>)>,
    /// By `Field::index`: which of them are the field's; none if there is no line for it.
    of: Vec<Range<usize>>,
}

impl Rows {
    fn of(&self, field: Field) -> Option<&[(Release, Option<Cell>)]> {
        self.cells.get(self.of.get(field.index())?.clone())
    }
}

/// All that was measured.
#[derive(Debug, Default)]
pub struct Table {
    /// In the order of the file; the first is what other processors are a difference to.
    pub sections: Vec<Section>,
}

impl Table {
    /// The table that grtmon carries.
    pub fn embedded() -> &'static Table {
        static TABLE: OnceLock<Table> = OnceLock::new();
        TABLE.get_or_init(|| {
            let mut table = Table::outline(include_str!("table.txt")).unwrap_or_default();
            if cfg!(debug_assertions)
                && let Ok(withheld) = std::env::var("GRTMON_LAYOUT_WITHHELD")
            {
                table.withhold(&withheld);
            }
            table
        })
    }

    /// For tests: forgets these versions (`1.24,1.25`), or `all`, as if they had never been measured.
    fn withhold(&mut self, versions: &str) {
        let is_withheld = |at: &Release| {
            let mut all = versions.split(',');
            all.any(|version| version == "all" || *version == format!("1.{}", at.0))
        };
        for section in &mut self.sections {
            section.measured.retain(|at| !is_withheld(at));
        }
    }

    /// Reads the text form.
    ///
    /// # Errors
    /// The first line that is not of that form.
    pub fn parse(text: &str) -> Result<Table, String> {
        let table = Table::outline(text)?;
        for section in &table.sections {
            // Nobody else knows of it yet.
            let _ = section.rows.set(rows(&section.text)?);
        }
        Ok(table)
    }

    /// The same, but for the lines of fields, most of which nobody will ask for: those of other machines, and experiments.
    fn outline(text: &str) -> Result<Table, String> {
        let mut table = Table::default();
        let mut rest = text;
        while !rest.is_empty() {
            // Lines of fields are not looked at one by one, up to the next title or note.
            let fields = fields_at(rest);
            if !fields.is_empty() {
                let line = || wrong(fields.lines().next().unwrap_or_default());
                let section = table.sections.last_mut().ok_or_else(line)?;
                section.text.push_str(fields);
                rest = rest.get(fields.len()..).unwrap_or_default();
                continue;
            }
            let (line, behind) = rest.split_once('\n').unwrap_or((rest, ""));
            rest = behind;
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if let Some(title) = line
                .strip_prefix('[')
                .and_then(|line| line.strip_suffix(']'))
            {
                let (machine, experiment) = match title.split_once(' ') {
                    Some((machine, experiment)) => (machine, Some(experiment.to_owned())),
                    None => (title, None),
                };
                table.sections.push(Section {
                    machine: machine.to_owned(),
                    experiment,
                    ..Section::default()
                });
                continue;
            }
            let section = table.sections.last_mut().ok_or_else(|| wrong(line))?;
            if let Some(list) = line.strip_prefix("measured ") {
                let measured: Option<Vec<Release>> = list.split(' ').map(parse_release).collect();
                section.measured = measured.ok_or_else(|| wrong(line))?;
            }
        }
        Ok(table)
    }

    /// What was measured for a field, if that release was measured with that experiment.
    pub fn cell(
        &self,
        machine: &str,
        experiment: Option<&str>,
        at: Release,
        field: Field,
    ) -> Option<Cell> {
        let section = self.section(machine, experiment)?;
        let measured = section.measured.contains(&at);
        measured.then(|| self.value(section, at, field))
    }

    /// All releases that were measured on a machine, each with the experiment if there is one.
    pub fn releases(&self, machine: &str) -> impl Iterator<Item = (Option<&str>, Release)> {
        let sections = self.sections.iter().filter(move |it| it.machine == machine);
        sections.flat_map(|section| {
            let experiment = section.experiment.as_deref();
            section.measured.iter().map(move |at| (experiment, *at))
        })
    }

    fn section(&self, machine: &str, experiment: Option<&str>) -> Option<&Section> {
        self.sections
            .iter()
            .find(|it| it.machine == machine && it.experiment.as_deref() == experiment)
    }

    /// The value as of a release, looked up in the section that this one is a difference to if it has
    /// none of its own.
    fn value(&self, section: &Section, at: Release, field: Field) -> Cell {
        if let Some(cell) = section.own(at, field) {
            return cell;
        }
        let base = match section.experiment {
            Some(_) => self.section(&section.machine, None),
            None => self
                .sections
                .first()
                .filter(|first| first.machine != section.machine && first.experiment.is_none()),
        };
        base.map_or(Cell::Unmeasured, |base| self.value(base, at, field))
    }
}

impl Section {
    fn rows(&self) -> &Rows {
        self.rows
            .get_or_init(|| rows(&self.text).unwrap_or_default())
    }

    /// The value that the section itself has as of a release.
    fn own(&self, at: Release, field: Field) -> Option<Cell> {
        let row = self.rows().of(field)?;
        row.iter().rfind(|(from, _)| *from <= at)?.1
    }

    /// Whether this field was not measured with the experiment in this minor version.
    fn lacks(&self, minor: u16, field: Field) -> bool {
        let mut releases = self.measured.iter().filter(|at| at.0 == minor);
        releases.all(|at| self.own(*at, field) == Some(Cell::Unmeasured))
    }

    /// Whether the section has values of its own for this field in this minor version.
    fn moves(&self, minor: u16, field: Field) -> bool {
        let releases = self.measured.iter().filter(|at| at.0 == minor);
        releases
            .into_iter()
            .any(|at| !matches!(self.own(*at, field), None | Some(Cell::Unmeasured)))
    }
}

/// The lines of fields that a text begins with: up to a title, a note or a line that is empty.
fn fields_at(text: &str) -> &str {
    let is_other = |line: &str| {
        line.is_empty() || line.starts_with(['[', '#', '\n']) || line.starts_with("measured ")
    };
    if is_other(text) {
        return "";
    }
    let mut ends = memchr::memchr_iter(b'\n', text.as_bytes()).map(|end| end + 1);
    let end = ends.find(|end| text.get(*end..).is_none_or(is_other));
    text.get(..end.unwrap_or(text.len())).unwrap_or_default()
}

/// Reads the lines of fields.
fn rows(text: &str) -> Result<Rows, String> {
    let mut rows = Rows {
        cells: Vec::with_capacity(text.len() / 12),
        of: vec![0..0; Field::ALL.len()],
    };
    // The lines are in the order of the fields: the next one is looked at first.
    let mut next = 0;
    for line in text.lines() {
        let (name, cells) = line.split_once(": ").ok_or_else(|| wrong(line))?;
        // A field that grtmon no longer uses does no harm.
        let Some(field) = Field::named(name, next) else {
            continue;
        };
        next = field.index() + 1;
        let start = rows.cells.len();
        for cell in cells.split(", ") {
            let cell = parse_cell(cell).ok_or_else(|| wrong(line))?;
            rows.cells.push(cell);
        }
        if let Some(of) = rows.of.get_mut(field.index()) {
            *of = start..rows.cells.len();
        }
    }
    Ok(rows)
}

fn wrong(line: &str) -> String {
    format!("not a line of the layout table: {line}")
}

fn parse_release(text: &str) -> Option<Release> {
    let (minor, patch) = text.strip_prefix("1.")?.split_once('.')?;
    Some((minor.parse().ok()?, patch.parse().ok()?))
}

fn parse_cell(text: &str) -> Option<(Release, Option<Cell>)> {
    let (from, value) = text.split_once(' ')?;
    let cell = match value {
        "=" => None,
        "-" => Some(Cell::Absent),
        "?" => Some(Cell::Unmeasured),
        number => Some(Cell::Number(number.parse().ok()?)),
    };
    Some((parse_release(from)?, cell))
}

#[cfg(test)]
mod tests;
