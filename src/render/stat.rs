//! `stat`: a line per interval, as vmstat draws them.

use crate::model::human::compact;
use crate::model::human::scaled;
use crate::model::stat::Interval;
use crate::model::stat::NO_GOAL;

use super::json::Object;
use super::style::Style;
use super::table::{Column, Fit, Row, TIME_OF_DAY, human_duration};

/// All fit into 80 columns.
const COLUMNS: [Column; 13] = [
    Column::new("GOROS", 6),
    Column::new("RUN", 4),
    Column::new("THR", 4).rank(3),
    Column::new("OBJ/S", 5),
    Column::new("B/S", 5),
    Column::new("LIVE", 5),
    Column::new("GOAL", 5),
    Column::new("GC", 4),
    Column::new("STW99", 6),
    Column::new("GC%", 4).rank(1),
    Column::new("LAT99", 6),
    Column::new("MUTEX", 6).rank(2),
    Column::new("LIMIT", 5).rank(4),
];

/// The columns as they are drawn; `timestamps` adds the time of day, `with_pid` the process, where lines are of several.
pub fn fit(style: Style, timestamps: bool, with_pid: bool) -> Fit {
    let time = timestamps.then_some(TIME_OF_DAY);
    let pid = with_pid.then_some(Column::new("PID", 7));
    Fit::of(time.into_iter().chain(pid).chain(COLUMNS), style)
}

/// One line, with the process if that is not clear; `unix_ns` is when, for whom that is to be said. What is not known is
/// `?`; what there is none of (no collection, no limit) is `-`.
pub fn text(
    out: &mut Vec<u8>,
    pid: Option<u32>,
    interval: &Interval,
    fit: &Fit,
    unix_ns: Option<u64>,
) {
    let now = &interval.now;
    let bytes = |bytes: Option<u64>| scaled(bytes.map(|bytes| bytes as f64), 1024.0);
    let collected = interval.gc_cycles != Some(0);
    let share = interval.gc_cpu.map(percent);
    let mut row = Row::begin(out, fit);
    if fit.is_timed() {
        row.time_of_day(unix_ns);
    }
    if pid.is_some() {
        row.number(pid.map(u64::from));
    }
    row.figure(&compact(now.goroutines, 6))
        .figure(&compact(now.runnable, 4))
        .figure(&compact(now.threads, 4))
        .figure(&scaled(interval.objects_per_second, 1000.0))
        .figure(&scaled(interval.bytes_per_second, 1024.0))
        .figure(&bytes(now.heap_live))
        .figure(&match now.heap_goal {
            Some(NO_GOAL..) => "-".to_owned(),
            goal => bytes(goal),
        })
        .figure(&compact(interval.gc_cycles, 4))
        .figure(&time(interval.pause_p99_ns, now.pauses.is_some()))
        .figure(&known(share, !collected))
        .figure(&time(interval.latency_p99_ns, now.latencies.is_some()))
        .figure(&time(interval.mutex_wait_ns, false))
        .figure(&known(
            now.memory_limit
                .map(|limit| scaled(Some(limit as f64), 1024.0)),
            true,
        ))
        .end();
}

/// `0.3`, `12.5`, `100`.
fn percent(share: f64) -> String {
    let percent = share * 100.0;
    let digits = usize::from(percent < 99.95);
    format!("{percent:.digits$}")
}

fn known(text: Option<String>, can_be_none: bool) -> String {
    text.unwrap_or_else(|| if can_be_none { "-" } else { "?" }.to_owned())
}

fn time(ns: Option<u64>, can_be_none: bool) -> String {
    let mut text = [0; 16];
    known(
        ns.map(|ns| human_duration(ns, &mut text).to_owned()),
        can_be_none,
    )
}

/// One object; `time_unix_ns` is when.
pub fn json(out: &mut Vec<u8>, pid: u32, interval: &Interval, time_unix_ns: Option<u64>) {
    let now = &interval.now;
    let mut object = Object::begin(out);
    object
        .number_or_null("time_unix_ns", time_unix_ns)
        .number("pid", u64::from(pid))
        .number("interval_ns", interval.ns)
        .number_or_null("goroutines", now.goroutines)
        .number_or_null("runnable", now.runnable)
        .number_or_null("threads", now.threads)
        .number("processors", now.processors)
        .number_or_null("objects", now.allocated.map(|(count, _)| count.objects))
        .number_or_null("bytes", now.allocated.map(|(count, _)| count.bytes))
        .number_or_null("counts_moving", now.counts_moving);
    fraction(
        &mut object,
        "objects_per_second",
        interval.objects_per_second,
    );
    fraction(&mut object, "bytes_per_second", interval.bytes_per_second);
    object
        .number_or_null("heap_live_bytes", now.heap_live)
        .number_or_null("heap_goal_bytes", now.heap_goal)
        .number_or_null("memory_limit_bytes", now.memory_limit)
        .number_or_null("gc_cycles_in_all", now.gc_cycles)
        .number_or_null("gc_cycles", interval.gc_cycles)
        .number_or_null("pause_p99_ns", interval.pause_p99_ns);
    fraction(&mut object, "gc_cpu", interval.gc_cpu);
    object
        .number_or_null("latency_p99_ns", interval.latency_p99_ns)
        .number_or_null("mutex_wait_ns", interval.mutex_wait_ns);
    object.end();
}

fn fraction(object: &mut Object<'_>, key: &str, value: Option<f64>) {
    match value {
        Some(value) => object.fraction(key, value),
        None => object.null(key),
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::allocation::Count;
    use crate::model::metric::Distribution;
    use crate::model::stat::Sample;

    fn sample() -> Interval {
        let now = Sample {
            time_ns: 2_000_000_000,
            goroutines: Some(100_003),
            runnable: Some(12),
            threads: Some(9),
            processors: 8,
            allocated: Some((
                Count {
                    objects: 2_468_000,
                    bytes: 3 << 30,
                },
                2_000_000_000,
            )),
            heap_live: Some(45 << 20),
            heap_goal: Some(90 << 20),
            gc_cycles: Some(7),
            mutex_wait_ns: Some(1_234_567),
            latencies: Some(Distribution::default()),
            ..Sample::default()
        };
        let born = Sample {
            allocated: Some((Count::default(), 0)),
            ..Sample::default()
        };
        Interval::between(&born, now)
    }

    #[test]
    fn a_line_fits_into_eighty_columns() {
        let style = Style {
            width: Some(80),
            ..Style::PLAIN
        };
        let mut out = Vec::new();
        let fit = fit(style, false, false);
        fit.heading(&mut out);
        text(&mut out, None, &sample(), &fit, None);
        let expected = "   \
GOROS  RUN  THR  OBJ/S B/S   LIVE  GOAL  GC   STW99  GC%  LAT99  MUTEX  LIMIT
   100003 12   9    1.2M  1.5G  45M   90M   7    ?      ?    -      1.23ms -
";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn no_goal_and_no_memory_are_two_things() {
        let mut interval = sample();
        interval.now.heap_goal = Some(8_946_670_875_749_132_656);
        interval.now.memory_limit = Some(0);
        let mut out = Vec::new();
        let fit = fit(Style::PLAIN, false, false);
        text(&mut out, None, &interval, &fit, None);
        let text = String::from_utf8(out).unwrap();
        let words: Vec<&str> = text.split_whitespace().collect();
        assert_eq!((words[6], words[12]), ("-", "0"), "{text}");
    }

    #[test]
    fn json_has_every_figure() {
        let mut out = Vec::new();
        json(&mut out, 7, &sample(), Some(1));
        let value: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(value["goroutines"], 100_003);
        assert_eq!(value["objects_per_second"], 1_234_000.0);
        assert_eq!(value["gc_cpu"], serde_json::Value::Null);
    }
}
