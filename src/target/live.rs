//! A running Go process opened for reading, without touching it.
//!
//! It takes the right to ptrace-read (ptrace(2), "Ptrace access mode checking"), which the kernel also asks of those who
//! want addresses in /proc/PID/stat and call process_vm_readv(2). Where it refuses, [`refusal`](super::refusal) says what stands in the way.

use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::Context;
use anyhow::Result;
use anyhow::anyhow;

use crate::go::MemoryError;
use crate::go::ProcessView;
use crate::go::ReadError;
use crate::go::ReadMemory;
use crate::go::RuntimeInfo;
use crate::go::process::verify::Report;

use super::budget::Budget;
use super::memory::ProcessMemory;
use super::plugins;
use super::process::Loaded;
use super::process::ProcessId;
use super::program::Program;
use super::refusal::explain;

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
    pub runtime_info: RuntimeInfo,
    /// What to add to a link-time address to get the live one.
    pub bias: u64,
    /// A plugin that could not be read.
    unread: Option<PathBuf>,
}

impl Live {
    /// Opens `process`, which runs the binary that `runtime_info` is of. The layout is taken as it is: see [`checked`](Self::checked).
    ///
    /// # Errors
    /// It has ended, or may not be read: the message says why, and what to do.
    pub fn open(process: &ProcessId, runtime_info: &RuntimeInfo) -> Result<Self> {
        Self::with(ProcessMemory::new(process.pid), process, runtime_info)
    }

    /// The same, where there are many: no more of it is read than any should need.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_one_of_many(process: &ProcessId, runtime_info: &RuntimeInfo) -> Result<Self> {
        let memory = ProcessMemory::new(process.pid).within(Arc::new(Budget::new()));
        Self::with(memory, process, runtime_info)
    }

    fn with(
        memory: ProcessMemory,
        process: &ProcessId,
        runtime_info: &RuntimeInfo,
    ) -> Result<Self> {
        let pid = process.pid;
        let loaded = Loaded::of(pid)?.with_context(|| {
            format!("cannot read process {pid}: it is ending, or has just begun")
        })?;
        let moved = loaded.code_end.wrapping_sub(runtime_info.code_end);
        let bias = runtime_info.bias(runtime_info.entry.wrapping_add(moved));
        // Whoever may know that may usually read memory too, but a seccomp filter can forbid the call.
        memory
            .u8(runtime_info.entry.wrapping_add(bias))
            .map_err(|why| explain(pid, &why))?;
        let found = match runtime_info.loads_plugins {
            true => plugins::find(pid, runtime_info, bias),
            false => plugins::Found::default(),
        };
        Ok(Self {
            process: process.clone(),
            memory,
            runtime_info: RuntimeInfo {
                plugins: found.plugins,
                ..runtime_info.clone()
            },
            bias,
            unread: found.unread,
        })
    }

    /// The same by what is known of its program. What has held in one process of it is not held against the next one.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn of(process: &ProcessId, program: &Program) -> Result<Self> {
        match program.held() {
            Some(held) => Self::open(process, &held),
            None => Self::checked(process, program.runtime_info()),
        }
    }

    /// The same, with the layout held against the process.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn checked(process: &ProcessId, runtime_info: &RuntimeInfo) -> Result<Self> {
        let mut live = Self::open(process, runtime_info)?;
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

    /// Holds the layout against the process: see [`RuntimeInfo::settle`].
    pub fn settle(&mut self) -> Report {
        self.runtime_info.settle(&self.memory, self.bias)
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
        let view = self.view();
        let time = view.global("runtimeInitTime", |globals| globals.runtime_init_time)?;
        Ok(view.memory.u64(time)?)
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
    pub fn view(&self) -> ProcessView<'_> {
        ProcessView {
            memory: &self.memory,
            runtime_info: &self.runtime_info,
            bias: self.bias,
        }
    }
}
