//! The processes under observation and the binary they run.

mod absence;
mod aside;
mod aside_process;
mod attributes;
mod budget;
pub mod checked;
pub mod child;
pub mod clock;
pub mod closed;
pub mod closed_output;
pub mod code_in_memory;
pub mod core_dump;
pub mod cpu;
mod extent;
mod far;
mod fault;
mod file_id;
mod follow;
pub mod fork_copy;
mod fuse;
pub mod guard;
pub mod last_words;
mod lease;
pub mod limits;
pub mod live;
mod look;
pub mod machine;
pub mod mapped;
pub mod memory;
mod memory_file;
pub mod namespace;
mod open;
mod opened;
pub mod own_code;
mod patience;
mod plugins;
pub mod proc_mount;
pub mod process;
mod program_file;
mod same_pages;
pub mod signals;
pub mod survey;
pub mod texts;
mod time_namespace;
pub mod tracer;
mod unpacked;
pub mod watch;
mod within;
pub mod witness;

use std::ffi::OsString;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use anyhow::Result;

use crate::go::Binary;
use crate::go::GoError;
use crate::go::Machine;

use self::absence::is_absent;
use self::child::Waiting;
use self::file_id::FileId;
use self::guard::Change;
use self::mapped::MappedFile;
use self::namespace::PidNamespace;
use self::process::ProcessId;
use self::process::Running;

pub use self::open::descriptor_path;
pub use self::open::open_regular;
use self::opened::Opened;
pub use self::program_file::ProgramFile;

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
    /// The path by which it was found, for people.
    pub path: PathBuf,
    /// Its file name, for people.
    pub name: String,
    /// Which of its processes.
    pub scope: Scope,
    /// Whether they have begun to run; one that was followed to its first instruction has not.
    begun: bool,
    /// The file that was read, and into which its probes go.
    pub file: Arc<ProgramFile>,
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
    resolve_telling(selection, &|_| {})
}

/// The same; says what may take long.
pub fn resolve_telling(selection: &Selection, tell: &dyn Fn(&str)) -> Result<Resolved> {
    namespace::require_own_proc()?;
    aside::prepare();
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
            let target = Target::open(&path, Scope::Only(Vec::new()));
            let builds = target
                .as_ref()
                .is_ok_and(|it| go_tool_runs(&it.binary, command));
            let mut command = command.clone();
            if let Some(program) = command.first_mut() {
                *program = path.clone().into_os_string();
            }
            let (target, waiting) = match target {
                Ok(mut target) if !builds => {
                    let waiting = Waiting::prepare(&command)?;
                    target.scope = Scope::Only(vec![ProcessId::of(waiting.pid())?]);
                    (target, waiting)
                }
                Err(why) if !is_no_go(&why) => return Err(why),
                _ => follow(&path, &command, tell)?,
            };
            Ok(Resolved {
                targets: vec![target],
                command: Some(waiting),
            })
        }
    }
}

/// Starts a command that is not the Go program itself that is meant, and follows it to that.
fn follow(path: &Path, command: &[OsString], tell: &dyn Fn(&str)) -> Result<(Target, Waiting)> {
    let shown = path.display();
    if let Some(program) = within::given_to_loader(path, command) {
        anyhow::bail!(
            "{shown} is the dynamic loader, and what it runs has no place of its own: start {} without it",
            program.display()
        );
    }
    if !live::may_trace() {
        anyhow::bail!(
            "{shown} is not a Go program: to follow it to the one it starts takes CAP_SYS_PTRACE; start it elsewhere, and use --pid or --binpath"
        );
    }
    // Of the tools that build a program none is meant.
    let is_wanted = |exe: &PathBuf| {
        survey::is_go_program(exe) == Some(true)
            && Target::open(exe, Scope::Everyone).is_ok_and(|it| !is_go_tool(&it.binary))
    };
    tell(&format!(
        "{shown} is not the Go program to observe: waiting for the first one that it becomes or starts."
    ));
    let waiting = Waiting::prepare(command)?
        .follow(is_wanted)
        .with_context(|| format!("no Go program to observe came of {shown}"))?;
    let process = ProcessId::of(waiting.pid())?;
    let mut target = Target::open(&process.exe(), Scope::Only(vec![process.clone()]))?;
    target.name = process.shown_name();
    target.begun = false;
    Ok((target, waiting))
}

/// Whether a command is `go run` or the like: what it builds and runs is meant.
fn go_tool_runs(binary: &Binary, command: &[OsString]) -> bool {
    let runs = |word: &OsString| ["run", "test", "tool"].iter().any(|it| word == it);
    is_go_tool(binary) && command.get(1).is_some_and(runs)
}

/// Whether a program is part of Go's own tools.
fn is_go_tool(binary: &Binary) -> bool {
    let info = binary.build_info();
    info.is_some_and(|info| info.path.starts_with("cmd/"))
}

/// Processes of one binary are one target: they share their probes. Where it cannot be told whether they run one file,
/// each has its own, and counts no other.
fn by_binary(pids: &[i32]) -> Result<Vec<Target>> {
    let mut groups: Vec<(ProgramFile, Vec<ProcessId>)> = Vec::new();
    for pid in pids {
        let process = ProcessId::of(*pid)?;
        let exe = process.exe();
        let mut known = groups.iter_mut();
        match known.find(|(file, _)| file.is_at(&exe).unwrap_or(false)) {
            Some((_, group)) if group.contains(&process) => {}
            Some((_, group)) => group.push(process),
            None => {
                let file = ProgramFile::open(&exe).map_err(|error| cannot_open(*pid, error))?;
                groups.push((file, vec![process]));
            }
        }
    }
    groups
        .into_iter()
        .filter_map(|(file, processes)| Some((file, processes.first()?.clone(), processes)))
        .map(|(file, first, processes)| {
            let target = Target::read(file, &first.exe(), Scope::Only(processes.clone()));
            let mut target = target.map_err(|why| cannot_use(first.pid, why))?;
            target.name = first.shown_name();
            // What a process runs now may not be what was opened.
            match processes.iter().find(|process| !target.is_run_by(process)) {
                Some(other) if other.is_alive() => anyhow::bail!(
                    "process {} began another program while it was looked at; start again",
                    other.pid
                ),
                _ => Ok(target),
            }
        })
        .collect()
}

/// Whether a file could be read and turned out not to be a Go program.
fn is_no_go(why: &anyhow::Error) -> bool {
    let why = why.downcast_ref::<GoError>();
    why.is_some_and(|why| matches!(why, GoError::NotGo(None) | GoError::NotElf(_)))
}

fn cannot_use(pid: i32, why: anyhow::Error) -> anyhow::Error {
    if far::is_silence(&why) {
        return closed::silence(pid);
    }
    let within = is_no_go(&why).then(|| within::find(pid)).flatten();
    match within {
        Some(within) => anyhow::anyhow!(within.advice(pid)),
        None => why.context(format!("cannot observe process {pid}")),
    }
}

fn cannot_open(pid: i32, error: anyhow::Error) -> anyhow::Error {
    let system = error.root_cause().downcast_ref::<std::io::Error>();
    if far::is_silence(&error) {
        return closed::silence(pid);
    }
    match system.map(std::io::Error::kind) {
        Some(std::io::ErrorKind::PermissionDenied) => closed::reason(pid),
        Some(std::io::ErrorKind::NotFound) => anyhow::anyhow!(
            "cannot observe process {pid}: it has no binary (a kernel thread, or it is just ending)"
        ),
        _ => error.context(format!("cannot observe process {pid}")),
    }
}

/// Maps the file of a program into memory: one that can be looked through.
fn map_program(path: &Path) -> Result<MappedFile> {
    let file = open_file(path)?;
    let shown = path.display();
    file.require_contents()
        .with_context(|| format!("cannot use {shown}"))?;
    file.map().with_context(|| format!("cannot map {shown}"))
}

/// Opens a file; says so if it lies where only another user may read.
fn open_file(path: &Path) -> Result<Opened> {
    Opened::open(path).map_err(|why| {
        let denied = why.downcast_ref::<std::io::Error>();
        let denied = denied.is_some_and(|it| it.kind() == std::io::ErrorKind::PermissionDenied);
        let obstacle = if denied {
            fuse::obstacle_of_file(path)
        } else {
            None
        };
        match obstacle {
            Some(obstacle) => why.context(obstacle),
            None => why,
        }
    })
}

/// Reads a program, which was found at `path`.
fn read(file: &ProgramFile, path: &Path) -> Result<Binary> {
    let shown = path.display();
    let contents = file.file().require_contents();
    contents.with_context(|| format!("cannot use {shown}"))?;
    let bytes = file.map().with_context(|| format!("cannot map {shown}"))?;
    Binary::parse(bytes).with_context(|| format!("cannot use {shown}"))
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
        match self.binary.image().system() {
            // Linux does not ask for it: it runs whatever it is told to.
            Some(system) if self.running_process().is_none() => anyhow::bail!(
                "{} is a program for {system} and cannot run on this machine (Linux); grtmon doctor says what could be seen of it",
                self.path.display()
            ),
            _ => Ok(()),
        }
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
        Self::read(ProgramFile::open(path)?, path, scope)
    }

    /// Reads a binary that was found at `path`.
    fn read(file: ProgramFile, path: &Path, scope: Scope) -> Result<Self> {
        let binary = read(&file, path)?;
        let name = path
            .file_name()
            .unwrap_or(path.as_os_str())
            .to_string_lossy()
            .into_owned();
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        Ok(Self {
            binary,
            path,
            name,
            scope,
            begun: true,
            file: Arc::new(file),
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
            .find(|process| self.is_under_way(process))
    }

    /// Whether this process runs the binary and is not about to begin with it only, so that its memory says something.
    pub fn is_under_way(&self, process: &ProcessId) -> bool {
        self.begun && self.runs(process)
    }

    /// Whether this process runs the binary now. Where that is not to be told it is taken for the one that it was: whoever
    /// looks closer will meet the reason.
    pub fn runs(&self, process: &ProcessId) -> bool {
        let runs = self.file.is_at(&process.exe());
        runs.unwrap_or_else(|why| !is_absent(&why))
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
        if !self.binary.loads_plugins() {
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
        if self.binary.image().is_library() {
            return Some("processes that have loaded a library are not looked for");
        }
        let running = self.running();
        if running.unlooked {
            Some("for some the system had no open files or memory left to look at them (ulimit -n)")
        } else if running.closed {
            Some("which program other users' processes run is told to root and CAP_SYS_PTRACE only")
        } else if PidNamespace::own().is_some() {
            Some("processes outside of grtmon's PID namespace cannot be looked at")
        } else if self.file.has_untold() {
            Some(
                "whether processes on other overlays run this very file is told to CAP_SYS_ADMIN only",
            )
        } else {
            None
        }
    }

    fn running(&self) -> Running {
        process::running(|exe| self.file.is_at(exe), |pid| self.may_be_run_by(pid))
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

    /// What was done to its file while there were probes on it. They are there no more, and it is not observed any more.
    pub fn file_change(&self) -> Option<Change> {
        self.file.change()
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
        if !process.is_alive() {
            return Some(Left::Ended);
        }
        match self.file.is_at(&process.exe()) {
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
        self.scope == Scope::Everyone && self.file.is_at(&self.path).is_ok_and(|is_this| !is_this)
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

/// Whether a process runs grtmon itself.
fn is_stub(process: &ProcessId) -> bool {
    let own = FileId::at(Path::new("/proc/self/exe"));
    let exe = FileId::at(&process.exe());
    matches!((own, exe), (Ok(own), Ok(exe)) if own.is_same(&exe))
}
