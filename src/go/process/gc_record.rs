//! Where the runtime keeps its record of a garbage collection cycle.

use crate::go::binary::Binary;
use crate::go::layout::Field;
use crate::go::layout::Layout;
use crate::go::layout::globals::Globals;
use crate::go::site::NoSite;
use crate::go::site::gc::GC_MARK_TERMINATION;
use crate::go::site::gc::GC_SWEEP_TERMINATION;
use crate::go::versions::traces_max_stack_scan;

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
    /// `work.userForced`, bool; `None` where its offset is not known. The trigger says the same.
    pub user_forced: Option<u64>,
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

/// What of the record can be missing.
pub(in crate::go) const FORCED: Field = Field::WorkUserForced;

/// What of the record is looked for by its offset, and must be there.
pub(in crate::go) const NEEDED: [Field; 19] = [
    Field::WorkCycles,
    Field::WorkStwprocs,
    Field::WorkMaxprocs,
    Field::WorkTSweepTerm,
    Field::WorkTMark,
    Field::WorkTMarkTerm,
    Field::WorkTEnd,
    Field::WorkPauseNs,
    Field::WorkHeap0,
    Field::WorkHeap1,
    Field::WorkHeap2,
    Field::GcControllerLastHeapGoal,
    Field::GcControllerGlobalsScan,
    Field::GcControllerAssistTime,
    Field::GcControllerDedicatedMarkTime,
    Field::GcControllerFractionalMarkTime,
    Field::GcControllerIdleMarkTime,
    Field::MstatsNumgc,
    Field::MstatsGcCpuFraction,
];

/// Whether something of the record is unknown, or assumed rather than measured: then a look at a live process can help
/// ([`verify::settle`](crate::go::process::verify::settle)).
pub fn is_uncertain(layout: &Layout) -> bool {
    NEEDED
        .iter()
        .chain([&FORCED])
        .any(|field| layout.offset(*field).is_none() || layout.is_assumed(*field))
}

/// Finds the record in a binary.
///
/// # Errors
/// A global variable or the offset of a field is not known.
pub fn find(binary: &Binary, globals: &Globals, layout: &Layout) -> Result<Record, NoSite> {
    let at = |variable: (&str, Option<u64>), field: Field| {
        let (name, address) = variable;
        let address = address
            .ok_or_else(|| NoSite::new(format!("the variable runtime.{name} was not found")))?;
        let offset = layout
            .require_checked(field)
            .map_err(|error| NoSite::new(error.to_string()))?;
        address
            .checked_add(u64::from(offset))
            .ok_or_else(|| NoSite::new(format!("the variable runtime.{name} lies nowhere")))
    };
    let work = |field| at(("work", globals.work), field);
    let controller = |field| at(("gcController", globals.gc_controller), field);
    let memstats = |field| at(("memstats", globals.memstats), field);
    let runtime_init_time = globals
        .runtime_init_time
        .ok_or_else(|| NoSite::new("the variable runtime.runtimeInitTime was not found"))?;
    Ok(Record {
        cycles: work(Field::WorkCycles)?,
        stw_procs: work(Field::WorkStwprocs)?,
        max_procs: work(Field::WorkMaxprocs)?,
        user_forced: work(FORCED).ok(),
        sweep_term: work(Field::WorkTSweepTerm)?,
        mark: work(Field::WorkTMark)?,
        mark_term: work(Field::WorkTMarkTerm)?,
        end: work(Field::WorkTEnd)?,
        pause: work(Field::WorkPauseNs)?,
        heap0: work(Field::WorkHeap0)?,
        heap1: work(Field::WorkHeap1)?,
        heap2: work(Field::WorkHeap2)?,
        last_heap_goal: controller(Field::GcControllerLastHeapGoal)?,
        stack_scan: controller(stack_scan(binary))?,
        globals_scan: controller(Field::GcControllerGlobalsScan)?,
        assist_time: controller(Field::GcControllerAssistTime)?,
        dedicated_mark_time: controller(Field::GcControllerDedicatedMarkTime)?,
        fractional_mark_time: controller(Field::GcControllerFractionalMarkTime)?,
        idle_mark_time: controller(Field::GcControllerIdleMarkTime)?,
        numgc: memstats(Field::MstatsNumgc)?,
        gc_cpu_fraction: memstats(Field::MstatsGcCpuFraction)?,
        runtime_init_time,
    })
}

/// What `gctrace` calls stacks (`gcMarkTermination`, runtime/mgc.go).
fn stack_scan(binary: &Binary) -> Field {
    match binary.version_range().newest {
        Some(minor) if traces_max_stack_scan(minor) => Field::GcControllerMaxStackScan,
        _ => Field::GcControllerLastStackScan,
    }
}

/// The runtime's words for its reasons to stop the world, by number.
///
/// Where the table was not found, those of the collector: Go 1.21 leaves it out of programs that stop the world for
/// nothing else, and 1 and 2 have been the collector's from then to 1.27 (runtime/proc.go).
pub fn stop_reasons(binary: &Binary, globals: &Globals) -> Vec<String> {
    globals
        .stw_reason_strings
        .and_then(|table| table.names(binary.image()))
        .unwrap_or_else(|| {
            ["unknown", GC_MARK_TERMINATION, GC_SWEEP_TERMINATION]
                .map(str::to_owned)
                .into()
        })
}
