//! Containers as far as the kernel knows them: processes in namespaces of their own.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::common::{Fixture, Grtmon, Output, PATIENCE, Process};

/// A PID namespace with a /proc of its own, kept by a process that does nothing.
#[derive(Debug)]
pub(crate) struct Container {
    _unshare: Process,
    /// Its first process, in our namespace.
    init: u32,
}

impl Container {
    pub(crate) fn new() -> Self {
        Self::within(None)
    }

    /// One inside another, or in ours.
    pub(crate) fn within(outer: Option<&Self>) -> Self {
        let mut command = outer.map_or_else(
            || Command::new("unshare"),
            |outer| outer.command(Path::new("unshare")),
        );
        command.args(["--pid", "--fork", "--kill-child", "--mount-proc"]);
        command.args(["sh", "-c", "echo begun; exec sleep infinity"]);
        let unshare = Process::start(command);
        unshare.expect("begun");
        // The last of the children of children is the one in the new namespace.
        let mut init = unshare.pid();
        while let Some(child) = children(init).first() {
            init = *child;
        }
        Self {
            _unshare: unshare,
            init,
        }
    }

    /// A command that runs a program inside.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new("nsenter");
        command
            .args(["--pid", "--mount", "--target"])
            .arg(self.init.to_string())
            .arg(program)
            .env("NO_COLOR", "1");
        command
    }

    /// The fixture inside.
    pub(crate) fn fixture(&self, program: &Path, mode: &[&str]) -> Inside {
        let mut command = self.command(program);
        command.args(mode);
        let fixture = Fixture::start_command(command);
        let pid = only_child(fixture.pid());
        Inside { fixture, pid }
    }

    /// Runs grtmon inside to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        let mut command = self.command(grtmon().as_path());
        command.args(arguments);
        Grtmon::of(Process::start(command)).end(PATIENCE)
    }

    /// Starts grtmon inside and waits until it is attached.
    pub(crate) fn observe(&self, arguments: &[&str]) -> Observing {
        let mut command = self.command(grtmon().as_path());
        command.args(arguments);
        let mut process = Process::start(command);
        process.expect_stderr("Ctrl-C to end.");
        let pid = only_child(process.pid());
        Observing { process, pid }
    }
}

/// The grtmon of this build.
fn grtmon() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_grtmon"))
}

/// A fixture inside.
#[derive(Debug)]
pub(crate) struct Inside {
    pub(crate) fixture: Fixture,
    /// Its process id in our namespace.
    pub(crate) pid: u32,
}

impl Inside {
    /// Its process id in each namespace, from ours to its own.
    pub(crate) fn numbers(&self) -> Vec<u32> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid)).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
        let numbers = line.unwrap().split_whitespace();
        numbers.map(|it| it.parse().unwrap()).collect()
    }
}

/// A grtmon inside.
#[derive(Debug)]
pub(crate) struct Observing {
    process: Process,
    pid: u32,
}

impl Observing {
    /// Ends it as Ctrl-C does.
    pub(crate) fn stop(self) -> Output {
        // Whoever waits outside would not pass it on.
        kill(Pid::from_raw(self.pid.cast_signed()), Signal::SIGINT).unwrap();
        Grtmon::of(self.process).end(PATIENCE)
    }
}

/// The children of a process, in our namespace.
fn children(pid: u32) -> Vec<u32> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_whitespace()
        .map(|it| it.parse().unwrap())
        .collect()
}

/// The one child that a process has, or will have in a moment.
pub(crate) fn only_child(pid: u32) -> u32 {
    let start = Instant::now();
    loop {
        if let [child] = children(pid)[..] {
            return child;
        }
        assert!(start.elapsed() < PATIENCE, "{pid} has no child");
        thread::sleep(Duration::from_millis(1));
    }
}
