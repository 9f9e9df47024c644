//! Tests of the tests: the product is broken in many places, one at a time, and each time a test must turn red.
//!
//! table.txt lists the places. That each is still there is checked with everything else; breaking them takes the better
//! part of an hour: `make mutations`. `GRTMON_MUTATIONS=lease,clock` picks those whose names contain one of these words.
//! What is broken is a copy of this tree, below target/mutations.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "test code"
)]

mod copy;
mod table;
mod trial;

use std::{collections::BTreeSet, path::Path};

use self::{copy::Copy, table::Mutation, trial::Outcome};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

#[test]
fn every_mutation_applies_to_these_sources() {
    let mutations = table::all();
    let names: BTreeSet<&str> = mutations.iter().map(|it| it.name).collect();
    assert_eq!(names.len(), mutations.len(), "two have one name");
    assert!(mutations.len() >= 20);
    let wrong: Vec<String> = mutations
        .iter()
        .filter_map(|it| Some(format!("{}: {}", it.name, it.place(Path::new(ROOT)).err()?)))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// As the table says, which names for each the tests that are to notice.
#[test]
#[ignore = "takes the better part of an hour: make mutations"]
fn every_mutation_turns_a_test_red() {
    let chosen = std::env::var("GRTMON_MUTATIONS").unwrap_or_default();
    let is_chosen = |it: &Mutation<'_>| {
        chosen.is_empty() || chosen.split(',').any(|word| it.name.contains(word))
    };
    let all = table::all();
    let mutations: Vec<&Mutation<'_>> = all.iter().filter(|it| is_chosen(it)).collect();
    let copy = Copy::of(Path::new(ROOT));

    let (mut unnoticed, mut noticed) = (Vec::new(), BTreeSet::new());
    for mutation in mutations {
        let (path, broken) = mutation.place(copy.tree()).unwrap();
        let (tests, outcome) = copy.with(&path, &broken, || copy.run(&mutation.tests));
        println!("{:<34} {outcome}", mutation.name);
        if outcome.is_red() {
            noticed.extend(tests);
        } else {
            unnoticed.push(mutation.name);
        }
    }
    // What is red anyway tells nothing.
    for tests in &noticed {
        let (_, outcome) = copy.run(std::iter::once(*tests));
        println!("unbroken, {tests}: {outcome}");
        assert!(matches!(outcome, Outcome::Green(1..)));
    }
    assert!(unnoticed.is_empty(), "no test turned red: {unnoticed:?}");
}
