//! The namespaces that grtmon runs in: which processes it can number, and where its capabilities count.

use std::fs;
use std::os::unix::fs::MetadataExt;

use anyhow::Result;
use anyhow::bail;
use nix::sys::stat::major;
use nix::sys::stat::minor;

use super::texts;

/// The initial namespaces' inodes, the same on every machine (`PROC_PID_INIT_INO` and `PROC_USER_INIT_INO`,
/// include/linux/proc_ns.h).
const INITIAL_PID: u64 = 0xeffffffc;
const INITIAL_USER: u64 = 0xeffffffd;

/// A PID namespace other than the initial one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PidNamespace {
    /// The device of its file, as the kernel encodes it for itself (`MKDEV`, include/linux/kdev_t.h).
    pub dev: u64,
    /// The inode of its file.
    pub ino: u64,
}

impl PidNamespace {
    /// The one that grtmon runs in; `None` if that is the initial one, or the kernel has none.
    pub fn own() -> Option<Self> {
        let metadata = fs::metadata("/proc/self/ns/pid").ok()?;
        let dev = metadata.dev();
        (metadata.ino() != INITIAL_PID).then(|| Self {
            dev: major(dev) << 20 | minor(dev),
            ino: metadata.ino(),
        })
    }
}

/// Whether grtmon runs in a user namespace of its own: what it may do there it may not do to the kernel.
pub fn in_user_namespace() -> bool {
    fs::metadata("/proc/self/ns/user").is_ok_and(|it| it.ino() != INITIAL_USER)
}

/// Whether a process is in a PID namespace below the one of /proc.
pub fn is_below(pid: i32) -> bool {
    let status = texts::read(format!("/proc/{pid}/status")).unwrap_or_default();
    numbers(&status) > 1
}

/// Ends with the reason when the numbers in /proc are not those that grtmon's own system calls go by: it would read
/// other processes than those that were meant.
pub fn require_own_proc() -> Result<()> {
    match texts::read("/proc/self/status") {
        Ok(status) if numbers(&status) <= 1 => Ok(()),
        Ok(_) => bail!(
            "/proc is of another PID namespace than grtmon's own: mount it anew (unshare --mount-proc does), or run grtmon in that namespace"
        ),
        Err(_) if fs::metadata("/proc/uptime").is_err() => {
            bail!("/proc is not mounted here: grtmon sees processes through it")
        }
        Err(_) => bail!(
            "grtmon itself is not in /proc, which is of another PID namespace: mount it anew, or run grtmon in that namespace"
        ),
    }
}

/// In how many PID namespaces a process has a number, from that of /proc down to its own (`NSpid`, proc(5)).
pub(super) fn numbers(status: &str) -> usize {
    let line = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
    line.map_or(1, |numbers| numbers.split_whitespace().count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_below_has_several_numbers() {
        assert_eq!(numbers("Name:\tx\nNSpid:\t4242\t17\t1\nNSpgid:\t1\n"), 3);
        assert_eq!(numbers("Name:\tx\nNSpid:\t4242\n"), 1);
        assert_eq!(numbers("Name:\tx\n"), 1);
    }

    #[test]
    fn proc_is_our_own() {
        require_own_proc().unwrap();
        assert!(!is_below(std::process::id().cast_signed()));
    }
}
