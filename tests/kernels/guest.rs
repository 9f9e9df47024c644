//! The first process of a virtual machine that tries another kernel: mounts what programs expect, runs the checks that
//! the file /plan lists, tells on the console what came of each, and turns the machine off.
//!
//! A line of /plan is `EXECUTABLE<TAB>TEST<TAB>GO/BUILD/DIRECTORY<TAB>MATRIX`; the answer is `check<TAB>ok|FAILED<TAB>`,
//! the line, and the seconds since the kernel was started.
#![allow(clippy::print_stdout, reason = "the console is all there is")]

use std::{
    fs,
    os::unix::fs::symlink,
    process::{Command, ExitCode},
};

use nix::{
    mount::{MsFlags, mount},
    sys::reboot::{RebootMode, reboot},
};

fn main() -> ExitCode {
    if std::process::id() != 1 {
        println!("this is for virtual machines: see tests/kernels/main.rs");
        return ExitCode::FAILURE;
    }
    for (kind, place) in [
        ("proc", "/proc"),
        ("sysfs", "/sys"),
        ("devtmpfs", "/dev"),
        ("tmpfs", "/tmp"),
        ("securityfs", "/sys/kernel/security"),
    ] {
        let _ = fs::create_dir_all(place);
        // What this kernel does not have, the checks find missing themselves.
        if let Err(error) = mount(
            Some(kind),
            place,
            Some(kind),
            MsFlags::empty(),
            None::<&str>,
        ) {
            println!("cannot mount {place}: {error}");
        }
    }
    // Not tracefs: grtmon mounts it for itself.
    let _ = symlink("/proc/self/fd", "/dev/fd");
    let plan = fs::read_to_string("/plan").unwrap_or_default();
    for line in plan.lines() {
        let words: Vec<&str> = line.split('\t').collect();
        let &[executable, test, prebuilt, matrix] = words.as_slice() else {
            println!("not understood: {line}");
            continue;
        };
        let output = Command::new(executable)
            .args(["--exact", test, "--include-ignored"])
            .args(["--nocapture", "--test-threads=1"])
            .env("GRTMON_TEST_MATRIX", matrix)
            .env("GRTMON_TEST_PREBUILT", prebuilt)
            .env("GRTMON_TEST_BINARY", "/grtmon")
            .env("GRTMON_REQUIRE_ALL", "1")
            .env("PATH", "/")
            .output();
        // A test that does not exist is no success.
        let passed = |text: &str| text.contains("test result: ok. 1 passed");
        let (ok, text) = match output {
            Ok(output) => {
                let text = String::from_utf8_lossy(&output.stdout).into_owned();
                let errors = String::from_utf8_lossy(&output.stderr).into_owned();
                (passed(&text), text + &errors)
            }
            Err(error) => (false, error.to_string()),
        };
        let uptime = fs::read_to_string("/proc/uptime").unwrap_or_default();
        let uptime = uptime.split(' ').next().unwrap_or_default();
        if ok {
            println!("check\tok\t{line}\t{uptime}");
        } else {
            println!("{text}\ncheck\tFAILED\t{line}\t{uptime}");
        }
    }
    println!("all checks have run");
    let _ = reboot(RebootMode::RB_POWER_OFF);
    ExitCode::FAILURE
}
