//! Facts that are made up, with what is awkward about real ones: long names, long numbers, and what is not known.

mod allocated;
mod collector;
mod goroutines;
mod intervals;
mod stacks;
mod states;

use std::time::Duration;

use grtmon::model::{
    cost::Cost, histogram::Histogram, metric::Distribution, process::Named, ps::GoProcess,
    report::Section,
};

pub(crate) use self::{
    allocated::allocation,
    collector::{cycle, durations, stops, sweep},
    goroutines::{goroutines, life_times, life_times_by_pid},
    intervals::{intervals, metrics},
    stacks::dump,
    states::{sched, sched_by_pid, scheduling},
};

const LONG: &str =
    "github.com/prometheus/prometheus/discovery/legacymanager.(*Manager).startProvider.func1";

pub(crate) const MS: u64 = 1_000_000;

pub(crate) fn histogram() -> Histogram {
    let mut slots = vec![0; 336];
    (slots[24], slots[40], slots[96], slots[97]) = (3, 12, 185, 7);
    Histogram::from_parts(5_000 * MS, 4 * MS, &slots)
}

/// The longest of everything, and one whose number is not known.
pub(crate) fn named() -> [Named; 2] {
    let named = |number, program: &str| Named {
        number,
        program: program.into(),
    };
    [
        named(
            4_194_303,
            "prometheus-node-exporter-of-the-second-rack-with-a-name-that-is-too-long",
        ),
        named(1 << 31 | 17, "server"),
    ]
}

pub(crate) fn distribution() -> Distribution {
    Distribution {
        bounds: vec![
            f64::NEG_INFINITY,
            0.0,
            64e-9,
            1024e-9,
            1280e-9,
            1e-3,
            f64::INFINITY,
        ],
        counts: vec![0, 3, 0, 2, 2, 1],
    }
}

pub(crate) fn processes() -> Vec<GoProcess> {
    vec![
        GoProcess {
            pid: 4_194_303,
            user: "prometheus-node-exporter".to_owned(),
            go_version: Some("go1.19.8".to_owned()),
            module: Some("github.com/prometheus/node_exporter".to_owned()),
            module_version: Some("(devel)".to_owned()),
            goroutines: Some(1_234_567),
            heap_bytes: Some(48 << 20),
            gc_cycles: Some(123_456),
            uptime: Some(Duration::from_secs(7300)),
            container: Some("0123456789abcdef".repeat(4)),
            command: "/usr/bin/prometheus-node-exporter --web.listen-address=:9100".to_owned(),
            fork_copy: false,
            unread: None,
        },
        GoProcess {
            pid: 1,
            user: "root".to_owned(),
            command: "/sbin/agent".to_owned(),
            ..GoProcess::default()
        },
    ]
}

pub(crate) fn findings() -> Vec<Section> {
    let mut binary = Section::new("Binary");
    binary.fine("Go version", "go1.27.3, from the build information");
    binary.fine("function table", "12345 functions");
    let mut events = Section::new("Events");
    events.lacking(
        "stop of the world begins",
        "not available: this program has no function runtime.stopTheWorldWithSema, and nothing else says when it begins",
    );
    vec![binary, events]
}

pub(crate) fn costs() -> [Cost; 3] {
    let cost = Cost {
        hits: 200_006,
        trap_ns: Some(700.0),
        program_ns: Some(210.0),
        cpu_ns: 3_500 * MS,
        used_more: false,
    };
    [
        cost,
        Cost {
            hits: 1,
            used_more: true,
            ..cost
        },
        Cost {
            trap_ns: None,
            ..cost
        },
    ]
}
