//! Holds the layers: which module of `src` may name which other module, and which foreign crate is
//! known in which module only. Both are read from the source text, tests included.
#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

mod cycles;
mod rooms;
mod sizes;
mod skips;
mod source;
mod uses;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use source::mentions;

/// Each module directly under the crate root and what it may use of the others. `target` lies below
/// `probe`: a probe is attached to a target.
const LAYERS: [(&str, &[&str]); 12] = [
    ("model", &[]),
    ("go", &["model"]),
    ("target", &["go", "model"]),
    ("bpf", &["model"]),
    ("probe", &["bpf", "go", "target", "model"]),
    ("render", &["model"]),
    ("tui", &["model"]),
    ("event_loop", &["model"]),
    ("cli", &["model"]),
    ("observe", &["event_loop", "go", "target", "probe", "model"]),
    (
        "cmd",
        &[
            "cli",
            "event_loop",
            "observe",
            "go",
            "target",
            "bpf",
            "probe",
            "render",
            "tui",
            "model",
        ],
    ),
    ("main", &["cli", "cmd"]),
];

/// Foreign crates that are known in these modules only.
const FOREIGN: [(&str, &[&str]); 14] = [
    ("libc", &["probe", "target"]),
    ("libbpf_rs", &["probe", "bpf"]),
    ("plain", &["probe", "bpf"]),
    ("goblin", &["go"]),
    ("gimli", &["go"]),
    ("iced_x86", &["go"]),
    ("fastrand", &["go", "observe"]),
    ("flate2", &["go", "render", "target"]),
    ("memmap2", &["target", "probe"]),
    ("nix", &["target"]),
    ("procfs", &["target"]),
    ("clap", &["cli", "cmd"]),
    ("ratatui", &["tui"]),
    ("crossterm", &["tui", "cmd"]),
];

/// Modules in which no foreign crate is known at all.
const STD_ONLY: [&str; 1] = ["model"];

/// The only files that write to standard output or standard error: there foreign text is made harmless.
const WAYS_OUT: [&str; 5] = [
    "cmd/output.rs",
    "cmd/top/frames.rs",
    "cmd/voice.rs",
    "probe/mod.rs",
    "tui/terminal.rs",
];

/// Ways past those files, as they are written. (clippy refuses `println!` and the like.)
const PAST: [&str; 6] = [
    "stdout()",
    "stderr()",
    "Stdout::",
    "Stderr::",
    "/dev/stdout",
    "/dev/stderr",
];

/// Where in a file something is written past the ways out, given its path below `src`.
fn past_the_ways_out(path: &str, text: &str) -> Vec<String> {
    if WAYS_OUT.contains(&path) {
        return Vec::new();
    }
    let lines = text.lines().enumerate();
    let writes = |line: &str| {
        let line = line.replace("use_stderr()", "");
        PAST.iter().any(|past| line.contains(past))
    };
    let wrong = lines.filter(|(_, line)| writes(line));
    wrong
        .map(|(number, line)| format!("src/{path}:{}: {}", number + 1, line.trim()))
        .collect()
}

/// What is wrong with one file, given its path below `src`.
fn violations(path: &str, text: &str) -> Vec<String> {
    let module = path.trim_end_matches(".rs").split('/').next().unwrap();
    if module == "lib" {
        return Vec::new();
    }
    let Some((_, allowed)) = LAYERS.iter().find(|(name, _)| *name == module) else {
        return vec![format!(
            "src/{path}: add the module `{module}` to LAYERS in tests/layering"
        )];
    };
    let dependencies = dependencies();
    let mut wrong = Vec::new();
    for mention in mentions(path, text) {
        let (line, name) = (mention.line, mention.name);
        let refused = if mention.ours {
            let known = LAYERS.iter().any(|(layer, _)| *layer == name);
            known && name != module && !allowed.contains(&&*name)
        } else {
            let reserved = FOREIGN.iter().find(|(foreign, _)| *foreign == name);
            reserved.is_some_and(|(_, modules)| !modules.contains(&module))
                || STD_ONLY.contains(&module) && dependencies.contains(&name)
        };
        if refused {
            wrong.push(format!(
                "src/{path}:{line}: `{module}` must not use `{name}`"
            ));
        }
    }
    wrong
}

/// The names of the crate's dependencies, as written in Rust.
fn dependencies() -> Vec<String> {
    let manifest = include_str!("../../Cargo.toml");
    let section = manifest
        .split("\n[dependencies]")
        .nth(1)
        .unwrap()
        .split("\n[")
        .next()
        .unwrap();
    let names = section.lines().filter_map(|line| line.split_once(" = "));
    names
        .map(|(name, _)| name.trim().replace('-', "_"))
        .collect()
}

/// All files below a directory whose names end so.
fn files(directory: &Path, endings: &[&str], found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let ending = path.extension().unwrap_or_default();
        if path.is_dir() {
            files(&path, endings, found);
        } else if endings.iter().any(|it| ending == *it) {
            found.push(path);
        }
    }
}

/// The text of each file, by its path below `src`.
fn texts() -> BTreeMap<String, String> {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src"));
    let mut sources = Vec::new();
    files(root, &["rs"], &mut sources);
    assert!(sources.len() > 5, "{sources:?}");
    let texts = sources.iter().map(|file| {
        let path = file.strip_prefix(root).unwrap().to_str().unwrap();
        (path.to_owned(), fs::read_to_string(file).unwrap())
    });
    texts.collect()
}

#[test]
fn no_module_reaches_across_layers() {
    let mut wrong = Vec::new();
    for (path, text) in texts() {
        wrong.extend(violations(&path, &text));
        wrong.extend(past_the_ways_out(&path, &text));
    }
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn a_violation_is_found_however_it_is_written() {
    for (path, text) in [
        ("render/text.rs", "use crate::probe::Attached;"),
        ("render/text.rs", "use crate::{model::Row, probe};"),
        (
            "render/text.rs",
            "use crate::{\n    model::{Row, Table},\n    go::Binary,\n};",
        ),
        ("render/text.rs", "use super::super::target::Target;"),
        ("render/mod.rs", "use super::go::Binary;"),
        (
            "render/text/wide.rs",
            "fn f() { super::super::super::probe::attach() }",
        ),
        (
            "render/text.rs",
            "mod tests { use super::super::super::probe; }",
        ),
        ("render/text.rs", "fn f() -> crate::go::Binary { g() }"),
        ("render/text.rs", "use libbpf_rs::Map;"),
        ("probe/gr.rs", "use crate::render::Row;"),
        ("probe/gr.rs", "pub(crate) use ::nix::unistd;"),
        ("go/image.rs", "use {std::fs, clap::Parser};"),
        ("target/mod.rs", "#[derive(clap::Args)] struct Target;"),
        ("target/mod.rs", "extern crate goblin;"),
        ("model/row.rs", "use anyhow::Result;"),
        ("model/row.rs", "use crate::go;"),
        ("main.rs", "use grtmon::probe;"),
        ("tui/state.rs", "use crate::render::style::Style;"),
        ("render/text.rs", "use ratatui::style::Style;"),
        ("cmd/top/mod.rs", "use ratatui::Frame;"),
        ("observe/run.rs", "use crate::render::json;"),
        ("observe/run.rs", "use crate::cli::Common;"),
        ("probe/gr.rs", "use crate::observe::Session;"),
        ("novel.rs", ""),
    ] {
        assert_eq!(violations(path, text).len(), 1, "{path}: {text}");
    }
}

#[test]
fn nothing_is_printed_past_the_ways_out() {
    let print = "let _ = writeln!(std::io::stderr(), \"{line}\");";
    assert_eq!(past_the_ways_out("cmd/gr.rs", print).len(), 1);
    assert_eq!(past_the_ways_out("cmd/output.rs", print).len(), 0);
}

#[test]
fn what_is_allowed_passes() {
    for (path, text) in [
        ("render/text.rs", "use crate::model::Row; // crate::probe"),
        (
            "render/text.rs",
            "/* use crate::go; /* nested */ */ const A: &str = \"crate::probe\";",
        ),
        (
            "render/text.rs",
            "const A: &str = r#\"\" crate::go::x\"#; const B: char = '\"';",
        ),
        (
            "render/text.rs",
            "fn f<'a>(x: &'a str) -> crate::model::Row<'a> { y(x) }",
        ),
        ("render/text.rs", "use super::probe; use self::target::t;"),
        ("render/text/wide.rs", "mod tests { use super::super::go; }"),
        (
            "probe/gr.rs",
            "use crate::{bpf::gr::GrSkel, go::Site, target::Target}; use plain::Plain;",
        ),
        (
            "model/row.rs",
            "use std::fmt; use super::histogram::Histogram;",
        ),
        (
            "cmd/gr.rs",
            "use crate::{probe, render, target}; use clap::Args;",
        ),
        (
            "tui/draw/mod.rs",
            "use crate::model::top::Point; use crate::tui::state::State; use ratatui::buffer::Buffer;",
        ),
        ("go/image.rs", "let goblin = 1; fn plain() {} x.nix();"),
    ] {
        assert_eq!(
            violations(path, text),
            Vec::<String>::new(),
            "{path}: {text}"
        );
    }
}
