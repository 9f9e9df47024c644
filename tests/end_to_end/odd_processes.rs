//! Processes that are not what their memory makes them look like: forks that never became programs of their own, and such
//! as live by another clock.

use std::{fs, path::Path, process::Command};

use serde_json::Value;

use crate::{
    agreement::agree,
    common::{Build, Output, Process, grtmon, newest, program, require_root_or_skip, skip},
    subject::{number, once},
};

fn threads(pid: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|it| it.strip_prefix("Threads:"));
    line.unwrap().trim().parse().unwrap()
}

fn stat(pid: &str) -> (Value, Output) {
    let output = grtmon(&["stat", "--count", "1", "--output", "json", "--pid", pid]).success();
    (output.json().pop().unwrap(), output)
}

#[test]
fn forks_without_exec_are_told_apart() {
    once(|_| {
        let text = include_str!("../../testgo/forked/main.go");
        let program = program(newest(), Build::CGO, "forked", text);
        let mut parent = Process::start(Command::new(program));
        let line = parent.line().unwrap();
        let (early, late) = line.split_once(' ').unwrap();

        // Before it has begun there is nothing to be seen, whatever its memory holds.
        let begun = format!("process {early} has not begun to run Go");
        let commands: [&[&str]; 6] = [
            &["stat"],
            &["stat", "--metrics"],
            &["dump"],
            &["top", "--once"],
            &["sched", "--source", "counters"],
            &["gm", "--source", "counters"],
        ];
        for command in commands {
            let output = grtmon(&[command, &["--pid", early]].concat());
            assert_eq!(output.status.code(), Some(1), "{}", output.stdout);
            assert!(output.stderr.contains(&begun), "{}", output.stderr);
        }
        let copy = format!("process {late} is a copy made by fork");
        let (interval, output) = stat(late);
        assert!(output.stderr.contains(&copy), "{}", output.stderr);
        assert_eq!(number(&interval, "threads"), 1);
        let commands: [&[&str]; 4] = [
            &["dump"],
            &["top", "--once", "--interval", "200ms"],
            &["sched", "--source", "counters", "--duration", "1ms"],
            &["gm", "--source", "counters", "--duration", "1ms"],
        ];
        for command in commands {
            let output = grtmon(&[command, &["--pid", late]].concat()).success();
            assert!(output.stderr.contains(&copy), "{}", output.stderr);
        }
        if require_root_or_skip() {
            for (pid, said) in [(early, &begun), (late, &copy)] {
                for words in [
                    &["gr", "--duration", "1s"][..],
                    &["gc", "--duration", "1s"],
                    &["sched", "--duration", "1s"],
                ] {
                    let output = grtmon(&[words, &["--pid", pid]].concat());
                    let times = output.stderr.matches(said.as_str()).count();
                    assert_eq!(times, 1, "{words:?} {pid}: {}", output.stderr);
                }
                agree("fork", pid, newest().minor());
            }
        }
        // The parent is none.
        let pid = parent.pid_arg();
        let (interval, output) = stat(&pid);
        assert!(!output.stderr.contains("copy"), "{}", output.stderr);
        assert_eq!(number(&interval, "threads"), threads(&pid));

        let rows = grtmon(&["ps", "--output", "json"]).success().json();
        let row = |pid: &str| {
            let row = rows
                .iter()
                .find(|it| it["pid"].as_u64() == pid.parse().ok());
            row.unwrap_or_else(|| panic!("no row of {pid}"))
        };
        assert_eq!(row(late)["fork_copy"], true);
        assert_eq!(row(&pid)["fork_copy"], false);
        let why = row(early)["unread"].as_str().unwrap();
        assert!(why.contains("has not begun to run Go"), "{why}");
        let table = grtmon(&["ps"]).success().stdout;
        let of = |pid: &str| {
            let begins = |line: &&str| line.trim_start().starts_with(&format!("{pid} "));
            table.lines().find(begins).unwrap().to_owned()
        };
        assert!(of(late).contains(" (fork)"), "{table}");
        assert!(!of(&pid).contains("(fork)"), "{table}");
        parent.close_stdin();
        assert!(parent.wait().0.success());
    });
}

/// Starts the program an hour and more ahead of us, or behind.
fn in_other_time(program: &Path, seconds: &str) -> Option<(Process, String)> {
    let mut command = Command::new("unshare");
    command.args(["-T", "--monotonic", seconds, "--boottime", seconds, "-f"]);
    command.arg(program);
    let process = Process::start(command);
    let pid = process.line()?;
    process.expect("ready");
    Some((process, pid))
}

#[test]
fn waits_and_rates_are_by_the_clock_of_the_process() {
    if !require_root_or_skip() {
        return;
    }
    if !Path::new("/proc/self/ns/time").exists() {
        return skip("this kernel has no time namespaces");
    }
    let text = include_str!("../../testgo/clocks/main.go");
    let program = program(newest(), Build::STRIPPED, "clocks", text);
    // Behind by less than the machine has been up: no clock is negative.
    let up = fs::read_to_string("/proc/uptime").unwrap();
    let up: f64 = up.split('.').next().unwrap().parse().unwrap();
    let behind = format!("-{}", (up as u64).min(7200) / 2);
    for seconds in [behind.as_str(), "86400"] {
        let Some((mut process, pid)) = in_other_time(&program, seconds) else {
            return skip("no time namespace can be made here");
        };
        // Whatever the machine does, this test is younger than that.
        let limit = 300_000_000_000;
        let groups = grtmon(&["dump", "--output", "json", "--pid", &pid])
            .success()
            .json();
        let waiting = groups.iter().find(|it| it["count"] == 20);
        let waiting = waiting.unwrap_or_else(|| panic!("no group of 20: {groups:?}"));
        let wait = format!("{waiting}");
        let longest = number(waiting, "waiting_about_ns_max");
        assert!(0 < longest && longest < limit, "{seconds}: {wait}");
        let stuck = grtmon(&["dump", "--stuck", "5m", "--pid", &pid]).success();
        assert!(!stuck.stdout.contains("main.waits"), "{}", stuck.stdout);
        let interval = stat(&pid).0;
        let life = number(&interval, "interval_ns");
        assert!(0 < life && life < limit, "{seconds}: {interval}");
        let rate = interval["objects_per_second"].as_f64().unwrap();
        assert!(rate < 1e7, "{seconds}: {interval}");
        let time = i128::from(number(&interval, "time_unix_ns"));
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let now = now.unwrap().as_nanos() as i128;
        assert!(
            (now - time).abs() < i128::from(limit),
            "{seconds}: {interval}"
        );
        // What compares the clocks of the two says that it cannot.
        let output = grtmon(&["gc", "--duration", "10ms", "--pid", &pid]);
        assert_eq!(output.status.code(), Some(1), "{}", output.stdout);
        assert!(
            output.stderr.contains("another time namespace"),
            "{}",
            output.stderr
        );
        agree("time namespace", &pid, newest().minor());
        process.close_stdin();
        process.wait();
    }
}

/// What is there and runs no program is told from what has one.
#[test]
fn who_runs_no_program_is_said_why() {
    once(|_| {
        let mut ended = Command::new("true").spawn().unwrap();
        let pid = ended.id().to_string();
        let state = || {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
            stat.rsplit(") ").next().unwrap().chars().next()
        };
        while state() != Some('Z') {
            std::thread::yield_now();
        }
        let own = std::process::id();
        let said = format!(
            "grtmon: cannot observe process {pid}: it has ended, and waits for its parent (process {own}, "
        );
        let commands: [&[&str]; 5] = [&["gm"], &["dump"], &["gr"], &["sched"], &["doctor"]];
        for command in commands {
            let refused = grtmon(&[command, &["--pid", &pid]].concat());
            assert_eq!(refused.status.code(), Some(1));
            assert!(refused.stderr.starts_with(&said), "{}", refused.stderr);
            assert_eq!(refused.stderr.lines().count(), 1, "{}", refused.stderr);
        }
        ended.wait().unwrap();
        // Now there is none of this number.
        let gone = format!("grtmon: there is no process {pid}\n");
        for command in commands {
            let refused = grtmon(&[command, &["--pid", &pid]].concat());
            assert_eq!(refused.stderr, gone);
        }
    });
}
