//! `top --once`: one frame as text.

use std::time::Duration;

use crate::common::{
    Build, Fixture, Grtmon, PATIENCE, fixture, grtmon, newest, prometheus_server, toolchains,
};

/// The words after `title`, as they stand on the frame.
fn after<'a>(frame: &'a str, title: &str) -> Vec<&'a str> {
    let at = frame
        .find(title)
        .unwrap_or_else(|| panic!("no {title} in\n{frame}"));
    frame[at + title.len()..]
        .lines()
        .next()
        .unwrap()
        .split_whitespace()
        .collect()
}

/// The rows below the heading.
fn rows(frame: &str) -> Vec<Vec<&str>> {
    let mut lines = frame.lines();
    lines
        .find(|line| line.trim_start().starts_with("GOROS"))
        .unwrap_or_else(|| panic!("no table in\n{frame}"));
    lines
        .map(|line| line.split_whitespace().collect())
        .collect()
}

fn frame(arguments: &[&str]) -> String {
    let all = [&["top", "--once", "--interval", "200ms"], arguments].concat();
    let output = grtmon(&all).success();
    assert_eq!(output.stderr, "");
    let frame = output.stdout;
    assert!(!frame.contains('\x1b'), "{frame:?}");
    assert!(
        frame.lines().all(|line| line.chars().count() <= 80),
        "{frame}"
    );
    frame
}

#[test]
fn a_frame_agrees_with_the_program() {
    for toolchain in toolchains() {
        let program = fixture(toolchain, Build::STRIPPED_PIE);
        let mut target = Fixture::start(&program, &["counters"]);
        for _ in 0..5 {
            target.go_until("quiet");
        }
        let frame = frame(&["--pid", &target.pid_arg()]);
        let pid = target.pid();
        target.work();
        let truth = target.finish();
        let own = &truth["before"][4];
        let name = format!("Go {}\n{frame}", toolchain.version);

        let header = frame.lines().next().unwrap();
        assert!(header.contains(&format!("pid {pid}")), "{name}");
        assert!(
            header.contains(&format!("go{}", toolchain.version)),
            "{name}"
        );
        let goroutines = own["goroutines"].to_string();
        assert_eq!(
            after(&frame, "GOROUTINES")[..2],
            [&goroutines, "+0"],
            "{name}"
        );
        let cycles = own["num_gc"].to_string();
        assert_eq!(after(&frame, "GC cycle")[..2], [&cycles, "(+0)"], "{name}");
        // Nothing happens in a quiet program.
        assert_eq!(
            after(&frame, "ALLOCATION")[..3],
            ["0", "B/s", "0"],
            "{name}"
        );
        let goal = own["metrics"]["/gc/heap/goal:bytes"].as_u64().unwrap() as f64;
        let words = after(&frame, "of goal");
        let shown: f64 = words[0].parse().unwrap();
        assert_eq!(words[1], "MiB", "{name}");
        assert!((shown - goal / 1_048_576.0).abs() < 0.01, "{goal}: {name}");
        let sum: u64 = rows(&frame)
            .iter()
            .map(|row| row[0].parse::<u64>().unwrap())
            .sum();
        assert_eq!(sum.to_string(), goroutines, "{name}");
    }
}

#[test]
fn goroutines_are_counted_by_origin() {
    let program = fixture(newest(), Build::STRIPPED_PIE);
    let mut target = Fixture::start(&program, &["parked", "-n", "10007"]);
    target.go_until("parked");
    let frame = frame(&["--pid", &target.pid_arg()]);
    assert_eq!(after(&frame, "GOROUTINES")[0], "10008", "{frame}");
    assert_eq!(after(&frame, "STATES")[..2], ["of", "10008"], "{frame}");
    let rows = rows(&frame);
    // Count, growth, rate, longest wait, what they do, function, place.
    let first = &rows[0];
    assert_eq!(first[..3], ["10007", "+0", "0"], "{frame}");
    assert!(first.ends_with(&["chan", "receive", "main.park", first.last().unwrap()]));
    assert!(first.last().unwrap().starts_with("volume.go:"), "{frame}");
    assert_eq!(rows[1][0], "1", "{frame}");
    assert_eq!(rows.len(), 2, "{frame}");
    target.go_until("done");
    target.finish();
}

#[test]
fn what_happens_in_between_is_plotted() {
    let Some(server) = prometheus_server() else {
        return;
    };
    let arguments = ["--duration", "3s", "--pid", &server.process.pid_arg()];
    let frame = frame(&arguments);
    let bars = |line: &str| line.chars().any(|c| ('▁'..='█').contains(&c));
    assert!(
        frame.lines().filter(|line| bars(line)).count() >= 3,
        "{frame}"
    );
    let main = rows(&frame).iter().any(|row| row.contains(&"runtime.main"));
    assert!(main, "{frame}");
}

#[test]
fn all_go_processes_are_listed() {
    let program = fixture(newest(), Build::STRIPPED_PIE);
    let target = Fixture::start(&program, &["churn"]);
    let frame = frame(&[]);
    let pid = target.pid_arg();
    let row = frame
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .find(|row| row.first() == Some(&pid.as_str()));
    let row = row.unwrap_or_else(|| panic!("no {pid} in\n{frame}"));
    assert_eq!(row[1], newest().version, "{frame}");
    assert!(row.contains(&"+0"), "{frame}");
    drop(target);
}

#[test]
fn what_cannot_be_shown_is_said_in_one_line() {
    let said = |arguments: &[&str], code: i32, what: &str| {
        let tool = Grtmon::start_silent(arguments);
        let output = tool.end(PATIENCE.max(Duration::from_secs(1)));
        assert_eq!(output.status.code(), Some(code), "{}", output.stderr);
        assert_eq!(output.stderr.lines().count(), 1, "{}", output.stderr);
        assert!(output.stderr.contains(what), "{}", output.stderr);
        assert_eq!(output.stdout, "");
    };
    said(&["top"], 1, "--once prints one frame as text");
    said(
        &["top", "--once", "--pid", "2147483647"],
        1,
        "there is no process",
    );
    let own = std::process::id().to_string();
    said(&["top", "--once", "--pid", &own], 1, "not a Go program");
    said(
        &["top", "--interval", "1ms", "--once"],
        1,
        "not worth its cost",
    );
    said(&["top", "--interval", "soon"], 2, "unknown unit");
}
