//! What grtmon reads is what the runtime prints.

use crate::{
    common::{self, Build, Embedded, Fixture, grtmon},
    text::{self, Goroutine},
};

/// All frames at or above this many may be cut by the runtime itself (Go until 1.20 prints 100, some of them hidden, and
/// does not always say so).
const CUT: usize = 90;

/// Compares one goroutine: `theirs` is by the runtime, which prints 50 frames at each end of a deep stack (since Go
/// 1.21).
fn compare(number: u64, ours: &Goroutine, theirs: &Goroutine, minor: u32) {
    assert_eq!(ours.state, theirs.state, "goroutine {number}");
    assert_eq!(ours.created, theirs.created, "goroutine {number}");
    let count = theirs.frames.len();
    match theirs.elided {
        None if minor <= 20 && count >= CUT => {
            assert_eq!(ours.frames[..count], theirs.frames, "goroutine {number}");
        }
        Some((count, _)) if minor <= 20 => {
            assert_eq!(
                ours.frames[..count],
                theirs.frames[..count],
                "goroutine {number}"
            );
        }
        None => assert_eq!(ours.frames, theirs.frames, "goroutine {number}"),
        Some((first, _)) => {
            let last = count - first;
            let (head, tail) = theirs.frames.split_at(first);
            assert_eq!(&ours.frames[..first], head, "goroutine {number}");
            assert_eq!(
                &ours.frames[ours.frames.len() - last..],
                tail,
                "goroutine {number}"
            );
            assert_eq!(ours.depth(), theirs.depth(), "goroutine {number}");
        }
    }
}

#[test]
fn every_goroutine_is_as_the_runtime_prints_it() {
    for toolchain in common::toolchains() {
        for build in common::builds(toolchain) {
            equal(toolchain, build);
        }
    }
}

/// As most programs with C code in them are shipped; the other builds are in the matrix.
#[test]
fn with_c_code_too() {
    equal(common::newest(), Build::CGO);
}

#[test]
fn inside_a_program_in_c() {
    equal(common::newest(), Build::ARCHIVE);
}

fn equal(toolchain: &common::Toolchain, build: Build) {
    let program = common::fixture(toolchain, build);
    let mut target = Fixture::start(&program, &["dump"]);
    let output = grtmon(&["dump", "--all", "--pid", &target.pid_arg()]).success();
    target.work();
    let truth = target.finish();
    let theirs = truth["after"].as_str().unwrap();
    let name = format!("go{} {}", toolchain.version, build.name());
    assert_eq!(truth["before"], theirs, "{name}: the fixture was not quiet");

    let mut ours = text::parse(&output.stdout);
    let theirs = text::parse(theirs);
    // The first goroutine, or the one that a program in C has called, was in a system call, and has printed the others since.
    let (number, state) = match build.embedded {
        Embedded::No => (1, "syscall"),
        _ => (17, "syscall, locked to thread"),
    };
    let first = ours.remove(&number).expect("no first goroutine");
    assert_eq!(first.state, state, "{name}");
    let functions: Vec<&str> = first.frames.iter().map(|(name, _)| name.as_str()).collect();
    let main = functions.iter().position(|it| *it == "main.main").unwrap();
    assert!(
        functions[..=main].ends_with(&["main.await", "main.ready", "main.runDump", "main.main"]),
        "{name}: {functions:?}"
    );
    assert_eq!(main + 1 == functions.len(), number == 1, "{functions:?}");

    let numbers = |all: &std::collections::BTreeMap<u64, Goroutine>| -> Vec<u64> {
        all.keys().copied().collect()
    };
    assert_eq!(numbers(&ours), numbers(&theirs), "{name}");
    for (number, ours) in &ours {
        compare(*number, ours, &theirs[number], toolchain.minor());
    }
    eprintln!("{name}: {} goroutines are equal", theirs.len());
}

#[test]
fn counts_are_exact() {
    let program = common::fixture(common::newest(), Build::STRIPPED_PIE);
    let mut target = Fixture::start(&program, &["parked", "-n", "10007"]);
    target.go_until("parked");
    let pid = target.pid_arg();
    let groups = grtmon(&["dump", "--output", "json", "--pid", &pid]).success();
    let groups = groups.json();
    assert_eq!(groups[0]["count"], 10_007);
    assert_eq!(groups[0]["start"], "main.park");
    assert_eq!(groups[0]["created_by"]["function"], "main.parkAll");
    assert_eq!(groups[0]["creator_goid"], 1);
    assert_eq!(groups[0]["states"][0]["state"], "chan receive");
    let end = groups.last().unwrap();
    assert_eq!(end["goroutines"], 10_008);
    assert_eq!((&end["unreadable"], &end["moving"]), (&0.into(), &0.into()));

    let all = grtmon(&["dump", "--all", "--output", "json", "--pid", &pid]).success();
    let all = all.json();
    let parked = all.iter().filter(|one| one["start"] == "main.park");
    let mut numbers: Vec<u64> = parked.map(|one| one["goid"].as_u64().unwrap()).collect();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), 10_007);
    target.go_until("done");
    target.finish();
}
