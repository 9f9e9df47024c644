//! `grtmon sched`: each change of a goroutine's state counted once, and what it was for, against what the program did and
//! against the trace that the runtime takes of itself at the same time.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "test code"
)]

#[path = "../common/mod.rs"]
mod common;
mod counters;
mod known;
mod parsed_trace;
mod sampling;
mod support;
mod trace;
