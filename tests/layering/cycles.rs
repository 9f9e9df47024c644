//! No file uses another one that, by whatever way, uses it in turn: each can be understood with what is below it.

use std::collections::{BTreeMap, BTreeSet};

use crate::uses;

/// The groups of files of which each uses all others, by whatever way.
fn cycles<'s>(edges: &BTreeMap<&'s str, BTreeSet<&'s str>>) -> Vec<BTreeSet<&'s str>> {
    let reached = |from: &'s str| {
        let mut seen = BTreeSet::new();
        let mut open: Vec<&str> = vec![from];
        while let Some(file) = open.pop() {
            open.extend(edges[file].iter().filter(|it| seen.insert(**it)));
        }
        seen
    };
    let reached: BTreeMap<&str, BTreeSet<&str>> =
        edges.keys().map(|file| (*file, reached(file))).collect();
    let mut found: Vec<BTreeSet<&str>> = Vec::new();
    for (file, others) in &reached {
        if others.contains(file) && !found.iter().any(|it| it.contains(file)) {
            let back = others.iter().filter(|it| reached[**it].contains(file));
            found.push(back.copied().collect());
        }
    }
    found
}

/// What is wrong with these files.
fn problems(texts: &BTreeMap<String, String>) -> Vec<String> {
    let edges = uses::edges(texts);
    let wrong = cycles(&edges).into_iter().map(|cycle| {
        let uses = cycle.iter().map(|file| {
            let inside = edges[file].iter().filter(|it| cycle.contains(*it)).copied();
            format!(
                "\n  src/{file} uses {}",
                inside.collect::<Vec<_>>().join(", ")
            )
        });
        format!("these use each other:{}", uses.collect::<String>())
    });
    wrong.collect()
}

#[test]
fn no_files_use_each_other() {
    let wrong = problems(&crate::texts());
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn a_cycle_is_found_however_it_is_written() {
    let problems = |files: &[(&str, &str)]| {
        let texts = files
            .iter()
            .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
        problems(&texts.collect()).len()
    };
    for files in [
        &[
            ("a/x.rs", "use super::y::Y;"),
            ("a/y.rs", "use crate::a::x::X;"),
            ("a/mod.rs", "mod x; mod y;"),
        ][..],
        &[
            ("a/x.rs", "fn f() { super::y::g() }"),
            ("a/y.rs", "use crate::{b, a::{x::{self}}};"),
            ("b.rs", ""),
        ],
        &[
            (
                "a/mod.rs",
                "mod x; pub use x::X; fn f(x: X) {} pub struct Y;",
            ),
            ("a/x.rs", "use super::Y;"),
        ],
        &[
            ("a/mod.rs", "mod x; mod y; pub use x::X;"),
            ("a/x.rs", "use super::y;"),
            ("a/y.rs", "use crate::a::X;"),
        ],
        &[
            ("a.rs", "use crate::b::B;"),
            ("b.rs", "use crate::c; fn f() { c::g() }"),
            ("c.rs", "use crate::a::A as Z;"),
        ],
        &[
            ("a.rs", "mod x; fn f() { x::g() }"),
            ("a/x.rs", "use super::super::a::A;"),
        ],
    ] {
        assert_eq!(problems(files), 1, "{files:?}");
    }
    for files in [
        &[
            ("a/mod.rs", "mod x; pub use x::X; pub struct Y;"),
            ("a/x.rs", "use super::Y;"),
        ][..],
        &[
            ("a.rs", "use crate::b::B;"),
            ("b.rs", "#[cfg(test)] mod tests { use crate::a::A; }"),
        ],
        &[
            ("a.rs", "use crate::b::B; // crate::a"),
            ("b.rs", "const A: &str = \"crate::a\";"),
        ],
        &[
            ("a/mod.rs", "mod x; mod y; pub use y::Y;"),
            ("a/x.rs", "use super::Y;"),
            ("a/y.rs", ""),
        ],
    ] {
        assert_eq!(problems(files), 0, "{files:?}");
    }
}
