//! What it costs to read a large Go program. A test of its own, because it measures this process.

#![allow(clippy::unwrap_used, reason = "test code")]

mod common;

use std::fs;
use std::time::Duration;

use grtmon::go::{
    Binary, RuntimeInfo, site::go_statements::start_functions, site::runtime_functions::Runtime,
};
use grtmon::target::clock::thread_cpu;
use grtmon::target::mapped::MappedFile;

/// Debian's prometheus, if it is there: no symbols, no DWARF, 60,000 functions, 22 MB of code.
#[test]
fn a_large_stripped_program_costs_little() {
    let Some(path) = common::tool("prometheus") else {
        return;
    };
    let size = fs::metadata(&path).unwrap().len();
    let file = fs::File::open(&path).unwrap();
    let map = MappedFile::new(&file).unwrap();
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
    let grown = resident("RssAnon:") - before;
    assert!(grown < 1 << 20, "{grown} bytes for a file of {size}");

    // What the probes of gr need: all code is looked through for go statements, and a part of that stays.
    let runtime = Runtime::of(&binary);
    let runtime_info = RuntimeInfo::of_runtime(&runtime);
    let starts = start_functions(&runtime).unwrap();
    assert!(runtime_info.globals.allgs.is_some() && starts.functions.len() > 100);
    let (grown, mapped) = (resident("RssAnon:") - before, resident("RssFile:") - mapped);
    assert!(grown < 3 << 20, "{grown} bytes for a file of {size}");
    assert!(mapped < size / 3, "{mapped} bytes of a file of {size}");
    a_look_costs_less_than_a_pass(&file);
}

/// Time means nothing by itself, on a busy machine and without optimisation. But whatever it is, to read a program and look
/// something up takes less than to go through all its functions once.
fn a_look_costs_less_than_a_pass(file: &fs::File) {
    let parsed = || Binary::parse(MappedFile::new(file).unwrap()).unwrap();
    let binary = parsed();
    let pass = least(|| {
        let letters: usize = binary.functions().iter().map(|it| it.name.len()).sum();
        assert!(letters > 1_000_000);
    });
    let look = least(|| {
        let binary = parsed();
        let functions = binary.functions();
        let main = functions.by_name("main.main")[0];
        assert_eq!(functions.at(main.entry + 1), Some(main));
        assert!(functions.line(main.entry).is_some());
    });
    // Optimised, a pass is so fast that to map the file counts.
    let limit = if cfg!(debug_assertions) {
        pass
    } else {
        pass * 3
    };
    assert!(look < limit, "{look:?}, where a pass takes {pass:?}");
}

/// The least CPU time that it took, of some times.
fn least(act: impl Fn()) -> Duration {
    let once = |_| {
        let begun = thread_cpu();
        act();
        thread_cpu() - begun
    };
    (0..5).map(once).min().unwrap()
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
