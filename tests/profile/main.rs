//! `grtmon profile` against what the program's own profiles say, over toolchains and builds; what files it writes and
//! how; and what `go tool pprof` makes of them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "test code"
)]

#[path = "../common/mod.rs"]
mod common;

mod against_pprof;
mod chosen;
mod cpu;
mod cpu_account;
mod cpu_labels;
mod diff;
mod files;
mod goroutines;
mod heap;
mod heap_types;
mod html;
mod parsed;
mod pgo;
mod scratch;
mod several;
mod waits;
mod wall;
