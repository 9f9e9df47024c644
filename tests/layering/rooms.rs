//! Holds the order of the rooms of `src/go`: each uses only those before it, so that none can be understood only together
//! with another.

use std::{collections::BTreeMap, fs, path::Path};

use super::files;

const GO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/go");

/// The rooms, each after all that it may use. Files beside them (versions, errors, memory) are for all.
const ROOMS: [&str; 8] = [
    "elf",
    "pclntab",
    "binary",
    "isa",
    "site",
    "layout",
    "symbolize",
    "process",
];

/// In which room each name is that `src/go/mod.rs` passes on.
fn passed_on() -> BTreeMap<String, String> {
    let text = fs::read_to_string(Path::new(GO).join("mod.rs")).unwrap();
    let mut rooms = BTreeMap::new();
    for path in text.split("pub use ").skip(1) {
        let path = path.split(';').next().unwrap();
        let room = path.split("::").next().unwrap();
        let names = path.rsplit("::").next().unwrap();
        for name in names.split(|it: char| !it.is_alphanumeric()) {
            rooms.insert(name.to_owned(), room.to_owned());
        }
    }
    rooms
}

/// The program text of a file: no comments, no tests.
fn program(text: &str) -> String {
    let end = text.find("#[cfg(test)]\nmod tests").unwrap_or(text.len());
    let lines = text[..end]
        .lines()
        .map(|line| line.split("//").next().unwrap());
    lines.collect::<Vec<_>>().join("\n")
}

/// What a file names in `go`: rooms, and names that are passed on.
fn named(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    for rest in text.split("crate::go::").skip(1) {
        let word = |text: &str| -> String {
            let text = text.trim_start();
            text.chars()
                .take_while(|it| it.is_alphanumeric() || *it == '_')
                .collect()
        };
        let Some(group) = rest.strip_prefix('{') else {
            names.push(word(rest));
            continue;
        };
        let mut level = 1;
        let mut begins = true;
        for (at, letter) in group.char_indices() {
            if begins && level == 1 && letter.is_alphabetic() {
                names.push(word(&group[at..]));
                begins = false;
            }
            match letter {
                '{' => level += 1,
                '}' => level -= 1,
                ',' => begins = true,
                _ => {}
            }
            if level == 0 {
                break;
            }
        }
    }
    names
}

/// What is wrong in a file of a room.
fn violations(
    room: &str,
    path: &str,
    text: &str,
    passed: &BTreeMap<String, String>,
) -> Vec<String> {
    let place = |room: &str| ROOMS.iter().position(|it| *it == room);
    let own = place(room);
    let names = named(&program(text)).into_iter();
    let wrong = names.filter(|name| {
        let room = passed.get(name).unwrap_or(name);
        place(room) > own
    });
    wrong
        .map(|name| format!("src/go/{path}: `{room}` must not use `{name}`"))
        .collect()
}

#[test]
fn rooms_use_those_before_them_only() {
    let passed = passed_on();
    assert!(passed.len() > 15, "{passed:?}");
    let mut wrong = Vec::new();
    for room in ROOMS {
        let mut sources = Vec::new();
        files(&Path::new(GO).join(room), &["rs"], &mut sources);
        assert!(!sources.is_empty(), "{room}");
        for file in sources {
            let path = file.strip_prefix(GO).unwrap().to_str().unwrap();
            let text = fs::read_to_string(&file).unwrap();
            wrong.extend(violations(room, path, &text, &passed));
        }
    }
    // Each folder is in the list.
    for entry in fs::read_dir(GO).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if !name.ends_with(".rs") && !ROOMS.contains(&&*name) {
            wrong.push(format!("src/go/{name}: add it to ROOMS in tests/layering"));
        }
    }
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn a_way_back_is_found() {
    let passed = BTreeMap::from([("Binary".to_owned(), "binary".to_owned())]);
    let check = |room, text| violations(room, "x.rs", text, &passed).len();
    assert_eq!(check("elf", "use crate::go::binary::Binary;"), 1);
    assert_eq!(check("elf", "use crate::go::{Binary, error::GoError};"), 1);
    assert_eq!(check("isa", "fn f() { crate::go::layout::Field::ALL }"), 1);
    assert_eq!(
        check(
            "isa",
            "use crate::go::{\n    elf::image::{Image, word},\n    site::Site,\n};"
        ),
        1
    );
    assert_eq!(
        check("process", "use crate::go::{Binary, layout::Field};"),
        0
    );
    assert_eq!(check("elf", "// crate::go::site\n"), 0);
    assert_eq!(
        check(
            "elf",
            "#[cfg(test)]\nmod tests {\n use crate::go::Binary; }"
        ),
        0
    );
}
