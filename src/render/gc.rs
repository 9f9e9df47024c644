//! Rows of `gc`, and its summary.

use crate::model::gc::CycleRecord;
use crate::model::gc::Stw;
use crate::model::gc::Sweep;
use crate::model::gc::Trigger;
use crate::model::gc::durations::Summary;
use crate::model::gc::gctrace::GcTrace;

use super::json::Object;
use super::style::Colour;
use super::style::Style;
use super::table;
use super::table::Column;
use super::table::Row;

/// The original's two columns, then ours; up to GOAL they fit into 80 characters.
const COLUMNS: [Column; 9] = [
    Column { heading: "EVENT", width: 13 },
    Column { heading: "TIME(ns)", width: 11 },
    Column { heading: "PID", width: 7 },
    Column { heading: "CYCLE", width: 5 },
    Column { heading: "TRIGGER/REASON", width: 20 },
    Column { heading: "HEAP", width: 10 },
    Column { heading: "GOAL", width: 4 },
    Column { heading: "STOPPING(ns)", width: 12 },
    Column { heading: "STOPPED(ns)", width: 11 },
];

const SUMMARY_COLUMNS: [Column; 6] = [
    Column { heading: "EVENT", width: 13 },
    Column { heading: "COUNT", width: 8 },
    Column { heading: "TOTAL(ns)", width: 13 },
    Column { heading: "P50(ns)", width: 11 },
    Column { heading: "P99(ns)", width: 11 },
    Column { heading: "MAX(ns)", width: 11 },
];

/// Writes events as rows.
#[derive(Debug, Clone, Copy)]
pub struct Table {
    style: Style,
}

impl Table {
    /// A table in this style.
    pub fn new(style: Style) -> Self {
        Self { style }
    }

    /// The line of headings.
    pub fn heading(&self, out: &mut Vec<u8>) {
        table::heading(out, &COLUMNS, self.style);
    }

    /// A stop of the world.
    pub fn stw(&self, out: &mut Vec<u8>, stw: &Stw) {
        let mut row = Row::begin(out, &COLUMNS, self.style);
        row.cell("stw").duration(Some(stw.duration_ns())).number(Some(u64::from(stw.process)));
        row.number(stw.cycle.map(u64::from));
        match &stw.reason {
            Some(reason) => row.cell(reason),
            None => row.coloured("?", Colour::Yellow),
        };
        row.cell("-").cell("-").duration(stw.stopping_ns()).duration(stw.standing_ns());
        row.end();
    }

    /// The concurrent mark of a cycle.
    pub fn mark(&self, out: &mut Vec<u8>, cycle: &CycleRecord) {
        let mut row = Row::begin(out, &COLUMNS, self.style);
        row.cell("mark").duration(Some(cycle.mark_duration_ns())).number(Some(u64::from(cycle.process)));
        row.number(Some(u64::from(cycle.cycle)));
        match cycle.known_trigger() {
            Some(trigger) => row.cell(trigger.name()),
            None => row.coloured("?", Colour::Yellow),
        };
        row.cell(&format!("{}->{}", size(cycle.heap_before), size(cycle.heap_after)));
        row.cell(&size(cycle.heap_goal)).cell("-").cell("-");
        row.end();
    }

    /// The concurrent sweep of a cycle, begun for `trigger`.
    pub fn sweep(&self, out: &mut Vec<u8>, sweep: &Sweep, trigger: Option<Trigger>) {
        let mut row = Row::begin(out, &COLUMNS, self.style);
        row.cell("sweep").duration(Some(sweep.duration_ns())).number(Some(u64::from(sweep.process)));
        row.number(Some(u64::from(sweep.cycle)));
        let name = trigger.map_or("?", Trigger::name);
        match (sweep.finished, sweep.exact) {
            (false, _) => row.coloured(&format!("{name}, unfinished"), Colour::Yellow),
            (true, false) => row.cell(&format!("{name}, at most")),
            (true, true) if trigger.is_none() => row.coloured(name, Colour::Yellow),
            (true, true) => row.cell(name),
        };
        row.cell("-").cell("-").cell("-").cell("-");
        row.end();
    }

    /// The figures of each kind of event.
    pub fn summary(&self, out: &mut Vec<u8>, kinds: &[(&str, Summary)]) {
        table::heading(out, &SUMMARY_COLUMNS, self.style);
        for (kind, summary) in kinds {
            let mut row = Row::begin(out, &SUMMARY_COLUMNS, self.style);
            row.cell(kind).number(Some(summary.count));
            let any = |ns| (summary.count > 0).then_some(ns);
            for ns in [summary.total_ns, summary.p50_ns, summary.p99_ns, summary.max_ns] {
                match any(ns) {
                    Some(ns) => row.duration(Some(ns)),
                    None => row.cell("-"),
                };
            }
            row.end();
        }
    }
}

/// Bytes in at most four characters, in units of 1024: `0K`, `812K`, `3.1M`, `33M`, `1.2G`. Cut, as `gctrace` does.
fn size(bytes: u64) -> String {
    let mut tenths = bytes / 1024 * 10 + bytes % 1024 * 10 / 1024;
    for unit in ["K", "M", "G", "T"] {
        match tenths {
            0 => return format!("0{unit}"),
            1..100 => return format!("{}.{}{unit}", tenths / 10, tenths % 10),
            100..10_000 => return format!("{}{unit}", tenths / 10),
            _ => tenths /= 1024,
        }
    }
    format!("{}P", tenths / 10)
}

/// A line of JSON for each kind of event. `unix_offset_ns` turns the runtime's clock into nanoseconds since 1970.
#[derive(Debug, Clone, Copy)]
pub struct Json {
    /// What to add to CLOCK_MONOTONIC.
    pub unix_offset_ns: i128,
}

impl Json {
    fn begin<'a>(&self, out: &'a mut Vec<u8>, event: &str, begin_ns: u64, process: u32) -> Object<'a> {
        let unix_ns = u64::try_from(i128::from(begin_ns) + self.unix_offset_ns).ok();
        let mut object = Object::begin(out);
        object.text("event", event).number_or_null("time_unix_ns", unix_ns);
        object.number("pid", u64::from(process));
        object
    }

    /// A stop of the world; `time_unix_ns` is when it began.
    pub fn stw(&self, out: &mut Vec<u8>, stw: &Stw) {
        let mut object = self.begin(out, "stw", stw.begin_ns, stw.process);
        object.number_or_null("cycle", stw.cycle.map(u64::from));
        object.text_or_null("reason", stw.reason.as_deref());
        object.number("duration_ns", stw.duration_ns());
        object.number_or_null("stopping_ns", stw.stopping_ns());
        object.number_or_null("stopped_ns", stw.standing_ns());
        object.end();
    }

    /// The concurrent mark of a cycle; `time_unix_ns` is when it began.
    pub fn mark(&self, out: &mut Vec<u8>, cycle: &CycleRecord) {
        let mut object = self.begin(out, "mark", cycle.mark_ns, cycle.process);
        object.number("cycle", u64::from(cycle.cycle));
        object.text_or_null("trigger", cycle.known_trigger().map(Trigger::name));
        object.number("duration_ns", cycle.mark_duration_ns());
        sizes(&mut object, cycle);
        object.end();
    }

    /// The concurrent sweep of a cycle; `time_unix_ns` is when it began.
    pub fn sweep(&self, out: &mut Vec<u8>, sweep: &Sweep, trigger: Option<Trigger>) {
        let mut object = self.begin(out, "sweep", sweep.begin_ns, sweep.process);
        object.number("cycle", u64::from(sweep.cycle));
        object.text_or_null("trigger", trigger.map(Trigger::name));
        object.number("duration_ns", sweep.duration_ns());
        object.truth("finished", sweep.finished).truth("exact", sweep.exact);
        object.end();
    }

    /// A whole cycle, with its line of `gctrace`; `time_unix_ns` is when its first stop of the world began.
    pub fn cycle(&self, out: &mut Vec<u8>, cycle: &CycleRecord) {
        let mut object = self.begin(out, "cycle", cycle.sweep_term_ns, cycle.process);
        object.number("cycle", u64::from(cycle.cycle));
        object.text_or_null("trigger", cycle.known_trigger().map(Trigger::name));
        object.truth("forced", cycle.forced).truth("leak_check", cycle.leak_check);
        let span = |from: u64, to: u64| to.saturating_sub(from);
        object.number("since_start_ns", span(cycle.init_ns, cycle.sweep_term_ns));
        object.number("sweep_termination_ns", span(cycle.sweep_term_ns, cycle.mark_ns));
        object.number("mark_ns", cycle.mark_duration_ns());
        object.number("mark_termination_ns", span(cycle.mark_term_ns, cycle.end_ns));
        object.number("pause_ns", cycle.pause_ns);
        object.number("cpu_assist_ns", cycle.assist_ns).number("cpu_dedicated_ns", cycle.dedicated_ns);
        object.number("cpu_fractional_ns", cycle.fractional_ns).number("cpu_idle_ns", cycle.idle_ns);
        object.fraction("gc_cpu_fraction", cycle.cpu_fraction());
        sizes(&mut object, cycle);
        object.number("stacks_bytes", cycle.stack_bytes).number("globals_bytes", cycle.globals_bytes);
        object.number("procs", u64::from(cycle.max_procs)).number("stw_procs", u64::from(cycle.stw_procs));
        object.text("gctrace", &GcTrace(cycle).to_string());
        object.end();
    }

    /// The figures of one kind, as fields of an object within.
    pub fn summary(object: &mut Object<'_>, summary: &Summary) {
        object.number("count", summary.count).number("total_ns", summary.total_ns);
        object.number("p50_ns", summary.p50_ns).number("p99_ns", summary.p99_ns);
        object.number("max_ns", summary.max_ns);
    }
}

fn sizes(object: &mut Object<'_>, cycle: &CycleRecord) {
    object.number("heap_before_bytes", cycle.heap_before);
    object.number("heap_at_end_bytes", cycle.heap_at_end);
    object.number("heap_after_bytes", cycle.heap_after);
    object.number("heap_goal_bytes", cycle.heap_goal);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stw() -> Stw {
        let reason = Some("GC sweep termination".to_owned());
        Stw { process: 4242, begin_ns: 1_000, stopped_ns: Some(10_120), end_ns: 15_230, reason, cycle: Some(7) }
    }

    fn cycle() -> CycleRecord {
        CycleRecord {
            process: 4242,
            cycle: 7,
            trigger: Some(Trigger::Heap),
            mark_ns: 20_000,
            mark_term_ns: 2_551_123,
            heap_before: 3 << 20,
            heap_at_end: 5 << 20,
            heap_after: 1_400_000,
            heap_goal: 4 << 20,
            ..CycleRecord::default()
        }
    }

    const SWEEP: Sweep =
        Sweep { process: 4242, cycle: 7, begin_ns: 0, end_ns: 812_311, finished: true, exact: true };

    fn text(style: Style) -> String {
        let table = Table::new(style);
        let mut out = Vec::new();
        table.heading(&mut out);
        table.stw(&mut out, &stw());
        table.mark(&mut out, &cycle());
        table.sweep(&mut out, &SWEEP, Some(Trigger::Heap));
        table.sweep(&mut out, &Sweep { finished: false, ..SWEEP }, Some(Trigger::Periodic));
        table.sweep(&mut out, &Sweep { exact: false, ..SWEEP }, None);
        table.stw(&mut out, &Stw { stopped_ns: None, reason: None, cycle: None, ..stw() });
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_original_columns_come_first() {
        let expected = "   \
EVENT         TIME(ns)    PID     CYCLE TRIGGER/REASON       HEAP       GOAL STOPPING(ns) STOPPED(ns)
   stw           14230       4242    7     GC sweep termination -          -    9120         5110
   mark          2531123     4242    7     heap                 3.0M->1.3M 4.0M -            -
   sweep         812311      4242    7     heap                 -          -    -            -
   sweep         812311      4242    7     periodic, unfinished -          -    -            -
   sweep         812311      4242    7     ?, at most           -          -    -            -
   stw           14230       4242    -     ?                    -          -    ?            ?
";
        assert_eq!(text(Style::PLAIN), expected);
    }

    #[test]
    fn eighty_columns_hold_the_essential() {
        let text = text(Style { width: Some(80), ..Style::PLAIN });
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        assert!(text.contains("GC sweep termination") && text.contains("3.0M->1.3M 4.0M"), "{text}");
    }

    #[test]
    fn sizes_keep_to_four_characters() {
        let cases = [
            (0, "0K"),
            (1_023, "0.9K"),
            (1 << 20, "1.0M"),
            (999 << 10, "999K"),
            (1_000 << 10, "0.9M"),
            (33 << 20, "33M"),
            (5 << 30, "5.0G"),
            (u64::MAX, "16383P"),
        ];
        for (bytes, expected) in cases {
            assert_eq!(size(bytes), expected, "{bytes}");
        }
    }

    #[test]
    fn the_summary_leaves_out_what_was_not_there() {
        let some = Summary { count: 3, total_ns: 60, p50_ns: 20, p99_ns: 30, max_ns: 30 };
        let mut out = Vec::new();
        Table::new(Style::PLAIN).summary(&mut out, &[("stw", some), ("mark", Summary::default())]);
        let expected = "   \
EVENT         COUNT    TOTAL(ns)     P50(ns)     P99(ns)     MAX(ns)
   stw           3        60            20          30          30
   mark          0        -             -           -           -
";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn json_has_units_and_null_for_the_unknown() {
        let json = Json { unix_offset_ns: 5 };
        let mut out = Vec::new();
        json.stw(&mut out, &Stw { stopped_ns: None, reason: None, ..stw() });
        json.mark(&mut out, &cycle());
        json.sweep(&mut out, &SWEEP, None);
        json.cycle(&mut out, &cycle());
        let read: Vec<serde_json::Value> =
            out.split_inclusive(|byte| *byte == b'\n').map(|line| serde_json::from_slice(line).unwrap()).collect();
        assert_eq!(read[0]["time_unix_ns"], 1_005);
        assert_eq!(read[0]["duration_ns"], 14_230);
        assert!(read[0]["reason"].is_null() && read[0]["stopping_ns"].is_null());
        assert_eq!(read[1]["trigger"], "heap");
        assert_eq!(read[1]["heap_after_bytes"], 1_400_000);
        assert_eq!(read[2]["exact"], true);
        assert_eq!(read[3]["gctrace"], GcTrace(&cycle()).to_string());
    }
}
