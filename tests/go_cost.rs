//! What it costs to read a large Go program. A test of its own, because it measures this process.

#![allow(clippy::unwrap_used, reason = "test code")]

mod common;

use std::fs;
use std::time::{Duration, Instant};

use grtmon::go::{
    Anatomy, Binary, site::go_statements::start_functions, site::runtime_functions::Runtime,
};
use grtmon::target::mapped::MappedFile;

/// Debian's prometheus, if it is there: no symbols, no DWARF, 60,000 functions, 22 MB of code.
#[test]
fn a_large_stripped_program_costs_little() {
    let Some(path) = common::tool("prometheus") else {
        return;
    };
    let size = fs::metadata(&path).unwrap().len();
    let map = MappedFile::new(&fs::File::open(&path).unwrap()).unwrap();
    let started = Instant::now();
    let (before, mapped) = (resident("RssAnon:"), resident("RssFile:"));
    let binary = Binary::parse(map).unwrap();
    let functions = binary.functions();
    assert_eq!(functions.by_name("runtime.newproc").len(), 2);
    let main = functions.by_name("main.main")[0];
    assert_eq!(functions.at(main.entry + 1), Some(main));
    assert!(
        functions
            .line(main.entry)
            .unwrap()
            .file
            .ends_with("cmd/prometheus/main.go")
    );
    let (took, grown) = (started.elapsed(), resident("RssAnon:") - before);
    // It takes milliseconds; but a hundred times that without optimisation, and more on a busy machine.
    let limit = Duration::from_millis(if cfg!(debug_assertions) { 10_000 } else { 200 });
    assert!(took < limit, "{took:?} for {size} bytes");
    assert!(grown < 1 << 20, "{grown} bytes for a file of {size}");

    // What the probes of gr need: all code is looked through for go statements, and a part of that stays.
    let runtime = Runtime::of(&binary);
    let anatomy = Anatomy::of_runtime(&runtime);
    let starts = start_functions(&runtime).unwrap();
    assert!(anatomy.globals.allgs.is_some() && starts.functions.len() > 100);
    let (grown, mapped) = (resident("RssAnon:") - before, resident("RssFile:") - mapped);
    assert!(grown < 3 << 20, "{grown} bytes for a file of {size}");
    assert!(mapped < size / 3, "{mapped} bytes of a file of {size}");
}

/// Memory of this process of one kind, in bytes: `RssAnon:` is not backed by a file, `RssFile:` is.
fn resident(kind: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(kind))
        .unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}
