//! `grtmon gc` against what the Go runtime itself says: its trace of each cycle, its counts of stops of the world and
//! their sum, its count of sweepers.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "test code"
)]

#[path = "../common/mod.rs"]
mod common;
mod cycles;
mod stops;
mod support;
mod sweeps;
mod targets;
