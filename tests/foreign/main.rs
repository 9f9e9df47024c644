//! Programs that no table knows: of a version newer than all that were measured, or that hides it; with a vendor's
//! experiments; compiled with other inlining; with members added to the runtime's structures; whose main goroutine has
//! ended. Every figure is what the program says of itself, or unknown; and where there is no reason for doubt, it is
//! known.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "test code"
)]

#[path = "../common/mod.rs"]
mod common;
mod hidden;
mod linked;
mod no_table;

use std::{collections::BTreeMap, process::Command, time::Duration};

use serde_json::Value;

use common::{Build, Process, Toolchain, command as command_of_grtmon, program, toolchains};

/// A program that stands still, and what it says of itself.
struct Still {
    process: Process,
    truth: Value,
    name: String,
    /// The versions that grtmon is not to know the structures of (`1.24,1.25`), or `all`.
    withheld: String,
}

impl Still {
    fn start(toolchain: &Toolchain, build: Build, mode: &str) -> Self {
        let (name, text) = match mode {
            "quiet" => ("quiet", include_str!("quiet.go")),
            _ => ("foreign", include_str!("program.go")),
        };
        let path = program(toolchain, build, name, text);
        let mut command = Command::new(path);
        command.arg(mode).env("GODEBUG", "asyncpreemptoff=1");
        let process = Process::start(command);
        let line = process.line().expect("the program says nothing");
        Self {
            process,
            truth: serde_json::from_str(&line).unwrap(),
            name: format!("Go {} {} {mode}", toolchain.version, build.name()),
            withheld: String::new(),
        }
    }

    /// The same with a grtmon that does not know the structures of some versions.
    fn withheld(mut self, versions: &str) -> Self {
        versions.clone_into(&mut self.withheld);
        let first = versions.split(',').next().unwrap();
        let more = if versions == first { "" } else { " and later" };
        self.name.push_str(&format!(", not knowing {first}{more}"));
        self
    }

    /// What a command says of it, line by line.
    fn lines(&self, command: &[&str]) -> Vec<Value> {
        let mut grtmon = command_of_grtmon();
        grtmon.args(command);
        grtmon.args(["--output", "json", "--pid", &self.process.pid_arg()]);
        let output = grtmon
            .env("GRTMON_LAYOUT_WITHHELD", &self.withheld)
            .output();
        let output = output.unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        let what = format!("{}, {command:?}: {said}", self.name);
        assert!(output.status.success(), "{what}");
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(!text.is_empty(), "{what}");
        let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
        lines.collect()
    }

    /// The last of these lines.
    fn line(&self, command: &[&str]) -> Value {
        self.lines(command).pop().unwrap()
    }

    /// One line of `grtmon stat`.
    fn stat(&self) -> Value {
        self.line(&["stat", "--count", "1"])
    }

    /// How many goroutines of the program's own are in which state, by the function they were started for.
    fn goroutines(&self) -> BTreeMap<String, usize> {
        let mut counted = BTreeMap::new();
        for line in self.lines(&["dump", "--all"]) {
            let frames = line["stack"].as_array().cloned().unwrap_or_default();
            let mut own = frames.iter().filter_map(|frame| frame["function"].as_str());
            if let Some(function) = own.find(|name| name.starts_with("main.")) {
                let reason = line["wait_reason"].as_str().unwrap_or("?");
                let locked = &line["locked_to_thread"];
                *counted
                    .entry(format!("{function} {reason} {locked}"))
                    .or_default() += 1;
            }
        }
        counted
    }

    /// Asserts that what is shown is so: `strict` if nothing may be unknown.
    fn check(&self, strict: bool) {
        let name = &self.name;
        let seen = self.stat();
        for (key, value) in self.truth.as_object().unwrap() {
            let unknown = seen[key].is_null() && !strict;
            assert!(
                unknown || seen[key] == *value,
                "{name}: {key} {}, not {value}",
                seen[key]
            );
        }
        let mut expected = BTreeMap::from([
            ("main.waits chan receive false", 5),
            ("main.sleeps sleep false", 3),
            ("main.locked chan receive true", 1),
        ]);
        let goroutines = self.goroutines();
        for (what, count) in &goroutines {
            let known = expected.remove(what.as_str());
            let doubtful = what.contains('?') || what.contains("null");
            let other = !["main.waits", "main.sleeps", "main.locked"]
                .iter()
                .any(|function| what.starts_with(function));
            assert!(
                known == Some(*count) || other || (doubtful && !strict),
                "{name}: {goroutines:?}"
            );
        }
        assert!(
            expected.is_empty() || !strict,
            "{name}: no {expected:?} in {goroutines:?}"
        );
    }
}

fn each(build: Build, strict: bool) {
    for toolchain in toolchains() {
        Still::start(toolchain, build, "rest").check(strict);
    }
}

const STRIPPED: Build = Build::STRIPPED;

#[test]
fn the_next_patch_release() {
    for toolchain in toolchains() {
        let version = format!("go1.{}.99", toolchain.minor());
        let build = Build {
            version: version.leak(),
            ..STRIPPED
        };
        Still::start(toolchain, build, "rest").check(true);
    }
}

#[test]
fn the_next_version() {
    let build = Build {
        version: "go1.99.0",
        ..STRIPPED
    };
    each(build, false);
}

#[test]
fn a_version_that_is_hidden() {
    for version in ["unknown", "devel"] {
        let build = Build {
            version,
            ..STRIPPED
        };
        each(build, false);
    }
}

#[test]
fn a_vendors_experiment() {
    for toolchain in toolchains() {
        let version = format!("go{} X:systemcrypto", toolchain.version);
        let build = Build {
            version: version.leak(),
            ..STRIPPED
        };
        Still::start(toolchain, build, "rest").check(true);
    }
}

#[test]
fn other_inlining() {
    for gcflags in ["-l", "-l=4", "-N -l"] {
        let build = Build {
            gcflags,
            ..STRIPPED
        };
        for toolchain in toolchains() {
            // Before Go 1.22 the heap goal is not found where all is inlined.
            let strict = gcflags != "-l=4" || toolchain.minor() >= 22;
            Still::start(toolchain, build, "rest").check(strict);
        }
    }
}

#[test]
fn a_vendors_runtime() {
    let build = Build {
        vendor: "wider",
        ..STRIPPED
    };
    each(build, false);
}

/// A hundred goroutines in a queue that lies elsewhere than the version says: they are counted, or nothing is.
#[test]
fn a_queue_that_was_moved() {
    for toolchain in toolchains() {
        assert_eq!(
            piled(toolchain, STRIPPED).map(|count| count >= 100),
            Some(true)
        );
        let build = Build {
            vendor: "wider-p",
            ..STRIPPED
        };
        piled(toolchain, build);
    }
}

/// How many wait to be run, once they do; fails if another number is shown.
fn piled(toolchain: &Toolchain, build: Build) -> Option<u64> {
    let still = Still::start(toolchain, build, "pile");
    let mut seen = Value::Null;
    for _ in 0..50 {
        seen = still.stat();
        match seen["runnable"].as_u64() {
            None => return None,
            // Those that wait later, and the runtime's own, may be in the queue too.
            Some(count) if (100..=120).contains(&count) => return Some(count),
            Some(_) => std::thread::sleep(Duration::from_millis(100)),
        }
    }
    panic!("{}: {seen}", still.name);
}

#[test]
fn a_main_goroutine_that_has_ended() {
    for toolchain in toolchains() {
        for build in [Build::DEFAULT, STRIPPED] {
            Still::start(toolchain, build, "ended").check(true);
        }
    }
}
