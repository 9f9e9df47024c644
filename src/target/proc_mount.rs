//! How /proc is mounted: it can hide the processes of others.

use super::texts;

/// CAP_SYS_PTRACE, which sees through it (fs/proc/base.c, `has_pid_permissions`).
const CAP_SYS_PTRACE: u64 = 1 << 19;

/// Whether /proc may lack processes that are there, because it is mounted with `hidepid` (proc(5)) and we have no
/// CAP_SYS_PTRACE.
pub fn hides_processes() -> bool {
    let mounts = texts::read("/proc/self/mountinfo").unwrap_or_default();
    let capabilities = procfs::process::Process::myself()
        .and_then(|process| process.status())
        .map_or(0, |status| status.capeff);
    hides(&mounts) && capabilities & CAP_SYS_PTRACE == 0
}

/// In the lines of mountinfo, the last that is of /proc counts.
pub(super) fn hides(mounts: &str) -> bool {
    let mut of_proc = mounts.lines().filter_map(|line| {
        let (mount, filesystem) = line.split_once(" - ")?;
        let is_proc = mount.split(' ').nth(4) == Some("/proc") && filesystem.starts_with("proc ");
        is_proc.then_some(filesystem)
    });
    let options = of_proc.next_back().and_then(|it| it.rsplit(' ').next());
    options.unwrap_or_default().split(',').any(|option| {
        let mode = option.strip_prefix("hidepid=");
        mode.is_some_and(|mode| !matches!(mode, "0" | "off" | "1" | "noaccess"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidepid_is_found() {
        let line = |options: &str| {
            format!("23 28 0:21 / /proc rw,nosuid shared:5 - proc proc {options}\n")
        };
        assert!(hides(&line("rw,gid=4,hidepid=invisible")));
        assert!(hides(&line("rw,hidepid=2")));
        assert!(hides(&line("rw,hidepid=ptraceable")));
        // Then others are there, but may not be looked at.
        assert!(!hides(&line("rw,hidepid=noaccess")));
        assert!(!hides(&line("rw")));
        assert!(!hides(&format!("{}{}", line("rw,hidepid=2"), line("rw"))));
        assert!(!hides("24 28 0:22 / /sys rw - sysfs sysfs rw,hidepid=2\n"));
        assert!(!hides(""));
    }
}
