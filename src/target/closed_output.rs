//! Whether standard output was closed when grtmon was started (`>&-`). Rust's runtime opens /dev/null in its place before
//! `main`, so that no other file takes its number: afterwards it cannot be told from one that was asked for.

#![allow(unsafe_code)]

use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;

use nix::libc;

static CLOSED: AtomicBool = AtomicBool::new(false);

/// Called by the C library before Rust's runtime begins.
#[used]
// SAFETY: that is what such a section consists of (System V ABI, "Initialization and Termination Functions").
#[unsafe(link_section = ".init_array")]
static LOOK: extern "C" fn() = look;

extern "C" fn look() {
    // SAFETY: a system call that changes nothing.
    let flags = unsafe { libc::fcntl(libc::STDOUT_FILENO, libc::F_GETFD) };
    CLOSED.store(flags < 0, Ordering::Relaxed);
}

/// Whether it was.
pub fn was_closed() -> bool {
    CLOSED.load(Ordering::Relaxed)
}
