//! Numbers of the runtime that have been the same since Go 1.19, and that grtmon therefore takes to be
//! the same in all versions. `tests/layout` compares each with the DWARF of every toolchain.
//!
//! The numbers of wait reasons and stop reasons are not among them: they do change, and their texts
//! are read from the target itself.

macro_rules! constants {
    ($($name:ident: $type:ty = $value:literal, $go:literal, $what:literal;)*) => {
        $(#[doc = concat!("`", $go, "`: ", $what, ".")] pub const $name: $type = $value;)*

        /// All of them: the name in the runtime's source, and the value here.
        pub const ALL: &[(&str, i64)] = &[$(($go, $value)),*];
    };
}

#[rustfmt::skip]
constants! {
    // Values of g.atomicstatus (runtime/runtime2.go).
    G_IDLE: u32 = 0, "_Gidle", "allocated, not yet in use";
    G_RUNNABLE: u32 = 1, "_Grunnable", "in a run queue";
    G_RUNNING: u32 = 2, "_Grunning", "has an M and a P";
    G_SYSCALL: u32 = 3, "_Gsyscall", "in a system call";
    G_WAITING: u32 = 4, "_Gwaiting", "blocked";
    G_DEAD: u32 = 6, "_Gdead", "ended, or being set up";
    G_COPYSTACK: u32 = 8, "_Gcopystack", "its stack is being moved";
    G_PREEMPTED: u32 = 9, "_Gpreempted", "stopped itself for suspendG";
    G_LEAKED: u32 = 10, "_Gleaked", "found leaked by the GC; since Go 1.26";
    G_DEADEXTRA: u32 = 11, "_Gdeadextra", "dead, and belongs to an extra M; since Go 1.26";
    G_SCAN: u32 = 0x1000, "_Gscan", "added to another state: its stack is being scanned";

    // Values of p.status (runtime/runtime2.go).
    P_IDLE: u32 = 0, "_Pidle", "not in use";
    P_RUNNING: u32 = 1, "_Prunning", "held by an M";
    P_SYSCALL: u32 = 2, "_Psyscall", "its M is in a system call; not used since Go 1.26";
    P_GCSTOP: u32 = 3, "_Pgcstop", "stopped with the world";
    P_DEAD: u32 = 4, "_Pdead", "beyond GOMAXPROCS";

    // Values of gcphase, of gcTrigger.kind and of p.gcMarkWorkerMode (runtime/mgc.go).
    GC_OFF: u32 = 0, "_GCoff", "no cycle is marking";
    GC_MARK: u32 = 1, "_GCmark", "marking";
    GC_MARK_TERMINATION: u32 = 2, "_GCmarktermination", "mark termination";
    GC_TRIGGER_HEAP: u32 = 0, "gcTriggerHeap", "the heap reached its trigger";
    GC_TRIGGER_TIME: u32 = 1, "gcTriggerTime", "two minutes without a cycle";
    GC_TRIGGER_CYCLE: u32 = 2, "gcTriggerCycle", "asked for";
    GC_MARK_WORKER_DEDICATED: u32 = 1, "gcMarkWorkerDedicatedMode", "its P does nothing else";
    GC_MARK_WORKER_FRACTIONAL: u32 = 2, "gcMarkWorkerFractionalMode", "a part of a P's time";
    GC_MARK_WORKER_IDLE: u32 = 3, "gcMarkWorkerIdleMode", "while its P has nothing else to do";

    // Allocation (runtime/malloc.go, mheap.go, mgcsweep.go).
    MAX_TINY_SIZE: u32 = 16, "_TinySize", "bytes of a block for tiny objects";
    M_SPAN_DEAD: u32 = 0, "mSpanDead", "a span not in use";
    M_SPAN_IN_USE: u32 = 1, "mSpanInUse", "a span of the heap";
    M_SPAN_MANUAL: u32 = 2, "mSpanManual", "a span of stacks and the like";
    SWEEP_DRAINED: u32 = 0x8000_0000, "sweepDrainedMask", "bit of sweepdata.active.state: no span is left to sweep";
}
