//! What the runtime's functions take and return, read from its source: which arguments point to which structure.

use std::{collections::HashMap, fs, path::Path};

use grtmon::go::layout::{evidence::Signature, structure_named};

use crate::common::Toolchain;

/// Types that take one register each, besides pointers.
const PLAIN: [&str; 26] = [
    "uintptr",
    "int",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "byte",
    "bool",
    "rune",
    "unsafe.Pointer",
    "waitReason",
    "spanClass",
    "stwReason",
    "throwType",
    "traceBlockReason",
    "gcMode",
    "gcMarkWorkerMode",
    "lockRank",
    "heapArenaIdx",
    "gclinkptr",
    "pageIdx",
];

/// By the name that the function table has: `runtime.(*mheap).alloc`.
pub(crate) fn signatures(toolchain: &Toolchain) -> HashMap<String, Signature> {
    let root = toolchain
        .command()
        .args(["env", "GOROOT"])
        .output()
        .unwrap();
    let root = String::from_utf8(root.stdout).unwrap();
    let mut found = HashMap::new();
    for entry in fs::read_dir(Path::new(root.trim()).join("src/runtime")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if !name.ends_with(".go") || name.ends_with("_test.go") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        for line in text.lines().filter_map(|line| line.strip_prefix("func ")) {
            if let Some((name, signature)) = function(line) {
                found.entry(name).or_insert(signature);
            }
        }
    }
    found
}

/// Reads `(h *mheap) alloc(npages uintptr, spanclass spanClass) *mspan {`.
fn function(line: &str) -> Option<(String, Signature)> {
    let mut signature = Signature::default();
    let (receiver, rest) = match line.strip_prefix('(') {
        Some(rest) => {
            let (receiver, rest) = rest.split_once(") ")?;
            (Some(receiver), rest)
        }
        None => (None, line),
    };
    let (name, rest) = rest.split_once('(')?;
    if name.contains('[') {
        return None;
    }
    let name = match receiver {
        Some(receiver) => {
            let kind = receiver.split(' ').next_back()?;
            let structure = kind.strip_prefix('*')?;
            signature.arguments.push(pointer(kind));
            format!("runtime.(*{structure}).{name}")
        }
        None => format!("runtime.{name}"),
    };
    let (parameters, results) = closed(rest)?;
    let mut groups: Vec<(usize, &str)> = Vec::new();
    let mut names = 0;
    for parameter in split(parameters) {
        names += 1;
        if let Some((_, kind)) = parameter.split_once(' ') {
            groups.push((names, kind.trim()));
            names = 0;
        }
    }
    'all: for (count, kind) in groups {
        for _ in 0..count {
            match kind {
                _ if pointer(kind).is_some() => signature.arguments.push(pointer(kind)),
                "string" | "any" | "interface{}" => signature.arguments.extend([None, None]),
                _ if kind.starts_with("[]") => signature.arguments.extend([None; 3]),
                _ if kind.starts_with('*')
                    || kind.starts_with("func(")
                    || PLAIN.contains(&kind) =>
                {
                    signature.arguments.push(None);
                }
                _ => break 'all,
            }
        }
    }
    while signature.arguments.last() == Some(&None) {
        signature.arguments.pop();
    }
    let results = results.trim().trim_end_matches('{').trim();
    let first = results.trim_matches(['(', ')']).split(',').next()?.trim();
    signature.result = pointer(first.split(' ').next_back()?);
    Some((name, signature))
}

/// The text up to the bracket that closes, and what follows.
fn closed(text: &str) -> Option<(&str, &str)> {
    let mut depth = 1;
    for (at, character) in text.char_indices() {
        match character {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some((&text[..at], &text[at + 1..]));
        }
    }
    None
}

/// Splits at commas that are in no brackets.
fn split(text: &str) -> Vec<&str> {
    let (mut depth, mut start, mut found) = (0, 0, Vec::new());
    for (at, character) in text.char_indices() {
        match character {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                found.push(text[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    found.push(text[start..].trim());
    found.retain(|it| !it.is_empty());
    found
}

/// The structure that a type points to.
fn pointer(kind: &str) -> Option<&'static str> {
    let name = match kind {
        "guintptr" => "g",
        "muintptr" => "m",
        "puintptr" => "p",
        _ => kind.strip_prefix('*')?,
    };
    structure_named(name)
}
