//! Opening perf events (perf_event_open(2)).

#![allow(unsafe_code)]

use std::io;
use std::os::fd::FromRawFd;
use std::os::fd::OwnedFd;

use libbpf_rs::libbpf_sys;
use libbpf_rs::libbpf_sys::perf_event_attr;

/// Attributes of an event of this type, with all else as it is by default.
pub(super) fn attributes(of_type: u32, config: u64) -> perf_event_attr {
    // SAFETY: all integers, for which zero is a value.
    let mut attributes: perf_event_attr = unsafe { std::mem::zeroed() };
    attributes.type_ = of_type;
    attributes.size = u32::try_from(size_of_val(&attributes)).unwrap_or(0);
    attributes.config = config;
    attributes
}

/// Opens one, of a process (-1: of all) on a processor (-1: on all).
pub(super) fn open(attributes: &perf_event_attr, pid: i32, processor: i32) -> io::Result<OwnedFd> {
    // SAFETY: the kernel reads `size` bytes of the attributes.
    let fd = unsafe {
        libc::syscall(
            libc::SYS_perf_event_open,
            &raw const *attributes,
            pid,
            processor,
            -1,
            libc::c_ulong::from(libbpf_sys::PERF_FLAG_FD_CLOEXEC),
        )
    };
    match i32::try_from(fd) {
        // SAFETY: the descriptor is new and nobody else's.
        Ok(fd) if fd >= 0 => Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
        _ => Err(io::Error::last_os_error()),
    }
}
