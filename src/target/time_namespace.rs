//! The clock of a process that is in another time namespace (time_namespaces(7)): its CLOCK_MONOTONIC is ahead of ours, or
//! behind. Containers that were moved or restored have it so.

use std::fs;
use std::path::PathBuf;

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;

use super::Target;
use super::clock;
use super::live::Live;

impl Live {
    /// Now by the process's own clock, ns: what its runtime takes times from (`nanotime`).
    ///
    /// # Errors
    /// How that clock differs from ours is not known.
    pub fn now_ns(&self) -> Result<u64> {
        let ours = clock::monotonic_ns()?;
        let ahead = self.clock_ahead_ns()?;
        u64::try_from(i128::from(ours) + ahead).context("the clock is out of range")
    }

    /// What to add to a time by the process's own clock to get nanoseconds since 1970.
    ///
    /// # Errors
    /// As [`now_ns`](Self::now_ns).
    pub fn unix_offset_ns(&self) -> Result<i128> {
        Ok(clock::unix_offset_ns()? - self.clock_ahead_ns()?)
    }

    fn clock_ahead_ns(&self) -> Result<i128> {
        let pid = self.process.pid;
        ahead_ns(pid).with_context(|| {
            format!(
                "process {pid} is in another time namespace, and how its clock differs is not known"
            )
        })
    }
}

impl Target {
    /// Refuses processes with another clock than the kernel's programs have, for what compares the two.
    ///
    /// # Errors
    /// One of them has another.
    pub fn require_our_clock(&self) -> Result<()> {
        let other = |pid: &i32| ahead_ns(*pid) != Some(0);
        match self.processes().iter().map(|it| it.pid).find(other) {
            Some(pid) => bail!(
                "process {pid} is in another time namespace: the times that its runtime takes cannot be compared with the machine's"
            ),
            None => Ok(()),
        }
    }
}

/// How far the process's clock is ahead of ours. `None` if it is not known.
fn ahead_ns(pid: i32) -> Option<i128> {
    let theirs = namespace(&pid.to_string());
    // There are no time namespaces here, or we may not know: then it is ours most likely.
    if theirs.is_none() || theirs == namespace("self") {
        return Some(0);
    }
    Some(offset_ns(&pid.to_string())? - offset_ns("self")?)
}

fn namespace(process: &str) -> Option<PathBuf> {
    fs::read_link(format!("/proc/{process}/ns/time")).ok()
}

/// How far the clock of a process is ahead of the machine's. /proc/PID/timens_offsets is about the namespace of its
/// children (fs/proc/base.c, `proc_timens_show`): its own too if it was begun by exec.
fn offset_ns(process: &str) -> Option<i128> {
    let of_children = fs::read_link(format!("/proc/{process}/ns/time_for_children")).ok();
    if of_children != namespace(process) {
        return None;
    }
    let offsets = fs::read_to_string(format!("/proc/{process}/timens_offsets")).ok()?;
    monotonic(&offsets)
}

/// `monotonic  -3600  0`: seconds and nanoseconds, the latter not negative.
pub(super) fn monotonic(offsets: &str) -> Option<i128> {
    let line = offsets
        .lines()
        .find_map(|line| line.strip_prefix("monotonic"))?;
    let mut words = line.split_ascii_whitespace();
    let seconds: i64 = words.next()?.parse().ok()?;
    let rest: i64 = words.next()?.parse().ok()?;
    Some(i128::from(seconds) * 1_000_000_000 + i128::from(rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_understood() {
        let text = "monotonic       -3600         5\nboottime          86400         0\n";
        assert_eq!(monotonic(text), Some(-3_599_999_999_995));
        assert_eq!(monotonic("monotonic  86400  0\n"), Some(86_400_000_000_000));
        assert_eq!(monotonic("boottime 1 0\n"), None);
        assert_eq!(monotonic("monotonic x\n"), None);
    }

    #[test]
    fn our_own_clock_is_not_ahead_of_itself() {
        assert_eq!(ahead_ns(std::process::id().cast_signed()), Some(0));
    }
}
