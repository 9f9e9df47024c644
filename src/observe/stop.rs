//! What ends an observation from outside: signals.

use std::time::Duration;
use std::time::Instant;

use anyhow::Context;
use anyhow::Result;
use crossbeam_channel::Receiver;
use crossbeam_channel::bounded;

use crate::target::signals;
use crate::target::signals::Signal;

/// The signals that `ctrlc` sets a handler of (its feature `termination`).
const ENDING: [Signal; 3] = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP];

/// A message on Ctrl-C, SIGTERM or SIGHUP, but for those of them that grtmon was started to ignore. The second one ends
/// grtmon at once; the kernel then detaches the probes.
///
/// # Errors
/// Signals cannot be handled.
pub fn on_signals() -> Result<Receiver<()>> {
    on_signals_or(|| {})
}

/// As [`on_signals`]; `at_once` is done before the second signal ends grtmon.
///
/// # Errors
/// As [`on_signals`].
pub fn on_signals_or(mut at_once: impl FnMut() + Send + 'static) -> Result<Receiver<()>> {
    let (sender, stop) = bounded(1);
    let mut asked = false;
    let handler = move || {
        if asked {
            at_once();
            std::process::exit(130);
        }
        asked = true;
        // Nobody listens any more when the run is ending by itself.
        let _ = sender.try_send(());
    };
    signals::keeping_ignored(&ENDING, || {
        ctrlc::set_handler(handler).context("cannot handle signals")
    })?;
    Ok(stop)
}

/// Waits until this moment, or until somebody ends the observation: whether that is so.
pub fn wait_until(moment: Instant, stop: &Receiver<()>) -> bool {
    let left = moment.saturating_duration_since(Instant::now());
    // Whoever sends is there as long as the program.
    left > Duration::ZERO && stop.recv_timeout(left).is_ok()
}
