//! `top`: its frame held against what the program says of itself, and the view in a real pseudo-terminal.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "test code"
)]

#[path = "../common/mod.rs"]
mod common;

mod emulator;
mod once;
mod screen;
mod terminal;
