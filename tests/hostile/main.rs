//! Programs, files and limits that were made to harm whoever looks: grtmon ends with a status and a line, never by a
//! signal, never without end, and never with more memory than it was given.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "test code"
)]

#[path = "../common/mod.rs"]
mod common;

mod files;
mod limited;
mod odd_starts;
mod processes;
mod silent;

use std::{
    os::unix::process::{CommandExt, ExitStatusExt},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use common::{Grtmon, Output, Process, command};
use nix::sys::resource::{Resource, setrlimit};

/// Against what never returns. It takes a moment.
const WATCHDOG: Duration = Duration::from_secs(60);

/// Address space that is more than enough for anything honest, in bytes.
const ROOM: u64 = 1 << 30;

/// A path for a file of this test's own.
fn scratch(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("hostile-{name}.{}", std::process::id()))
}

/// Has the limit set in the process that is started.
#[allow(unsafe_code, reason = "what happens between fork and exec")]
fn limit(command: &mut Command, resource: Resource, most: u64) {
    // SAFETY: only a system call.
    unsafe { command.pre_exec(move || Ok(setrlimit(resource, most, most)?)) };
}

/// Runs grtmon with limited address space.
fn grtmon_within(room: u64, arguments: &[&str]) -> Output {
    let mut command = command();
    command.args(arguments);
    limit(&mut command, Resource::RLIMIT_AS, room);
    Grtmon::of(Process::start(command)).end(WATCHDOG)
}

/// Fails unless grtmon ended by itself, and in words.
fn ended_in_words(output: &Output) {
    let said = &output.stderr;
    let status = output.status;
    assert_eq!(status.signal(), None, "{said}");
    assert!(!said.contains("panicked"), "{said}");
    if !status.success() {
        assert_eq!(status.code(), Some(1), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(said.starts_with("grtmon: "), "{said}");
    }
}

/// Fails unless grtmon refused in one line that has all of these words.
fn refused(output: &Output, words: &[&str]) {
    ended_in_words(output);
    assert_eq!(output.status.code(), Some(1), "{}", output.stderr);
    for word in words {
        assert!(
            output.stderr.contains(word),
            "no {word:?} in: {}",
            output.stderr
        );
    }
}
