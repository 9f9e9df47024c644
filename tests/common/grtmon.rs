//! Runs grtmon itself.

use std::{
    env,
    process::{Command, ExitStatus},
    time::Duration,
};

use nix::sys::signal::Signal;
use serde_json::Value;

use super::process::{PATIENCE, Process};

/// What a run of grtmon left behind.
#[derive(Debug)]
pub(crate) struct Output {
    /// How it ended.
    pub(crate) status: ExitStatus,
    /// All of stdout.
    pub(crate) stdout: String,
    /// All of stderr.
    pub(crate) stderr: String,
}

impl Output {
    /// stdout as JSON, one value per line.
    pub(crate) fn json(&self) -> Vec<Value> {
        self.stdout
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|it| panic!("{it}: {line}")))
            .collect()
    }

    /// Fails unless grtmon ended well.
    pub(crate) fn success(self) -> Self {
        assert!(
            self.status.success(),
            "{}\nstdout:\n{}\nstderr:\n{}",
            self.status,
            self.stdout,
            self.stderr
        );
        self
    }
}

/// Runs grtmon to its own end.
pub(crate) fn grtmon(arguments: &[&str]) -> Output {
    Grtmon::start_silent(arguments).end(PATIENCE)
}

/// What sets probes may cost anything, unless the test says otherwise: what it costs is a matter of the machine.
fn without_limit<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
    let mut all = arguments.to_vec();
    let at = match arguments {
        ["gr", "seq", ..] => 2,
        ["gr" | "gc" | "gm" | "sched", ..] => 1,
        _ => return all,
    };
    if !arguments.contains(&"--max-overhead") && !arguments.contains(&"--help") {
        all.splice(at..at, ["--max-overhead", "none"]);
    }
    all
}

/// The grtmon of this build, or the one of `GRTMON_TEST_BINARY`, for a test that wants to set more than arguments.
pub(crate) fn command() -> Command {
    let binary = env::var_os("GRTMON_TEST_BINARY");
    let mut command = Command::new(binary.unwrap_or_else(|| env!("CARGO_BIN_EXE_grtmon").into()));
    command.env("NO_COLOR", "1");
    command
}

/// A grtmon that is observing.
#[derive(Debug)]
pub(crate) struct Grtmon {
    process: Process,
}

impl Grtmon {
    /// Starts it and waits for the line on stderr that says it is attached, or has read for the first time.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::start_with(arguments, &[])
    }

    /// As [`Grtmon::start`], with environment variables.
    pub(crate) fn start_with(arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut command = command();
        command
            .args(without_limit(arguments))
            .envs(environment.iter().copied());
        let mut process = Process::start(command);
        process.expect_stderr("Ctrl-C to end.");
        Self { process }
    }

    /// One that was started in a way of the test's own.
    pub(crate) fn of(process: Process) -> Self {
        Self { process }
    }

    /// Starts one that says nothing before its first data.
    pub(crate) fn start_silent(arguments: &[&str]) -> Self {
        let mut command = command();
        command.args(without_limit(arguments));
        let process = Process::start(command);
        Self { process }
    }

    /// Waits for its first line of data, which is dropped.
    pub(crate) fn wait_for_line(&self) {
        assert!(self.process.line().is_some(), "{}", self.process.stderr());
    }

    /// The process.
    pub(crate) fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Ends it as Ctrl-C does.
    pub(crate) fn stop(self) -> Output {
        self.process.signal(Signal::SIGINT);
        self.end(PATIENCE)
    }

    /// Waits for it to end by itself.
    pub(crate) fn end(mut self, limit: Duration) -> Output {
        let (status, lines) = self.process.wait_at_most(limit);
        let mut stdout = lines.join("\n");
        if !stdout.is_empty() {
            stdout.push('\n');
        }
        Output {
            status,
            stdout,
            stderr: self.process.stderr(),
        }
    }
}
