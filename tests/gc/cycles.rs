//! `gc --cycles` and the lines of `GODEBUG=gctrace=1`.

use std::path::Path;

use crate::common::{
    Build, Fixture, Grtmon, PATIENCE, fixture, newest, program, require_capabilities_or_skip,
    toolchains,
};
use crate::support::{FORCED, each_method, gctrace, number, observe, run, since_first};

#[test]
fn cycles_are_those_of_gctrace() {
    each_method(|toolchain, program, method, what| {
        equal_gctrace(program, &["--attach", method], toolchain.minor(), what);
    });
}

#[test]
fn inside_a_program_in_c() {
    if require_capabilities_or_skip() {
        for strip in [false, true] {
            let build = Build {
                strip,
                ..Build::ARCHIVE
            };
            let program = fixture(newest(), build);
            equal_gctrace(&program, &[], newest().minor(), &build.name());
        }
    }
}

fn equal_gctrace(program: &Path, options: &[&str], minor: u32, what: &str) {
    let command = [&["gc", "--cycles"], options].concat();
    let (output, truth, stderr) = observe(program, &command);
    let mut seen: Vec<&str> = output.stdout.lines().collect();
    let mut trace = gctrace(&stderr);
    if minor < 21 {
        // runtime.GC says before its turn has come that the cycle was forced, which may still be another's
        // (runtime/mgc.go, gcStart).
        for line in seen.iter_mut().chain(&mut trace) {
            *line = line.trim_end_matches(" (forced)");
        }
    }
    // A program can end when a cycle is over and its line is not written yet.
    let traced = since_first(&trace, &seen);
    let (both, more) = seen.split_at(traced.len().min(seen.len()));
    assert_eq!(both, traced, "{what}");
    assert!(more.len() <= 1, "{what}: {more:?}");
    assert_eq!(seen.len() as u64, number(&truth["cycles"]), "{what}");
    assert!(!output.stderr.contains("lost"), "{what}: {}", output.stderr);
}

#[test]
fn a_command_is_seen_from_its_first_cycle() {
    if !require_capabilities_or_skip() {
        return;
    }
    let path = program(newest(), Build::STRIPPED_PIE, "forced", FORCED);
    let (stdout, stderr) = run(&["gc", "--cycles"], &path, "gctrace=1");
    let seen: Vec<&str> = stdout.lines().collect();
    assert_eq!(seen, gctrace(&stderr));
    assert!(seen.len() >= 5 && seen[0].starts_with("gc 1 @"), "{seen:?}");
}

/// Looks for a leaked goroutine while it collects garbage.
const LEAK: &str = "package main

import (
	\"io\"
	\"runtime\"
	\"runtime/pprof\"
	\"time\"
)

func main() {
	go func() { <-make(chan int) }()
	time.Sleep(10 * time.Millisecond)
	if err := pprof.Lookup(\"goroutineleak\").WriteTo(io.Discard, 0); err != nil {
		panic(err)
	}
	runtime.GC()
	time.Sleep(100 * time.Millisecond)
}
";

#[test]
fn a_search_for_leaks_is_told() {
    if !require_capabilities_or_skip() {
        return;
    }
    for toolchain in toolchains().iter().filter(|it| it.minor() >= 27) {
        let path = program(toolchain, Build::STRIPPED, "leak", LEAK);
        let (stdout, stderr) = run(&["gc", "--cycles"], &path, "gctrace=1");
        let seen: Vec<&str> = stdout.lines().collect();
        assert_eq!(seen, gctrace(&stderr));
        let telling = |line: &&&str| line.contains("(checking for goroutine leaks)");
        assert_eq!(seen.iter().filter(telling).count(), 1, "{seen:?}");
    }
}

#[test]
fn it_ends_after_so_many_rows() {
    if !require_capabilities_or_skip() {
        return;
    }
    let mut target = Fixture::start(&fixture(newest(), Build::DEFAULT), &["gc"]);
    let tool = Grtmon::start(&["gc", "--count", "3", "--cycles", "--pid", &target.pid_arg()]);
    target.process.go();
    let output = tool.end(PATIENCE).success();
    assert_eq!(output.stdout.lines().count(), 3);
    target.process.expect("done");
    target.finish();
}

/// Whose cycle a line is about says its beginning, where it can be of more than one process.
#[test]
fn lines_of_several_begin_with_the_process() {
    if !require_capabilities_or_skip() {
        return;
    }
    let program = fixture(newest(), Build::DEFAULT);
    let mut of = [(); 2].map(|()| Fixture::start(&program, &["gc"]));
    let pids = of.each_ref().map(Fixture::pid_arg);
    let tool = Grtmon::start(&["gc", "--cycles", "--pid", &pids[0], "--pid", &pids[1]]);
    of.iter_mut().for_each(Fixture::work);
    let output = tool.stop().success();
    for (process, pid) in of.into_iter().zip(&pids) {
        let own = output.stdout.lines().filter(|line| {
            let begins = line.split_once(' ').filter(|(first, _)| first == pid);
            begins.is_some_and(|(_, rest)| rest.trim_start().starts_with("gc "))
        });
        let own = own.count() as u64;
        assert_eq!(
            own,
            number(&process.finish()["cycles"]),
            "{}",
            output.stdout
        );
    }
}
