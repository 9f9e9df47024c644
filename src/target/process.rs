//! One running process: is it still the one we began with, what is it called, what does it run.

use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;
use nix::sys::signal::Signal;
use nix::sys::signal::raise;
use procfs::process::Process;

/// A process, told apart from a later one with the same number by its start time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessId {
    /// Its process id as seen from here.
    pub pid: i32,
    start_time: u64,
}

impl ProcessId {
    /// The process that has this number now.
    pub fn of(pid: i32) -> Result<Self> {
        let stat = Process::new(pid)
            .and_then(|process| process.stat())
            .map_err(|error| explain(pid, &error))?;
        Ok(Self {
            pid,
            start_time: stat.starttime,
        })
    }

    /// When it was started, since the machine was (`starttime`, proc(5)).
    pub fn started(&self) -> Duration {
        let ticks = procfs::ticks_per_second().max(1);
        let rest = self.start_time % ticks;
        Duration::from_secs(self.start_time / ticks)
            + Duration::from_nanos(rest.saturating_mul(1_000_000_000) / ticks)
    }

    /// Whether it still runs. A zombie has ended: nothing of it executes any more. Not so when only its main thread is
    /// one: other threads go on, or one of them is about to take its place by exec.
    pub fn is_alive(&self) -> bool {
        // In the middle of such an exec the first look may meet the thread that goes.
        self.looks_alive() || self.looks_alive()
    }

    fn looks_alive(&self) -> bool {
        let Ok(stat) = Process::new(self.pid).and_then(|process| process.stat()) else {
            return false;
        };
        let ended = matches!(stat.state, 'Z' | 'X' | 'x') && stat.num_threads <= 1;
        stat.starttime == self.start_time && !ended
    }

    /// The path by which the kernel finds the binary this process runs, also when the file was deleted, replaced, or
    /// lies in another mount namespace.
    pub fn exe(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}/exe", self.pid))
    }

    /// What tells the program a process runs now from the one it ran before an exec, even of the same file: the vector
    /// the kernel hands to each new program, with addresses chosen at random (`/proc/PID/auxv`). `None` if it may not
    /// be read.
    pub fn image(&self) -> Option<Vec<u8>> {
        let vector = fs::read(format!("/proc/{}/auxv", self.pid)).ok()?;
        (!vector.is_empty()).then_some(vector)
    }

    /// The file name of its binary as the process was started with it, or what is known of it.
    pub fn shown_name(&self) -> String {
        let link = fs::read_link(self.exe()).ok();
        let name = link
            .as_deref()
            .and_then(Path::file_name)
            .map(|name| name.to_string_lossy().into_owned());
        let name = name.map(|name| name.trim_end_matches(" (deleted)").to_owned());
        name.unwrap_or_else(|| format!("process {}", self.pid))
    }
}

fn explain(pid: i32, error: &procfs::ProcError) -> anyhow::Error {
    match error {
        procfs::ProcError::NotFound(_) => anyhow::anyhow!("there is no process {pid}"),
        procfs::ProcError::PermissionDenied(_) => anyhow::anyhow!(
            "process {pid} is not ours to look at; run as its user, as root, or with CAP_SYS_PTRACE"
        ),
        other => anyhow::anyhow!("cannot look at process {pid}: {other}"),
    }
}

/// Stops this process, as Ctrl-Z does, until somebody lets it go on.
pub fn stop_self() {
    // Refused where there is no shell to let it go on: then there is nothing to wait for either.
    let _ = raise(Signal::SIGTSTP);
}

/// Every process that runs the file with this device and inode now.
pub fn running(dev: u64, ino: u64) -> Result<Vec<ProcessId>> {
    use std::os::unix::fs::MetadataExt;

    let mut found = Vec::new();
    for process in procfs::process::all_processes()
        .context("cannot list processes")?
        .flatten()
    {
        let Ok(exe) = fs::metadata(format!("/proc/{}/exe", process.pid())) else {
            continue;
        };
        if exe.dev() == dev
            && exe.ino() == ino
            && let Ok(id) = ProcessId::of(process.pid())
        {
            found.push(id);
        }
    }
    Ok(found)
}

/// The program that `name` stands for, as execvp(3) finds it.
pub fn find_program(name: &Path) -> Result<PathBuf> {
    if name.components().count() > 1 || name.is_absolute() {
        return Ok(name.to_owned());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    for directory in std::env::split_paths(&path) {
        let candidate = directory.join(name);
        if candidate.is_file() {
            return Ok(candidate);
        }
    }
    bail!("there is no program {} on PATH", name.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_alive_and_runs_its_own_binary() {
        let me = ProcessId::of(std::process::id() as i32).unwrap();
        assert!(me.is_alive());
        let exe = std::os::unix::fs::MetadataExt::ino(&fs::metadata(me.exe()).unwrap());
        let dev = std::os::unix::fs::MetadataExt::dev(&fs::metadata(me.exe()).unwrap());
        assert!(running(dev, exe).unwrap().contains(&me));
    }

    #[test]
    fn a_process_that_is_not_there_is_said_so() {
        let error = format!("{:#}", ProcessId::of(i32::MAX).unwrap_err());
        assert!(error.contains("there is no process"), "{error}");
    }

    #[test]
    fn another_start_time_is_another_process() {
        let mut me = ProcessId::of(std::process::id() as i32).unwrap();
        me.start_time += 1;
        assert!(!me.is_alive());
    }
}
