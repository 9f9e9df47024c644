//! The first process of a virtual machine that tries another kernel: mounts what programs expect, runs the checks that
//! the file /plan lists, tells on the console what came of each, and turns the machine off.
//!
//! A line of /plan is `EXECUTABLE<TAB>TEST<TAB>GO/BUILD/DIRECTORY<TAB>MATRIX`; the answer is `check<TAB>ok|FAILED<TAB>`,
//! the line, and the seconds since the kernel was started.
#![allow(clippy::print_stdout, reason = "the console is all there is")]

use std::{
    fs::{self, File},
    io,
    os::unix::fs::symlink,
    process::{Command, ExitCode, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use nix::{
    mount::{MsFlags, mount},
    sys::{
        reboot::{RebootMode, reboot},
        signal::{Signal, kill},
        wait::waitpid,
    },
    unistd::Pid,
};

/// No check takes so long, in seconds.
const LIMIT: u64 = 600;

/// Runs a command; gives what it wrote, on stdout and stderr in the order in which it did. One that hangs is killed.
fn to_its_end(command: &mut Command) -> io::Result<String> {
    const OUTPUT: &str = "/tmp/output-of-check";
    let output = File::create(OUTPUT)?;
    let begun = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stderr(output.try_clone()?)
        .stdout(output)
        .spawn()?;
    let mut end = "";
    while child.try_wait()?.is_none() {
        if begun.elapsed() > Duration::from_secs(LIMIT) {
            child.kill()?;
            end = "\nkilled: it took too long";
        }
        sleep(Duration::from_millis(20));
    }
    let text = fs::read(OUTPUT)?;
    Ok(String::from_utf8_lossy(&text).into_owned() + end)
}

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
        let output = to_its_end(
            Command::new(executable)
                .args(["--exact", test, "--include-ignored"])
                .args(["--nocapture", "--test-threads=1"])
                .env("GRTMON_TEST_MATRIX", matrix)
                .env("GRTMON_TEST_PREBUILT", prebuilt)
                .env("GRTMON_TEST_BINARY", "/grtmon")
                .env("GRTMON_REQUIRE_ALL", "1")
                .env("PATH", "/"),
        );
        let text = output.unwrap_or_else(|error| error.to_string());
        // What a failed check leaves running is not to disturb the next: everything but this process is killed.
        let _ = kill(Pid::from_raw(-1), Signal::SIGKILL);
        while waitpid(None, None).is_ok() {}
        // A test that does not exist is no success.
        let ok = text.contains("test result: ok. 1 passed");
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
