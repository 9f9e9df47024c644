//! What the runtime counts, now and then.

use grtmon::model::{
    allocation::Count,
    metric::{Distribution, Metric, Value},
    stat::{Interval, Sample},
};

use super::{MS, distribution};

pub(crate) fn intervals() -> Vec<(Interval, Option<u64>)> {
    let count = |objects, bytes| Count { objects, bytes };
    let born = Sample {
        allocated: Some((Count::default(), 0)),
        ..Sample::default()
    };
    let first = Sample {
        time_ns: 2_000 * MS,
        goroutines: Some(100_003),
        runnable: Some(12),
        threads: Some(1234),
        processors: 8,
        allocated: Some((count(2_468_000, 3 << 30), 2_000 * MS)),
        heap_live: Some(45 << 20),
        heap_goal: Some(90 << 20),
        memory_limit: Some(1 << 30),
        gc_cycles: Some(700_000),
        mutex_wait_ns: Some(1_234_567),
        latencies: Some(distribution()),
        pauses: Some(distribution()),
        ..Sample::default()
    };
    let then = Sample {
        time_ns: 3_000 * MS,
        allocated: Some((count(2_468_007, 3 << 30), 3_000 * MS)),
        ..first.clone()
    };
    let unknown = Sample {
        time_ns: 4_000 * MS,
        ..Sample::default()
    };
    let at = |second: u64| Some(1_795_805_940_000_000_000 + second * 1_000 * MS);
    vec![
        (Interval::between(&born, first.clone()), at(2)),
        (Interval::between(&first, then.clone()), at(3)),
        (Interval::between(&then, unknown), None),
    ]
}

pub(crate) fn metrics() -> Vec<Metric> {
    vec![
        Metric {
            name: "/sched/goroutines:goroutines",
            value: Ok(Value::Count(22)),
        },
        Metric {
            name: "/sched/latencies:seconds",
            value: Ok(Value::Distribution(distribution())),
        },
        Metric {
            name: "/sched/pauses/stopping/gc:seconds",
            value: Ok(Value::Distribution(Distribution {
                bounds: vec![0.0, 1e-6, f64::INFINITY],
                counts: vec![1, 0],
            })),
        },
        Metric {
            name: "/cpu/classes/idle:cpu-seconds",
            value: Err("the runtime computes it when it is asked".to_owned()),
        },
    ]
}
