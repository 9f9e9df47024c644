//! The runtime's own counters, read from outside: held against what programs say of themselves, while they rest and
//! while they run as fast as they can; and the commands that show them. (For memory that is damaged see tests/fuzz.)
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "test code"
)]

#[path = "../common/mod.rs"]
mod common;

mod commands;
mod load;
mod prometheus;
mod quiet;

use std::path::Path;

use common::Fixture;
use grtmon::{
    go::{
        Binary, ProcessView, ReadError, RuntimeInfo,
        process::heap_counters::{Allocated, HeapCounters},
        process::metrics::metrics,
        process::runtime_stats::RuntimeStats,
    },
    model::metric::Metric,
    target::{live::Live, process::ProcessId},
};

/// What was read from outside at one quiet moment.
struct Outside {
    allocated: Allocated,
    metrics: Vec<Metric>,
    goroutines: Option<u64>,
}

fn runtime_info(program: &Path) -> RuntimeInfo {
    RuntimeInfo::of(&Binary::parse(std::fs::read(program).unwrap()).unwrap())
}

fn look(view: ProcessView<'_>) -> Result<Outside, ReadError> {
    let runtime_stats = RuntimeStats::read(view)?;
    let outside = Outside {
        allocated: HeapCounters::default().read(&view)?,
        metrics: metrics(&runtime_stats),
        goroutines: runtime_stats.goroutines(false).ok(),
    };
    Ok(outside)
}

/// A process opened for reading.
fn open(target: &Fixture, runtime_info: &RuntimeInfo) -> Live {
    let process = ProcessId::of(target.pid().cast_signed()).unwrap();
    Live::checked(&process, runtime_info).unwrap()
}
