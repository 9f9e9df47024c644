//! Memory that never answers whoever reads it: see testgo/silent. grtmon ends even so, and says why; others get their
//! rows.

use std::{fs, process::Command, thread};

use crate::common::{
    Build, Fixture, Process, fixture, newest, program, require_root_or_skip, skip,
};
use crate::{ended_in_words, grtmon_within, refused, scratch};

/// Address space that is more than enough, also for who reads aside.
const ROOM: u64 = 2 << 30;

/// One of them.
struct Silent {
    pid: u32,
    _server: Process,
}

/// Starts one; `None` where the machine does not allow it.
fn silent(mode: &str) -> Option<Silent> {
    if !require_root_or_skip() {
        return None;
    }
    let text = include_str!("../../testgo/silent/main.go");
    let program = program(newest(), Build::DEFAULT, "silent", text);
    let place = scratch(&format!("silent-{mode}"));
    let mut command = Command::new(program);
    command.arg(mode).arg(&place);
    let server = Process::start(command);
    let said = server.line().unwrap();
    let _ = fs::remove_dir(&place);
    let Ok(pid) = said.parse() else {
        skip(&format!("{mode} {said}"));
        return None;
    };
    server.expect("ready");
    Some(Silent {
        pid,
        _server: server,
    })
}

/// It lies on FUSE, or is to be filled by userfaultfd.
#[test]
fn memory_that_never_answers() {
    for mode in ["memory", "fault"] {
        let Some(target) = silent(mode) else { return };
        let pid = target.pid.to_string();
        for arguments in [
            &["dump", "--pid", &pid][..],
            &["stat", "--count", "1", "--pid", &pid],
            &["gm", "--duration", "1s", "--pid", &pid],
            &["top", "--once", "--pid", &pid],
        ] {
            let output = grtmon_within(ROOM, arguments);
            refused(&output, &[&pid, "does not answer"]);
        }
        let output = grtmon_within(ROOM, &["doctor", "--pid", &pid]);
        ended_in_words(&output);
        assert!(
            output.stdout.contains("does not answer"),
            "{}",
            output.stdout
        );
    }
}

/// Where there are no counters to be had, nothing is probed unasked: `gm` says what that would cost, and how it is asked for.
#[test]
fn probes_are_offered_where_counters_are_silent() {
    let Some(target) = silent("memory") else {
        return;
    };
    let pid = target.pid.to_string();
    let run = |source: &[&str]| {
        grtmon_within(
            ROOM,
            &[&["gm", "--duration", "100ms", "--pid", &pid][..], source].concat(),
        )
    };
    let output = run(&[]);
    let offer = "--source probes counts without them, which takes the process about ";
    refused(
        &output,
        &[&pid, "does not answer", offer, " µs of CPU time"],
    );
    assert!(!output.stderr.contains("Tracing"), "{}", output.stderr);
    // Who wants counters is not told of anything else.
    let output = run(&["--source", "counters"]);
    refused(&output, &[&pid, "does not answer"]);
    assert!(!output.stderr.contains("probes"), "{}", output.stderr);
    let output = run(&["--source", "probes"]).success();
    assert!(
        output.stderr.starts_with("Tracing allocations"),
        "{}",
        output.stderr
    );
}

/// Of one goroutine's stack a part is to be filled by userfaultfd: the process runs on, and nothing else is said of it.
#[test]
fn a_stack_that_never_answers() {
    let Some(target) = silent("stack") else {
        return;
    };
    let pid = target.pid.to_string();
    let output = grtmon_within(ROOM, &["dump", "--pid", &pid]);
    refused(&output, &[&pid, "does not answer"]);
    assert!(!output.stderr.contains("exec"), "{}", output.stderr);
    grtmon_within(ROOM, &["stat", "--count", "1", "--pid", &pid]).success();
}

/// The file of the program lies on FUSE, and nothing of it is to be had any more; or the server falls silent in the middle.
#[test]
fn a_program_that_never_answers() {
    for mode in ["program", "half"] {
        let Some(target) = silent(mode) else { return };
        let pid = target.pid.to_string();
        // At once: each waits.
        thread::scope(|scope| {
            for command in [
                &["dump"][..],
                &["stat", "--count", "1"],
                &["top", "--once"],
                &["doctor"],
                &["gm"],
                &["gr"],
                &["gr", "seq"],
                &["sched"],
                &["gc"],
            ] {
                let pid = pid.as_str();
                scope.spawn(move || {
                    let mut arguments = command.to_vec();
                    arguments.extend(["--pid", pid]);
                    let output = grtmon_within(ROOM, &arguments);
                    refused(&output, &[pid, "program", "does not answer"]);
                });
            }
            // Others are observed while it is there.
            let honest = fixture(newest(), Build::DEFAULT);
            let honest = honest.to_str().unwrap();
            let arguments = ["gc", "--duration", "1s", "--binpath", honest];
            grtmon_within(ROOM, &arguments).success();
        });
    }
}

/// The file of the program lies on FUSE, and is given: all is as it is elsewhere.
#[test]
fn a_program_that_a_server_gives() {
    let Some(target) = silent("served") else {
        return;
    };
    let pid = target.pid.to_string();
    let dump = grtmon_within(ROOM, &["dump", "--pid", &pid]).success();
    assert!(dump.stdout.contains("main.other"), "{}", dump.stdout);
    for command in ["gr", "gc"] {
        for way in [&["--pid", &pid][..], &["--binpath", &exe(target.pid)]] {
            let arguments = [&[command, "--duration", "1s"], way].concat();
            let output = grtmon_within(ROOM, &arguments).success();
            let said = &output.stderr;
            assert!(said.starts_with("Tracing "), "{said}");
            assert!(!said.contains("grtmon: "), "{said}");
        }
    }
}

/// The path of what a process runs, wherever that is mounted.
fn exe(pid: u32) -> String {
    format!("/proc/{pid}/exe")
}

/// All of them at once, and one that is like others.
#[test]
fn processes_that_never_answer_do_not_keep_others_from_being_shown() {
    let modes = ["memory", "fault", "command", "program", "half"];
    let honest = Fixture::start(&fixture(newest(), Build::DEFAULT), &["dump"]);
    let mut targets = Vec::new();
    for mode in modes {
        let Some(target) = silent(mode) else { return };
        targets.push(target);
    }
    let output = grtmon_within(ROOM, &["ps", "--output", "json"]).success();
    let frame = grtmon_within(ROOM, &["top", "--once", "--interval", "1s"]).success();
    let rows = output.json();
    let row = |pid: u32| rows.iter().find(|row| row["pid"] == pid).unwrap();
    assert!(
        row(honest.pid())["goroutines"].is_u64(),
        "{}",
        output.stdout
    );
    for target in &targets[..2] {
        let row = row(target.pid);
        assert!(row["goroutines"].is_null(), "{row}");
        let why = row["unread"].as_str().unwrap();
        assert!(why.contains("does not answer"), "{why}");
    }
    // What it is called is not known, the rest is.
    let command = row(targets[2].pid);
    assert_eq!(command["command"], "silent");
    assert!(command["goroutines"].is_u64(), "{command}");
    // That they are of Go their memory tells, if there is time for that: others are silent too, those of other tests.
    for target in &targets[3..] {
        let Some(row) = rows.iter().find(|row| row["pid"] == target.pid) else {
            assert!(
                output.stderr.contains("file system does not answer"),
                "{}",
                output.stderr
            );
            continue;
        };
        assert!(row["goroutines"].is_null(), "{row}");
        let why = row["unread"].as_str().unwrap();
        assert!(why.contains("does not answer"), "{why}");
    }
    assert!(frame.stdout.contains(&honest.pid_arg()), "{}", frame.stdout);
}
