//! What the documents say of this tree is so: links lead somewhere, files that are named exist, commands are commands.
#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::Parser;
use grtmon::cli::Cli;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Lines that README.md may have: it is for who comes new.
const README_LINES: usize = 250;

/// Each document, by its path, and its text.
fn documents() -> Vec<(PathBuf, String)> {
    let mut paths: Vec<PathBuf> = [
        "README.md",
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
    ]
    .map(|name| Path::new(ROOT).join(name))
    .to_vec();
    for entry in fs::read_dir(Path::new(ROOT).join("docs")).unwrap() {
        paths.push(entry.unwrap().path());
    }
    let text = |path: PathBuf| {
        let text = fs::read_to_string(&path).unwrap();
        (path, text)
    };
    paths.into_iter().map(text).collect()
}

#[test]
fn links_lead_somewhere() {
    let mut seen = 0;
    for (path, text) in documents() {
        for link in text.split("](").skip(1) {
            let link = link.split(')').next().unwrap();
            if link.starts_with("http") {
                continue;
            }
            let file = link.split('#').next().unwrap();
            let to = path.parent().unwrap().join(file);
            assert!(to.is_file(), "{}: {link}", path.display());
            seen += 1;
        }
    }
    assert!(seen > 10, "{seen}");
}

/// `src/go/elf/image.rs`, and `copied.rs` after it, which lies beside.
#[test]
fn files_that_are_named_exist() {
    let mut seen = 0;
    for (path, text) in documents() {
        let mut beside = PathBuf::new();
        for name in text.split('`').skip(1).step_by(2) {
            let top = name.split('/').next().unwrap();
            let is_path = ["src", "tests", "packaging", "benches", "docs", "testgo"].contains(&top)
                && !name.contains([' ', '*', '='])
                && !name
                    .chars()
                    .any(|it| it.is_ascii_uppercase() && !name.contains("README"));
            let to = if is_path {
                Path::new(ROOT).join(name)
            } else if name.ends_with(".rs") && !name.contains('/') {
                let at_top = Path::new(ROOT).join(name);
                if at_top.exists() {
                    at_top
                } else {
                    beside.join(name)
                }
            } else {
                continue;
            };
            assert!(to.exists(), "{}: {name}", path.display());
            beside = to.parent().unwrap().to_owned();
            seen += 1;
        }
    }
    assert!(seen > 60, "{seen}");
}

/// The words of a command line in a document; `$(pidof …)` is somebody's number.
fn words(line: &str) -> Vec<String> {
    let mut line = line.to_owned();
    while let Some(begin) = line.find("$(") {
        let end = line[begin..].find(')').unwrap() + begin;
        line.replace_range(begin..=end, "1");
    }
    let mut words = vec![String::new()];
    let mut quoted = false;
    for letter in line.chars() {
        match letter {
            '\'' => quoted = !quoted,
            ' ' if !quoted => words.push(String::new()),
            _ => words.last_mut().unwrap().push(letter),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[test]
fn commands_are_commands() {
    let mut seen = 0;
    for (path, text) in documents() {
        let lines = text.lines().filter_map(|line| {
            let rest = line
                .strip_prefix("# ")
                .or_else(|| line.strip_prefix("$ "))?;
            rest.starts_with("grtmon ").then_some(rest)
        });
        for line in lines {
            let line = line.split("   #").next().unwrap();
            let parsed = Cli::try_parse_from(words(line));
            if let Err(why) = parsed {
                panic!("{}: {line}\n{why}", path.display());
            }
            seen += 1;
        }
    }
    assert!(seen > 15, "{seen}");
}

#[test]
fn the_readme_is_short() {
    let text = fs::read_to_string(Path::new(ROOT).join("README.md")).unwrap();
    let lines = text.lines().count();
    assert!(lines <= README_LINES, "{lines}");
}
