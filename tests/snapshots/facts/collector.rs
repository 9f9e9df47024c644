//! What the garbage collector did.

use grtmon::model::gc::{CycleRecord, Stw, Sweep, Trigger, durations::Summary};

use super::MS;

pub(crate) fn stops() -> [Stw; 3] {
    let stop = Stw {
        process: 9993,
        begin_ns: 1_000 * MS,
        stopped_ns: Some(1_000 * MS + 43_391),
        end_ns: 1_000 * MS + 105_587,
        reason: Some("GC sweep termination".to_owned()),
        cycle: Some(123_456),
    };
    let longest = Stw {
        process: 4_194_303,
        end_ns: 101_000 * MS,
        reason: Some("all goroutines stack trace".to_owned()),
        cycle: None,
        ..stop.clone()
    };
    let unknown = Stw {
        stopped_ns: None,
        reason: None,
        ..stop.clone()
    };
    [stop, longest, unknown]
}

pub(crate) fn cycle() -> CycleRecord {
    CycleRecord {
        process: 9993,
        cycle: 123_456,
        trigger: Some(Trigger::Heap),
        stw_procs: 8,
        max_procs: 8,
        sweep_term_ns: 1_000 * MS,
        mark_ns: 1_000 * MS + 105_587,
        mark_term_ns: 1_562 * MS,
        end_ns: 1_562 * MS + 28_713,
        pause_ns: 134_300,
        heap_before: 998 << 20,
        heap_at_end: 1000 << 20,
        heap_after: 836 << 10,
        heap_goal: 4 << 20,
        ..CycleRecord::default()
    }
}

pub(crate) fn sweep() -> Sweep {
    Sweep {
        process: 9993,
        cycle: 123_456,
        begin_ns: 1_563 * MS,
        end_ns: 1_574 * MS,
        finished: true,
        exact: true,
    }
}

pub(crate) fn durations() -> [(&'static str, Summary); 2] {
    let some = Summary {
        count: 8,
        total_ns: 489_664,
        p50_ns: 39_244,
        p99_ns: 111_408,
        max_ns: 111_408,
    };
    [("stw", some), ("mark", Summary::default())]
}
