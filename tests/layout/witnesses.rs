//! What the runtime's code says of its structures, held against DWARF; and the list of shapes, made.
//!
//! `GRTMON_LAYOUT=shapes cargo test --test layout witnesses -- --nocapture` rewrites src/go/layout/evidence/shapes*.txt.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use grtmon::go::{
    Binary, Machine,
    layout::evidence::{Shapes, Signature, Witnesses, derive, derive_by, labels},
    layout::globals::Globals,
    layout::{Field, Layout, structure_named},
    site::runtime_functions::Runtime,
};

use crate::{
    common::{Build, Toolchain, module, toolchains},
    measure::{MACHINES, all_toolchains, build},
    order,
    signatures::signatures,
};

const DIRECTORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/go/layout/evidence");

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
    for (name, signature) in signatures.iter().filter(|it| it.1.result.is_some()) {
        shapes.declare(name, signature);
    }
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
        Some(shapes) => derive_by(shapes, &runtime, &globals, hint).0,
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
            (Some(said), Some(true_one)) if said.offset == true_one => {
                score.right.insert(*field);
            }
            (Some(said), truth) => {
                score
                    .wrong
                    .push(format!("{field}: {said:?}, DWARF {truth:?}"));
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
    fields
        .iter()
        .filter(|field| structure_named(field.structure()).is_some())
        .map(|field| field.name())
        .collect::<Vec<_>>()
        .join(" ")
}

#[test]
fn witnesses_say_what_dwarf_says() {
    if order() == "shapes" {
        return write_shapes();
    }
    for (toolchain, machine) in toolchains().iter().flat_map(|it| MACHINES.map(|m| (it, m))) {
        let binary = parse(&build(toolchain, machine, "").unwrap());
        let hint = Layout::unknown("a test");
        let score = score(None, &binary, &hint);
        println!(
            "Go {} {machine}: {} fields by code alone; not: {}",
            toolchain.version,
            score.right.len(),
            names(&score.missing)
        );
        assert!(
            score.wrong.is_empty(),
            "Go {} {machine}: {:?}",
            toolchain.version,
            score.wrong
        );
    }
}

/// One binary of which all shapes were seen.
struct Seen {
    minor: u32,
    binary: Binary,
    shapes: Shapes,
}

/// How programs are compiled whose shapes are taken: by machine, with its list.
const FLAVOURS: [(Machine, &str, &str, &[&str]); 2] = [
    (
        Machine::X86_64,
        "",
        "shapes.txt",
        &["", "-l", "-l=4", "-N -l"],
    ),
    (Machine::Aarch64, "arm64", "shapes_arm64.txt", &["", "-l"]),
];

/// Makes the lists of shapes: of all functions those that say something of a member of which few others do. What the lists
/// have of toolchains that are not at hand is kept.
fn write_shapes() {
    let chosen: Vec<Toolchain> = match std::env::var("GRTMON_TEST_GO") {
        Ok(_) => toolchains().to_vec(),
        Err(_) => all_toolchains(),
    };
    for (machine, name, file, flavours) in FLAVOURS {
        let mut seen: Vec<Seen> = Vec::new();
        let flavoured = |toolchain| flavours.iter().map(move |flags| (toolchain, *flags));
        for (toolchain, gcflags) in chosen.iter().flat_map(flavoured) {
            let build = Build {
                gcflags,
                arch: name,
                ..Build::DEFAULT
            };
            let binary = parse(&module(toolchain, build, "layout"));
            seen.push(Seen {
                minor: toolchain.minor(),
                shapes: observe(&binary, toolchain),
                binary,
            });
        }
        let before = Shapes::embedded(machine);
        let all = merge(seen.iter().map(|it| &it.shapes).chain([before]));
        println!("{} lines of all functions", all.to_string().lines().count());
        let kept = choose(&all, &seen, before);
        fs::write(Path::new(DIRECTORY).join(file), kept.to_string()).unwrap();
        println!("{} lines of the chosen", kept.to_string().lines().count());
        let wrong = try_as_new(&all, &kept, &seen);
        assert!(wrong.is_empty(), "{wrong:#?}");
    }
}

/// Tries each version as if it were new, by the shapes of the others: what is wrong then.
fn try_as_new(all: &Shapes, kept: &Shapes, seen: &[Seen]) -> Vec<String> {
    let mut wrong = Vec::new();
    let minors: BTreeSet<u32> = seen.iter().map(|it| it.minor).collect();
    for minor in minors {
        let others = seen.iter().filter(|it| it.minor != minor);
        let others = merge(others.map(|it| &it.shapes));
        let binary = &seen.iter().find(|it| it.minor == minor).unwrap().binary;
        let before = seen.iter().rfind(|it| it.minor < minor);
        let before = before.map(|it| Layout::of(&it.binary));
        let unknown = Layout::unknown("a test");
        for (what, shapes, hint) in [
            (
                "as a new version",
                &others,
                before.as_ref().unwrap_or(&unknown),
            ),
            ("as a new version, no table", &others, &unknown),
            ("all functions", all, &unknown),
            ("chosen functions", kept, &unknown),
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
            let told = score.wrong.into_iter();
            wrong.extend(told.map(|it| format!("1.{minor} {what}: {it}")));
        }
    }
    wrong
}

fn merge<'s>(all: impl Iterator<Item = &'s Shapes>) -> Shapes {
    let mut merged = Shapes::default();
    for shapes in all {
        for (function, signature) in shapes.signatures() {
            merged.declare(function, signature);
        }
        for (function, signature, shape, members) in shapes.iter() {
            merged.add(function, signature, shape.clone(), members.to_vec());
        }
    }
    merged
}

/// The functions that are needed so that every member has several witnesses in every binary.
fn choose(all: &Shapes, seen: &[Seen], before: &Shapes) -> Shapes {
    let mut wanted: BTreeMap<&str, usize> = BTreeMap::new();
    for (function, _) in before.telling() {
        *wanted.entry(function).or_default() += 1;
    }
    for Seen { binary, .. } in seen {
        let runtime = Runtime::of(binary);
        let globals = Globals::of(&runtime);
        let truth = Layout::of(binary);
        let mut witnesses = Witnesses::new(&runtime, &globals, &truth);
        for (function, signature) in all.signatures() {
            if let Some(result) = signature.result {
                witnesses.returns(function, result);
            }
        }
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
