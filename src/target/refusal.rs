//! Why the kernel lets us not look at a process, and what to do.

use std::fs;

use anyhow::anyhow;
use procfs::process::Process;

use crate::go::MemoryError;

use super::namespace;
use super::texts;

/// Bit of CAP_SYS_PTRACE in a set of capabilities (include/uapi/linux/capability.h).
const CAP_SYS_PTRACE: u64 = 1 << 19;

/// Why the memory of a process cannot be read, for people.
pub fn explain(pid: i32, why: &MemoryError) -> anyhow::Error {
    match why {
        MemoryError::Denied => refusal(pid),
        MemoryError::Gone => anyhow!("process {pid} has ended"),
        other => anyhow!("cannot read process {pid}: {other}"),
    }
}

/// What the kernel bases its decision on.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Rights {
    our_user: u32,
    /// Whose rights it has: another user's, if it has any of these.
    their_user: u32,
    /// A group whose rights it has and we do not.
    their_group: Option<u32>,
    /// Whether it has capabilities that we lack.
    is_capable: bool,
    /// Whether we have CAP_SYS_PTRACE.
    may_trace: bool,
    /// Whether a seccomp filter watches our system calls: containers have one.
    filtered: bool,
    /// Whether we are in a user namespace of our own.
    confined: bool,
    /// `kernel.yama.ptrace_scope` (Documentation/admin-guide/LSM/Yama.rst); 0 where there is no Yama.
    yama: u8,
}

/// The refusal to let us read process `pid`, with what most likely stands in the way.
pub fn refusal(pid: i32) -> anyhow::Error {
    let why = match rights(pid) {
        Some(rights) => obstacle(&rights),
        None => "run as its user, as root, or with CAP_SYS_PTRACE".to_owned(),
    };
    anyhow!("may not read process {pid}: {why}")
}

/// Whether we have CAP_SYS_PTRACE: without it, a program that is traced gets no rights by its file (execve(2)).
pub(super) fn may_trace() -> bool {
    let status = Process::myself().and_then(|us| us.status());
    status.is_ok_and(|us| us.capeff & CAP_SYS_PTRACE != 0)
}

fn rights(pid: i32) -> Option<Rights> {
    let us = Process::myself().ok()?.status().ok()?;
    let them = texts::status(pid)?;
    let yama = fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope").unwrap_or_default();
    let users = [them.ruid, them.euid, them.suid];
    let groups = [them.rgid, them.egid, them.sgid];
    Some(Rights {
        our_user: us.euid,
        their_user: other(&users, us.euid).unwrap_or(us.euid),
        their_group: other(&groups, us.egid),
        is_capable: them.capprm & !us.capeff != 0,
        may_trace: us.capeff & CAP_SYS_PTRACE != 0,
        filtered: us.seccomp == Some(2),
        confined: namespace::in_user_namespace(),
        yama: yama.trim().parse().unwrap_or(0),
    })
}

fn other(theirs: &[u32], ours: u32) -> Option<u32> {
    theirs.iter().copied().find(|id| *id != ours)
}

/// What a user namespace shows in place of users that it does not know (`DEFAULT_OVERFLOWUID`, include/linux/highuid.h).
const NOBODY: u32 = 65534;

/// What stands in the way, and what to do about it.
fn obstacle(rights: &Rights) -> String {
    if rights.yama >= 3 {
        return "Yama forbids it to everybody until the next boot (kernel.yama.ptrace_scope=3)"
            .to_owned();
    }
    if rights.may_trace {
        let container = match (rights.confined, rights.filtered) {
            (true, _) => {
                "the capability CAP_SYS_PTRACE is there but counts only within this container's user namespace; run grtmon outside of it"
            }
            (false, true) => {
                "a seccomp filter, as containers have it, forbids process_vm_readv; start the container with --security-opt seccomp=unconfined, or run grtmon outside of it"
            }
            (false, false) => {
                "a security module forbids it (AppArmor, SELinux, or Landlock, as of a sandbox in which grtmon runs)"
            }
        };
        return container.to_owned();
    }
    if rights.our_user == 0 {
        return "root lacks CAP_SYS_PTRACE here, as in most containers; start the container with --cap-add SYS_PTRACE, or run grtmon outside of it".to_owned();
    }
    if rights.confined && [rights.our_user, NOBODY].contains(&rights.their_user) {
        return "grtmon runs in a user namespace (a sandbox, or a container without root), where it may read nothing of what runs outside; run it outside".to_owned();
    }
    if rights.our_user != rights.their_user {
        return format!(
            "it belongs to user {}; run as that user, as root, or with CAP_SYS_PTRACE",
            rights.their_user
        );
    }
    if let Some(group) = rights.their_group {
        return format!(
            "it has the rights of group {group}; run with that group (newgrp, setpriv --regid), as root, or with CAP_SYS_PTRACE"
        );
    }
    if rights.is_capable {
        return "it has capabilities of its own (as by setcap); run as root or with CAP_SYS_PTRACE"
            .to_owned();
    }
    match rights.yama {
        1 => "Yama allows it for one's own children only (kernel.yama.ptrace_scope=1); run as root or with CAP_SYS_PTRACE, or set that to 0".to_owned(),
        2 => "Yama allows it with CAP_SYS_PTRACE only (kernel.yama.ptrace_scope=2); run as root or with that capability".to_owned(),
        _ => "it made itself unreadable (prctl PR_SET_DUMPABLE), had other rights before, or its file may not be read; run as root or with CAP_SYS_PTRACE".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINE: Rights = Rights {
        our_user: 1000,
        their_user: 1000,
        their_group: None,
        is_capable: false,
        may_trace: false,
        filtered: false,
        confined: false,
        yama: 0,
    };

    #[test]
    fn each_obstacle_is_named() {
        let cases = [
            (Rights { yama: 1, ..MINE }, "ptrace_scope=1"),
            (Rights { yama: 2, ..MINE }, "ptrace_scope=2"),
            (
                Rights {
                    yama: 3,
                    may_trace: true,
                    ..MINE
                },
                "ptrace_scope=3",
            ),
            (
                Rights {
                    their_user: 33,
                    ..MINE
                },
                "belongs to user 33",
            ),
            (
                Rights {
                    our_user: 0,
                    ..MINE
                },
                "--cap-add SYS_PTRACE",
            ),
            (
                Rights {
                    may_trace: true,
                    filtered: true,
                    ..MINE
                },
                "seccomp",
            ),
            (
                Rights {
                    may_trace: true,
                    confined: true,
                    ..MINE
                },
                "user namespace",
            ),
            (
                Rights {
                    confined: true,
                    ..MINE
                },
                "run it outside",
            ),
            (
                Rights {
                    confined: true,
                    their_user: 33,
                    ..MINE
                },
                "belongs to user 33",
            ),
            (
                Rights {
                    their_group: Some(7),
                    ..MINE
                },
                "group 7",
            ),
            (
                Rights {
                    is_capable: true,
                    ..MINE
                },
                "setcap",
            ),
            (MINE, "PR_SET_DUMPABLE"),
        ];
        for (rights, expected) in cases {
            let text = obstacle(&rights);
            assert!(text.contains(expected), "{text}");
        }
    }

    #[test]
    fn rights_are_known_of_any_process() {
        let own = rights(std::process::id().cast_signed()).unwrap();
        assert_eq!(own.our_user, own.their_user);
        assert!(rights(1).is_some());
    }
}
