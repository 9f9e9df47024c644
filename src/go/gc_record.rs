//! Where the runtime keeps its record of a garbage collection cycle.

use super::binary::Binary;
use super::sites::NoSite;

/// Link-time addresses of the fields of `runtime.work`, `runtime.gcController` and `runtime.memstats` that
/// `gcMarkTermination` prints with `GODEBUG=gctrace=1` (runtime/mgc.go, the same in Go 1.18 to 1.27).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record {
    /// `work.cycles`, u32: cycles begun.
    pub cycles: u64,
    /// `work.stwprocs`, i32.
    pub stw_procs: u64,
    /// `work.maxprocs`, i32.
    pub max_procs: u64,
    /// `work.userForced`, bool.
    pub user_forced: u64,
    /// `work.tSweepTerm`, i64, ns; likewise the following.
    pub sweep_term: u64,
    /// `work.tMark`.
    pub mark: u64,
    /// `work.tMarkTerm`.
    pub mark_term: u64,
    /// `work.tEnd`.
    pub end: u64,
    /// `work.pauseNS`.
    pub pause: u64,
    /// `work.heap0`, u64, bytes; likewise the following.
    pub heap0: u64,
    /// `work.heap1`.
    pub heap1: u64,
    /// `work.heap2`.
    pub heap2: u64,
    /// `gcController.lastHeapGoal`, u64, bytes.
    pub last_heap_goal: u64,
    /// `gcController.lastStackScan`, up to Go 1.19 `maxStackScan`; u64, bytes.
    pub stack_scan: u64,
    /// `gcController.globalsScan`, u64, bytes.
    pub globals_scan: u64,
    /// `gcController.assistTime`, i64, ns; likewise the following.
    pub assist_time: u64,
    /// `gcController.dedicatedMarkTime`.
    pub dedicated_mark_time: u64,
    /// `gcController.fractionalMarkTime`.
    pub fractional_mark_time: u64,
    /// `gcController.idleMarkTime`.
    pub idle_mark_time: u64,
    /// `memstats.numgc`, u32: cycles ended.
    pub numgc: u64,
    /// `memstats.gc_cpu_fraction`, float64.
    pub gc_cpu_fraction: u64,
    /// `runtimeInitTime`, i64, ns.
    pub runtime_init_time: u64,
}

/// Finds the record in a binary.
///
/// # Errors
/// A global variable or the offset of a field is not known.
pub fn find(_binary: &Binary) -> Result<Record, NoSite> {
    Err(NoSite::new("layouts are not known yet"))
}

/// The runtime's words for its reasons to stop the world, by number; none if they were not found.
pub fn stop_reasons(_binary: &Binary) -> Vec<String> {
    Vec::new()
}

/// Offsets of `g.m` and of `m.preemptoff`.
pub fn preemptoff(_binary: &Binary) -> Option<(u32, u32)> {
    None
}
