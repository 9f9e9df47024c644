//! How somebody can start grtmon: with little, or with nowhere to write to. It says so in one line.

use std::{
    fs::File,
    os::unix::process::CommandExt,
    process::{Command, Stdio},
};

use nix::sys::resource::Resource;

use crate::common::{Build, Fixture, command, fixture, newest, require_capabilities_or_skip};
use crate::limit;

/// Runs it; its status, and the lines that it wrote to standard error.
fn run(mut command: Command) -> (Option<i32>, Vec<String>) {
    command.stderr(Stdio::piped());
    let output = command.output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    let lines = said.lines().map(str::to_owned).collect();
    (output.status.code(), lines)
}

/// `>&-`
#[test]
#[allow(unsafe_code, reason = "what happens between fork and exec")]
fn standard_output_that_is_closed() {
    for arguments in [
        &["ps"][..],
        &["version"],
        &["gr", "--duration", "1s", "--pid", "1"],
    ] {
        let mut command = command();
        command.args(arguments);
        let close = || {
            nix::unistd::close(1)?;
            Ok(())
        };
        // SAFETY: only a system call.
        unsafe { command.pre_exec(close) };
        let (code, said) = run(command);
        assert_eq!(code, Some(1), "{said:?}");
        let expected = "grtmon: standard output is closed: there is nowhere to write to";
        assert_eq!(said, [expected], "{arguments:?}");
    }
}

#[test]
fn a_disk_that_is_full() {
    let full = || Stdio::from(File::options().write(true).open("/dev/full").unwrap());
    let target = Fixture::start(&fixture(newest(), Build::DEFAULT), &["dump"]);
    let pid = target.pid_arg();
    let mut all = vec![
        vec!["--help"],
        vec!["ps", "--help"],
        vec!["ps"],
        vec!["stat", "--count", "2", "--interval", "200ms", "--pid", &pid],
    ];
    if require_capabilities_or_skip() {
        all.push(vec![
            "gr",
            "--duration",
            "1s",
            "--output",
            "json",
            "--pid",
            &pid,
        ]);
    }
    for arguments in all {
        let mut command = command();
        command.args(&arguments).stdout(full());
        let (code, said) = run(command);
        assert_eq!(code, Some(1), "{arguments:?}: {said:?}");
        let full = said.iter().filter(|line| line.contains("No space left"));
        assert_eq!(full.count(), 1, "{arguments:?}: {said:?}");
        assert!(
            !said.iter().any(|line| line.contains("keep up")),
            "{said:?}"
        );
    }
}

/// `ulimit -s 64`
#[test]
fn a_small_stack() {
    let target = Fixture::start(&fixture(newest(), Build::DEFAULT), &["dump"]);
    for arguments in [&["ps"][..], &["dump", "--pid", &target.pid_arg()]] {
        let mut command = command();
        command.args(arguments);
        limit(&mut command, Resource::RLIMIT_STACK, 64 << 10);
        let (code, said) = run(command);
        assert_eq!(code, Some(0), "{said:?}");
    }
}

/// `ulimit -d`: whatever cannot be had any more, one line says so.
#[test]
fn little_memory() {
    if !require_capabilities_or_skip() {
        return;
    }
    let target = Fixture::start(&fixture(newest(), Build::DEFAULT), &["dump"]);
    let pid = target.pid_arg();
    for mib in [2, 4, 6, 8, 9, 10, 12, 16, 20, 24] {
        let mut command = command();
        command.args([
            "gm",
            "--source",
            "probes",
            "--duration",
            "100ms",
            "--pid",
            &pid,
        ]);
        limit(&mut command, Resource::RLIMIT_DATA, mib << 20);
        let (code, said) = run(command);
        let complaints = said.iter().filter(|line| line.starts_with("grtmon: "));
        let panicked = said.iter().any(|line| line.contains("panicked"));
        assert!(!panicked, "{mib} MiB: {said:?}");
        assert!(
            code == Some(0) || complaints.count() == 1,
            "{mib} MiB: {code:?} {said:?}"
        );
    }
}

/// `ulimit -n 16`
#[test]
fn few_files() {
    if !require_capabilities_or_skip() {
        return;
    }
    let target = Fixture::start(&fixture(newest(), Build::DEFAULT), &["dump"]);
    let mut command = command();
    command.args(["gr", "--duration", "1s", "--pid", &target.pid_arg()]);
    limit(&mut command, Resource::RLIMIT_NOFILE, 12);
    let (code, said) = run(command);
    assert_eq!(code, Some(1), "{said:?}");
    let why = said.last().unwrap();
    assert!(why.ends_with("raise the limit (ulimit -n)"), "{why}");
}

/// `ulimit -n 7` and the like: a process that runs is never said to have ended, and `ps` leaves none out without a word.
#[test]
fn too_few_files_are_no_sign_of_an_end() {
    let target = Fixture::start(&fixture(newest(), Build::DEFAULT), &["dump"]);
    let pid = target.pid_arg();
    for files in 5..=20 {
        for arguments in [
            &["stat", "--count", "1", "--pid", &pid][..],
            &["dump", "--pid", &pid],
        ] {
            let mut command = command();
            command.args(arguments).stdout(Stdio::null());
            limit(&mut command, Resource::RLIMIT_NOFILE, files);
            let (code, said) = run(command);
            let is_said = said.iter().any(|line| line.contains("ulimit -n"));
            assert!(code == Some(0) || is_said, "{files}: {said:?}");
            let ended = said.iter().find(|line| line.contains("ended"));
            assert_eq!(ended, None, "{files}");
        }
        let mut command = command();
        command.args(["ps", "--output", "json"]);
        limit(&mut command, Resource::RLIMIT_NOFILE, files);
        let output = command.output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        let shown = String::from_utf8(output.stdout).unwrap();
        let row = shown
            .lines()
            .find(|row| row.contains(&format!("\"pid\":{pid},")));
        let is_read = row.is_some_and(|row| !row.contains("\"goroutines\":null"));
        assert!(
            is_read || said.contains("ulimit -n") || shown.contains("ulimit -n"),
            "{files}: {said}{shown}"
        );
    }
}

/// What is wrong with the arguments is said in one line, and once.
#[test]
fn mistakes() {
    let mut broken = command();
    broken.args(["gr", "--fn", "[", "--pid", "1"]);
    let (code, said) = run(broken);
    let expected = "grtmon: invalid value '[' for '--fn <REGEX>': unclosed character class (grtmon --help says more)";
    assert_eq!((code, said), (Some(2), vec![expected.to_owned()]));
    let mut gone = command();
    gone.args(["gm", "--pid", "4194305"]);
    let (code, said) = run(gone);
    let expected = "grtmon: there is no process 4194305";
    assert_eq!((code, said), (Some(1), vec![expected.to_owned()]));
}
