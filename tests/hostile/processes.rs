//! Processes that lie in their own memory, or about themselves.

use crate::common::{Build, Fixture, newest, program};
use crate::{ROOM, ended_in_words, grtmon_within, refused};

/// A process of testgo/hostile.
fn hostile(mode: &str) -> Fixture {
    let text = include_str!("../../testgo/hostile/main.go");
    let program = program(newest(), Build::DEFAULT, "hostile", text);
    Fixture::start(&program, &[mode])
}

#[test]
fn one_goroutine_that_is_listed_16_million_times() {
    let target = hostile("same");
    let output = grtmon_within(ROOM, &["dump", "--pid", &target.pid_arg()]);
    // Of so many equal ones not even the numbers are believed.
    refused(&output, &["cannot read the goroutines"]);
    // Others are none the worse.
    ended_in_words(&grtmon_within(ROOM, &["ps"]).success());
    let output = grtmon_within(ROOM, &["stat", "--count", "1", "--pid", &target.pid_arg()]);
    ended_in_words(&output);
}

/// A hundred thousand times 10,000 frames would be followed for minutes, and are there once.
#[test]
fn one_stack_that_all_goroutines_claim() {
    let target = hostile("stack");
    let output = grtmon_within(
        ROOM,
        &["dump", "--output", "json", "--pid", &target.pid_arg()],
    );
    ended_in_words(&output);
}

/// A process can say that its command line is anywhere in its memory, and as long as that.
#[test]
fn a_command_line_without_end() {
    let target = hostile("command");
    let output = grtmon_within(ROOM, &["ps", "--output", "json"]).success();
    let rows = output.json();
    let pid = target.pid();
    let row = rows.iter().find(|row| row["pid"] == pid).unwrap();
    assert_eq!(row["command"], "liar");
}
