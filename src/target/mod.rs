//! The processes under observation and the binary they run.

pub mod checked;
pub mod child;
pub mod clock;
pub mod code_in_memory;
pub mod core_dump;
pub mod cpu;
mod extent;
mod fault;
mod file_id;
mod fork_copy;
pub mod last_words;
pub mod limits;
pub mod live;
pub mod machine;
pub mod mapped;
pub mod memory;
pub mod namespace;
mod open;
pub mod own_code;
mod patience;
pub mod proc_mount;
pub mod process;
pub mod signals;
pub mod survey;
mod time_namespace;
pub mod tracer;
pub mod watch;
pub mod witness;

use std::ffi::OsString;
use std::fs::Metadata;
use std::path::Path;
use std::path::PathBuf;

use anyhow::Context;
use anyhow::Result;

use crate::go::Binary;
use crate::go::Machine;

use self::child::Waiting;
use self::file_id::FileId;
use self::mapped::MappedFile;
use self::namespace::PidNamespace;
use self::process::ProcessId;
use self::process::Running;

pub use self::open::descriptor_path;
pub use self::open::open_regular;

/// What the user asked to observe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// Every process that runs this file, now and later.
    File(PathBuf),
    /// These processes.
    Pids(Vec<i32>),
    /// A command, from its first instruction to its end.
    Command(Vec<OsString>),
}

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
    /// What the binary says about itself.
    pub binary: Binary,
    /// The path by which the kernel finds it.
    pub path: PathBuf,
    /// Its file name, for people.
    pub name: String,
    /// Which of its processes.
    pub scope: Scope,
    file: FileId,
}

/// Targets, and the command that waits to be started if one was asked for.
#[derive(Debug)]
pub struct Resolved {
    /// One for each distinct binary.
    pub targets: Vec<Target>,
    /// The command, when the selection was one.
    pub command: Option<Waiting>,
}

/// Finds the binaries and processes a selection means, and reads the binaries. Touches no process.
pub fn resolve(selection: &Selection) -> Result<Resolved> {
    namespace::require_own_proc()?;
    match selection {
        Selection::File(path) => {
            let target = Target::open(path, Scope::Everyone)?;
            Ok(Resolved {
                targets: vec![target],
                command: None,
            })
        }
        Selection::Pids(pids) => Ok(Resolved {
            targets: by_binary(pids)?,
            command: None,
        }),
        Selection::Command(command) => {
            let name = command.first().context("no command given after --")?;
            let path = process::find_program(Path::new(name))?;
            let mut target = Target::open(&path, Scope::Only(Vec::new()))?;
            let mut command = command.clone();
            if let Some(program) = command.first_mut() {
                *program = path.into_os_string();
            }
            let waiting = Waiting::prepare(&command)?;
            target.scope = Scope::Only(vec![ProcessId::of(waiting.pid())?]);
            Ok(Resolved {
                targets: vec![target],
                command: Some(waiting),
            })
        }
    }
}

/// Processes of one binary are one target: they share their probes.
fn by_binary(pids: &[i32]) -> Result<Vec<Target>> {
    let mut groups: Vec<(FileId, Vec<ProcessId>)> = Vec::new();
    for pid in pids {
        let process = ProcessId::of(*pid)?;
        let exe = process.exe();
        let file = FileId::of(&exe).map_err(|error| cannot_open(*pid, &error))?;
        match groups.iter_mut().find(|(known, _)| known.is_same(&file)) {
            Some((_, group)) if group.contains(&process) => {}
            Some((_, group)) => group.push(process),
            None => groups.push((file, vec![process])),
        }
    }
    groups
        .into_iter()
        .filter_map(|(_, processes)| Some((processes.first()?.clone(), processes)))
        .map(|(first, processes)| {
            let mut target = Target::open(&first.exe(), Scope::Only(processes))
                .with_context(|| format!("cannot observe process {}", first.pid))?;
            target.name = first.shown_name();
            Ok(target)
        })
        .collect()
}

fn cannot_open(pid: i32, error: &std::io::Error) -> anyhow::Error {
    match error.kind() {
        std::io::ErrorKind::PermissionDenied => live::refusal(pid),
        std::io::ErrorKind::NotFound => anyhow::anyhow!(
            "cannot observe process {pid}: it has no binary (a kernel thread, or it is just ending)"
        ),
        _ => anyhow::anyhow!("cannot observe process {pid}: {error}"),
    }
}

/// Maps the file of a program into memory: one that can be looked through.
fn map_program(path: &Path) -> Result<(MappedFile, Metadata)> {
    let (bytes, metadata) = map(path)?;
    bytes
        .require_contents()
        .with_context(|| format!("cannot use {}", path.display()))?;
    Ok((bytes, metadata))
}

/// Maps a file into memory.
fn map(path: &Path) -> Result<(MappedFile, Metadata)> {
    let shown = path.display();
    let file = open_regular(path)?;
    let metadata = file
        .metadata()
        .with_context(|| format!("cannot look at {shown}"))?;
    let bytes = MappedFile::new(&file).with_context(|| format!("cannot map {shown}"))?;
    Ok((bytes, metadata))
}

impl Target {
    /// Refuses a program that cannot run here.
    pub fn require_this_machine(&self) -> Result<()> {
        let machine = self.binary.image().machine();
        if machine != Machine::HERE {
            anyhow::bail!(
                "{} is a program for {machine} and cannot run on this machine ({}); grtmon doctor says what could be seen of it",
                self.path.display(),
                Machine::HERE
            );
        }
        Ok(())
    }

    /// Refuses to go on when the file has changed since it was opened: nothing that was found in it can be relied on.
    ///
    /// # Errors
    /// It has.
    pub fn require_unchanged(&self) -> Result<()> {
        let image = self.binary.image();
        image
            .require_unchanged()
            .with_context(|| format!("cannot use {}", self.path.display()))
    }

    /// Reads the binary at `path`.
    fn open(path: &Path, scope: Scope) -> Result<Self> {
        let shown = path.display();
        let (bytes, metadata) = map_program(path)?;
        let file = FileId::new(&metadata, file_id::is_overlay(path));
        let binary = Binary::parse(bytes).with_context(|| format!("cannot use {shown}"))?;
        let name = path
            .file_name()
            .unwrap_or(path.as_os_str())
            .to_string_lossy()
            .into_owned();
        // The kernel resolves the path itself, in our mount namespace: make it independent of the working directory.
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        Ok(Self {
            binary,
            path,
            name,
            scope,
            file,
        })
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
            .find(|process| self.runs(process))
    }

    /// Whether this process runs the binary now.
    pub fn runs(&self, process: &ProcessId) -> bool {
        FileId::of(&process.exe()).is_ok_and(|exe| exe.is_same(&self.file))
    }

    /// Whether processes run this binary that were not asked for.
    pub fn runs_elsewhere(&self) -> bool {
        let Scope::Only(processes) = &self.scope else {
            return false;
        };
        let running = self.running().processes;
        running.iter().any(|it| !processes.contains(it))
    }

    /// Why [`processes`](Self::processes) may lack some, if it may.
    pub fn unseen_processes(&self) -> Option<&'static str> {
        if self.scope != Scope::Everyone {
            None
        } else if self.running().closed {
            Some("which program other users' processes run is told to root and CAP_SYS_PTRACE only")
        } else if PidNamespace::own().is_some() {
            Some("processes outside of grtmon's PID namespace cannot be looked at")
        } else {
            None
        }
    }

    fn running(&self) -> Running {
        process::running(|exe| exe.is_same(&self.file), |pid| self.may_be_run_by(pid))
            .unwrap_or_default()
    }

    /// Whether a process that may not be looked at can be one of this binary, by what the kernel tells everybody: how
    /// much code it has.
    fn may_be_run_by(&self, pid: i32) -> bool {
        process::code_kib(pid).is_some_and(|code| self.code_kib().contains(&code))
    }

    /// How much code the kernel says that a process of this binary has, in KiB. Before Linux 5.10 it counted from the
    /// first segment, whatever that was (`start_code`, fs/binfmt_elf.c).
    fn code_kib(&self) -> [u64; 2] {
        let page = procfs::page_size().max(1);
        let segments = self.binary.image().segments();
        let code = || segments.iter().filter(|segment| segment.exec);
        let end = self.binary.image().code_end();
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

    /// Whether every process that was asked for has ended, or runs another program now; never so for a target that
    /// includes the processes of the future.
    pub fn has_ended(&self) -> bool {
        match &self.scope {
            Scope::Everyone => false,
            Scope::Only(processes) => !processes.iter().any(|process| self.is_run_by(process)),
        }
    }

    /// Whether a process runs this binary. One that is still our own stub (see [`child`]) is about to.
    fn is_run_by(&self, process: &ProcessId) -> bool {
        self.left(process).is_none()
    }

    /// How a process that ran this binary, or was about to, has left it; `None` if it has not.
    pub fn left(&self, process: &ProcessId) -> Option<Left> {
        let stub = || FileId::of(Path::new("/proc/self/exe")).ok();
        if !process.is_alive() {
            return Some(Left::Ended);
        }
        match FileId::of(&process.exe()) {
            Ok(exe) if exe.is_same(&self.file) || Some(exe) == stub() => None,
            Ok(_) => Some(Left::Became(process.shown_exe())),
            // Not to be told while one of its threads takes the place of the main one, by exec.
            Err(_) if process.is_alive() => None,
            Err(_) => Some(Left::Ended),
        }
    }

    /// Whether the path now names another file than the one observed: processes started from now on are not seen.
    pub fn was_replaced(&self) -> bool {
        self.scope == Scope::Everyone
            && FileId::of(&self.path).is_ok_and(|file| !file.is_same(&self.file))
    }

    /// `server (pid 4242, go1.27.1)`, for the start line.
    pub fn describe(&self) -> String {
        let version = self
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
