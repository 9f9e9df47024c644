//! What running programs have cost so far, by the kernel's own account.

#![allow(unsafe_code)]

use std::ffi::c_void;
use std::os::fd::AsFd;
use std::os::fd::AsRawFd;
use std::os::fd::FromRawFd;
use std::os::fd::OwnedFd;

use anyhow::Context;
use anyhow::Result;
use libbpf_rs::MapCore;
use libbpf_rs::Object;
use libbpf_rs::libbpf_sys;

use super::counters;

/// What the programs of one object have cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spent {
    /// How often one of them ran.
    pub hits: u64,
    /// How often one of them ran while [`Timed`] existed.
    pub timed_runs: u64,
    /// Nanoseconds that these took, without the trap.
    pub timed_ns: u64,
}

impl Spent {
    /// The cost of both.
    pub fn and(self, other: Self) -> Self {
        Self {
            hits: self.hits + other.hits,
            timed_runs: self.timed_runs + other.timed_runs,
            timed_ns: self.timed_ns + other.timed_ns,
        }
    }
}

/// What the programs of `object` have cost; `hits` is its map `go_hits`.
pub(super) fn spent(object: &Object, hits: &impl MapCore) -> Result<Spent> {
    let mut spent = Spent {
        hits: counters::per_cpu_sum(hits, 0)?,
        ..Spent::default()
    };
    for program in object.progs().filter(|program| program.autoload()) {
        let figures = figures(program.as_fd())?;
        spent.timed_runs += figures.runs;
        spent.timed_ns += figures.run_ns;
    }
    Ok(spent)
}

/// What the kernel tells of a loaded program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Figures {
    /// Instructions that the verifier followed when the program was loaded.
    pub verified_instructions: u32,
    /// Bytes of machine code.
    pub machine_code_bytes: u32,
    /// How often it ran while run times were kept.
    pub runs: u64,
    /// How long that took, in nanoseconds.
    pub run_ns: u64,
}

/// Asks the kernel about a program (`struct bpf_prog_info`, include/uapi/linux/bpf.h).
pub fn figures(program: impl AsFd) -> Result<Figures> {
    let mut info = libbpf_sys::bpf_prog_info::default();
    let mut size = u32::try_from(size_of_val(&info)).context("bpf_prog_info is too large")?;
    // SAFETY: the kernel fills in at most `size` bytes of `info`, which is all of it and all integers.
    let error = unsafe {
        libbpf_sys::bpf_obj_get_info_by_fd(
            program.as_fd().as_raw_fd(),
            (&raw mut info).cast::<c_void>(),
            &raw mut size,
        )
    };
    if error != 0 {
        return Err(std::io::Error::from_raw_os_error(-error))
            .context("cannot ask the kernel about a program");
    }
    Ok(Figures {
        verified_instructions: info.verified_insns,
        machine_code_bytes: info.jited_prog_len,
        runs: info.run_cnt,
        run_ns: info.run_time_ns,
    })
}

/// As long as this exists the kernel keeps the run time of every program on the machine, for some tens of nanoseconds
/// a run (`BPF_ENABLE_STATS`, Linux 5.8).
#[derive(Debug)]
pub struct Timed(#[expect(dead_code, reason = "open is what it does")] OwnedFd);

impl Timed {
    /// `None` if the kernel refuses: it takes CAP_SYS_ADMIN.
    pub fn begin() -> Option<Self> {
        // SAFETY: takes no pointers.
        let fd = unsafe { libbpf_sys::bpf_enable_stats(libbpf_sys::BPF_STATS_RUN_TIME) };
        // SAFETY: the descriptor is new and nobody else's.
        (fd >= 0).then(|| Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }
}
