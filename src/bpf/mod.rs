//! The BPF programs and their edge to Rust: skeletons made by `build.rs`, and which of their types may be read from
//! raw bytes. The C headers beside this file are the one source of truth; nothing is mirrored by hand.

#![allow(unsafe_code)]

/// Puts a generated skeleton into a module. It is not ours to lint.
macro_rules! skeleton {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[allow(clippy::all, clippy::undocumented_unsafe_blocks)]
        #[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
        #[allow(missing_docs, missing_debug_implementations, dead_code)]
        #[allow(rust_2018_idioms, unreachable_pub, unsafe_op_in_unsafe_fn)]
        pub mod $name {
            include!(concat!(env!("OUT_DIR"), "/", stringify!($name), ".skel.rs"));
        }
    };
}

mod common;

skeleton!(
    /// Nothing at all: `noop.bpf.c`.
    noop
);
skeleton!(
    /// Garbage collection: `gc.bpf.c`.
    gc
);
skeleton!(
    /// Allocations: `gm.bpf.c`.
    gm
);
skeleton!(
    /// Goroutine creation, first execution, exit, run queues: `gr.bpf.c`.
    gr
);
skeleton!(
    /// States of goroutines: `sched.bpf.c`.
    sched
);

pub use common::Loaded;
pub use common::Opened;
pub use gr::types::go_config as GoConfig;

// SAFETY: integers only; gc.h asserts the size of each, which leaves no room for padding.
unsafe impl plain::Plain for gc::types::gc_head {}
// SAFETY: as above.
unsafe impl plain::Plain for gc::types::gc_stw {}
// SAFETY: as above.
unsafe impl plain::Plain for gc::types::gc_cycle {}
// SAFETY: as above.
unsafe impl plain::Plain for gc::types::gc_sweep {}
// SAFETY: integers only, and a union of two of the same size; gr.h asserts the size of each, which leaves no room for padding.
unsafe impl plain::Plain for gr::types::gr_event {}
// SAFETY: as above.
unsafe impl plain::Plain for gr::types::gr_exit {}
// SAFETY: as above.
unsafe impl plain::Plain for gr::types::gr_whose {}
// SAFETY: two 64-bit integers.
unsafe impl plain::Plain for gr::types::alive_key {}
// SAFETY: 64-bit integers and an array of them.
unsafe impl plain::Plain for gr::types::hist {}
// SAFETY: two 64-bit integers.
unsafe impl plain::Plain for gm::types::gm_count {}
// SAFETY: an array of these.
unsafe impl plain::Plain for gm::types::gm_counts_of {}

// SAFETY: integers only; sched.h asserts the size of each, which leaves no room for padding.
unsafe impl plain::Plain for sched::types::sched_whose {}
// SAFETY: as above.
unsafe impl plain::Plain for sched::types::sched_stack {}
// SAFETY: as above.
unsafe impl plain::Plain for sched::types::sched_block_key {}
// SAFETY: as above.
unsafe impl plain::Plain for sched::types::sched_block {}

impl gr::types::gr_event {
    /// Goid of the creator, 0 if it is not known: of a creation or an exit.
    pub fn creator(&self) -> u64 {
        // SAFETY: both fields of the union are integers of 64 bits: whichever was written, it can be read as the other.
        unsafe { self.of.creator }
    }

    /// How many goroutines were moved: of what happens to queues.
    pub fn moved(&self) -> u64 {
        // SAFETY: as above.
        unsafe { self.of.moved }
    }
}

const _: () = assert!(size_of::<gc::types::gc_stw>() == 64);
const _: () = assert!(size_of::<gc::types::gc_cycle>() == 160);
const _: () = assert!(size_of::<gc::types::gc_sweep>() == 48);
const _: () = assert!(size_of::<gr::types::gr_event>() == 48);
const _: () = assert!(size_of::<gr::types::gr_exit>() == 64);
