//! One running process: is it still the one we began with, what is it called, what does it run.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::io::ErrorKind;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;
use nix::sys::signal::Signal;
use nix::sys::signal::raise;
use nix::time::clock_getcpuclockid;
use nix::time::clock_gettime;
use nix::unistd::Pid;
use procfs::ProcError;
use procfs::process::Process;
use procfs::process::Stat;

use super::absence::is_absent;
use super::proc_mount;
use super::refusal;
use super::texts;

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
        Self::find(pid)?.ok_or_else(|| missing(pid))
    }

    /// The same; `None` if there is none.
    ///
    /// # Errors
    /// That cannot be told.
    pub(super) fn find(pid: i32) -> Result<Option<Self>> {
        let found = stat(pid)?.map(|stat| Self {
            pid,
            start_time: stat.starttime,
        });
        Ok(found)
    }

    /// Whether a process with this number runs, or may: no other error than that there is none is a sign of its end.
    pub fn is_any(pid: i32) -> bool {
        Self::find(pid).map_or(true, |found| found.is_some_and(|it| it.is_alive()))
    }

    /// When it was started, since the machine was (`starttime`, proc(5)).
    pub fn started(&self) -> Duration {
        let ticks = procfs::ticks_per_second().max(1);
        let rest = self.start_time % ticks;
        Duration::from_secs(self.start_time / ticks)
            + Duration::from_nanos(rest.saturating_mul(1_000_000_000) / ticks)
    }

    /// Whether it still runs. A zombie has ended: nothing of it executes any more. Not so when only its main thread is
    /// one: other threads go on, or one of them is about to take its place by exec. Nor when it cannot be looked at.
    pub fn is_alive(&self) -> bool {
        // In the middle of such an exec the first look may meet the thread that goes.
        self.looks_alive() || self.looks_alive()
    }

    fn looks_alive(&self) -> bool {
        let stat = match stat(self.pid) {
            Ok(Some(stat)) => stat,
            Ok(None) => return false,
            Err(_) => return true,
        };
        let ended = matches!(stat.state, 'Z' | 'X' | 'x') && stat.num_threads <= 1;
        stat.starttime == self.start_time && !ended
    }

    /// The path by which the kernel finds the binary this process runs, also when the file was deleted, replaced, or
    /// lies in another mount namespace.
    pub fn exe(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}/exe", self.pid))
    }

    /// What tells the program a process runs now from the one it ran before an exec, even of the same file: where the
    /// kernel put it, at random. `None` if there is none at this moment.
    ///
    /// # Errors
    /// There is no such process, or we may not know.
    pub fn loaded(&self) -> Result<Option<Loaded>> {
        Loaded::of(self.pid)
    }

    /// The CPU time that it has used, in nanoseconds, by the kernel's account of all its threads; anybody may ask.
    pub fn cpu_ns(&self) -> Option<u64> {
        let clock = clock_getcpuclockid(Pid::from_raw(self.pid)).ok()?;
        let time = clock_gettime(clock).ok()?;
        let seconds = u64::try_from(time.tv_sec()).ok()?;
        let rest = u64::try_from(time.tv_nsec()).ok()?;
        seconds.checked_mul(1_000_000_000)?.checked_add(rest)
    }

    /// It is a process, and not one of the threads of another: those have numbers too, and directories in /proc.
    pub(super) fn require_no_thread(&self) -> Result<()> {
        match texts::status(self.pid) {
            Some(status) if status.tgid != self.pid => bail!(
                "{} is the number of a thread of process {}: give that one",
                self.pid,
                status.tgid
            ),
            _ => Ok(()),
        }
    }

    /// The path of the file that it runs, for people.
    pub fn shown_exe(&self) -> String {
        let link = fs::read_link(self.exe()).ok();
        link.map_or_else(|| "?".to_owned(), |link| link.display().to_string())
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

/// Where the kernel put a program: addresses in /proc/PID/stat that it tells those who may read the process (proc(5)).
/// Unlike /proc/PID/auxv, which says more, the file is everybody's: CAP_SYS_PTRACE is enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Loaded {
    /// Where its code ends (`endcode`).
    pub code_end: u64,
    /// Where its stack begins (`startstack`).
    pub stack: u64,
}

impl Loaded {
    /// Of the program that this process runs now. `None` if there is none: it is ending, or has just begun.
    ///
    /// # Errors
    /// There is no such process, or we may not read it.
    pub(super) fn of(pid: i32) -> Result<Option<Self>> {
        let stat = stat(pid)?.ok_or_else(|| missing(pid))?;
        match stat.endcode {
            0 => Ok(None),
            // Instead of the address (fs/proc/array.c).
            1 => Err(refusal::refusal(pid)),
            code_end => Ok(Some(Self {
                code_end,
                stack: stat.startstack,
            })),
        }
    }
}

/// What to say of a process that is not in /proc.
pub(super) fn missing(pid: i32) -> anyhow::Error {
    if proc_mount::hides_processes() {
        anyhow::anyhow!(
            "there is no process {pid}, or it is another user's: /proc is mounted with hidepid; run as its user, as root, or with CAP_SYS_PTRACE"
        )
    } else {
        anyhow::anyhow!("there is no process {pid}")
    }
}

/// /proc/PID/stat; `None` if there is no such process.
fn stat(pid: i32) -> Result<Option<Stat>> {
    match Process::new(pid).and_then(|process| process.stat()) {
        Ok(stat) => Ok(Some(stat)),
        Err(ProcError::NotFound(_)) => Ok(None),
        // Where /proc is mounted with hidepid=noaccess.
        Err(ProcError::PermissionDenied(_)) => bail!(
            "process {pid} is not ours to look at; run as its user, as root, or with CAP_SYS_PTRACE"
        ),
        Err(ProcError::Io(why, _)) if is_absent(&why) => Ok(None),
        Err(ProcError::Io(why, _)) => {
            Err(why).with_context(|| format!("cannot look at process {pid}"))
        }
        Err(other) => bail!("cannot look at process {pid}: {other}"),
    }
}

/// Stops this process, as Ctrl-Z does, until somebody lets it go on.
pub fn stop_self() {
    // Refused where there is no shell to let it go on: then there is nothing to wait for either.
    let _ = raise(Signal::SIGTSTP);
}

/// The parent of each process that may be looked at.
pub(super) fn parents() -> HashMap<i32, i32> {
    let all = procfs::process::all_processes();
    let all = all.into_iter().flatten().flatten();
    all.filter_map(|process| Some((process.pid(), process.stat().ok()?.ppid)))
        .collect()
}

/// Who runs a file.
#[derive(Debug, Default)]
pub(super) struct Runners {
    /// The processes.
    pub(super) processes: Vec<ProcessId>,
    /// Whether there can be others, which may not be looked at.
    pub(super) closed: bool,
    /// Whether there can be others, which could not be looked at.
    pub(super) unlooked: bool,
}

/// How much code a process has, in KiB (`VmExe`, proc(5)): everybody may know. `None` for what
/// has no memory of its own: a kernel thread, or one that has ended.
pub(super) fn code_kib(pid: i32) -> Option<u64> {
    texts::status(pid)?.vmexe
}

/// Every process that runs a file for which `is_meant` says so now, which is given its path. `may_be` is asked of those that may not be looked at.
pub(super) fn running(
    is_meant: impl Fn(&Path) -> io::Result<bool>,
    may_be: impl Fn(i32) -> bool,
) -> Runners {
    let mut running = Runners {
        closed: proc_mount::hides_processes(),
        ..Runners::default()
    };
    let Ok(processes) = procfs::process::all_processes() else {
        running.unlooked = true;
        return running;
    };
    for process in processes {
        let process = match process {
            Ok(process) => process,
            Err(why) => {
                running.unlooked |= !matches!(why, ProcError::NotFound(_));
                continue;
            }
        };
        match is_meant(Path::new(&format!("/proc/{}/exe", process.pid()))) {
            Ok(true) => match ProcessId::find(process.pid()) {
                Ok(found) => running.processes.extend(found),
                Err(_) => running.unlooked = true,
            },
            // Another program.
            Ok(false) => {}
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                running.closed |= may_be(process.pid());
            }
            // A kernel thread, or it has just ended.
            Err(error) if is_absent(&error) => {}
            Err(_) => running.unlooked = true,
        }
    }
    running
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

    use crate::target::ProgramFile;

    #[test]
    fn this_process_is_alive_and_runs_its_own_binary() {
        let me = ProcessId::of(std::process::id() as i32).unwrap();
        assert!(me.is_alive());
        let own = ProgramFile::open(&me.exe()).unwrap();
        let running = running(|exe| own.is_at(exe), |_| false);
        assert!(running.processes.contains(&me));
    }

    #[test]
    fn where_a_program_is_loaded_stays_the_same() {
        let me = ProcessId::of(std::process::id() as i32).unwrap();
        let loaded = me.loaded().unwrap().unwrap();
        assert_eq!(me.loaded().unwrap(), Some(loaded));
        let function = where_a_program_is_loaded_stays_the_same as fn() as usize as u64;
        assert!(function < loaded.code_end && loaded.code_end < loaded.stack);
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
