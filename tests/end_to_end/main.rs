//! grtmon attached for real, compared with what the fixture knows of itself: every number exactly, on
//! every Go version and build of this run (see tests/common/mod.rs), and on Debian's own Go programs.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "test code"
)]

#[path = "../common/mod.rs"]
mod common;

mod account;
mod agreement;
mod alloc;
mod attached;
mod bad_input;
mod by_pid;
mod changed_code;
mod containers;
mod cost;
mod debuggers;
mod denied;
mod doctor;
mod followed;
mod goroutines;
mod histograms;
mod identity;
mod images;
mod inside_c;
mod lifecycle;
mod listed;
mod namespaces;
mod odd_processes;
mod older;
mod overload;
mod plugins;
mod real;
mod rootless;
mod several;
mod started;
mod strangers;
mod subject;
mod upgrades;
mod users;
