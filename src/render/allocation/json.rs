//! What `gm` says in JSON.

use std::time::Duration;

use crate::model::allocation::Allocated;
use crate::model::allocation::Allocations;
use crate::model::allocation::Report;
use crate::render::account::About;
use crate::render::json::Object;
use crate::render::process;

use super::own_bytes;

/// One line: what was allocated in so long a time, as probes saw it or the counters say.
pub fn report(out: &mut Vec<u8>, report: &Report, elapsed: Duration, about: &About<'_>) {
    let mut object = about.begin(out);
    object.number("elapsed_ns", ns(elapsed));
    object.text(
        "source",
        match report.total.counters {
            Some(_) => "counters",
            None => "probes",
        },
    );
    allocated(&mut object, &report.total);
    if let Some(by_pid) = &report.by_pid {
        object.list("by_pid", by_pid, |inner, (process, own)| {
            process::pid(inner, Some(process));
            allocated(inner, own);
        });
    }
    about.account(&mut object);
    object.end();
}

fn allocated(object: &mut Object<'_>, allocated: &Allocated) {
    counts(object, &allocated.meanwhile);
    if let Some(counters) = &allocated.counters {
        object.object("since_start", |inner| counts(inner, &counters.since_start));
        object.number("unseen_ns", ns(counters.unseen));
    }
}

fn ns(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// The counts' fields: the total, tiny objects (their bytes `null` if they lie in blocks of 16 bytes that were counted) and
/// large ones, and every class in which anything was allocated.
fn counts(object: &mut Object<'_>, allocations: &Allocations) {
    let total = allocations.total();
    object
        .number("objects", total.objects)
        .number("bytes", total.bytes);
    object.number("tiny_objects", allocations.tiny.objects);
    object.number_or_null("tiny_bytes", own_bytes(allocations.tiny));
    object.number("large_objects", allocations.large.objects);
    object.number("large_bytes", allocations.large.bytes);
    let used = allocations
        .classes
        .iter()
        .filter(|(_, count)| count.objects > 0);
    object.list("classes", used, |inner, (size, count)| {
        inner.number("size_bytes", u64::from(*size));
        inner
            .number("objects", count.objects)
            .number("bytes", count.bytes);
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::allocation::Count;

    #[test]
    fn tiny_objects_may_lie_in_what_was_counted() {
        let count = |objects, bytes| Count { objects, bytes };
        let allocations = Allocations {
            tiny: count(60, 0),
            classes: vec![(16, count(30, 480))],
            large: count(1, 40960),
        };
        let about = About {
            event: "allocations",
            time_unix_ns: Some(5),
            account: None,
        };
        let mut out = Vec::new();
        let found = Report {
            total: Allocated {
                meanwhile: allocations,
                counters: None,
            },
            by_pid: None,
        };
        report(&mut out, &found, Duration::from_secs(2), &about);
        let value: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(value["tiny_bytes"], serde_json::Value::Null);
        assert_eq!(value["elapsed_ns"], 2_000_000_000_u64);
        assert_eq!(value["source"], "probes");
        assert_eq!(value["bytes"], 41440);
    }
}
