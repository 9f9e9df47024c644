//! Where the runtime's global variables lie.
//!
//! Their addresses are operands of instructions in functions that every program has. Each pattern, in the files below this
//! one, names the function and the statement, which are the same in Go 1.19 to 1.27; the statement is found where the function was
//! inlined, too (`Piece`), and where the calls in it are inlined, others that pass the same variable are
//! (`receivers`). Where several find a variable, they must agree, or it counts as not found. An address is believed
//! only if it lies in a writable segment. What no pattern finds, the symbol table has if the binary was not stripped: that
//! is asked second because it takes longer.

pub mod contention;
mod heap;
mod mem_profile;
mod scheduler;
mod search;

use super::string_table::StringTable;
use crate::go::site::runtime_functions::Runtime;

use search::Search;

/// Link-time addresses of the runtime's global variables; `None` where one was not found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Globals {
    /// `allgs []*g`: every goroutine that was ever made (runtime/proc.go).
    pub allgs: Option<u64>,
    /// `allm *m`: head of the list of all threads (runtime/proc.go).
    pub allm: Option<u64>,
    /// `allp []*p` (runtime/runtime2.go).
    pub allp: Option<u64>,
    /// `gcController gcControllerState` (runtime/mgcpacer.go).
    pub gc_controller: Option<u64>,
    /// `memstats mstats` (runtime/mstats.go).
    pub memstats: Option<u64>,
    /// `mheap_ mheap` (runtime/mheap.go).
    pub mheap: Option<u64>,
    /// `runtimeInitTime int64`, nanoseconds of `CLOCK_MONOTONIC` (runtime/proc.go).
    pub runtime_init_time: Option<u64>,
    /// `sched schedt` (runtime/runtime2.go).
    pub sched: Option<u64>,
    /// `work workType` (runtime/mgc.go).
    pub work: Option<u64>,
    /// `mbuckets *bucket`: head of the list of sites at which memory was allocated (runtime/mprof.go).
    pub mbuckets: Option<u64>,
    /// `mProfCycle`, 4 bytes (runtime/mprof.go).
    pub mprof_cycle: Option<u64>,
    /// `MemProfileRate int` (runtime/mprof.go).
    pub mem_profile_rate: Option<u64>,
    /// `memstats.heapStats`: its distance from `memstats` is its offset.
    pub heap_stats: Option<u64>,
    /// `sched.lock`: its distance from `sched` tests a layout.
    pub sched_lock: Option<u64>,
    /// `work.markDoneSema`: its distance from `work` tests a layout.
    pub work_mark_done_sema: Option<u64>,
    /// `waitReasonStrings [...]string` (runtime/runtime2.go).
    pub wait_reason_strings: Option<StringTable>,
    /// `stwReasonStrings [...]string` (runtime/proc.go, Go ≥ 1.21); not found in a small program of Go 1.21 that never
    /// stops the world but for the collector.
    pub stw_reason_strings: Option<StringTable>,
}

impl Globals {
    /// Looks for all of them.
    pub fn of(runtime: &Runtime<'_>) -> Self {
        let search = Search::new(runtime);
        Self {
            allgs: search.variable("runtime.allgs", search.allgs()),
            allm: search.variable("runtime.allm", search.allm()),
            allp: search.variable("runtime.allp", search.allp()),
            gc_controller: search.variable("runtime.gcController", search.gc_controller()),
            memstats: search.variable("runtime.memstats", search.memstats()),
            mheap: search.variable("runtime.mheap_", search.mheap()),
            runtime_init_time: search.variable("runtime.runtimeInitTime", search.init_time()),
            sched: search.variable("runtime.sched", search.sched()),
            work: search.variable("runtime.work", search.work()),
            mbuckets: search.variable("runtime.mbuckets", search.mbuckets()),
            mprof_cycle: search.variable("runtime.mProfCycle", search.mprof_cycle()),
            mem_profile_rate: search.variable("runtime.MemProfileRate", search.mem_profile_rate()),
            heap_stats: search.memstats(),
            sched_lock: search.sched_lock(),
            work_mark_done_sema: search.work_mark_done_sema(),
            wait_reason_strings: search.strings(&["runtime.waitReason.String"]),
            stw_reason_strings: search.strings(&[
                "runtime.stwReason.String",
                "runtime.traceLocker.STWStart",
                "runtime.stopTheWorld",
            ]),
        }
    }
}
