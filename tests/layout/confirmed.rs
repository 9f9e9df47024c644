//! How many of the fields that commands need are confirmed by the code of a binary, per Go version and machine; and the table
//! of that in docs/fields.md. `GRTMON_DOCS=write cargo test --test layout confirmed` renews it.

use std::{collections::BTreeMap, env, fs};

use grtmon::go::{
    layout::{Fact, Field, Origin},
    needs,
};

use crate::{
    common::{Build, Toolchain, toolchain},
    measure::MACHINES,
    oracle::Twins,
};

const DOCS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/fields.md");

/// The rows of the table: each minor version at one of its releases.
const RELEASES: [&str; 8] = [
    "1.19", "1.21.13", "1.22.10", "1.23.9", "1.24.11", "1.25.5", "1.26.6", "1.27.3",
];

/// What of the needed fields the code confirms, and what not.
struct Count {
    confirmed: usize,
    others: Vec<&'static str>,
}

fn count(toolchain: &Toolchain, machine: &'static str) -> Count {
    let arch = if machine == "arm64" { machine } else { "" };
    let twins = Twins::of(
        toolchain,
        Build {
            arch,
            ..Build::DEFAULT
        },
    );
    let wrong = twins.wrong();
    assert!(
        wrong.is_empty(),
        "{} {machine}: {wrong:?}",
        toolchain.version
    );
    let mut count = Count {
        confirmed: 0,
        others: Vec::new(),
    };
    let mut needed = needs::fields(needs::NEEDS.iter());
    needed.sort_unstable();
    for field in needed {
        let Fact::Known(truth, Origin::Dwarf) = twins.truth.fact(field) else {
            continue;
        };
        let said = twins.believed.trace(field).and_then(|it| it.said.as_ref());
        match said {
            Some(said) if said.offset == *truth => count.confirmed += 1,
            Some(said) => panic!(
                "{} {machine}: {field}: {said:?}, DWARF {truth}",
                toolchain.version
            ),
            None => count.others.push(field.name()),
        }
    }
    count
}

/// A row of the table.
fn row(toolchain: &Toolchain) -> String {
    let counts = MACHINES.map(|machine| count(toolchain, machine));
    let cells = counts.iter().map(|count| {
        let all = count.confirmed + count.others.len();
        format!(" {} of {all} |", count.confirmed)
    });
    let cells: String = cells.collect();
    let mut others: BTreeMap<Field, Vec<&str>> = BTreeMap::new();
    for (count, machine) in counts.iter().zip(MACHINES) {
        for field in Field::ALL
            .iter()
            .filter(|it| count.others.contains(&it.name()))
        {
            others.entry(*field).or_default().push(machine);
        }
    }
    let others = others.iter().map(|(field, machines)| match machines.len() {
        1 => format!("`{field}` ({})", machines[0]),
        _ => format!("`{field}`"),
    });
    let others: Vec<String> = others.collect();
    let release = toolchain.version.split(' ').next().unwrap();
    format!("| {release} |{cells} {} |", others.join(", "))
}

#[test]
fn fields_confirmed_by_code_are_as_the_documentation_says() {
    let text = fs::read_to_string(DOCS).unwrap();
    let is_row = |line: &&str| line.starts_with("| 1.");
    let mut rows: Vec<String> = text.lines().filter(is_row).map(str::to_owned).collect();
    let writes = env::var("GRTMON_DOCS").is_ok_and(|it| it == "write");
    let picked = env::var("GRTMON_TEST_GO").ok();
    let is_picked = |release: &&&str| {
        let list = picked.as_deref().unwrap_or("1.27.3");
        writes || crate::common::full_matrix() || list.split(',').any(|it| it == **release)
    };
    let mut seen = Vec::new();
    for release in RELEASES.iter().filter(is_picked) {
        seen.push(row(&toolchain(release)));
    }
    if writes {
        rows = seen;
        let head = text.lines().take_while(|line| !line.starts_with("| 1."));
        let tail = text
            .lines()
            .skip_while(|line| !line.starts_with("| 1."))
            .skip_while(is_row);
        let rows = rows.iter().map(String::as_str);
        let lines: Vec<&str> = head.chain(rows).chain(tail).collect();
        fs::write(DOCS, lines.join("\n") + "\n").unwrap();
    } else {
        for row in seen {
            assert!(rows.contains(&row), "docs/fields.md has no row\n{row}");
        }
    }
}
