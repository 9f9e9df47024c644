//! A process whose goroutines come and go, and whose stacks grow and shrink, while it is read again and again.

use std::collections::BTreeMap;

use grtmon::model::dump::{Dump, StackState};

use crate::{
    common::{self, Build, Fixture},
    process::Subjected,
};

/// By which functions each function of the fixture's mode `stacks` is called: nothing else can be on a stack.
const CALLERS: [(&str, &[&str]); 7] = [
    (
        "main.descend",
        &["main.descend", "main.descendWide", "main.tower"],
    ),
    ("main.descendWide", &["main.descend"]),
    ("main.expected", &["main.tower"]),
    ("main.fall", &["main.fall", "main.fallen"]),
    ("main.fallen", &["main.tower"]),
    ("main.runStacks", &["main.main"]),
    ("main.main", &["runtime.main"]),
];

/// What a goroutine of that mode begins with. What `go` starts may be a wrapper, whose name depends on the version.
const STARTS: [&str; 3] = ["main.tower", "main.runStacks.", "runtime."];

#[test]
fn no_goroutine_is_impossible() {
    let dumps = if common::full_matrix() { 1000 } else { 100 };
    for toolchain in common::toolchains() {
        let program = common::fixture(toolchain, Build::DEFAULT);
        let mut target = Fixture::start(&program, &["stacks"]);
        let process = Subjected::open(target.pid());
        let mut reader = process.reader(&process.memory);
        target.process.go();
        let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
        for _ in 0..dumps {
            let dump = reader.read(&process.memory).unwrap();
            check(&dump);
            for one in &dump.goroutines {
                let state = match one.stack {
                    StackState::Read(_) => "read",
                    StackState::Running => "running",
                    StackState::Moving => "moving",
                    StackState::Unwalkable => "unwalkable",
                    StackState::NotInCore => "not in core",
                };
                *seen.entry(state).or_default() += 1;
            }
            *seen.entry("unreadable").or_default() += dump.missing.goroutines as usize;
        }
        target.work();
        let truth = target.finish();
        assert_eq!(truth["faults"], 0, "the fixture was disturbed");
        eprintln!("go{}: {dumps} dumps, stacks {seen:?}", toolchain.version);
        assert!(seen.contains_key("read"), "{seen:?}");
    }
}

fn check(dump: &Dump) {
    let mut numbers: Vec<u64> = dump.goroutines.iter().map(|one| one.goid).collect();
    numbers.sort_unstable();
    assert!(
        numbers.windows(2).all(|pair| pair[0] < pair[1]),
        "a goroutine comes twice"
    );
    assert!(
        numbers.contains(&1),
        "the first goroutine lives as long as the program"
    );
    for one in &dump.goroutines {
        let start = one.start.as_ref().expect("a start function");
        assert!(
            STARTS.iter().any(|known| start.function.starts_with(known)),
            "{one:?}"
        );
        let created = one.created.as_ref().map(|it| it.function.as_str());
        match created {
            None => assert!(one.system || one.goid == 1, "{one:?}"),
            Some(by) => assert!(
                one.system
                    || by == "main.runStacks"
                    || by == "runtime.gcenable"
                    || by.starts_with("runtime."),
                "{one:?}"
            ),
        }
        let Some(stack) = dump.stack_of(one) else {
            continue;
        };
        let names: Vec<&str> = stack
            .frames
            .iter()
            .map(|frame| frame.place.function.as_str())
            .collect();
        // A wrapper that the compiler has made is not where a goroutine began for people, but for its stack.
        let wraps = |name: &str| {
            one.created.is_some()
                && (name.contains(".gowrap") || name.starts_with("main.runStacks.func"))
        };
        assert!(
            names
                .last()
                .is_some_and(|last| *last == start.function || wraps(last)),
            "{start:?}: {names:?}"
        );
        for (index, pair) in names.windows(2).enumerate() {
            if stack.elided.is_some_and(|(gap, _)| gap == index + 1) {
                continue;
            }
            if let Some((_, callers)) = CALLERS.iter().find(|(name, _)| *name == pair[0]) {
                let wrapper = pair[1].contains("gowrap") || pair[1].starts_with("main.runStacks.");
                assert!(
                    callers.contains(&pair[1]) || wrapper,
                    "{pair:?} in {names:?}"
                );
            }
        }
    }
}
