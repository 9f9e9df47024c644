//! Goroutines and threads.

use std::{collections::BTreeMap, process::Command};

use crate::{
    common::{Build, Fixture, Process, builds, fixture, grtmon, newest, program, toolchains},
    parsed::{Profile, Stack},
    scratch::Scratch,
};

/// Number by the functions and lines of a stack.
fn counts(profile: &Profile) -> BTreeMap<Stack, u64> {
    let mut counts = BTreeMap::new();
    for sample in &profile.samples {
        let mut stack = sample.stack.clone();
        // From Go 1.23 on what is left of a thread's room for a stack is in the profile too: zeros.
        stack.retain(|it| !it.0.is_empty() && it.0 != "runtime.goexit");
        for (name, ..) in &mut stack {
            // Goroutines are shown without type arguments.
            if let Some(at) = name.find('[') {
                name.truncate(at);
            }
        }
        *counts.entry(stack).or_default() += sample.values[0];
    }
    counts
}

#[test]
fn as_the_program_says() {
    for toolchain in toolchains() {
        for build in builds(toolchain) {
            let what = format!("Go {}, {}", toolchain.version, build.name());
            let scratch = Scratch::new();
            let dir = scratch.file("");
            let mut target = Fixture::start(
                &fixture(toolchain, build),
                &["profiles", "-n", "101", "-dir", &dir],
            );
            let pid = target.pid_arg();
            let mut ours = Vec::new();
            for kind in ["goroutine", "threadcreate"] {
                let file = scratch.file(&format!("ours-{kind}.pb.gz"));
                grtmon(&["profile", kind, "--pid", &pid, "-w", &file]).success();
                ours.push(Profile::read(file.as_ref()));
            }
            target.work();
            let theirs = ["goroutine", "threadcreate"]
                .map(|kind| Profile::read(&scratch.path(&format!("{kind}.pb.gz"))));
            for (ours, theirs) in ours.iter().zip(&theirs) {
                assert_eq!(ours.types, theirs.types, "{what}");
                assert_eq!(ours.period_type, theirs.period_type, "{what}");
                assert_eq!((ours.period, &*ours.default), (1, ""), "{what}");
                assert!(ours.unix_ns > 1_000_000_000_000_000_000, "{what}");
            }
            // The first one writes them, and others began to write them.
            let parked = |profile: &Profile| {
                let mut counts = counts(profile);
                counts.retain(|stack, _| stack.iter().any(|it| it.0 == "main.parkForProfile"));
                counts
            };
            let seen = parked(&ours[0]);
            assert_eq!(seen.values().sum::<u64>(), 13, "{what}");
            assert_eq!(seen, parked(&theirs[0]), "{what}");
            // Those that there were have their stacks; more may have been created since.
            let (ours, theirs) = (counts(&ours[1]), counts(&theirs[1]));
            let noted = |counts: &BTreeMap<Stack, u64>| -> BTreeMap<Stack, u64> {
                let is_stack =
                    |it: &(&Stack, &u64)| it.0.first().is_some_and(|it| !it.1.is_empty());
                let noted = counts.iter().filter(is_stack);
                noted
                    .map(|(stack, count)| (stack.clone(), *count))
                    .collect()
            };
            assert_eq!(noted(&ours), noted(&theirs), "{what}");
            // The main thread and the monitor, however few others were needed.
            assert!(ours.values().sum::<u64>() >= 2, "{what}: {ours:?}");
            assert!(ours.keys().all(|stack| !stack.is_empty()), "{what}");
            target.finish();
        }
    }
}

/// The thread that a program begins with cannot end; it is counted as if it had, and stays in the list of threads.
#[test]
fn of_a_program_whose_first_thread_has_ended() {
    let source = include_str!("wedged.go");
    let program = program(newest(), Build::STRIPPED, "wedged", source);
    let mut target = Process::start(Command::new(program));
    target.expect("ready");
    let pid = target.pid_arg();
    let output = grtmon(&["profile", "threadcreate", "--pid", &pid, "--output", "json"]);
    let lines = output.success().json();
    let threads = lines.last().unwrap()["totals"]["threadcreate"].as_u64();
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task"))
        .unwrap()
        .count();
    assert_eq!(threads, Some(tasks as u64));
    target.close_stdin();
    target.wait();
}
