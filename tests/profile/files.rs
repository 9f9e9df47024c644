//! Forms of output, and files.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
};

use crate::{
    common::{Build, Fixture, Toolchain, fixture, grtmon, newest},
    scratch::Scratch,
};

fn parked() -> Fixture {
    let program = fixture(newest(), Build::STRIPPED_PIE);
    let mut target = Fixture::start(&program, &["parked", "-n", "103"]);
    target.go_until("parked");
    target
}

/// What `go tool pprof` prints of a file.
pub(crate) fn pprof(toolchain: &Toolchain, form: &[&str], file: &str) -> String {
    let mut command = toolchain.command();
    command.args(["tool", "pprof"]).args(form).arg(file);
    let output = command.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{errors}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_ending_says_the_form() {
    let mut target = parked();
    let pid = target.pid_arg();
    let scratch = Scratch::new();
    let write = |name: &str, more: &[&str]| {
        let file = scratch.file(name);
        let all = [&["profile", "goroutine", "--pid", &pid, "-w", &file], more].concat();
        let output = grtmon(&all);
        assert_eq!(output.stdout, "");
        (output, file)
    };
    let (_, file) = write("a.pb.gz", &[]);
    let top = pprof(newest(), &["-top"], &file);
    assert!(
        top.contains("Type: goroutine") && top.contains("main.park"),
        "{top}"
    );
    let (_, file) = write("a.folded", &[]);
    let folded = fs::read_to_string(file).unwrap();
    let parked = folded.lines().find(|line| line.contains("main.park"));
    assert!(parked.unwrap().ends_with(" 103"), "{folded}");
    let (_, file) = write("a.txt", &["--by", "package", "--cum"]);
    let text = fs::read_to_string(file).unwrap();
    let main = text.lines().find(|line| line.contains(" main"));
    let words: Vec<&str> = main.unwrap().split_whitespace().collect();
    assert_eq!((words[2], words[4]), ("104", "main"), "{text}");
    // The form that is asked for goes before the ending.
    let (_, file) = write("b.txt", &["--output", "json", "--fn", "main.park$"]);
    let lines = fs::read_to_string(file).unwrap();
    let end: serde_json::Value = serde_json::from_str(lines.lines().last().unwrap()).unwrap();
    assert_eq!(end["totals"]["goroutine"], 103);
    let (output, file) = write("a.profile", &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stderr.contains(".pb.gz"), "{}", output.stderr);
    assert!(fs::symlink_metadata(file).is_err());
    let (output, _) = write("a.json", &["--count", "inuse_space"]);
    assert!(
        output.stderr.contains("it counts goroutine"),
        "{}",
        output.stderr
    );
    target.go_until("done");
    target.finish();
}

#[test]
fn nothing_is_written_through_a_link() {
    let mut target = parked();
    let pid = target.pid_arg();
    let scratch = Scratch::new();
    fs::write(scratch.path("victim"), "keep").unwrap();
    symlink(scratch.path("victim"), scratch.path("a.json")).unwrap();
    let file = scratch.file("a.json");
    let output = grtmon(&["profile", "goroutine", "--pid", &pid, "-w", &file]);
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stderr.contains("symbolic link"), "{}", output.stderr);
    assert_eq!(fs::read_to_string(scratch.path("victim")).unwrap(), "keep");
    target.go_until("done");
    target.finish();
}

#[test]
fn rows_are_as_many_as_asked_for() {
    let mut target = parked();
    let pid = target.pid_arg();
    let output = grtmon(&["profile", "goroutine", "--pid", &pid, "--top", "2"]).success();
    assert_eq!(output.stdout.lines().count(), 3, "{}", output.stdout);
    assert!(output.stderr.contains(" more: --top "), "{}", output.stderr);
    let refused = grtmon(&["profile", "goroutine", "--pid", &pid, "--pid", "1"]);
    assert!(!refused.status.success());
    target.go_until("done");
    target.finish();
}

#[test]
fn a_pipe_that_nobody_reads_holds_nobody() {
    let target = parked();
    let scratch = Scratch::new();
    let file = scratch.file("a.pb.gz");
    let made = std::process::Command::new("mkfifo").arg(&file).status();
    assert!(made.unwrap().success());
    let output = grtmon(&[
        "profile",
        "goroutine",
        "--pid",
        &target.pid_arg(),
        "-w",
        &file,
    ]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        output.stderr.contains("nobody reads this pipe"),
        "{}",
        output.stderr
    );
}

#[test]
fn what_only_the_owner_may_read_stays_so() {
    let target = parked();
    let scratch = Scratch::new();
    let file = scratch.file("a.pb.gz");
    fs::write(&file, "").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let output = grtmon(&[
        "profile",
        "goroutine",
        "--pid",
        &target.pid_arg(),
        "-w",
        &file,
    ]);
    assert_eq!(output.status.code(), Some(0), "{}", output.stderr);
    let written = fs::metadata(&file).unwrap();
    assert_eq!(written.permissions().mode() & 0o777, 0o600);
    assert!(written.len() > 0);
}
