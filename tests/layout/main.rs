//! Holds the table of layouts against real toolchains, and makes it.
//!
//! `cargo test --test layout` compares; `GRTMON_LAYOUT=write cargo test --test layout -- --nocapture`
//! measures with every toolchain (see `measure::all_toolchains`; `GRTMON_TEST_GO` narrows it down) and
//! rewrites src/go/layout/table.txt. What was measured with other toolchains is kept. Most of the time
//! goes into experiments: `GRTMON_LAYOUT=write-releases` leaves them out.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "test code"
)]

#[path = "../common/mod.rs"]
mod common;
mod confirmed;
mod first;
mod measure;
mod oracle;
mod signatures;
mod witnesses;
mod write;

use std::{collections::BTreeMap, env, fs};

use grtmon::go::{
    Binary, GoVersion, Machine, constant,
    layout::dwarf::{self, Answer, Query},
    layout::{
        Field, Layout, Release,
        table::{Cell, Table},
    },
};

use common::{Toolchain, full_matrix, toolchain, toolchains};
use measure::{
    MACHINES, Measurement, all_toolchains, build, experiments, measure, measure_experiment,
};

const TABLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/go/layout/table.txt");

/// What is to be done other than comparing.
fn order() -> String {
    env::var("GRTMON_LAYOUT").unwrap_or_default()
}

#[test]
fn the_table_is_what_toolchains_build() {
    match &*order() {
        "" | "shapes" => {}
        "write" => return write_table(true),
        "write-releases" => return write_table(false),
        other => panic!("GRTMON_LAYOUT={other}: neither write nor write-releases"),
    }
    let machines = if full_matrix() {
        &MACHINES[..]
    } else {
        &MACHINES[..1]
    };
    for toolchain in toolchains() {
        for machine in machines {
            compare(&measure(toolchain, machine, "").unwrap());
        }
    }
    if full_matrix() {
        for (version, experiment) in [("1.25.5", "greenteagc"), ("1.27.3", "nogreenteagc")] {
            compare(&measure(&toolchain(version), "amd64", experiment).unwrap());
        }
    }
}

/// Asserts that the table says what was measured.
fn compare(measured: &Measurement) {
    let (minor, patch) = measured.at;
    let mut version = GoVersion::new(minor, patch);
    version.experiments.extend(measured.experiment.clone());
    let machine = match &*measured.machine {
        "amd64" => Machine::X86_64,
        _ => Machine::Aarch64,
    };
    let layout = Layout::of_version(machine, &version);
    let wrong: Vec<String> = Field::ALL
        .iter()
        .zip(&measured.cells)
        .filter_map(|(field, cell)| {
            let number = match cell {
                Cell::Number(value) => Some(*value),
                _ => None,
            };
            let same =
                layout.offset(*field) == number && layout.exists(*field) == Some(number.is_some());
            (!same).then(|| format!("{field}: DWARF {cell:?}, table {:?}", layout.fact(*field)))
        })
        .collect();
    assert!(
        wrong.is_empty(),
        "{version} on {}: see \"Adding a Go version\" in src/go/layout/mod.rs\n{}",
        measured.machine,
        wrong.join("\n")
    );
}

#[test]
fn constants_are_what_toolchains_build() {
    let queries: Vec<Query> = constant::ALL
        .iter()
        .map(|(name, _)| Query::new(&format!("const {name}")))
        .collect();
    let mut seen = vec![false; queries.len()];
    for toolchain in toolchains() {
        let binary = build(toolchain, "amd64", "").unwrap();
        let binary = Binary::parse(fs::read(binary).unwrap()).unwrap();
        let answers = dwarf::answer(binary.image(), &queries).unwrap();
        for (index, answer) in answers.iter().enumerate() {
            let (name, value) = constant::ALL[index];
            if let Answer::Number(number) = answer {
                assert_eq!(*number, value, "{name} in Go {}", toolchain.version);
                seen[index] = true;
            }
        }
    }
    let unseen: Vec<&str> = constant::ALL
        .iter()
        .zip(&seen)
        .filter(|(_, seen)| !**seen)
        .map(|(it, _)| it.0)
        .collect();
    // Some came with Go 1.26, some went: only all versions together have them all.
    assert!(
        unseen.is_empty() || !full_matrix(),
        "not in any toolchain: {unseen:?}"
    );
}

/// What `go::process::g` takes for granted, since it is so on all machines.
#[test]
fn the_link_register_is_saved_before_the_frame_pointer() {
    let queries = ["g.sched.lr", "g.sched.bp"].map(Query::new);
    for toolchain in toolchains() {
        let binary = build(toolchain, "arm64", "").unwrap();
        let binary = Binary::parse(fs::read(binary).unwrap()).unwrap();
        let answers = dwarf::answer(binary.image(), &queries).unwrap();
        let [Answer::Number(lr), Answer::Number(bp)] = answers[..] else {
            panic!("{answers:?}, Go {}", toolchain.version);
        };
        assert_eq!(lr + 8, bp, "Go {}", toolchain.version);
    }
}

/// Measures everything and rewrites the table.
fn write_table(with_experiments: bool) {
    let chosen: Vec<Toolchain> = match env::var("GRTMON_TEST_GO") {
        Ok(_) => toolchains().to_vec(),
        Err(_) => all_toolchains(),
    };
    let old = Table::parse(&fs::read_to_string(TABLE).unwrap()).unwrap();
    let mut all: BTreeMap<(String, Option<String>, Release), Measurement> = BTreeMap::new();
    let mut keep = |it: Measurement| {
        all.insert((it.machine.clone(), it.experiment.clone(), it.at), it);
    };
    write::known(&old).into_iter().for_each(&mut keep);

    for toolchain in &chosen {
        for machine in MACHINES {
            println!("go{} {machine}", toolchain.version);
            let plain = measure(toolchain, machine, "").unwrap();
            assert_eq!(
                plain.experiment, None,
                "a toolchain with experiments of its own"
            );
            keep(plain);
        }
    }
    // All experiments with the newest release of each minor version; with the others those that move something.
    let newest = |minor| chosen.iter().rfind(|it| it.minor() == minor).unwrap();
    let mut minors: Vec<u32> = chosen.iter().map(Toolchain::minor).collect();
    minors.dedup();
    minors.retain(|_| with_experiments);
    for minor in minors {
        let with = newest(minor);
        let plain: Vec<Measurement> = MACHINES
            .iter()
            .map(|machine| measure(with, machine, "").unwrap())
            .collect();
        for name in experiments(with) {
            println!("go{} {name}", with.version);
            let Some(measured) = measure_experiment(with, MACHINES[0], &name) else {
                continue;
            };
            let moves = measured.cells != plain[0].cells;
            keep(measured);
            if !moves {
                continue;
            }
            println!("go{} {name} moves something", with.version);
            for toolchain in chosen.iter().filter(|it| it.minor() == minor) {
                for machine in MACHINES {
                    measure_experiment(toolchain, machine, &name).map(&mut keep);
                }
            }
        }
    }
    let all: Vec<Measurement> = all.into_values().collect();
    for (index, field) in Field::ALL.iter().enumerate() {
        let exists = all
            .iter()
            .any(|it| matches!(it.cells[index], Cell::Number(_)));
        assert!(
            exists,
            "{field} does not exist in any version: a misspelling?"
        );
    }
    let text = write::table(&all);
    let reread = write::known(&Table::parse(&text).unwrap());
    assert_eq!(write::table(&reread), text);
    fs::write(TABLE, text).unwrap();
}
