//! What the runtime's code says of its structures, held against DWARF; and the list of shapes, made.
//!
//! `GRTMON_LAYOUT=shapes cargo test --test layout witnesses -- --nocapture` rewrites src/go/layout/evidence/shapes.txt.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use grtmon::go::{
    Binary,
    layout::evidence::{Shapes, Signature, Witnesses, derive, derive_by, labels, structure},
    layout::globals::Globals,
    layout::{Field, Layout},
    site::runtime_functions::Runtime,
};

use crate::{
    common::{Toolchain, toolchains},
    measure::{all_toolchains, build},
    order,
    signatures::signatures,
};

const SHAPES: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/src/go/layout/evidence/shapes.txt"
);

/// For so many functions a member is looked for in every version.
const ENOUGH: usize = 4;

/// What all functions of a binary do, by the truth of that binary.
fn observe(binary: &Binary, toolchain: &Toolchain) -> Shapes {
    let runtime = Runtime::of(binary);
    let truth = Layout::of(binary);
    let labels = labels(&truth);
    let mut witnesses = Witnesses::new(&runtime, &Globals::of(&runtime), &truth);
    let signatures = signatures(toolchain);
    for (name, signature) in &signatures {
        if let Some(result) = signature.result {
            witnesses.returns(name, result);
        }
    }
    let mut shapes = Shapes::default();
    for name in runtime.names().collect::<BTreeSet<_>>() {
        let none = Signature::default();
        let signature = signatures.get(name).unwrap_or(&none);
        for (shape, offsets) in witnesses.shapes(name, signature) {
            let members = offsets
                .iter()
                .map(|offset| labels.get(&(shape.structure, *offset)).copied());
            let members = members.collect();
            shapes.add(name, signature, shape, members);
        }
    }
    shapes
}

fn parse(path: &Path) -> Binary {
    Binary::parse(fs::read(path).unwrap()).unwrap()
}

/// Right, wrong (with what is said instead), and not said.
struct Score {
    right: BTreeSet<Field>,
    wrong: Vec<String>,
    missing: BTreeSet<Field>,
}

fn score(shapes: Option<&Shapes>, binary: &Binary, hint: &Layout) -> Score {
    let runtime = Runtime::of(binary);
    let globals = Globals::of(&runtime);
    let truth = Layout::of(binary);
    let found = match shapes {
        Some(shapes) => derive_by(shapes, &runtime, &globals, hint),
        None => derive(&runtime, &globals, hint),
    };
    let mut score = Score {
        right: BTreeSet::new(),
        wrong: Vec::new(),
        missing: BTreeSet::new(),
    };
    for field in Field::ALL
        .iter()
        .filter(|field| !field.name().contains(' '))
    {
        match (found.get(field), truth.offset(*field)) {
            (Some((said, _)), Some(true_one)) if *said == true_one => {
                score.right.insert(*field);
            }
            (Some((said, votes)), truth) => {
                score
                    .wrong
                    .push(format!("{field} {said} ({votes}), DWARF {truth:?}"));
            }
            (None, Some(_)) => {
                score.missing.insert(*field);
            }
            (None, None) => {}
        }
    }
    score
}

fn names(fields: &BTreeSet<Field>) -> String {
    let known = grtmon::go::layout::evidence::STRUCTURES;
    fields
        .iter()
        .filter(|field| known.contains(&structure(**field)))
        .map(|field| field.name())
        .collect::<Vec<_>>()
        .join(" ")
}

#[test]
fn witnesses_say_what_dwarf_says() {
    if order() == "shapes" {
        return write_shapes();
    }
    for toolchain in toolchains() {
        let binary = parse(&build(toolchain, "amd64", "").unwrap());
        let hint = Layout::unknown("a test");
        let score = score(None, &binary, &hint);
        println!(
            "Go {}: {} fields by code alone; not: {}",
            toolchain.version,
            score.right.len(),
            names(&score.missing)
        );
        assert!(
            score.wrong.is_empty(),
            "Go {}: {:?}",
            toolchain.version,
            score.wrong
        );
    }
}

/// Makes the list of shapes: of all functions those that say something of a member of which few others do.
fn write_shapes() {
    let chosen: Vec<Toolchain> = match std::env::var("GRTMON_TEST_GO") {
        Ok(_) => toolchains().to_vec(),
        Err(_) => all_toolchains(),
    };
    let mut seen: Vec<(u32, Binary, Shapes)> = Vec::new();
    for toolchain in &chosen {
        let binary = parse(&build(toolchain, "amd64", "").unwrap());
        let shapes = observe(&binary, toolchain);
        seen.push((toolchain.minor(), binary, shapes));
    }
    let all = merge(seen.iter().map(|it| &it.2));
    println!("{} lines of all functions", all.to_string().lines().count());
    let kept = choose(&all, &seen);
    fs::write(SHAPES, kept.to_string()).unwrap();
    println!("{} lines of the chosen", kept.to_string().lines().count());
    let minors: BTreeSet<u32> = seen.iter().map(|it| it.0).collect();
    for minor in minors {
        let others = merge(seen.iter().filter(|it| it.0 != minor).map(|it| &it.2));
        let (_, binary, _) = seen.iter().rfind(|it| it.0 == minor).unwrap();
        let before = seen
            .iter()
            .rfind(|it| it.0 < minor)
            .map(|it| Layout::of(&it.1));
        let hint = before.unwrap_or_else(|| Layout::unknown("a test"));
        for (what, shapes, hint) in [
            ("as a new version", &others, &hint),
            (
                "as a new version, no table",
                &others,
                &Layout::unknown("a test"),
            ),
            ("all functions", &all, &Layout::unknown("a test")),
            ("chosen functions", &kept, &Layout::unknown("a test")),
        ] {
            let score = score(Some(shapes), binary, hint);
            println!(
                "1.{minor} {what}: {} right, wrong {:?}",
                score.right.len(),
                score.wrong
            );
            if what.starts_with("as a new") || what.starts_with("chosen") {
                println!("    missing {}", names(&score.missing));
            }
        }
    }
    if let Ok(directory) = std::env::var("GRTMON_EVIDENCE") {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|it| it == "go") {
                continue;
            }
            let score = score(Some(&kept), &parse(&path), &Layout::unknown("a test"));
            println!(
                "{}: {} right, wrong {:?}",
                path.display(),
                score.right.len(),
                score.wrong
            );
        }
    }
}

fn merge<'s>(all: impl Iterator<Item = &'s Shapes>) -> Shapes {
    let mut merged = Shapes::default();
    for shapes in all {
        for (function, signature, shape, members) in shapes.iter() {
            merged.add(function, signature, shape.clone(), members.to_vec());
        }
    }
    merged
}

/// The functions that are needed so that every member has several witnesses in every binary.
fn choose(all: &Shapes, seen: &[(u32, Binary, Shapes)]) -> Shapes {
    let none = Layout::unknown("a test");
    let mut wanted: BTreeMap<&str, usize> = BTreeMap::new();
    for (_, binary, _) in seen {
        let runtime = Runtime::of(binary);
        let globals = Globals::of(&runtime);
        let truth = Layout::of(binary);
        let labels = labels(&truth);
        let mut witnesses = Witnesses::new(&runtime, &globals, &truth);
        for (function, signature) in all.signatures() {
            if let Some(result) = signature.result {
                witnesses.returns(function, result);
            }
        }
        let _ = (&none, &labels);
        let mut said: BTreeMap<Field, Vec<&str>> = BTreeMap::new();
        for (function, signature) in all.signatures() {
            for (shape, offsets) in witnesses.shapes(function, signature) {
                for (field, _) in all.members(function, signature, &shape, &offsets) {
                    said.entry(field).or_default().push(function);
                }
            }
        }
        for functions in said.values_mut() {
            // Those that are wanted already come first, then small ones.
            functions.sort_by_key(|name| std::cmp::Reverse(wanted.get(name).copied()));
            for name in functions.iter().take(ENOUGH) {
                *wanted.entry(name).or_default() += 1;
            }
        }
    }
    let mut kept = all.clone();
    kept.retain(|name| wanted.contains_key(name));
    kept
}
