//! Filters, growth, forms of output.

use std::{fs, path::PathBuf};

use crate::{
    common::{self, Build, Fixture, PATIENCE, grtmon},
    process::eventually,
    text,
};

fn fixture() -> Fixture {
    Fixture::start(
        &common::fixture(common::newest(), Build::STRIPPED_PIE),
        &["dump"],
    )
}

#[test]
fn filters_choose() {
    let target = fixture();
    let pid = target.pid_arg();
    let numbers = |filter: &[&str]| {
        let mut arguments = vec!["dump", "--all", "--pid", &pid];
        arguments.extend(filter);
        text::parse(&grtmon(&arguments).success().stdout)
    };
    let all = numbers(&[]);
    let recursing = numbers(&["--fn", r"^main\.recurse$"]);
    assert_eq!(recursing.len(), 3);
    let locks = numbers(&["--state", "Mutex.Lock"]);
    assert_eq!(locks.len(), 5);
    assert!(
        locks
            .values()
            .all(|it| it.state == "sync.Mutex.Lock" || it.state == "semacquire")
    );
    let syscalls = numbers(&["--state", "syscall"]);
    assert_eq!(syscalls.len(), 2, "the first goroutine and a read");
    let both = numbers(&["--state", "syscall", "--state", "sleep"]);
    assert_eq!(both.len(), 3);
    let created = numbers(&["--created-by", r"^main\.runDump$"]);
    assert!(created.len() >= 30 && created.len() < all.len());
    assert_eq!(numbers(&["--fn", "no such function"]).len(), 0);
    let with_system = numbers(&["--system"]);
    assert!(with_system.len() > all.len());
    let of_runtime = with_system
        .values()
        .filter(|it| it.frames.iter().any(|(name, _)| name == "runtime.bgsweep"));
    assert_eq!(of_runtime.count(), 1);
    // Nobody has been waiting for an hour.
    assert_eq!(numbers(&["--stuck", "1h"]).len(), 0);
}

#[test]
fn groups_come_largest_first() {
    let target = fixture();
    let output = grtmon(&["dump", "--pid", &target.pid_arg()]).success();
    let heads: Vec<&str> = output
        .stdout
        .lines()
        .filter(|line| line.contains(" goroutines [") || line.contains(" goroutine ["))
        .collect();
    assert!(heads[0].starts_with("5 goroutines ["), "{}", output.stdout);
    let first = output.stdout.lines().next().unwrap();
    assert!(first.contains(" groups; "), "{first}");
}

#[test]
fn what_grew_is_found() {
    let program = common::fixture(common::newest(), Build::STRIPPED_PIE);
    let mut target = Fixture::start(&program, &["parked", "-n", "103"]);
    let pid = target.pid_arg();
    // Whoever reads first must have read before the goroutines are made: it says nothing, so it is waited for until it can
    // be interrupted.
    let before = grtmon(&["dump", "--output", "json", "--pid", &pid]).success();
    assert_eq!(before.json().last().unwrap()["goroutines"], 1);
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_grtmon"));
    command.args(["dump", "--diff", "1h", "--output", "json", "--pid", &pid]);
    let mut tool = common::Process::start(command);
    let heeds = || tool.heeds_interrupts();
    eventually("it waits between the readings", heeds);
    target.go_until("parked");
    tool.signal(nix::sys::signal::Signal::SIGINT);
    let (status, lines) = tool.wait_at_most(PATIENCE);
    assert!(status.success(), "{}", tool.stderr());
    let site: serde_json::Value = serde_json::from_str(&lines[0]).unwrap();
    assert_eq!(site["event"], "growth");
    assert_eq!((&site["before"], &site["after"]), (&0.into(), &103.into()));
    assert_eq!(site["created_by"]["function"], "main.parkAll");
    assert_eq!(site["stacks"][0]["count"], 103);
    target.go_until("done");
    target.finish();
}

#[test]
fn pprof_opens_it() {
    let toolchain = common::newest();
    let program = common::fixture(toolchain, Build::STRIPPED_PIE);
    let mut target = Fixture::start(&program, &["parked", "-n", "1009"]);
    target.go_until("parked");
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let path = directory.join(format!("goroutines-{}.pb.gz", std::process::id()));
    let status = std::process::Command::new(env!("CARGO_BIN_EXE_grtmon"))
        .args(["dump", "--output", "pprof", "--pid", &target.pid_arg()])
        .stdout(fs::File::create(&path).unwrap())
        .status();
    assert!(status.unwrap().success());
    let pprof = |form: &str| {
        let output = toolchain
            .command()
            .args(["tool", "pprof", form])
            .arg(&path)
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{errors}");
        String::from_utf8(output.stdout).unwrap()
    };
    let raw = pprof("-raw");
    assert!(raw.contains("goroutine/count"), "{raw}");
    let counts = raw
        .lines()
        .skip_while(|line| !line.starts_with("goroutine/count"))
        .skip(1)
        .take_while(|line| !line.starts_with("Locations"));
    let total: u64 = counts
        .filter_map(|line| line.trim().split(':').next()?.trim().parse::<u64>().ok())
        .sum();
    assert_eq!(total, 1010, "{raw}");
    assert!(
        raw.contains("main.park") && raw.contains("volume.go"),
        "{raw}"
    );
    let traces = pprof("-traces");
    assert!(
        traces.contains("created_by:main.parkAll") || traces.contains("main.parkAll"),
        "{traces}"
    );
    fs::remove_file(&path).unwrap();
    target.go_until("done");
    target.finish();
}

#[test]
fn what_cannot_be_read_is_said_in_one_line() {
    for (arguments, expected) in [
        (&["dump"][..], "no target: give --pid PID, or --core FILE"),
        (&["dump", "--pid", "2147483647"], "there is no process"),
        (&["dump", "--core", "/etc/passwd"], "not an ELF file"),
        (&["dump", "--core", "/proc/self/exe"], "not a core dump"),
        (
            &["dump", "--pid", "1", "--core", "x"],
            "cannot be used with",
        ),
        (
            &["dump", "--binpath", "x", "--pid", "1"],
            "cannot be used with",
        ),
    ] {
        let output = grtmon(arguments);
        assert!(!output.status.success(), "{arguments:?}");
        assert_eq!(output.stderr.lines().count(), 1, "{}", output.stderr);
        assert!(
            output.stderr.contains(expected),
            "{arguments:?}: {}",
            output.stderr
        );
    }
}
