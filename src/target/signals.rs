//! Signals: which threads they are for, and which of them are for nobody.

#![allow(unsafe_code)]

use std::ptr;

use anyhow::Context;
use anyhow::Result;
use nix::sys::signal::SigHandler;
use nix::sys::signal::SigSet;
use nix::sys::signal::SigmaskHow;
pub use nix::sys::signal::Signal;
use nix::sys::signal::signal;

/// What a thread let through.
#[derive(Debug)]
#[must_use = "until it is back, this thread gets no signals"]
pub struct Mask(Option<SigSet>);

impl Mask {
    /// On this thread from now on.
    pub fn back(self) {
        if let Some(before) = self.0 {
            // What could be blocked can be let through.
            let _ = before.thread_set_mask();
        }
    }
}

/// From now on this thread gets no signals that are meant for the process. Gives back what it let through until then.
pub fn leave_to_others() -> Mask {
    let mut all = SigSet::all();
    // Whether a background job may write to its terminal is the terminal's matter.
    all.remove(Signal::SIGTTOU);
    // Where that is refused, signals are handled on this thread as on any other.
    Mask(all.thread_swap_mask(SigmaskHow::SIG_BLOCK).ok())
}

/// Does what starts a thread, which from its first moment gets no such signals: a thread has the mask of the one that
/// starts it. (A signal goes to any thread that lets it through, also while [`keeping_ignored`] is at work on another.)
pub fn left_to_others<T>(start: impl FnOnce() -> T) -> T {
    let mask = leave_to_others();
    let started = start();
    mask.back();
    started
}

/// Whether this signal is ignored. Whoever started grtmon has decided that: nohup(1), or a shell that is not interactive
/// for a job in its background.
pub fn is_ignored(signal: Signal) -> bool {
    // SAFETY: all bytes zero are a valid `sigaction`.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: nothing is set; what is asked for is written to a `sigaction` of ours.
    let asked = unsafe { libc::sigaction(signal as libc::c_int, ptr::null(), &raw mut action) };
    asked == 0 && action.sa_sigaction == libc::SIG_IGN
}

/// Does what sets handlers of these signals, but those that are ignored stay so, without a moment in between.
///
/// # Errors
/// It fails, or signals cannot be ignored.
pub fn keeping_ignored(signals: &[Signal], set: impl FnOnce() -> Result<()>) -> Result<()> {
    let ignored: Vec<Signal> = signals
        .iter()
        .copied()
        .filter(|it| is_ignored(*it))
        .collect();
    let blocked: SigSet = ignored.iter().copied().collect();
    let before = blocked
        .thread_swap_mask(SigmaskHow::SIG_BLOCK)
        .context("cannot block signals")?;
    let done = set();
    for one in ignored {
        // SAFETY: no function is called for a signal that is ignored. Those that came meanwhile are dropped by this.
        unsafe { signal(one, SigHandler::SigIgn) }.context("cannot ignore a signal")?;
    }
    before
        .thread_set_mask()
        .context("cannot let signals through")?;
    done
}
