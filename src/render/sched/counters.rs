//! The runtime's own figures of its scheduling, for people and for programs.

use std::collections::BTreeMap;
use std::io::Write;

use crate::model::metric::Distribution;
use crate::model::run_queue::Scheduling;
use crate::render::account::About;
use crate::render::json::Object;
use crate::render::style::Style;

use super::duration;

/// The first bar ends at 2 to this power, in ns.
const FIRST: u32 = 10;

/// Stars of the longest bar where there is room.
const BAR: usize = 40;

/// Whose times they are.
const POPULATION: &str =
    "   from runnable to running, of about one transition in eight of all goroutines, the
   runtime's own included: after a collection its sweeper, which yields to itself
   all the time, is most of them (--source probes tells those of the program)";

/// All of it, and an empty line.
pub fn text(out: &mut Vec<u8>, scheduling: &Scheduling, style: Style) {
    match &scheduling.latencies {
        Some(latencies) => {
            let _ = writeln!(out, "{POPULATION}");
            bars(out, &latencies.times, style);
            summary(out, "   ", &latencies.times);
            if let Some(zeros @ 1..) = latencies.zeros {
                let _ = writeln!(
                    out,
                    "   without {zeros} zeros: up to Go 1.25 the runtime counts one at about every eighth\n   \
                     return from a system call"
                );
            }
        }
        None => {
            let _ = writeln!(out, "   from runnable to running: ?");
        }
    }
    out.push(b'\n');
    for (name, pauses) in [
        ("pauses for the collector", &scheduling.gc_pauses),
        ("other stops of the world", &scheduling.other_pauses),
    ] {
        let _ = write!(out, "   {name:<25}");
        match pauses {
            Some(pauses) => summary(out, " ", pauses),
            None => out.extend_from_slice(b" ?\n"),
        }
    }
    let waited = scheduling.mutex_wait_ns.map_or_else(
        || "?".to_owned(),
        |ns| format!("{} in all", duration(Some(ns))),
    );
    let _ = writeln!(out, "   {:<25} {waited}", "waits for mutexes");
    let queue = scheduling.queue;
    let _ = match queue.mean() {
        Some(mean) => writeln!(
            out,
            "   {:<25} {mean:.1} goroutines on average, {} at most ({} looks)",
            "in run queues", queue.most, queue.looks
        ),
        None => writeln!(out, "   {:<25} ?", "in run queues"),
    };
    out.push(b'\n');
}

fn ns(seconds: f64) -> u64 {
    (seconds.max(0.0) * 1e9).round() as u64
}

/// `count 12  p50 ≤1.02µs  p99 ≤16.4µs  max ≤19.2µs`.
fn summary(out: &mut Vec<u8>, indent: &str, distribution: &Distribution) {
    let end = |percent| match distribution.quantile(percent) {
        None => "-".to_owned(),
        Some(bucket) if bucket.to.is_finite() => format!("≤{}", duration(Some(ns(bucket.to)))),
        Some(bucket) => format!("≥{}", duration(Some(ns(bucket.from)))),
    };
    let _ = writeln!(
        out,
        "{indent}count {}  p50 {}  p99 {}  max {}",
        distribution.total(),
        end(50),
        end(99),
        end(100)
    );
}

/// One bar for each doubling, the first for all below 1.024 µs.
fn bars(out: &mut Vec<u8>, distribution: &Distribution, style: Style) {
    // By the power of two above: boundaries of the runtime's buckets, whichever of them hold anything.
    let mut folded: BTreeMap<u32, u64> = BTreeMap::new();
    for bucket in distribution.buckets() {
        let octave = ns(bucket.from).max(1 << (FIRST - 1)).ilog2() + 1;
        *folded.entry(octave).or_default() += bucket.count;
    }
    let most = folded.values().max().copied().unwrap_or(0);
    let room = style.width.map_or(BAR, |width| width.saturating_sub(40));
    let width = room.clamp(10, BAR);
    for (octave, count) in folded {
        let from = if octave == FIRST {
            0
        } else {
            1 << (octave - 1)
        };
        let to = 1_u64.checked_shl(octave).unwrap_or(u64::MAX);
        let exact = count as f64 / most.max(1) as f64 * width as f64;
        let stars = "*".repeat((exact as usize).clamp(1, width));
        let (from, to) = (duration(Some(from)), duration(Some(to)));
        let _ = writeln!(out, "{from:>10} -> {to:<10} : {count:<8} |{stars:<width$}|");
    }
}

/// One line.
pub fn json(out: &mut Vec<u8>, scheduling: &Scheduling, about: &About<'_>) {
    let mut object = about.begin(out);
    object
        .number("elapsed_ns", scheduling.elapsed_ns)
        .text("source", "counters");
    let latencies = scheduling.latencies.as_ref();
    for (key, values) in [
        ("latency", &latencies.map(|it| it.times.clone())),
        ("gc_pauses", &scheduling.gc_pauses),
        ("other_pauses", &scheduling.other_pauses),
    ] {
        match values {
            None => object.null(key),
            Some(values) => object.object(key, |inner| distribution(inner, values)),
        };
    }
    let queue = scheduling.queue;
    object
        .number_or_null("latency_zeros_left_out", latencies.and_then(|it| it.zeros))
        .number_or_null("mutex_wait_ns", scheduling.mutex_wait_ns)
        .object("queue", |inner| {
            inner
                .number("looks", queue.looks)
                .number("sum", queue.sum)
                .number("most", queue.most);
        });
    about.account(&mut object);
    object.end();
}

fn distribution(object: &mut Object<'_>, distribution: &Distribution) {
    object.number("count", distribution.total());
    let buckets = distribution.buckets();
    object.list("buckets", buckets, |inner, bucket| {
        let to = bucket.to.is_finite().then(|| ns(bucket.to));
        inner
            .number("from_ns", ns(bucket.from))
            .number_or_null("to_ns", to)
            .number("count", bucket.count);
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::run_queue::Latencies;
    use crate::model::run_queue::Queue;

    #[test]
    fn what_is_not_known_is_said() {
        let scheduling = Scheduling {
            latencies: Some(Latencies {
                zeros: Some(7),
                times: Distribution {
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
                },
            }),
            mutex_wait_ns: Some(1_500),
            queue: Queue {
                looks: 2,
                sum: 3,
                most: 3,
            },
            ..Scheduling::default()
        };
        let mut out = Vec::new();
        text(&mut out, &scheduling, Style::PLAIN);
        let text = String::from_utf8(out).unwrap();
        assert!(
            text.contains("       0ns -> 1.02µs     : 3        |***"),
            "{text}"
        );
        assert!(
            text.contains("    1.02µs -> 2.05µs     : 4        |***"),
            "{text}"
        );
        assert!(
            text.contains("count 8  p50 ≤1.28µs  p99 ≥1.00ms  max ≥1.00ms"),
            "{text}"
        );
        assert!(text.contains("without 7 zeros"), "{text}");
        assert!(text.contains("the\n   runtime's own included"), "{text}");
        assert!(text.contains("pauses for the collector  ?"), "{text}");
        assert!(text.contains("1.50µs in all"), "{text}");
        assert!(
            text.contains("1.5 goroutines on average, 3 at most (2 looks)"),
            "{text}"
        );
    }
}
