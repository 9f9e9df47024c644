//! Signals, and which threads they are for.

use nix::sys::signal::SigSet;
use nix::sys::signal::Signal;

/// From now on this thread gets no signals that are meant for the process.
pub fn leave_to_others() {
    let mut all = SigSet::all();
    // Whether a background job may write to its terminal is the terminal's matter.
    all.remove(Signal::SIGTTOU);
    // Where that is refused, signals are handled on this thread as on any other.
    let _ = all.thread_block();
}
