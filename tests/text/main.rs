//! What people read: that no foreign text reaches a terminal as it is, that names are found and shown as people write
//! them, and that figures say no more than is known.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "test code"
)]

#[path = "../common/mod.rs"]
mod common;

mod bubbles;
mod exec;
mod goal;
mod hostile;
mod latencies;
mod paths;
mod waits;
