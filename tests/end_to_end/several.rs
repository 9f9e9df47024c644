//! Several processes at once, each told apart from the others.

use std::{path::Path, process::Command};

use serde_json::Value;

use crate::{
    common::{Fixture, Grtmon, PATIENCE, grtmon},
    subject::once,
};

/// A process with so many goroutines besides main's.
fn parked(program: &Path, count: &str) -> Fixture {
    let mut process = Fixture::start(program, &["parked", "-n", count]);
    process.go_until("parked");
    process
}

fn end(mut process: Fixture) {
    process.go_until("done");
    process.finish();
}

/// A shell in front of a process, as in front of many a server in a container.
fn below_a_shell(program: &Path, count: &str) -> Fixture {
    let mut command = Command::new("sh");
    command.args(["-c", "\"$0\" parked -n \"$1\"; exit $?"]);
    command.arg(program).arg(count);
    let mut process = Fixture::start_command(command);
    process.go_until("parked");
    process
}

#[test]
fn stat_has_a_line_for_each() {
    once(|subject| {
        let (one, other) = (
            parked(&subject.program, "7"),
            parked(&subject.program, "19"),
        );
        let pids = [one.pid_arg(), other.pid_arg()];
        let arguments = ["stat", "--count", "2", "--interval", "100ms"];
        let of = ["--pid", &pids[0], "--pid", &pids[1]];
        let json = grtmon(&[&arguments[..], &of, &["--output", "json"]].concat()).success();
        let lines = json.json();
        assert_eq!(lines.len(), 4, "{}", json.stdout);
        for (process, goroutines) in [(&one, 8), (&other, 20)] {
            let own = lines.iter().filter(|line| line["pid"] == process.pid());
            let goroutines = vec![Value::from(goroutines); 2];
            let seen: Vec<Value> = own.map(|line| line["goroutines"].clone()).collect();
            assert_eq!(seen, goroutines, "{}", json.stdout);
        }
        let text = grtmon(&[&arguments[..], &of].concat()).success().stdout;
        let words = |line: &str| line.split_whitespace().map(str::to_owned).collect();
        let rows: Vec<Vec<String>> = text.lines().map(words).collect();
        assert_eq!(rows[0][..2], ["PID", "GOROS"], "{text}");
        assert!(
            rows[1..]
                .iter()
                .any(|row| row[..2] == [pids[0].as_str(), "8"]),
            "{text}"
        );
        assert!(
            rows[1..]
                .iter()
                .any(|row| row[..2] == [pids[1].as_str(), "20"]),
            "{text}"
        );
        end(one);
        end(other);
    });
}

#[test]
fn stat_goes_on_with_those_that_are_left() {
    once(|subject| {
        let (one, other) = (parked(&subject.program, "3"), parked(&subject.program, "5"));
        let (gone, left) = (one.pid(), other.pid());
        let of = ["--pid", &one.pid_arg(), "--pid", &other.pid_arg()];
        let arguments = ["stat", "--interval", "50ms", "--output", "json"];
        let mut tool = Grtmon::start_silent(&[&arguments[..], &of].concat());
        let line = |tool: &mut Grtmon| -> Value {
            let line = tool.process().line().expect("there is a line");
            serde_json::from_str(&line).unwrap()
        };
        while line(&mut tool)["pid"] != gone {}
        end(one);
        let mut in_a_row = 0;
        while in_a_row < 5 {
            in_a_row = if line(&mut tool)["pid"] == left {
                in_a_row + 1
            } else {
                0
            };
        }
        end(other);
        tool.end(PATIENCE).success();
    });
}

#[test]
fn dump_says_whose_goroutines_they_are() {
    once(|subject| {
        let (one, other) = (
            parked(&subject.program, "7"),
            parked(&subject.program, "19"),
        );
        let of = ["dump", "--pid", &one.pid_arg(), "--pid", &other.pid_arg()];
        let json = grtmon(&[&of[..], &["--output", "json"]].concat()).success();
        let mut seen = Vec::new();
        for line in json.json() {
            match line["event"].as_str() {
                Some("process") => seen.push((line["pid"].clone(), Value::Null)),
                Some("end") => seen.last_mut().unwrap().1 = line["goroutines"].clone(),
                _ => {}
            }
        }
        let expected = [(&one, 8), (&other, 20)].map(|(of, n)| (Value::from(of.pid()), n.into()));
        let mut expected = expected.to_vec();
        expected.sort_by_key(|(pid, _)| pid.as_u64());
        assert_eq!(seen, expected, "{}", json.stdout);
        let text = grtmon(&of).success().stdout;
        for process in [&one, &other] {
            let heading = format!("== process {} (", process.pid());
            assert_eq!(text.matches(&heading).count(), 1, "{text}");
        }
        let refused = grtmon(&[&of[..], &["--output", "pprof"]].concat());
        assert!(refused.stderr.contains("one --pid"), "{}", refused.stderr);
        end(one);
        end(other);
    });
}

#[test]
fn what_a_shell_has_started_is_found() {
    once(|subject| {
        let shell = below_a_shell(&subject.program, "11");
        let pid = shell.pid_arg();
        let refused = grtmon(&["dump", "--pid", &pid]);
        assert!(!refused.status.success());
        let arguments = ["--children", "--pid", &pid, "--output", "json"];
        let dump = grtmon(&[&["dump"], &arguments[..]].concat()).success();
        assert_eq!(
            dump.json().last().unwrap()["goroutines"],
            12,
            "{}",
            dump.stdout
        );
        let stat = grtmon(&[&["stat", "--count", "1"], &arguments[..]].concat()).success();
        assert_eq!(stat.json()[0]["goroutines"], 12, "{}", stat.stdout);
        assert_ne!(stat.json()[0]["pid"], shell.pid());
        let traced = grtmon(&[&["gr", "--alive", "--duration", "100ms"], &arguments[..]].concat());
        let rows = traced.success().json();
        let parked = rows.iter().filter(|row| row["fn"] == "main.park");
        assert_eq!(parked.count(), 11, "{rows:?}");
        let frame = grtmon(&[
            "top",
            "--once",
            "--interval",
            "100ms",
            "--children",
            "--pid",
            &pid,
        ]);
        let frame = frame.success().stdout;
        let child = stat.json()[0]["pid"].to_string();
        let has = |pid: &str| {
            frame
                .lines()
                .any(|line| line.split_whitespace().next() == Some(pid))
        };
        assert!(
            has(&child) && !has(&std::process::id().to_string()),
            "{frame}"
        );
        end(shell);
        // Not this process: below it are those of other tests.
        let mut other = Command::new("sleep").arg("1000").spawn().unwrap();
        let none = grtmon(&["dump", "--children", "--pid", &other.id().to_string()]);
        other.kill().unwrap();
        other.wait().unwrap();
        assert!(
            none.stderr.contains("no Go program runs in process"),
            "{}",
            none.stderr
        );
        assert_eq!(none.stderr.lines().count(), 1, "{}", none.stderr);
    });
}
