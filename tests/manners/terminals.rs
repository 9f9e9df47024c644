//! What a terminal of 80 columns gets.

use crate::{busy, common::require_root_or_skip, screen::Screen};

#[test]
fn columns_that_have_no_room_are_named() {
    if !require_root_or_skip() {
        return;
    }
    let target = busy();
    let pid = target.pid_arg();
    for (arguments, said) in [
        (
            &["gr", "--count", "2"][..],
            "80 columns are too few for P, WAIT(ns), CREATOR: --wide shows them",
        ),
        (
            &["gc", "--count", "2"],
            "80 columns are too few for STOPPING(ns), STOPPED(ns): --wide shows them",
        ),
        (
            &["stat", "-T", "--count", "2", "--interval", "100ms"],
            "80 columns are too few for THR, MUTEX, LIMIT: --wide shows them",
        ),
    ] {
        let screen = Screen::grtmon(&[arguments, &["--pid", &pid]].concat());
        screen.shows(&[said]);
    }
    // The original's, and where it was created.
    let screen = Screen::grtmon(&["gr", "--count", "2", "--pid", &pid]);
    screen.shows(&["   FN ", "GOID     PID     EVENT  TIME(ns)     CREATED AT"]);
}

#[test]
fn long_lines_are_broken_at_words() {
    if !require_root_or_skip() {
        return;
    }
    let target = busy();
    let screen = Screen::grtmon(&["gr", "--count", "2", "--pid", &target.pid_arg()]);
    screen.shows(&["cost: ", "(", "the trap"]);
    screen.shows(&["\n  "]);
    let text = screen.text();
    let mut lines = text.lines().skip_while(|line| !line.starts_with("cost: "));
    let cost = lines.next().unwrap();
    let rest = lines.next().unwrap();
    assert!(cost.trim_end().chars().count() <= 78, "{text}");
    assert!(rest.starts_with("  ") && !rest.starts_with("   "), "{text}");
}

#[test]
fn nobody_waits_for_the_interval() {
    if !require_root_or_skip() {
        return;
    }
    let target = busy();
    let pid = target.pid_arg();
    for report in [
        &["gr", "seq"][..],
        &["gm", "--source", "counters"],
        &["gm", "--source", "probes"],
        &["sched", "--source", "counters"],
    ] {
        let rest = ["--interval", "1h", "--duration", "1h", "--pid", &pid];
        let screen = Screen::grtmon(&[report, &rest].concat());
        // Before the table has scrolled by.
        screen.wrote("s since the observation began:");
    }
}
