//! Limits of grtmon's own process (setrlimit(2)).

use std::{fs::File, process::Stdio};

use nix::sys::resource::Resource;

use crate::common::{Build, Fixture, Grtmon, Process, command, fixture, newest};
use crate::{WATCHDOG, ended_in_words, grtmon_within, limit, scratch};

/// However little address space there is: a line that says so, or the result.
#[test]
fn address_space() {
    let program = fixture(newest(), Build::DEFAULT);
    let target = Fixture::start(&program, &["dump"]);
    let (path, pid) = (program.to_str().unwrap(), target.pid_arg());
    let (mut well, mut ill) = (0, 0);
    for mib in [24, 32, 40, 48, 64, 80, 96, 128, 192, 256, 1024] {
        for arguments in [
            &["doctor", "--binpath", path][..],
            &["dump", "--pid", &pid],
            &["ps"],
            &["stat", "--count", "1", "--pid", &pid],
        ] {
            let output = grtmon_within(mib << 20, arguments);
            // Before grtmon itself begins.
            if output.stderr.contains("shared libraries") {
                continue;
            }
            ended_in_words(&output);
            match output.status.success() {
                true => well += 1,
                false => ill += 1,
            }
        }
    }
    assert!(well >= 4 && ill >= 1, "{well} ended well, {ill} did not");
}

/// `ulimit -f`: a write that fails is said like any other.
#[test]
fn file_size() {
    let target = Fixture::start(&fixture(newest(), Build::DEFAULT), &["dump"]);
    let path = scratch("limited");
    let mut command = command();
    command.args(["dump", "--all", "--system", "--pid", &target.pid_arg()]);
    limit(&mut command, Resource::RLIMIT_FSIZE, 1024);
    command.stdout(File::create(&path).unwrap());
    command.stderr(Stdio::piped());
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{}: {said}", output.status);
    assert!(
        said.contains("cannot write to standard output: File too large"),
        "{said}"
    );
    assert_eq!(std::fs::metadata(&path).unwrap().len(), 1024);
    std::fs::remove_file(&path).unwrap();
}

/// What is started has the signal's usual meaning, not grtmon's.
#[test]
fn commands_are_ended_by_the_signal_all_the_same() {
    let text = "package main\n\nimport \"os\"\n\nfunc main() {\n\tstatus, _ := os.ReadFile(\"/proc/self/status\")\n\tos.Stdout.Write(status)\n}\n";
    let program = crate::common::program(newest(), Build::DEFAULT, "status", text);
    let mut command = command();
    command.args(["gr", "--output", "json", "--"]).arg(program);
    if !crate::common::require_capabilities_or_skip() {
        return;
    }
    let output = Grtmon::of(Process::start(command)).end(WATCHDOG);
    let ignored = output
        .stdout
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = u64::from_str_radix(ignored.unwrap().trim(), 16).unwrap();
    // SIGXFSZ is 25, SIGBUS 7.
    assert_eq!(ignored & (1 << 24 | 1 << 6), 0, "{ignored:x}");
}
