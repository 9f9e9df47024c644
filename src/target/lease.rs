//! A lease on a file (fcntl(2), "Leases"): who wants to change the file waits in open(2) or truncate(2) until the holder,
//! who is sent a signal, gives it back, or until /proc/sys/fs/lease-break-time has passed.

#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

use nix::errno::Errno;
use nix::libc;
use nix::sys::signal::SigSet;
use nix::sys::signal::Signal;
use nix::sys::signalfd::SfdFlags;
use nix::sys::signalfd::SignalFd;
use nix::unistd::gettid;

/// `F_SETOWN_EX` and `F_OWNER_TID` (include/uapi/asm-generic/fcntl.h).
const F_SETOWN_EX: libc::c_int = 15;
const F_OWNER_TID: libc::c_int = 0;

/// `struct f_owner_ex` there.
#[repr(C)]
struct Owner {
    kind: libc::c_int,
    pid: libc::pid_t,
}

/// A lease, held by one thread.
#[derive(Debug)]
pub(super) struct Lease<'f> {
    file: &'f File,
    /// Readable when somebody wants to change the file.
    pub(super) signals: SignalFd,
}

/// What came of asking for one.
#[derive(Debug)]
pub(super) enum Asked<'f> {
    /// It is held.
    Held(Lease<'f>),
    /// Somebody has the file open to write to it.
    Written,
    /// Not for us, or not on this file system.
    Refused,
}

impl<'f> Lease<'f> {
    /// Asks for one, for the calling thread, which gets the signal and must not mean to get SIGIO for anything else.
    pub(super) fn ask(file: &'f File) -> io::Result<Asked<'f>> {
        let set = SigSet::from(Signal::SIGIO);
        set.thread_block()?;
        let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
        let signals = SignalFd::with_flags(&set, flags)?;
        let owner = Owner {
            kind: F_OWNER_TID,
            pid: gettid().as_raw(),
        };
        // SAFETY: the kernel reads a `struct f_owner_ex`.
        let owned = unsafe { libc::fcntl(file.as_raw_fd(), F_SETOWN_EX, &raw const owner) };
        Errno::result(owned)?;
        // SAFETY: takes an integer.
        let leased = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETLEASE, libc::F_RDLCK) };
        Ok(match Errno::result(leased) {
            Ok(_) => Asked::Held(Self { file, signals }),
            Err(Errno::EAGAIN) => Asked::Written,
            Err(_) => Asked::Refused,
        })
    }

    /// Whether somebody wants it back, or the kernel has taken it back already.
    pub(super) fn is_called_in(&self) -> bool {
        // It shall not be readable for ever.
        while let Ok(Some(_)) = self.signals.read_signal() {}
        // SAFETY: takes no argument.
        let state = unsafe { libc::fcntl(self.file.as_raw_fd(), libc::F_GETLEASE) };
        state != libc::F_RDLCK
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        // SAFETY: takes an integer. What is not held any more cannot be given back, and need not.
        unsafe { libc::fcntl(self.file.as_raw_fd(), libc::F_SETLEASE, libc::F_UNLCK) };
    }
}
