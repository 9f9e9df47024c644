//! See what the Go runtime inside a running process is doing, from outside.
//!
//! This library exists for the `grtmon` command and its tests; it is not a public API. Its layers (arrows may be
//! followed, never reversed; everybody may use `model`, which uses nothing of ours):
//!
//! ```text
//! main → cmd ─┬─ observe ─┬─ probe ── bpf   kernel side: load, attach, poll
//!             │           ├─ target ── go   the process; what a Go binary says about itself (pure: bytes → facts)
//!             │           └─ event_loop     poll, interval, deadline, signals
//!             └─ render, tui                human side: text and JSON; the live view
//! ```

pub mod bpf;
pub mod cli;
pub mod cmd;
pub mod event_loop;
pub mod go;
pub mod model;
pub mod observe;
pub mod probe;
pub mod render;
pub mod target;
pub mod tui;

#[cfg(test)]
#[path = "../tests/common/skip.rs"]
mod skip;
