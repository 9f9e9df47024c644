//! Debian's prometheus tells its own counters on /metrics: `stat --metrics` agrees.

use std::collections::BTreeMap;

use crate::common::{Server, grtmon, prometheus_server};

/// What the program tells, and the metrics of the runtime whose sum that is
/// (client_golang, prometheus/go_collector_latest.go).
type Told = (&'static str, &'static [&'static str]);

/// What only ever grows.
const TOTALS: [Told; 4] = [
    (
        "go_gc_duration_seconds_count",
        &["/gc/cycles/total:gc-cycles"],
    ),
    ("go_memstats_alloc_bytes_total", &["/gc/heap/allocs:bytes"]),
    (
        "go_memstats_mallocs_total",
        &["/gc/heap/allocs:objects", "/gc/heap/tiny/allocs:objects"],
    ),
    (
        "go_memstats_frees_total",
        &["/gc/heap/frees:objects", "/gc/heap/tiny/allocs:objects"],
    ),
];

/// What stands still for long, and moves on for good.
const STATES: [Told; 14] = [
    (
        "go_memstats_buck_hash_sys_bytes",
        &["/memory/classes/profiling/buckets:bytes"],
    ),
    (
        "go_memstats_gc_sys_bytes",
        &["/memory/classes/metadata/other:bytes"],
    ),
    (
        "go_memstats_heap_idle_bytes",
        &[
            "/memory/classes/heap/released:bytes",
            "/memory/classes/heap/free:bytes",
        ],
    ),
    (
        "go_memstats_heap_inuse_bytes",
        &[
            "/memory/classes/heap/objects:bytes",
            "/memory/classes/heap/unused:bytes",
        ],
    ),
    (
        "go_memstats_heap_released_bytes",
        &["/memory/classes/heap/released:bytes"],
    ),
    (
        "go_memstats_heap_sys_bytes",
        &[
            "/memory/classes/heap/objects:bytes",
            "/memory/classes/heap/unused:bytes",
            "/memory/classes/heap/released:bytes",
            "/memory/classes/heap/free:bytes",
        ],
    ),
    (
        "go_memstats_mcache_inuse_bytes",
        &["/memory/classes/metadata/mcache/inuse:bytes"],
    ),
    (
        "go_memstats_mcache_sys_bytes",
        &[
            "/memory/classes/metadata/mcache/inuse:bytes",
            "/memory/classes/metadata/mcache/free:bytes",
        ],
    ),
    (
        "go_memstats_mspan_inuse_bytes",
        &["/memory/classes/metadata/mspan/inuse:bytes"],
    ),
    (
        "go_memstats_mspan_sys_bytes",
        &[
            "/memory/classes/metadata/mspan/inuse:bytes",
            "/memory/classes/metadata/mspan/free:bytes",
        ],
    ),
    ("go_memstats_next_gc_bytes", &["/gc/heap/goal:bytes"]),
    (
        "go_memstats_other_sys_bytes",
        &["/memory/classes/other:bytes"],
    ),
    (
        "go_memstats_stack_inuse_bytes",
        &["/memory/classes/heap/stacks:bytes"],
    ),
    ("go_memstats_sys_bytes", &["/memory/classes/total:bytes"]),
];

/// Rounds of looking from outside, asking, and looking again.
const ROUNDS: usize = 12;

/// Every number that `stat --metrics` shows.
fn outside(server: &Server) -> BTreeMap<String, f64> {
    let arguments = ["stat", "--metrics", "--output", "json", "--pid"];
    let pid = server.process.pid_arg();
    let lines = grtmon(&[&arguments[..], &[&pid]].concat()).success().json();
    let number = |line: &serde_json::Value| {
        Some((line["name"].as_str()?.to_owned(), line["value"].as_f64()?))
    };
    lines.iter().filter_map(number).collect()
}

fn sum(metrics: &BTreeMap<String, f64>, names: &[&str]) -> f64 {
    names.iter().map(|name| metrics[*name]).sum()
}

#[test]
fn prometheus_says_the_same_of_itself() {
    let Some(server) = prometheus_server() else {
        return;
    };
    let mut compared: BTreeMap<&str, usize> = BTreeMap::new();
    let mut before = outside(&server);
    for _ in 0..ROUNDS {
        let own = server.metrics();
        let after = outside(&server);
        for (name, parts) in TOTALS {
            let (least, most) = (sum(&before, parts), sum(&after, parts));
            let own = own[name];
            assert!(
                least <= own && own <= most,
                "{name} is {own}, not {least} to {most}"
            );
        }
        for (name, parts) in STATES {
            if sum(&before, parts) == sum(&after, parts) {
                assert_eq!(own[name], sum(&after, parts), "{name}");
                *compared.entry(name).or_default() += 1;
            }
        }
        // Those that answer the request come and go with it.
        let goroutines = |metrics: &BTreeMap<String, f64>| metrics["/sched/goroutines:goroutines"];
        if goroutines(&before) == goroutines(&after) {
            let more = own["go_goroutines"] - goroutines(&before);
            assert!((0.0..16.0).contains(&more), "{more} goroutines more");
            *compared.entry("go_goroutines").or_default() += 1;
        }
        before = after;
    }
    eprintln!("{compared:?}");
    assert!(
        compared.len() > STATES.len() / 2,
        "hardly anything was still: {compared:?}"
    );
}
