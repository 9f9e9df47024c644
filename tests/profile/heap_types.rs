//! What a heap is made of, against what the program knows of it.

use std::{collections::BTreeMap, path::Path, process::Command};

use serde_json::Value;

use crate::{
    common::{Build, Fixture, builds, fixture, grtmon, newest, program, toolchains},
    parsed::Profile,
    scratch::Scratch,
};

/// Objects and bytes, by type; and what was said besides.
struct Composition {
    rows: BTreeMap<String, (u64, u64)>,
    stderr: String,
}

impl Composition {
    fn read(target: &Fixture, arguments: &[&str]) -> Self {
        let pid = target.pid_arg();
        let all = ["profile", "heap", "--types", "--pid", &pid, "-o", "json"];
        let output = grtmon(&[&all[..], arguments].concat()).success();
        let mut rows = BTreeMap::new();
        for line in output.json() {
            if line["event"] == "sample" {
                let number = |name: &str| line["values"][name].as_u64().unwrap();
                let name = line["stack"][0]["function"].as_str().unwrap();
                let counts = (number("heap_objects"), number("heap_bytes"));
                assert!(rows.insert(name.to_owned(), counts).is_none(), "{name}");
            }
        }
        Self {
            rows,
            stderr: output.stderr,
        }
    }

    fn total(&self) -> (u64, u64) {
        let rows = self.rows.values();
        rows.fold((0, 0), |sum, row| (sum.0 + row.0, sum.1 + row.1))
    }

    fn objects(&self, name: &str) -> u64 {
        self.rows.get(name).map_or(0, |row| row.0)
    }
}

fn number(truth: &Value, name: &str) -> u64 {
    truth[name].as_u64().unwrap()
}

/// Names of types as they are since Go 1.20 at least.
fn has_types(toolchain_version: &str) -> bool {
    !["1.19", "1.20", "1.21"]
        .iter()
        .any(|old| toolchain_version.starts_with(old))
}

/// What the runtime itself allocates in an idle program, as for a thread or a timer: after the program has read its statistics.
const OWN_OBJECTS: u64 = 8;
const OWN_BYTES: u64 = 16 << 10;

/// Held against what the program says. It reads its statistics before it is read itself, and does nothing between.
fn check(program: &Path, has_types: bool, what: &str) {
    let mut target = Fixture::start(program, &["types", "-n", "5003", "-garbage", "307"]);
    let read = Composition::read(&target, &[]);
    target.work();
    let truth = target.finish();
    let (objects, bytes) = read.total();
    let more_objects = objects.checked_sub(number(&truth, "heap_objects"));
    let more_bytes = bytes.checked_sub(number(&truth, "heap_alloc"));
    let is_right = more_objects.is_some_and(|more| more <= OWN_OBJECTS)
        && more_bytes.is_some_and(|more| more <= OWN_BYTES);
    assert!(
        is_right,
        "{what}: {objects} objects, {bytes} bytes: {truth}"
    );
    assert!(
        read.stderr.contains("allocated and not swept"),
        "{}",
        read.stderr
    );
    assert!(!read.stderr.contains("warning"), "{what}: {}", read.stderr);
    if !has_types {
        assert!(
            read.stderr.contains("before Go 1.22"),
            "{what}: {}",
            read.stderr
        );
        let mut sizes: BTreeMap<String, u64> = BTreeMap::new();
        for (name, (objects, _)) in &read.rows {
            let size = name.strip_prefix("[unknown, ").unwrap();
            if let Some((size, _)) = size.split_once(" bytes") {
                *sizes.entry(size.to_owned()).or_default() += objects;
            }
        }
        for (size, objects) in truth["by_size"].as_object().unwrap() {
            let read = sizes.get(size).copied().unwrap_or(0);
            // Larger ones are not told by the runtime.
            if size != "0" {
                let more = read.checked_sub(objects.as_u64().unwrap());
                let is_right = more.is_some_and(|more| more <= OWN_OBJECTS);
                assert!(is_right, "{what}: {read} objects of {size} bytes: {truth}");
            }
        }
        return;
    }
    for (name, objects) in truth["kept"].as_object().unwrap() {
        // What has died is counted as long as it is there.
        let dead = match name == "main.typesBig" {
            true => number(&truth, "garbage"),
            false => 0,
        };
        let objects = objects.as_u64().unwrap() + dead;
        let found = read.objects(name);
        // Of these there are others.
        let is_common = ["string", "[]uint8", "chan int"].contains(&&**name);
        assert!(
            found == objects || is_common && found > objects && found < objects + 500,
            "{what}: {found} of {name}, not {objects}"
        );
    }
}

#[test]
fn as_the_program_knows() {
    for toolchain in toolchains() {
        for build in builds(toolchain) {
            let program = fixture(toolchain, build);
            let what = format!("Go {}, {}", toolchain.version, build.name());
            check(&program, has_types(&toolchain.version), &what);
        }
    }
}

/// While it allocates, and collects garbage all the time, what is read is nearly right, and what was not read is said.
#[test]
fn of_a_busy_program() {
    let program = fixture(newest(), Build::STRIPPED_PIE);
    let mut target = Fixture::start(&program, &["types", "-busy"]);
    for _ in 0..10 {
        let read = Composition::read(&target, &[]);
        let found = read.objects("main.typesSquare");
        assert_eq!(found, 3 * 10007 + 1, "{}", read.stderr);
    }
    target.work();
    target.finish();
}

#[test]
fn files_and_tables() {
    let program = fixture(newest(), Build::STRIPPED);
    let mut target = Fixture::start(&program, &["types", "-n", "1009"]);
    let pid = target.pid_arg();
    let of = |more: &[&str]| {
        let all = [&["profile", "heap", "--types", "--pid", &pid], more].concat();
        grtmon(&all)
    };
    let scratch = Scratch::new();
    let file = scratch.file("types.pb.gz");
    of(&["-w", &file]).success();
    let profile = Profile::read(file.as_ref());
    let types: Vec<&str> = profile.types.iter().map(|it| it.0.as_str()).collect();
    assert_eq!(types, ["heap_objects", "heap_bytes"]);
    let table = of(&["--top", "3", "--fn", "^main\\.typesSq"]).success();
    let lines: Vec<&str> = table.stdout.lines().collect();
    assert_eq!(lines.len(), 2, "{}", table.stdout);
    let words: Vec<&str> = lines[1].split_whitespace().collect();
    assert_eq!(words[2..], ["100.0%", "3028", "main.typesSquare"]);
    let folded = of(&["-o", "folded", "--count", "heap_objects"]).success();
    assert!(
        folded.stdout.contains("main.typesSquare 3028\n"),
        "{}",
        folded.stdout
    );
    let refused = of(&["--max-memory", "10K"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        refused.stderr.contains("--max-memory"),
        "{}",
        refused.stderr
    );
    target.work();
    target.finish();
}

#[test]
fn offered_where_there_is_no_other() {
    let source = include_str!("without.go");
    let program = program(newest(), Build::STRIPPED, "without-profile", source);
    let mut target = crate::common::Process::start(Command::new(program));
    target.expect("ready");
    let output = grtmon(&["profile", "heap", "--pid", &target.pid_arg()]);
    assert!(
        output.stderr.contains("profile heap --types"),
        "{}",
        output.stderr
    );
    grtmon(&["profile", "heap", "--types", "--pid", &target.pid_arg()]).success();
    target.close_stdin();
    target.wait();
}
