//! A running process, opened for reading by whoever sets no probes.

use anyhow::Context;
use anyhow::Result;
use anyhow::anyhow;

use crate::go::ReadError;
use crate::target;
use crate::target::Selection;
use crate::target::Target;
use crate::target::live::Live;
use crate::target::process::ProcessId;
use crate::target::refusal;

/// The process with this number, and the program it runs.
///
/// # Errors
/// There is no such process, or it is not one of Go.
pub fn find(pid: i32) -> Result<Target> {
    let resolved = target::resolve(&Selection::Pids(vec![pid]))?;
    let target = resolved.targets.into_iter().next();
    target.with_context(|| format!("there is no process {pid}"))
}

/// Processes that are read, each with the program that it runs.
///
/// # Errors
/// As [`find`].
pub fn find_all(selection: &Selection) -> Result<Vec<(Target, ProcessId)>> {
    Ok(each(&target::resolve(selection)?.targets))
}

/// Each process of these programs by itself.
pub fn each(targets: &[Target]) -> Vec<(Target, ProcessId)> {
    let mut found = Vec::new();
    for target in targets {
        for process in target.processes() {
            found.push((target.with_only(&process), process));
        }
    }
    found.sort_by_key(|(_, process)| process.pid);
    found
}

/// Opens the process of a target; the layout has been held against it.
///
/// # Errors
/// It has ended, or may not be read, or its program has not begun.
pub fn open(target: &Target) -> Result<Live> {
    let process = target.processes().into_iter().next();
    let process = process.with_context(|| format!("{} has ended", target.name))?;
    open_process(target, &process)
}

/// The same for one of several.
///
/// # Errors
/// As [`open`].
pub fn open_process(target: &Target, process: &ProcessId) -> Result<Live> {
    let live = Live::checked(process, target.program.runtime_info())?;
    live.require_begun()?;
    target.program.require_unchanged()?;
    Ok(live)
}

/// Why a process cannot be read, for people.
pub fn unreadable(live: &Live, why: ReadError) -> anyhow::Error {
    let pid = live.process.pid;
    match why {
        ReadError::Memory(why) => refusal::explain(pid, &why),
        ReadError::Unknown(why) => anyhow!("process {pid}: {why}"),
        why => anyhow!("cannot read process {pid}: {why}"),
    }
}
