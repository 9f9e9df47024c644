//! What running programs have cost so far, by their own account, and how large they are, by the kernel's.

#![allow(unsafe_code)]

use std::ffi::c_void;
use std::os::fd::AsFd;
use std::os::fd::AsRawFd;

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;
use libbpf_rs::MapCore;
use libbpf_rs::MapFlags;
use libbpf_rs::libbpf_sys;

/// What the programs of one object have cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spent {
    /// How often one of them ran.
    pub hits: u64,
    /// How many of the runs were timed.
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

/// What the programs with this map have cost (`struct go_spent` in `src/bpf/go.bpf.h`).
pub(super) fn spent(map: &impl MapCore) -> Result<Spent> {
    let values = map
        .lookup_percpu(&0_u32.to_ne_bytes(), MapFlags::ANY)
        .context("cannot read what the programs have cost")?
        .context("what the programs have cost is missing")?;
    let mut sum = Spent::default();
    for value in values {
        let words = value.as_chunks().0;
        let [hits, timed_runs, timed_ns, ..] = *words else {
            bail!("what the programs have cost has an unknown size");
        };
        sum = sum.and(Spent {
            hits: u64::from_ne_bytes(hits),
            timed_runs: u64::from_ne_bytes(timed_runs),
            timed_ns: u64::from_ne_bytes(timed_ns),
        });
    }
    Ok(sum)
}

/// What the kernel tells of a loaded program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Figures {
    /// Instructions that the verifier followed when the program was loaded.
    pub verified_instructions: u32,
    /// Bytes of machine code.
    pub machine_code_bytes: u32,
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
    })
}
