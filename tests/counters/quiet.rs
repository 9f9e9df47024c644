//! At moments when nothing happens, readings equal what the program reads of itself.

use std::collections::BTreeMap;

use grtmon::{
    go::binary::size_classes::CLASS_BYTES,
    model::metric::{Metric, Value},
};
use serde_json::Value as Json;

use crate::{
    Outside,
    common::{Fixture, builds, fixture, toolchains},
    look, open, runtime_info,
};

/// How the metrics begin that are not read from outside.
const UNREAD: [&str; 8] = [
    "/cgo/go-to-c-calls:",
    "/gc/cleanups/",
    "/gc/finalizers/",
    "/gc/limiter/last-enabled:",
    "/gc/stack/starting-size:",
    "/sched/goroutines/not-in-go:",
    "/sched/goroutines/running:",
    "/sched/goroutines/waiting:",
];

const RUNNABLE: &str = "/sched/goroutines/runnable:goroutines";

#[test]
fn quiet_readings_equal_the_programs_own() {
    for toolchain in toolchains() {
        for build in builds(toolchain) {
            let program = fixture(toolchain, build);
            let runtime_info = runtime_info(&program);
            let name = format!("Go {} {}", toolchain.version, build.name());
            let mut target = Fixture::start(&program, &["counters"]);
            let live = open(&target, &runtime_info);
            let mut seen = Vec::new();
            for _ in 0..5 {
                target.go_until("quiet");
                let report = open(&target, &runtime_info).settle();
                assert!(report.failures().next().is_none(), "{name}: {report}");
                seen.push(look(live.view()).unwrap_or_else(|it| panic!("{name}: {it}")));
            }
            target.work();
            let truth = target.finish();
            let list = |key: &str| truth[key].as_array().unwrap().clone();
            let mut sharp = 0;
            for (at, seen) in seen.iter().enumerate() {
                let name = format!("{name}, quiet moment {at}");
                let (before, after) = (&list("before")[at], &list("after")[at]);
                compare(&name, seen, before, after);
                sharp += usize::from(before["mallocs"] == after["mallocs"]);
            }
            assert!(sharp >= 3, "{name}: only {sharp} moments were quiet");
        }
    }
}

/// What is the same before and after, was that in between.
fn compare(name: &str, seen: &Outside, before: &Json, after: &Json) {
    let classes = seen.allocated.small.iter().zip(CLASS_BYTES);
    let bytes: u64 = classes
        .map(|(count, bytes)| count * u64::from(bytes))
        .sum::<u64>()
        + seen.allocated.large_bytes;
    let objects: u64 =
        seen.allocated.small.iter().sum::<u64>() + seen.allocated.tiny + seen.allocated.large;
    // The runtime's own goroutines may do a last thing after they have been left alone.
    for (key, seen) in [("mallocs", objects), ("total_alloc", bytes)] {
        let (least, most) = (&before[key], &after[key]);
        let within = least.as_u64().unwrap()..=most.as_u64().unwrap();
        assert!(
            within.contains(&seen),
            "{name}: {key} {seen}, not {within:?}"
        );
    }
    let quiet = before["mallocs"] == after["mallocs"];
    assert_eq!(
        before["goroutines"].as_u64(),
        seen.goroutines,
        "{name}: goroutines"
    );
    let mut unread = Vec::new();
    let mut moved = Vec::new();
    let names: BTreeMap<&str, &Metric> = seen.metrics.iter().map(|it| (it.name, it)).collect();
    for (metric, own) in before["metrics"].as_object().unwrap() {
        if metric.starts_with("/godebug/") {
            continue;
        }
        let Some(seen) = names.get(metric.as_str()) else {
            panic!("{name}: {metric} is not listed");
        };
        let value = match &seen.value {
            Ok(value) => value,
            Err(why) => {
                let is_known = UNREAD.iter().any(|it| metric.starts_with(it));
                assert!(is_known, "{name}: {metric} is not read: {why}");
                unread.push(metric.as_str());
                continue;
            }
        };
        if *own != after["metrics"][metric] {
            moved.push(metric.as_str());
            continue;
        }
        let seen = match value {
            Value::Count(count) => Json::from(*count),
            Value::Fraction(fraction) => Json::from(*fraction),
            Value::Distribution(it) => {
                let finite: Vec<f64> = it
                    .bounds
                    .iter()
                    .copied()
                    .filter(|it| it.is_finite())
                    .collect();
                let own = before["buckets"][metric].as_array().unwrap();
                let own: Vec<f64> = own.iter().map(|it| it.as_f64().unwrap()).collect();
                assert_eq!(own, finite, "{name}: {metric}");
                Json::from(it.counts.clone())
            }
        };
        // One of the runtime's own goroutines may be called for a moment.
        if metric == RUNNABLE && seen.as_u64().unwrap() <= own.as_u64().unwrap() + 2 {
            continue;
        }
        // Whole numbers exactly, as Go writes fractions without a point if they are whole.
        let same =
            *own == seen || matches!(value, Value::Fraction(_)) && own.as_f64() == seen.as_f64();
        assert!(same, "{name}: {metric}: inside {own}, outside {seen}");
    }
    let known = before["metrics"].as_object().unwrap();
    for listed in names.keys().filter(|it| !it.contains('*')) {
        assert!(known.contains_key(*listed), "{name}: there is no {listed}");
    }
    eprintln!("{name}: not read: {unread:?}; moved: {moved:?}");
    assert!(!quiet || moved.len() <= 6, "{name}: {moved:?} moved");
}
