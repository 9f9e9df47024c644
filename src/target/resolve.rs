//! From what the user asked to the targets: which programs are meant, and which of their processes.

use std::ffi::OsString;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use anyhow::Result;

use crate::go::Binary;
use crate::go::GoError;

use super::Program;
use super::ProgramFile;
use super::Scope;
use super::Target;
use super::aside;
use super::child::Waiting;
use super::closed;
use super::family;
use super::far;
use super::go_sections;
use super::namespace;
use super::no_program;
use super::process;
use super::process::ProcessId;
use super::refusal;
use super::within;

/// What the user asked to observe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// Every process that runs this file, now and later.
    File(PathBuf),
    /// These processes.
    Pids(Vec<i32>),
    /// Those among these processes, and all that they have started, that run a Go program now.
    Families(Vec<i32>),
    /// A command, from its first instruction to its end.
    Command(Vec<OsString>),
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
        Selection::Families(pids) => Ok(Resolved {
            targets: families(pids)?,
            command: None,
        }),
        Selection::Command(command) => {
            let name = command.first().context("no command given after --")?;
            let path = process::find_program(Path::new(name))?;
            let target = Target::open(&path, Scope::Only(Vec::new()));
            let builds = target
                .as_ref()
                .is_ok_and(|it| go_tool_runs(&it.program.binary, command));
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
    if !refusal::may_trace() {
        anyhow::bail!(
            "{shown} is not a Go program: to follow it to the one it starts takes CAP_SYS_PTRACE; start it elsewhere, and use --pid or --binpath"
        );
    }
    // Of the tools that build a program none is meant.
    let is_wanted = |exe: &PathBuf| {
        go_sections::is_go_program(exe) == Some(true)
            && Target::open(exe, Scope::Everyone).is_ok_and(|it| !is_go_tool(&it.program.binary))
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
    target.not_begun();
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
        process.require_no_thread()?;
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
            let target = Program::read(Arc::new(file), &first.exe())
                .map(|program| Target::of(Arc::new(program), Scope::Only(processes.clone())));
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

/// How often the families of processes are looked up because one of their members has just ended.
const LOOKS: usize = 10;

/// The Go programs among processes and what they have started; who ends while it is looked at is none of them.
fn families(pids: &[i32]) -> Result<Vec<Target>> {
    for _ in 1..LOOKS {
        let members = family::go_processes(pids)?;
        match by_binary(&members) {
            Err(_) if !members.iter().all(|pid| ProcessId::is_any(*pid)) => {}
            targets => return targets,
        }
    }
    by_binary(&family::go_processes(pids)?)
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
        Some(std::io::ErrorKind::NotFound) => {
            anyhow::anyhow!("cannot observe process {pid}: {}", no_program::reason(pid))
        }
        _ => error.context(format!("cannot observe process {pid}")),
    }
}
