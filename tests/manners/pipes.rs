//! What a pipe gets.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::{
    LONG, busy,
    common::{Output, grtmon, require_root_or_skip},
};

#[test]
fn columns_stay_where_they_are() {
    if !require_root_or_skip() {
        return;
    }
    let target = busy();
    let seen = grtmon(&["gr", "--count", "40", "--pid", &target.pid_arg()]).success();
    let mut lines = seen.stdout.lines();
    let heading = lines.next().unwrap();
    for word in ["FN", "GOID", "P ", "WAIT(ns)", "CREATOR", "CREATED AT"] {
        assert!(heading.contains(word), "{heading}");
    }
    let goid = heading.find("GOID").unwrap();
    let mut cut = 0;
    for line in lines {
        let row: Vec<char> = line.chars().collect();
        assert!(row[goid - 1] == ' ' && row[goid].is_ascii_digit(), "{line}");
        let name: String = row[3..goid].iter().collect();
        if let Some(end) = name.trim_end().strip_prefix('…') {
            assert!(LONG.ends_with(end), "{line}");
            cut += 1;
        }
    }
    assert!(cut > 0, "{}", seen.stdout);
    assert!(!seen.stderr.contains("--wide"), "{}", seen.stderr);

    let all = ["gr", "--wide", "--count", "40", "--pid", &target.pid_arg()];
    let seen = grtmon(&all).success().stdout;
    assert!(seen.contains(LONG) && !seen.contains('…'), "{seen}");
}

/// Seconds of the day.
fn seconds(text: &str) -> u64 {
    let (hours, rest) = text.split_once(':').unwrap_or_else(|| panic!("{text}"));
    let (minutes, rest) = rest.split_once(':').unwrap_or_else(|| panic!("{text}"));
    let rest = rest.strip_suffix('Z').unwrap_or_else(|| panic!("{text}"));
    let (seconds, ms) = rest.split_once('.').unwrap_or_else(|| panic!("{text}"));
    assert!(text.len() == 13 && ms.len() == 3, "{text}");
    let number = |digits: &str| digits.parse::<u64>().unwrap();
    number(hours) * 3_600 + number(minutes) * 60 + number(seconds)
}

fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    now.as_secs() % 86_400
}

/// Each of these lines begins with a time of day of just now.
fn begin_with_times<'a>(lines: impl Iterator<Item = &'a str>, since: u64) {
    let mut seen = 0;
    for line in lines {
        let time = seconds(line.split_whitespace().next().unwrap());
        // It may be midnight meanwhile.
        let age = (time + 86_400 - since) % 86_400;
        let most = (now() + 86_400 - since) % 86_400;
        assert!(age <= most, "{line} after {since}");
        seen += 1;
    }
    assert!(seen > 0);
}

#[test]
fn rows_have_the_time_of_day() {
    if !require_root_or_skip() {
        return;
    }
    let target = busy();
    let pid = target.pid_arg();
    let run = |arguments: &[&str]| grtmon(&[arguments, &["-T", "--pid", &pid]].concat()).success();
    for arguments in [
        &["gr", "--count", "9"][..],
        &["gc", "--count", "9"],
        &["stat", "--interval", "100ms", "--count", "3"],
    ] {
        let since = now() - 1;
        let seen = run(arguments).stdout;
        let rows = seen.split("\n\n").next().unwrap();
        assert!(rows.trim_start().starts_with("TIME(UTC)"), "{seen}");
        begin_with_times(rows.lines().skip(1), since);
    }
    let since = now() - 1;
    let seen = run(&["gc", "--cycles", "--count", "3"]).stdout;
    assert!(seen.lines().all(|line| line.contains("Z gc ")), "{seen}");
    begin_with_times(seen.lines(), since);
}

const REPORTS: [&[&str]; 5] = [
    &["gr", "seq"],
    &["gm", "--source", "counters"],
    &["gm", "--source", "probes"],
    &["sched", "--max-overhead", "none"],
    &["sched", "--source", "counters"],
];

const SINCE: &str = "since the observation began:";

fn headings(seen: &Output) -> Vec<&str> {
    let lines = seen.stdout.lines();
    lines.filter(|line| line.contains(SINCE)).collect()
}

#[test]
fn reports_say_of_which_time_they_are() {
    if !require_root_or_skip() {
        return;
    }
    let target = busy();
    for report in REPORTS {
        let pid = target.pid_arg();
        let rest = [
            "-T",
            "--interval",
            "300ms",
            "--duration",
            "700ms",
            "--pid",
            &pid,
        ];
        let since = now() - 1;
        let seen = grtmon(&[report, &rest].concat()).success();
        let headings = headings(&seen);
        begin_with_times(headings.iter().copied(), since);
        // What is counted, is counted since the beginning.
        let in_ms: Vec<f64> = headings
            .iter()
            .map(|line| {
                let words: Vec<&str> = line.split_whitespace().collect();
                let unit = if words[4] == "s" { 1e3 } else { 1.0 };
                assert_eq!((words[1], words[2]), ("in", "the"), "{line}");
                words[3].parse::<f64>().unwrap() * unit
            })
            .collect();
        assert!(in_ms.len() >= 2 && in_ms.is_sorted(), "{headings:?}");
        assert!(in_ms.last().unwrap() >= &600.0, "{headings:?}");
    }
}

/// A report that nobody asked for would be one too many.
#[test]
fn the_first_report_comes_with_the_interval() {
    if !require_root_or_skip() {
        return;
    }
    let target = busy();
    let pid = target.pid_arg();
    for report in REPORTS {
        let rest = ["--interval", "1h", "--duration", "1500ms", "--pid", &pid];
        let seen = grtmon(&[report, &rest].concat()).success();
        assert_eq!(headings(&seen).len(), 1, "{}", seen.stdout);
    }
}
