//! No file is longer than can be read at one sitting: what grows beyond that holds several ideas, and each gets a file.

use std::{fs, path::Path};

/// Lines that a file may have.
const MOST: usize = 400;

/// What is too long of these files, each with its text.
fn too_long(files: impl IntoIterator<Item = (String, String)>) -> Vec<String> {
    let counted = files
        .into_iter()
        .map(|(path, text)| (text.lines().count(), path));
    let long = counted.filter(|(lines, _)| *lines > MOST);
    long.map(|(lines, path)| format!("{path}: {lines} lines, of {MOST} at most"))
        .collect()
}

#[test]
fn no_source_file_is_too_long() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for directory in ["src", "tests"] {
        crate::files(&root.join(directory), &["rs", "c", "h"], &mut files);
    }
    assert!(files.iter().any(|it| it.ends_with("src/bpf/gr.bpf.c")));
    let texts = files.iter().map(|file| {
        let path = file.strip_prefix(root).unwrap().display().to_string();
        (path, fs::read_to_string(file).unwrap())
    });
    let wrong = too_long(texts);
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn one_line_too_many_is_found() {
    let file = |lines| ("src/a.rs".to_owned(), "\n".repeat(lines));
    assert_eq!(too_long([file(MOST)]), Vec::<String>::new());
    assert_eq!(too_long([file(MOST), file(MOST + 1)]).len(), 1);
}
