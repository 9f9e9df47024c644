//! The first day of a version that nobody has measured: what works without the table, command by command. Shown with
//! `--nocapture`; whatever is shown of the program is so.

use std::{collections::BTreeMap, fs};

use grtmon::go::{
    Binary,
    layout::{Field, Layout},
};

use crate::{
    STRIPPED, Still,
    common::{Build, Toolchain, program, toolchains},
};

#[test]
fn without_the_table() {
    for toolchain in toolchains() {
        let still = Still::start(toolchain, STRIPPED, "rest").withheld("all");
        let doctor = still.line(&["doctor"]);
        println!("Go {}", toolchain.version);
        for (command, what) in doctor["commands"].as_object().unwrap() {
            let found = what["found"].as_str().unwrap();
            let lacks: Vec<&str> = found
                .lines()
                .filter(|line| line.starts_with('?') || line.starts_with("refused"))
                .map(|line| line.split(" (").next().unwrap())
                .collect();
            let lacks = match lacks.as_slice() {
                [] => "everything".to_owned(),
                some => some.join("; "),
            };
            let (fields, confirmed) = (&what["fields"], &what["confirmed"]);
            println!("    {command}: {lacks} ({confirmed} of {fields} fields)");
        }
        still.check(false);
        // What probes and dumps cannot do without is in the code of every version.
        for command in ["gr", "gr_seq", "sched", "dump"] {
            let found = doctor["commands"][command]["found"].as_str().unwrap();
            assert!(
                !found.starts_with("refused"),
                "{}: {command}: {found}",
                still.name
            );
        }
    }
}

/// What `doctor` believes of fields, after a look at the process, that is not so by the DWARF of the same program.
fn wrong(still: &Still, truth: &Layout) -> Vec<String> {
    let doctor = still.line(&["doctor", "--fields"]);
    let shown = doctor["fields"].as_object().unwrap();
    let key = |field: &Field| field.name().to_lowercase().replace(['.', ' '], "_");
    let fields: BTreeMap<String, Field> = Field::ALL.iter().map(|it| (key(it), *it)).collect();
    let mut wrong = Vec::new();
    for (name, fact) in shown {
        let field = fields[name];
        let value = fact["value"].as_u64();
        if value.is_some() && value != truth.offset(field).map(u64::from) {
            let truth = truth.offset(field);
            wrong.push(format!("{}: {field}: {fact}, DWARF {truth:?}", still.name));
        }
    }
    wrong
}

/// Each version as if it were new: grtmon knows the structures of all others, or those of older ones only; and the program
/// says which it is, or what nobody knows. Whatever is believed of it is so.
#[test]
fn each_version_as_if_it_were_new() {
    let text = include_str!("program.go");
    let mut all = Vec::new();
    for toolchain in toolchains() {
        let path = program(toolchain, Build::DEFAULT, "foreign", text);
        let truth = Layout::of(&Binary::parse(fs::read(path).unwrap()).unwrap());
        for (version, withheld) in as_new(toolchain) {
            let build = Build {
                version,
                ..STRIPPED
            };
            let still = Still::start(toolchain, build, "rest").withheld(&withheld);
            all.extend(wrong(&still, &truth));
            still.check(false);
        }
    }
    assert!(all.is_empty(), "{}", all.join("\n"));
}

/// What a program says of its version, and which versions are not known.
fn as_new(toolchain: &Toolchain) -> Vec<(&'static str, String)> {
    let minor = toolchain.minor();
    let later: Vec<String> = (minor..=99).map(|minor| format!("1.{minor}")).collect();
    let withheld = [format!("1.{minor}"), later.join(",")];
    let said = ["", "unknown", "go1.99.0"];
    let each = |version| withheld.iter().map(move |it| (version, it.clone()));
    said.into_iter().flat_map(each).collect()
}
