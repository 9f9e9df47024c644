//! Whether a process is a mere copy: made by fork(2) without exec(2), as C libraries make them and daemons that watch
//! themselves. It has all the memory of its parent, the runtime's lists of goroutines and threads included, but only the
//! one thread that called fork: nothing of what these lists tell goes on in it.

use std::fs;

use anyhow::Result;
use anyhow::bail;

use crate::go::process::threads;

use super::Scope;
use super::Target;
use super::checked::Checked;
use super::live::Live;
use super::process::ProcessId;
use super::texts;

impl Live {
    /// Whether none of the runtime's threads exists in the process. `None` if that cannot be told.
    pub fn is_fork_copy(&self) -> Option<bool> {
        let pid = self.process.pid;
        let is_nested = ids(&texts::read(format!("/proc/{pid}/status")).ok()?).count() > 1;
        let inside = if is_nested {
            Some(inner_ids(pid)?)
        } else {
            None
        };
        let exists = |id: u64| match &inside {
            Some(inside) => inside.contains(&id),
            None => fs::exists(format!("/proc/{pid}/task/{id}")).unwrap_or(true),
        };
        let any = threads::any(&self.view(), exists).ok()??;
        // It may have ended meanwhile.
        (any || self.process.is_alive()).then_some(!any)
    }

    /// What to say of the process if it is a mere copy.
    pub fn copy_note(&self) -> Option<String> {
        let pid = self.process.pid;
        self.is_fork_copy()?.then(|| {
            format!(
                "process {pid} is a copy made by fork: it has the memory of a Go process, but none of its threads; what is shown is as it was then"
            )
        })
    }

    /// Refuses a process whose Go runtime has not begun: what it holds means nothing yet. It was started just now, or was
    /// forked before.
    ///
    /// # Errors
    /// It has not begun.
    pub fn require_begun(&self) -> Result<()> {
        if self.began() == Ok(0) {
            bail!(
                "process {} has not begun to run Go: it was started just now, or is a copy that was forked before its parent did",
                self.process.pid
            );
        }
        Ok(())
    }

    /// How many threads the process has, by the kernel: also those that C made, and not those that the runtime keeps in
    /// store for C (`m.isextra`, runtime/proc.go).
    pub fn thread_count(&self) -> Option<u64> {
        let stat = procfs::process::Process::new(self.process.pid).and_then(|it| it.stat());
        u64::try_from(stat.ok()?.num_threads).ok()
    }
}

/// What is to be said of processes of a target that are mere copies, or have not begun: nothing of Go goes on in them.
/// These have one thread only; of others nothing is read.
pub fn notes(target: &Target) -> Vec<(ProcessId, String)> {
    let is_single = |process: &ProcessId| {
        let stat = procfs::process::Process::new(process.pid).and_then(|it| it.stat());
        target.is_under_way(process) && stat.is_ok_and(|it| it.num_threads == 1)
    };
    let single: Vec<ProcessId> = target.processes().into_iter().filter(is_single).collect();
    if single.is_empty() {
        return Vec::new();
    }
    let checked = Checked::of(target);
    let note = |process: ProcessId| {
        let live = checked.open(&process).ok()?;
        let text = match live.require_begun() {
            // Of those that nobody has named some begin all the time.
            Err(why) => (target.scope != Scope::Everyone).then(|| format!("{why:#}"))?,
            Ok(()) => live.copy_note()?,
        };
        Some((process, text))
    };
    single.into_iter().filter_map(note).collect()
}

/// The numbers of a process or thread in its PID namespaces, its own innermost last.
pub(super) fn ids(status: &str) -> impl Iterator<Item = u64> + '_ {
    let line = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
    let words = line.unwrap_or_default().split_ascii_whitespace();
    words.filter_map(|word| word.parse().ok())
}

/// The numbers of its threads as the process itself knows them.
fn inner_ids(pid: i32) -> Option<Vec<u64>> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).ok()?.flatten();
    let status = tasks.filter_map(|task| texts::read(task.path().join("status")).ok());
    Some(status.filter_map(|status| ids(&status).last()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_number_comes_last() {
        let status = "Name:\tx\nNSpid:\t4242\t17\t1\n";
        assert_eq!(ids(status).collect::<Vec<_>>(), [4242, 17, 1]);
        assert_eq!(ids("Name:\tx\n").count(), 0);
    }
}
