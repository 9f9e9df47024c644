//! Containers: targets in namespaces of their own, grtmon in one, files on overlays.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

use crate::{
    common::{Fixture, Grtmon, Output, Process, copy_program, grtmon, require_root_or_skip},
    goroutines::counts_agree,
    namespaces::{Container, only_child},
    subject::{Observed, UNNAMED, list, nothing_lost, number, once},
    users::refused,
};

/// A copy of the program in a directory of the test's own.
struct Own {
    directory: PathBuf,
    program: PathBuf,
}

impl Own {
    fn of(program: &Path, name: &str) -> Self {
        let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("{name}.{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let own = directory.join("testgo");
        copy_program(program, &own);
        Self {
            directory,
            program: own,
        }
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// What came of it, of one process.
pub(crate) fn observed(truth: Value, output: Output, pid: u32) -> Observed {
    Observed {
        truth,
        output: output.success(),
        pid,
    }
}

/// Rows of events by process; `None`: without a number.
pub(crate) fn rows_by_process(output: &Output) -> BTreeMap<Option<u64>, u64> {
    let mut counts = BTreeMap::new();
    for row in output.json().iter().filter(|it| it["event"] != "end") {
        assert!(row["pid"].is_u64() || row["pid"].is_null(), "{row}");
        *counts.entry(row["pid"].as_u64()).or_insert(0) += 1;
    }
    counts
}

/// Creations and exits of the program's own goroutines, by its account.
fn events(truth: &Value) -> u64 {
    let functions = list(truth, "functions").iter();
    functions
        .map(|it| number(it, "created") + number(it, "exited"))
        .sum()
}

/// Fails unless so many rows are of the program's own goroutines and the few of the runtime.
pub(crate) fn about(rows: Option<&u64>, truth: &Value) {
    let (rows, expected) = (rows.copied().unwrap_or(0), events(truth));
    assert!(
        (expected..expected + 50).contains(&rows),
        "{rows} rows, {expected} expected"
    );
}

#[test]
fn inside_a_pid_namespace_processes_have_its_numbers() {
    once(|subject| {
        let container = Container::new();
        let mut target = container.fixture(&subject.program, &["goroutines"]);
        // Another process of the same file, which must not be counted, inside and outside.
        let mut other = container.fixture(&subject.program, &["goroutines"]);
        let mut outside = Fixture::start(&subject.program, &["goroutines"]);
        let (pid, other_pid) = (target.numbers()[1], other.numbers()[1]);
        assert_ne!(pid, target.pid);
        let pid_arg = pid.to_string();
        for method in ["multi", "perf"] {
            let tool = container.observe(&["gc", "--attach", method, "--pid", &pid_arg]);
            tool.stop().success();
        }
        let tool = container.observe(&["gr", "--output", "json", "--pid", &pid_arg]);
        target.fixture.work();
        other.fixture.work();
        outside.work();
        let output = tool.stop();
        let seen = observed(target.fixture.finish(), output, pid);
        counts_agree(&seen);
        assert!(seen.rows().iter().all(|it| it["pid"] == pid));
        assert!(number(&seen.end(), "alive_before") > 0);
        let truth = other.fixture.finish();
        assert_eq!(truth["pid"], other_pid);
    });
}

#[test]
fn inside_a_pid_namespace_those_outside_have_no_number() {
    once(|subject| {
        let own = Own::of(&subject.program, "outside");
        let container = Container::new();
        let below = Container::within(Some(&container));
        let mut inside = container.fixture(&own.program, &["goroutines"]);
        let mut deeper = below.fixture(&own.program, &["goroutines"]);
        let mut outside = Fixture::start(&own.program, &["goroutines"]);
        let mut another = Fixture::start(&own.program, &["goroutines"]);
        let (pid, below_pid) = (inside.numbers()[1], deeper.numbers()[1]);
        assert_eq!(deeper.numbers().len(), 3);

        let path = own.program.to_str().unwrap();
        let tool = container.observe(&["gr", "--output", "json", "--binpath", path]);
        inside.fixture.work();
        deeper.fixture.work();
        outside.work();
        another.work();
        let output = tool.stop().success();
        nothing_lost(output.json().last().unwrap());
        assert!(
            output.stderr.contains("outside of grtmon's PID namespace"),
            "{}",
            output.stderr
        );
        let rows = rows_by_process(&output);
        assert_eq!(rows.len(), 3, "{rows:?}");
        about(rows.get(&Some(pid.into())), &inside.fixture.finish());
        about(rows.get(&Some(below_pid.into())), &deeper.fixture.finish());
        // The goroutines of those without a number are not mixed up: every time is known that can be.
        let (one, two) = (events(&outside.finish()), events(&another.finish()));
        let nameless = rows[&None];
        assert!((one + two..one + two + 100).contains(&nameless), "{rows:?}");
        // This one calls itself, in four processes at once: it may become too dear to watch, which is said.
        let not_watched = |row: &Value| {
            row["start_fn"] == "main.recursiveStart"
                && output.stderr.contains("is called directly too often")
        };
        let mut unknown = BTreeMap::new();
        for row in output.json() {
            let named = !UNNAMED.iter().any(|name| row["start_fn"] == *name);
            if row["event"] == "exit"
                && row["pid"].is_null()
                && row["wait_ns"].is_null()
                && named
                && !not_watched(&row)
            {
                *unknown.entry(row["start_fn"].to_string()).or_insert(0) += 1;
            }
        }
        let all: i32 = unknown.values().sum();
        assert!(all < 2 * 19 + 10, "{unknown:?}");
    });
}

#[test]
fn a_process_below_is_known_by_the_number_it_has_above() {
    once(|subject| {
        let container = Container::new();
        let below = Container::within(Some(&container));
        let mut target = below.fixture(&subject.program, &["goroutines"]);
        let mut other = below.fixture(&subject.program, &["goroutines"]);
        let pid = target.numbers()[1];
        let tool = container.observe(&["gr", "--output", "json", "--pid", &pid.to_string()]);
        target.fixture.work();
        other.fixture.work();
        let output = tool.stop();
        counts_agree(&observed(target.fixture.finish(), output, pid));
    });
}

#[test]
fn each_command_works_inside_a_pid_namespace() {
    once(|subject| {
        let container = Container::new();
        let target = container.fixture(&subject.program, &["goroutines"]);
        let pid = target.numbers()[1].to_string();
        let commands: [&[&str]; 11] = [
            &["gr", "--duration", "1ms", "--alive"],
            &["gr", "seq", "--duration", "1ms"],
            &["sched", "--duration", "1ms"],
            &["gc", "--cycles", "--duration", "1ms"],
            &["gm", "--source", "probes", "--duration", "1ms"],
            &["gm", "--source", "counters", "--duration", "1ms"],
            &["dump"],
            &["stat", "--count", "1"],
            &["stat", "--metrics"],
            &["top", "--once", "--interval", "100ms"],
            &["doctor"],
        ];
        for command in commands {
            let mut arguments = command.to_vec();
            arguments.extend(["--pid", &pid]);
            container.run(&arguments).success();
        }
        let rows = container.run(&["ps", "--output", "json"]).success().json();
        assert!(rows.iter().any(|it| it["pid"] == target.numbers()[1]));
        // A command is a child in the same namespace.
        let path = subject.program.to_str().unwrap();
        let output = container.run(&["gr", "--output", "json", "--", path, "no-such-mode"]);
        let rows = output.json();
        assert!(number(rows.last().unwrap(), "created") > 0, "{output:?}");
    });
}

#[test]
fn from_outside_a_container_is_seen_through() {
    once(|subject| {
        // In a user namespace too, as rootless containers are.
        for user in [&[][..], &["--user", "--map-root-user"]] {
            let mut command = Command::new("unshare");
            command
                .args(user)
                .args(["--pid", "--fork", "--kill-child", "--mount-proc"])
                .arg(&subject.program)
                .arg("goroutines");
            let mut fixture = Fixture::start_command(command);
            let pid = only_child(fixture.pid());
            let pid_arg = pid.to_string();
            grtmon(&["dump", "--pid", &pid_arg]).success();
            grtmon(&["stat", "--count", "1", "--pid", &pid_arg]).success();
            let tool = Grtmon::start(&["gr", "--output", "json", "--pid", &pid_arg]);
            fixture.work();
            let output = tool.stop();
            let truth = fixture.finish();
            assert_eq!(truth["pid"], 1);
            counts_agree(&observed(truth, output, pid));
        }
    });
}

#[test]
fn numbers_that_are_not_those_of_proc_are_refused() {
    if !require_root_or_skip() {
        return;
    }
    for arguments in [&["gr", "--pid", "1"][..], &["dump", "--pid", "1"], &["ps"]] {
        let mut command = Command::new("unshare");
        command
            .args(["--pid", "--fork", "--kill-child"])
            .arg(env!("CARGO_BIN_EXE_grtmon"))
            .args(arguments);
        let output = Grtmon::of(Process::start(command)).end(crate::common::PATIENCE);
        refused(&output, &["/proc", "PID namespace", "--mount-proc"]);
    }
}

#[test]
fn in_a_user_namespace_capabilities_do_not_count() {
    once(|subject| {
        let target = Fixture::start(&subject.program, &["goroutines"]);
        let mut command = Command::new("unshare");
        command
            .args(["--user", "--map-root-user"])
            .arg(env!("CARGO_BIN_EXE_grtmon"))
            .args(["gr", "--binpath", subject.program.to_str().unwrap()]);
        let output = Grtmon::of(Process::start(command)).end(crate::common::PATIENCE);
        refused(&output, &["user namespace"]);
        drop(target);
    });
}
