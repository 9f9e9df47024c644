//! What the tests of `gc` share.

use std::path::Path;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::common::{
    Build, Fixture, Grtmon, Output, Toolchain, builds, fixture, full_matrix, methods, prebuilt,
    require_capabilities_or_skip, toolchains,
};

pub(crate) fn number(value: &Value) -> u64 {
    value
        .as_u64()
        .unwrap_or_else(|| panic!("not a number: {value}"))
}

/// The lines that `GODEBUG=gctrace=1` wrote.
pub(crate) fn gctrace(stderr: &str) -> Vec<&str> {
    stderr
        .lines()
        .filter(|line| line.starts_with("gc ") && line.contains(" @"))
        .collect()
}

/// Those of them that are about cycles from the first that was seen on.
pub(crate) fn since_first<'t>(trace: &[&'t str], seen: &[&str]) -> Vec<&'t str> {
    let cycle = |line: &str| line.split(' ').nth(1).and_then(|it| it.parse::<u32>().ok());
    let first = seen.first().and_then(|line| cycle(line));
    trace
        .iter()
        .copied()
        .filter(|line| cycle(line) >= first)
        .collect()
}

/// Each toolchain in each build; in the full matrix also builds whose runtime is laid out differently.
pub(crate) fn each(check: impl Fn(&Toolchain, PathBuf, &str)) {
    each_build(|toolchain, build, program, what| {
        let _ = build;
        check(toolchain, program, what);
    });
}

/// The same, with every way of attaching that is tried with a build.
pub(crate) fn each_method(check: impl Fn(&Toolchain, &Path, &str, &str)) {
    each_build(|toolchain, build, program, what| {
        for method in methods(build) {
            check(toolchain, &program, method, &format!("{what}, {method}"));
        }
    });
}

fn each_build(check: impl Fn(&Toolchain, Build, PathBuf, &str)) {
    if !require_capabilities_or_skip() {
        return;
    }
    for toolchain in toolchains() {
        let experiment = match toolchain.minor() {
            25 => "greenteagc",
            26 | 27 => "nogreenteagc",
            _ => "",
        };
        let mut all = builds(toolchain);
        if full_matrix() && prebuilt().is_none() && !experiment.is_empty() {
            all.push(Build {
                experiment,
                ..Build::DEFAULT
            });
        }
        for build in all {
            let what = format!("Go {}, {}", toolchain.version, build.name());
            check(toolchain, build, fixture(toolchain, build), &what);
        }
    }
}

/// Observes the fixture's mode `gc` with these arguments: what grtmon said, what the fixture knows, its stderr.
pub(crate) fn observe(program: &Path, arguments: &[&str]) -> (Output, Value, String) {
    let mut target = Fixture::start(program, &["gc"]);
    let pid = target.pid_arg();
    let tool = Grtmon::start(&[arguments, &["--pid", &pid]].concat());
    target.work();
    let output = tool.stop().success();
    let stderr = target.process.stderr();
    (output, target.finish(), stderr)
}

pub(crate) fn of_kind<'v>(lines: &'v [Value], kind: &str) -> Vec<&'v Value> {
    lines.iter().filter(|line| line["event"] == kind).collect()
}

/// Runs a program from its first instruction: the rows of grtmon and what both wrote to stderr.
pub(crate) fn run(arguments: &[&str], program: &Path, godebug: &str) -> (String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_grtmon"));
    command.args(arguments).arg("--").arg(program);
    let output = command.env("GODEBUG", godebug).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (text(output.stdout), text(output.stderr))
}

/// Collects garbage at once, five times by force. `runtime.GC` returns a moment before the line is printed.
pub(crate) const FORCED: &str = "package main

import (
	\"runtime\"
	\"time\"
)

var keep [][]byte

func main() {
	for i := 0; i < 5; i++ {
		for j := 0; j < 1000; j++ {
			keep = append(keep[:j], make([]byte, 1000))
		}
		runtime.GC()
	}
	time.Sleep(100 * time.Millisecond)
}
";
