//! What it costs to read a large Go program. A test of its own, because it measures this process.

#![allow(clippy::unwrap_used, reason = "test code")]

mod common;

use std::fs;
use std::time::{Duration, Instant};

use grtmon::go::Binary;

/// Debian's prometheus, if it is there: no symbols, no DWARF, 60,000 functions.
#[test]
fn a_large_stripped_program_costs_little() {
    let Some(path) = common::tool("prometheus") else {
        return;
    };
    let size = fs::metadata(&path).unwrap().len();
    let file = fs::File::open(&path).unwrap();
    // SAFETY: nobody changes an installed program during this test.
    let map = unsafe { memmap2::Mmap::map(&file) }.unwrap();
    let started = Instant::now();
    let before = anonymous_memory();
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
    let (took, grown) = (started.elapsed(), anonymous_memory() - before);
    // It takes milliseconds; but a hundred times that without optimisation, and more on a busy machine.
    let limit = Duration::from_millis(if cfg!(debug_assertions) { 10_000 } else { 200 });
    assert!(took < limit, "{took:?} for {size} bytes");
    assert!(grown < 1 << 20, "{grown} bytes for a file of {size}");
}

/// Memory of this process that is not backed by a file, in bytes.
fn anonymous_memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"))
        .unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}
