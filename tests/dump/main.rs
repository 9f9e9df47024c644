//! `grtmon dump` against what the runtime prints itself, over toolchains and builds; on a process that
//! never rests; on core dumps; on memory that is full of lies; and what `go tool pprof` makes of it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "test code"
)]

#[path = "../common/mod.rs"]
mod common;

mod churn;
mod core_dump;
mod crash;
mod equal;
mod forms;
mod labels;
mod lies;
mod process;
mod refused_call;
mod text;
