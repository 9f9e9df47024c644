//! Writes `table.txt`; its form is described in src/go/layout/table.rs.

use std::fmt::Write;

use grtmon::go::layout::{
    Field, Release,
    table::{Cell, Table},
};

use crate::measure::{MACHINES, Measurement};

const HEADER: &str = "\
# Offsets, sizes and array lengths (bytes, elements) of the Go runtime's data structures, measured.
# Made by tests/layout from the DWARF of programs built with each of these toolchains; not to be
# edited by hand. How to read it: src/go/layout/table.rs. How to make it: src/go/layout/mod.rs.
";

/// What was measured on one processor with one experiment, oldest release first.
struct Section<'m> {
    machine: &'m str,
    experiment: Option<&'m str>,
    measured: Vec<&'m Measurement>,
}

/// The table as text.
pub(crate) fn table(measurements: &[Measurement]) -> String {
    let mut text = HEADER.to_owned();
    let sections = sections(measurements);
    for section in &sections {
        let base = sections.iter().find(|base| is_base(base, section));
        match section.experiment {
            Some(experiment) => writeln!(text, "\n[{} {experiment}]", section.machine).unwrap(),
            None => writeln!(text, "\n[{}]", section.machine).unwrap(),
        }
        let measured: Vec<String> = section.measured.iter().map(|it| release(it.at)).collect();
        writeln!(text, "measured {}", measured.join(" ")).unwrap();
        for (index, field) in Field::ALL.iter().enumerate() {
            let mut cells: Vec<String> = Vec::new();
            let mut last = base.map(|_| "=".to_owned());
            for measured in &section.measured {
                let cell = measured.cells[index];
                let inherited = base.and_then(|base| value(base, measured.at, index));
                let shown = if inherited == Some(cell) {
                    "=".to_owned()
                } else {
                    show(cell)
                };
                if last.as_ref() != Some(&shown) {
                    cells.push(format!("{} {shown}", release(measured.at)));
                    last = Some(shown);
                }
            }
            if !cells.is_empty() {
                writeln!(text, "{}: {}", field.name(), cells.join(", ")).unwrap();
            }
        }
    }
    text
}

/// What the table has already, as if it were measured anew.
pub(crate) fn known(table: &Table) -> Vec<Measurement> {
    let mut known = Vec::new();
    for section in &table.sections {
        let experiment = section.experiment.as_deref();
        for at in &section.measured {
            let cell = |field| table.cell(&section.machine, experiment, *at, field);
            known.push(Measurement {
                machine: section.machine.clone(),
                experiment: section.experiment.clone(),
                at: *at,
                cells: Field::ALL
                    .iter()
                    .map(|field| cell(*field).unwrap())
                    .collect(),
            });
        }
    }
    known
}

fn sections(measurements: &[Measurement]) -> Vec<Section<'_>> {
    let mut all: Vec<&Measurement> = measurements.iter().collect();
    let machine = |it: &Measurement| MACHINES.iter().position(|name| *name == it.machine);
    all.sort_by_key(|it| (machine(it), it.experiment.clone(), it.at));
    let mut sections: Vec<Section<'_>> = Vec::new();
    for it in all {
        let experiment = it.experiment.as_deref();
        match sections.last_mut() {
            Some(last) if last.machine == it.machine && last.experiment == experiment => {
                last.measured.push(it);
            }
            _ => sections.push(Section {
                machine: &it.machine,
                experiment,
                measured: vec![it],
            }),
        }
    }
    sections
}

/// Whether `section` is written down as a difference to `base`.
fn is_base(base: &Section<'_>, section: &Section<'_>) -> bool {
    let machine = match section.experiment {
        Some(_) => section.machine,
        None => MACHINES[0],
    };
    base.experiment.is_none()
        && base.machine == machine
        && (section.experiment.is_some() || section.machine != machine)
}

/// What a reader takes a section to hold as of a release.
fn value(section: &Section<'_>, at: Release, index: usize) -> Option<Cell> {
    let measured = section.measured.iter().rfind(|it| it.at <= at)?;
    Some(measured.cells[index])
}

fn show(cell: Cell) -> String {
    match cell {
        Cell::Number(value) => value.to_string(),
        Cell::Absent => "-".to_owned(),
        Cell::Unmeasured => "?".to_owned(),
    }
}

fn release((minor, patch): Release) -> String {
    format!("1.{minor}.{patch}")
}
