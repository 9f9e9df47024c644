//! The kernel side: loads the BPF programs, attaches them to the sites that `go` chose, reads what they find. The only
//! user of libbpf.

mod alive;
pub mod attach;
mod by_address;
pub mod counters;
mod detach;
pub mod floor;
pub mod gc;
pub mod gm;
pub mod gr;
mod held;
pub mod kernel;
pub mod memory;
mod older;
mod process_number;
pub mod refusal;
pub mod rights;
pub mod sched;
pub mod spent;
mod trace_event;
pub mod trap;

use std::io::Write;
use std::mem::MaybeUninit;

use libbpf_rs::OpenObject;
use libbpf_rs::PrintLevel;

/// Chooses what becomes of libbpf's own messages, for the whole process: silence, or standard error with all detail.
pub fn set_libbpf_log(verbose: bool) {
    libbpf_rs::set_print(verbose.then_some((PrintLevel::Debug, print)));
}

fn print(_level: PrintLevel, message: String) {
    // A message that cannot be shown is not worth ending for.
    let _ = std::io::stderr().write_all(message.as_bytes());
}

/// Room for one loaded BPF object. It must outlive the probes made in it.
pub type Slot = MaybeUninit<OpenObject>;

/// Room for `count` objects.
pub fn slots(count: usize) -> Vec<Slot> {
    std::iter::repeat_with(MaybeUninit::uninit)
        .take(count)
        .collect()
}
