//! The goroutines of a target's processes, read from their memory while probes are being set.

use anyhow::Context;
use anyhow::Result;
use anyhow::anyhow;

use crate::go::ReadError;
use crate::go::process::goroutines::GoroutineReader;
use crate::model::dump::Dump;
use crate::target::checked::Checked;
use crate::target::process::ProcessId;
use crate::target::refusal;

/// Reads those of every process that runs now, with their stacks if `stacks`, and hands them to `take`, with the
/// process's number.
///
/// # Errors
/// A process may not be read, or what was read makes no sense. One that has ended meanwhile is none.
pub(super) fn of_all(
    checked: &Checked<'_>,
    stacks: bool,
    mut take: impl FnMut(u32, Dump),
) -> Result<()> {
    let target = checked.target;
    let processes = target.processes();
    // Of a command that is yet to begin there is nothing to read.
    for process in processes.iter().filter(|it| target.is_under_way(it)) {
        match of(checked, process, stacks) {
            Err(_) if !process.is_alive() => {}
            read => {
                let pid = u32::try_from(process.pid).context("a process has a negative number")?;
                take(pid, read?);
            }
        }
    }
    Ok(())
}

fn of(checked: &Checked<'_>, process: &ProcessId, stacks: bool) -> Result<Dump> {
    let explain = |error| explain(process.pid, error);
    let live = checked.open(process)?;
    let binary = &checked.target.program.binary;
    let mut reader = GoroutineReader::new(binary, &live.view()).map_err(explain)?;
    let read = match stacks {
        true => reader.read(&live.memory),
        false => reader.list(&live.memory),
    };
    read.map_err(explain)
}

/// Why the goroutines of process `pid` could not be read, in words for people.
fn explain(pid: i32, error: ReadError) -> anyhow::Error {
    match error {
        ReadError::Memory(why) => refusal::explain(pid, &why),
        other => anyhow!("cannot read the goroutines of process {pid}: {other}"),
    }
}
