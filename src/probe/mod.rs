//! The kernel side: loads the BPF programs, attaches them to the sites that `go` chose, reads what they find. The only
//! user of libbpf.

mod alive;
mod by_address;
mod cookie;
pub mod counters;
pub mod cpu;
mod cpu_clock;
mod detach;
mod filter;
pub mod gc;
pub mod gm;
pub mod gr;
mod held;
pub mod kernel;
mod memory;
pub mod method;
pub mod noop;
mod older;
pub mod overhead;
mod perf_event;
pub mod place;
mod prepare;
mod process_number;
pub mod refusal;
pub mod rights;
pub mod sched;
pub mod session;
pub mod site_check;
pub mod step;
mod trace_event;
pub mod trap;

use std::io::Write;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use anyhow::Result;
use libbpf_rs::PrintLevel;

use crate::go::site::Site;
use crate::model::foreign;
use crate::model::loss::Loss;

use self::overhead::Overhead;
use self::session::AnySession;
use self::session::Gate;

/// Where probes go, decided from the binary before anything is loaded.
pub trait Plan {
    /// Everywhere a probe goes.
    fn sites(&self) -> Vec<Site>;
    /// What cannot be had from this binary, in words for the user.
    fn shortcomings(&self) -> &[String];
}

/// Loaded and attached programs for one binary, whatever they are for. They can live on any thread, and many can at the same
/// time.
pub trait Probes: Send {
    /// Their object.
    #[doc(hidden)]
    fn session(&self) -> &dyn AnySession;

    /// The same, to change it.
    #[doc(hidden)]
    fn session_mut(&mut self) -> &mut dyn AnySession;

    /// From now on everything is recorded. `now_ns` is CLOCK_MONOTONIC.
    fn open_gate(&mut self, _now_ns: u64) -> Result<()> {
        self.session_mut().set_gate(Gate::GO_GATE_OPEN)
    }

    /// Records nothing more, detaches, and leaves what was recorded to be read.
    fn close(&mut self) -> Result<()> {
        self.session_mut().close()
    }

    /// What the programs have cost since the gate was opened.
    fn overhead(&self) -> Result<Overhead> {
        self.session().overhead()
    }

    /// Processes of which something is remembered that may never be heard of: they are to be forgotten too when they end.
    fn remembered(&self) -> Vec<u32> {
        Vec::new()
    }

    /// What was not recorded, by cause.
    fn losses(&self) -> Result<Vec<Loss>> {
        let mut losses = self.session().losses()?;
        losses.extend(self.lost_here());
        losses.retain(|loss| loss.events > 0);
        Ok(losses)
    }

    /// What was lost on this side.
    #[doc(hidden)]
    fn lost_here(&self) -> Vec<Loss> {
        Vec::new()
    }

    /// Forgets what is remembered of a process: it has ended, or runs another program.
    fn forget(&mut self, _process: u32) -> Result<()> {
        Ok(())
    }
}

/// Chooses what becomes of libbpf's own messages, for the whole process: silence, or standard error with all detail.
pub fn set_libbpf_log(verbose: bool) {
    libbpf_rs::set_print(verbose.then_some((PrintLevel::Debug, print)));
}

fn print(_level: PrintLevel, message: String) {
    // A message that cannot be shown is not worth ending for.
    for line in message.lines() {
        let _ = writeln!(std::io::stderr(), "{}", foreign::line(line));
    }
}

/// What a lock guards; a thread that panicked with it leaves it as it was.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
