//! One program and the processes of it that are observed.

use std::path::Path;
use std::sync::Arc;

use anyhow::Result;

use crate::go::Machine;

use super::Program;
use super::absence::is_absent;
use super::file_id::FileId;
use super::guard::Change;
use super::machine;
use super::namespace::PidNamespace;
use super::plugins;
use super::process;
use super::process::ProcessId;
use super::process::Runners;

/// Which processes that run the binary are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// All of them, those of the future too.
    Everyone,
    /// Only these.
    Only(Vec<ProcessId>),
}

/// How a process stops running a binary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Left {
    /// It has ended.
    Ended,
    /// It runs another program, by exec: the path of its file.
    Became(String),
}

/// One binary and the processes of it that are observed.
#[derive(Debug)]
pub struct Target {
    /// The program.
    pub program: Arc<Program>,
    /// Its file name, for people.
    pub name: String,
    /// Which of its processes.
    pub scope: Scope,
    /// Whether they have begun to run; one that was followed to its first instruction has not.
    begun: bool,
}

impl Target {
    /// Refuses a program that cannot run here.
    pub fn require_this_machine(&self) -> Result<()> {
        let machine = self.program.binary.image().machine();
        if machine != Machine::HERE {
            anyhow::bail!(
                "{} is a program for {machine} and cannot run on this machine ({}); grtmon doctor says what could be seen of it",
                self.program.path.display(),
                Machine::HERE
            );
        }
        match self.program.binary.image().system() {
            // Linux does not ask for it: it runs whatever it is told to.
            Some(system) if self.running_process().is_none() => anyhow::bail!(
                "{} is a program for {system} and cannot run on this machine (Linux); grtmon doctor says what could be seen of it",
                self.program.path.display()
            ),
            _ => Ok(()),
        }
    }

    /// The program at `path`.
    pub(super) fn open(path: &Path, scope: Scope) -> Result<Self> {
        Ok(Self::of(Arc::new(Program::open(path)?), scope))
    }

    /// These processes of a program.
    pub(super) fn of(program: Arc<Program>, scope: Scope) -> Self {
        let path = &program.path;
        let name = path.file_name().unwrap_or(path.as_os_str());
        Self {
            name: name.to_string_lossy().into_owned(),
            scope,
            begun: true,
            program,
        }
    }

    /// What is at its path now, with every process that runs it.
    ///
    /// # Errors
    /// It is not a Go program, or not to be read.
    pub fn at_its_path(&self) -> Result<Self> {
        Self::open(&self.program.path, Scope::Everyone)
    }

    /// The same program, of which this process only is meant.
    pub fn with_only(&self, process: &ProcessId) -> Self {
        Self {
            program: Arc::clone(&self.program),
            name: process.shown_name(),
            scope: Scope::Only(vec![process.clone()]),
            begun: self.begun,
        }
    }

    /// Its process has not begun to run: it was followed to its first instruction.
    pub(super) fn not_begun(&mut self) {
        self.begun = false;
    }

    /// The processes under observation that run now, of those that may be looked at.
    pub fn processes(&self) -> Vec<ProcessId> {
        match &self.scope {
            Scope::Everyone => self.running().processes,
            Scope::Only(processes) => processes
                .iter()
                .filter(|process| self.is_run_by(process))
                .cloned()
                .collect(),
        }
    }

    /// A process that runs this binary already.
    pub fn running_process(&self) -> Option<ProcessId> {
        self.processes()
            .into_iter()
            .find(|process| self.is_under_way(process))
    }

    /// Whether this process runs the binary and is not about to begin with it only, so that its memory says something.
    pub fn is_under_way(&self, process: &ProcessId) -> bool {
        self.begun && self.runs(process)
    }

    /// Whether this process runs the binary now. Where that is not to be told it is taken for the one that it was: whoever
    /// looks closer will meet the reason.
    pub fn runs(&self, process: &ProcessId) -> bool {
        let runs = self.program.file.is_at(&process.exe());
        runs.unwrap_or_else(|why| !is_absent(&why))
    }

    /// Whether this is a way to its file.
    pub fn is_at(&self, exe: &Path) -> bool {
        self.program.file.is_at(exe).unwrap_or(false)
    }

    /// Whether more than one process is meant, or may be.
    pub fn may_be_several(&self) -> bool {
        match &self.scope {
            Scope::Everyone => true,
            Scope::Only(processes) => processes.len() > 1,
        }
    }

    /// Whether processes run this binary that were not asked for.
    pub fn runs_elsewhere(&self) -> bool {
        let Scope::Only(processes) = &self.scope else {
            return false;
        };
        let running = self.running().processes;
        running.iter().any(|it| !processes.contains(it))
    }

    /// What to say of its processes that have loaded plugins: what the code of these does passes no probe, since it calls
    /// functions of the runtime that each plugin has for itself.
    pub fn plugins(&self) -> Vec<(ProcessId, String)> {
        if !self.program.binary.loads_plugins() {
            return Vec::new();
        }
        let said = |process: ProcessId| {
            let (pid, path) = (process.pid, plugins::one(process.pid)?);
            let text = format!(
                "process {pid} has loaded the Go plugin {}: what a plugin's code does passes no probe, as it has functions of the runtime for itself",
                path.display()
            );
            Some((process, text))
        };
        self.processes().into_iter().filter_map(said).collect()
    }

    /// Why [`processes`](Self::processes) may lack some, if it may.
    pub fn unseen_processes(&self) -> Option<&'static str> {
        if self.scope != Scope::Everyone {
            return None;
        }
        if self.program.binary.image().is_library() {
            return Some("processes that have loaded a library are not looked for");
        }
        let running = self.running();
        if running.unlooked {
            Some("for some the system had no open files or memory left to look at them (ulimit -n)")
        } else if running.closed {
            Some("which program other users' processes run is told to root and CAP_SYS_PTRACE only")
        } else if PidNamespace::own().is_some() {
            Some("processes outside of grtmon's PID namespace cannot be looked at")
        } else if self.program.file.has_untold() {
            Some(
                "whether processes on other overlays run this very file is told to CAP_SYS_ADMIN only",
            )
        } else {
            None
        }
    }

    fn running(&self) -> Runners {
        process::running(
            |exe| self.program.file.is_at(exe),
            |pid| self.may_be_run_by(pid),
        )
    }

    /// Whether a process that may not be looked at can be one of this binary, by what the kernel tells everybody: how
    /// much code it has.
    fn may_be_run_by(&self, pid: i32) -> bool {
        process::code_kib(pid).is_some_and(|code| self.code_kib().contains(&code))
    }

    /// How much code the kernel says that a process of this binary has, in KiB. Before Linux 5.10 it counted from the
    /// first segment, whatever that was (`start_code`, fs/binfmt_elf.c).
    fn code_kib(&self) -> [u64; 2] {
        let page = machine::page_size();
        let segments = self.program.binary.image().segments();
        let code = || segments.iter().filter(|segment| segment.exec);
        let end = self.program.binary.image().code_end();
        let size = |start: Option<u64>| {
            let start = start.unwrap_or_default() / page * page;
            (end.div_ceil(page)
                .saturating_mul(page)
                .saturating_sub(start))
                / 1024
        };
        [
            size(code().map(|it| it.vaddr).min()),
            size(segments.iter().map(|it| it.vaddr).min()),
        ]
    }

    /// What was done to its file while there were probes on it. They are there no more, and it is not observed any more.
    pub fn file_change(&self) -> Option<Change> {
        self.program.file.change()
    }

    /// Whether every process that was asked for has ended, or runs another program now; never so for a target that
    /// includes the processes of the future.
    pub fn has_ended(&self) -> bool {
        match &self.scope {
            Scope::Everyone => false,
            Scope::Only(processes) => !processes.iter().any(|process| self.is_run_by(process)),
        }
    }

    /// Whether a process runs this binary. One that is still our own stub (see [`child`](super::child)) is about to.
    pub(super) fn is_run_by(&self, process: &ProcessId) -> bool {
        self.left(process).is_none()
    }

    /// How a process that ran this binary, or was about to, has left it; `None` if it has not.
    pub fn left(&self, process: &ProcessId) -> Option<Left> {
        if !process.is_alive() {
            return Some(Left::Ended);
        }
        match self.program.file.is_at(&process.exe()) {
            Ok(true) => None,
            Ok(false) if is_stub(process) => None,
            Ok(false) => Some(Left::Became(process.shown_exe())),
            // Not to be told while one of its threads takes the place of the main one, by exec.
            Err(why) if !is_absent(&why) || process.is_alive() => None,
            Err(_) => Some(Left::Ended),
        }
    }

    /// Whether the path now names another file than the one observed: processes started from now on are not seen.
    pub fn was_replaced(&self) -> bool {
        self.scope == Scope::Everyone
            && self
                .program
                .file
                .is_at(&self.program.path)
                .is_ok_and(|is_this| !is_this)
    }

    /// `server (pid 4242, go1.27.1)`, for the start line.
    pub fn describe(&self) -> String {
        let version = self
            .program
            .binary
            .version()
            .map_or_else(|| "Go version unknown".to_owned(), ToString::to_string);
        match &self.scope {
            Scope::Everyone => format!("{} (every process, {version})", self.name),
            Scope::Only(processes) => {
                let pids: Vec<String> = processes
                    .iter()
                    .map(|process| process.pid.to_string())
                    .collect();
                format!("{} (pid {}, {version})", self.name, pids.join(", "))
            }
        }
    }
}

/// Whether a process runs grtmon itself.
fn is_stub(process: &ProcessId) -> bool {
    let own = FileId::at(Path::new("/proc/self/exe"));
    let exe = FileId::at(&process.exe());
    matches!((own, exe), (Ok(own), Ok(exe)) if own.is_same(&exe))
}
