//! How things are started: commands by grtmon, and grtmon itself with signals ignored. Status and signals pass as from a
//! shell.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use nix::sys::signal::Signal;

use crate::{
    common::{Fixture, Grtmon, Output, PATIENCE, Process},
    lifecycle::counted,
    subject::{each_toolchain, nothing_lost, once},
};

/// Runs `grtmon … -- PROGRAM MODE…`; the program talks on stderr, since it has its stdout from grtmon.
fn start_command(arguments: &[&str]) -> Process {
    let mut command = Command::new(env!("CARGO_BIN_EXE_grtmon"));
    command.args(arguments).env("TESTGO_TALK", "stderr");
    Process::start(command)
}

fn end_command(mut process: Process) -> Output {
    let (status, lines) = process.wait();
    let stdout = lines.iter().map(|it| format!("{it}\n")).collect();
    Output {
        status,
        stdout,
        stderr: process.stderr(),
    }
}

#[test]
fn a_command_is_observed_from_its_first_instruction() {
    each_toolchain(|subject| {
        let program = subject.program.to_str().unwrap();
        let mut process = start_command(&[
            "gr", "--output", "json", "--", program, "churn", "-n", "1009",
        ]);
        process.close_stdin();
        let output = end_command(process).success();
        let lines = output.json();
        let (end, rows) = lines.split_last().unwrap();
        nothing_lost(end);
        assert_eq!(counted(rows, "exit", "main.churn"), 1009);
        // The very first goroutine of all.
        let first = rows.iter().find(|it| it["event"] == "create").unwrap();
        assert_eq!(
            (&first["fn"], &first["goid"]),
            (&"runtime.main".into(), &1.into())
        );
    });
}

#[test]
fn the_status_of_a_command_is_passed_on() {
    once(|subject| {
        let program = subject.program.to_str().unwrap();
        let mut process = start_command(&["gr", "--", program, "no-such-mode"]);
        process.close_stdin();
        assert_eq!(end_command(process).status.code(), Some(2));

        // Killed by a signal: 128 and its number, as shells have it.
        let mut process = start_command(&["gm", "--", program, "die"]);
        process.close_stdin();
        assert_eq!(end_command(process).status.code(), Some(128 + 9));
    });
}

#[test]
fn signals_go_on_to_a_command() {
    once(|subject| {
        let program = subject.program.to_str().unwrap();
        for (signal, code) in [(Signal::SIGTERM, 128 + 15), (Signal::SIGINT, 128 + 2)] {
            // What runs in the background of a script inherits that SIGINT is ignored, and Go keeps it so.
            let mut command = Command::new("env");
            command.args(["--default-signal=INT", env!("CARGO_BIN_EXE_grtmon")]);
            // Waits for a line on stdin that never comes.
            command.args(["gc", "--", program, "churn"]);
            command.env("TESTGO_TALK", "stderr");
            let mut process = Process::start(command);
            process.expect_stderr("ready");
            process.signal(signal);
            assert_eq!(end_command(process).status.code(), Some(code));
        }
    });
}

/// Whether it is grtmon by now, and no more what has started it.
fn is_grtmon(process: &Process) -> bool {
    let name = std::fs::read_to_string(format!("/proc/{}/comm", process.pid()));
    name.is_ok_and(|it| it.trim_end() == "grtmon")
}

#[test]
fn a_signal_that_was_ignored_stays_so() {
    once(|subject| {
        let mut target = Fixture::start(&subject.program, &["stacks"]);
        let pid = target.pid_arg();
        target.process.go();
        let commands: [&[&str]; 6] = [
            &["gr"],
            &["gr", "seq"],
            &["gm", "--source", "counters"],
            &["gc"],
            &["sched"],
            &["sched", "--source", "counters"],
        ];
        // What nohup, a shell with a job in its background, and a supervisor do.
        let ways = [
            ("HUP", "INT,TERM", Signal::SIGHUP, Signal::SIGTERM),
            ("INT", "HUP,TERM", Signal::SIGINT, Signal::SIGTERM),
            ("TERM", "HUP,INT", Signal::SIGTERM, Signal::SIGINT),
        ];
        for command in commands {
            for (ignored, others, deaf_to, ends_by) in ways {
                let mut started = Command::new("env");
                started.arg(format!("--ignore-signal={ignored}"));
                started.arg(format!("--default-signal={others}"));
                started.arg(env!("CARGO_BIN_EXE_grtmon")).args(command);
                started.args(
                    ["--max-overhead", "none"]
                        .iter()
                        .filter(|_| command.len() < 3),
                );
                started.args(["--duration", "60s", "--output", "json", "--pid", &pid]);
                let mut process = Process::start(started);
                // From its beginning on, and for a while after it has begun to observe.
                while !is_grtmon(&process) {
                    std::thread::yield_now();
                }
                let mut ends_at = None;
                while ends_at.is_none_or(|end| Instant::now() < end) {
                    process.signal(deaf_to);
                    assert!(
                        process.is_running(),
                        "{command:?} ended by SIG{ignored}; stderr:\n{}",
                        process.stderr()
                    );
                    if ends_at.is_none() && process.stderr().contains("Ctrl-C to end.") {
                        ends_at = Some(Instant::now() + Duration::from_millis(300));
                    }
                }
                // The others end it.
                process.signal(ends_by);
                let output = Grtmon::of(process).end(PATIENCE).success();
                assert_eq!(output.json().last().unwrap()["event"], "end");
            }
        }
        target.work();
        target.finish();
        // It is not passed on to a command either, which inherits it.
        let mut started = Command::new("env");
        started.args(["--ignore-signal=TERM", env!("CARGO_BIN_EXE_grtmon")]);
        started.args(["gc", "--max-overhead", "none", "--"]);
        started.arg(&subject.program).arg("churn");
        started.env("TESTGO_TALK", "stderr");
        let mut process = Process::start(started);
        process.expect_stderr("ready");
        process.signal(Signal::SIGTERM);
        std::thread::sleep(Duration::from_millis(300));
        assert!(process.is_running(), "{}", process.stderr());
        process.close_stdin();
        end_command(process).success();
    });
}
