//! A test that cannot run says so, through tests/common/skip.rs, which fails where everything has to run: it never just
//! returns, and reports success.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// What says why, or asks something that does: one of these stands in front of each `return` of a test.
const SAYS: [&str; 11] = [
    "skip(",
    "_or_skip()",
    "tool(",
    "have(",
    "prometheus_server()",
    "Crashed::new(",
    "= silent(",
    "kernel_writes_files()",
    // What a test has nothing to say about: a version of Go, a part of it that only runs when the rest starts it.
    "toolchain.minor()",
    "toolchain.version",
    "(PANICS)",
];

/// What has the words, and what tests that they are found.
const KNOW: [&str; 2] = ["tests/common/skip.rs", "tests/layering/skips.rs"];

/// Lines before a `return` that belong to it.
const BEFORE: usize = 7;

/// Where tests return without a word, in a file.
fn silent(path: &str, text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        let is_test = lines[at].trim() == "#[test]";
        at += 1;
        if !is_test {
            continue;
        }
        let indent = lines[at - 1].len() - lines[at - 1].trim_start().len();
        let end = format!("{}}}", " ".repeat(indent));
        let first = at;
        while at < lines.len() && lines[at] != end {
            let line = lines[at];
            let returns = line.trim() == "return;" || line.contains("{ return }");
            let before = &lines[first.max((at + 1).saturating_sub(BEFORE))..=at];
            let said = before
                .iter()
                .any(|line| SAYS.iter().any(|word| line.contains(word)));
            if returns && !said {
                found.push(format!("{path}:{}: returns without a word", at + 1));
            }
            at += 1;
        }
    }
    found
}

/// Words of skipping outside of the one place for them.
fn other_words(path: &str, text: &str) -> Vec<String> {
    let word = concat!("\"skip", "ped");
    let lines = text.lines().enumerate();
    let wrong = lines.filter(|(_, line)| line.contains(word));
    wrong
        .map(|(number, _)| format!("{path}:{}: skips by itself", number + 1))
        .collect()
}

#[test]
fn no_test_is_skipped_in_silence() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for directory in ["src", "tests"] {
        collect(&root.join(directory), &mut files);
    }
    let mut wrong = Vec::new();
    let mut tests = 0;
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let path = file.strip_prefix(root).unwrap().display().to_string();
        tests += text.matches("#[test]").count();
        if !KNOW.contains(&&*path) {
            wrong.extend(silent(&path, &text));
            wrong.extend(other_words(&path, &text));
        }
    }
    assert!(tests > 500, "{tests} tests were found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|it| it == "rs") {
            files.push(path);
        }
    }
}

#[test]
fn silence_is_found() {
    let test = |body: &str| format!("#[test]\nfn a_test() {{\n{body}\n}}\n");
    let silent = |body: &str| super::skips::silent("x.rs", &test(body)).len();
    assert_eq!(silent("    if !there() {\n        return;\n    }"), 1);
    assert_eq!(silent("    let Some(it) = there() else { return };"), 1);
    assert_eq!(
        silent("    if !there() {\n        skip(\"why\");\n        return;\n    }"),
        0
    );
    assert_eq!(
        silent("    let Some(it) = tool(\"it\") else { return };"),
        0
    );
    assert_eq!(
        super::skips::silent("x.rs", "fn other() {\n    return;\n}\n").len(),
        0
    );
}
