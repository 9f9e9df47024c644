//! A running Go process opened for reading, without touching it.
//!
//! It takes the right to ptrace-read (ptrace(2), "Ptrace access mode checking"), which the kernel also asks of those who
//! want addresses in /proc/PID/stat and call process_vm_readv(2). Where it refuses, [`refusal`] says what stands in the way.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::Context;
use anyhow::Result;
use anyhow::anyhow;
use procfs::process::Process;

use crate::go::Anatomy;
use crate::go::MemoryError;
use crate::go::ReadError;
use crate::go::ReadMemory;
use crate::go::Subject;
use crate::go::process::verify::Report;

use super::budget::Budget;
use super::memory::ProcessMemory;
use super::namespace;
use super::plugins;
use super::process::Loaded;
use super::process::ProcessId;
use super::texts;

/// Bit of CAP_SYS_PTRACE in a set of capabilities (include/uapi/linux/capability.h).
const CAP_SYS_PTRACE: u64 = 1 << 19;

/// How long a process without memory is given to end, or to become another: so many times so long.
const MOMENTS: u32 = 100;
const MOMENT: Duration = Duration::from_millis(5);

/// A process that can be read.
#[derive(Debug, Clone)]
pub struct Live {
    /// The process.
    pub process: ProcessId,
    /// Its memory.
    pub memory: ProcessMemory,
    /// What is known of its binary.
    pub anatomy: Anatomy,
    /// What to add to a link-time address to get the live one.
    pub bias: u64,
    /// A plugin that could not be read.
    unread: Option<PathBuf>,
}

impl Live {
    /// Opens `process`, which runs the binary of `anatomy`. The layout is taken as it is: see [`checked`](Self::checked).
    ///
    /// # Errors
    /// It has ended, or may not be read: the message says why, and what to do.
    pub fn open(process: &ProcessId, anatomy: &Anatomy) -> Result<Self> {
        Self::with(ProcessMemory::new(process.pid), process, anatomy)
    }

    /// The same, where there are many: no more of it is read than any should need.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_one_of_many(process: &ProcessId, anatomy: &Anatomy) -> Result<Self> {
        let memory = ProcessMemory::new(process.pid).within(Arc::new(Budget::new()));
        Self::with(memory, process, anatomy)
    }

    fn with(memory: ProcessMemory, process: &ProcessId, anatomy: &Anatomy) -> Result<Self> {
        let pid = process.pid;
        let loaded = Loaded::of(pid)?.with_context(|| {
            format!("cannot read process {pid}: it is ending, or has just begun")
        })?;
        let moved = loaded.code_end.wrapping_sub(anatomy.code_end);
        let bias = anatomy.bias(anatomy.entry.wrapping_add(moved));
        // Whoever may know that may usually read memory too, but a seccomp filter can forbid the call.
        memory
            .u8(anatomy.entry.wrapping_add(bias))
            .map_err(|why| explain(pid, &why))?;
        let found = match anatomy.loads_plugins {
            true => plugins::find(pid, anatomy, bias),
            false => plugins::Found::default(),
        };
        Ok(Self {
            process: process.clone(),
            memory,
            anatomy: Anatomy {
                plugins: found.plugins,
                ..anatomy.clone()
            },
            bias,
            unread: found.unread,
        })
    }

    /// The same, with the layout held against the process.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn checked(process: &ProcessId, anatomy: &Anatomy) -> Result<Self> {
        let mut live = Self::open(process, anatomy)?;
        let report = live.settle();
        if let Some(why) = &report.ended {
            return Err(explain(process.pid, why));
        }
        match live.obstacle(&report) {
            Some(why) => Err(why),
            None => Ok(live),
        }
    }

    /// Why claims about the process do not hold, if that is not for a wrong layout: it has code that could not be read.
    pub(super) fn obstacle(&self, report: &Report) -> Option<anyhow::Error> {
        let path = self
            .unread
            .as_ref()
            .filter(|_| report.failures().next().is_some())?;
        Some(anyhow!(
            "process {} has loaded the Go plugin {}, whose file cannot be read: goroutines in its code cannot be told; to read a deleted file takes CAP_SYS_ADMIN or CAP_CHECKPOINT_RESTORE",
            self.process.pid,
            path.display()
        ))
    }

    /// Holds the layout against the process: see [`Anatomy::settle`].
    pub fn settle(&mut self) -> Report {
        self.anatomy.settle(&self.memory, self.bias)
    }

    /// Whether the process has ended, which may be why it could not be read. One that is just ending has no memory any
    /// more but may still look alive; one that becomes another program by exec has none for a moment.
    pub fn has_ended(&self, why: &ReadError) -> bool {
        const GONE: ReadError = ReadError::Memory(MemoryError::Gone);
        if *why != GONE {
            return !self.process.is_alive();
        }
        for _ in 0..MOMENTS {
            if !self.process.is_alive() {
                return true;
            }
            if self.began() != Err(GONE) {
                return false;
            }
            thread::sleep(MOMENT);
        }
        true
    }

    /// When the program began, ns of CLOCK_MONOTONIC: `runtimeInitTime` (runtime/proc.go). Another time, or none at the
    /// old place, is another program: the process has replaced itself by exec.
    ///
    /// # Errors
    /// It cannot be read, or where it lies is not known.
    pub fn began(&self) -> Result<u64, ReadError> {
        let subject = self.subject();
        let time = subject.global("runtimeInitTime", |globals| globals.runtime_init_time)?;
        Ok(subject.memory.u64(time)?)
    }

    /// Whether the process runs another program than the one that began at that time.
    ///
    /// # Errors
    /// That cannot be told: it has ended, its memory does not answer, or the like. No error is a sign of an exec, but that
    /// there is no such memory any more.
    pub fn is_another(&self, began: u64) -> Result<bool, ReadError> {
        let mut now = self.began();
        // It has no memory for a moment while it becomes another.
        if let Err(why @ ReadError::Memory(MemoryError::Gone)) = &now
            && !self.has_ended(why)
        {
            now = self.began();
        }
        match now {
            Ok(now) => Ok(now != began),
            Err(ReadError::Memory(MemoryError::Unmapped { .. })) if self.process.is_alive() => {
                Ok(true)
            }
            Err(why) => Err(why),
        }
    }

    /// The process for those who read.
    pub fn subject(&self) -> Subject<'_> {
        Subject {
            memory: &self.memory,
            anatomy: &self.anatomy,
            bias: self.bias,
        }
    }
}

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
