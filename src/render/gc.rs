//! Rows of `gc`, and its summary.

pub mod json;

use std::io::Write;

use crate::model::gc::CycleRecord;
use crate::model::gc::Stw;
use crate::model::gc::Sweep;
use crate::model::gc::Trigger;
use crate::model::gc::durations::Summary;
use crate::model::gc::gctrace::GcTrace;
use crate::model::process;

use super::style::Colour;
use super::style::Style;
use super::table::Column;
use super::table::Fit;
use super::table::Row;
use super::table::TIME_OF_DAY;
use super::time_of_day;

/// The original's two columns, then ours; up to GOAL they fit into 80 characters.
const COLUMNS: [Column; 9] = [
    Column::new("EVENT", 6).least(5),
    Column::new("TIME(ns)", 13).least(11),
    Column::new("PID", 7),
    Column::new("CYCLE", 8).least(5),
    Column::new("TRIGGER/REASON", 26).least(20),
    Column::new("HEAP", 10).rank(1),
    Column::new("GOAL", 4).rank(2),
    Column::new("STOPPING(ns)", 12).rank(3),
    Column::new("STOPPED(ns)", 11).rank(4),
];

const SUMMARY_COLUMNS: [Column; 6] = [
    Column::new("EVENT", 6),
    Column::new("COUNT", 8),
    Column::new("TOTAL(ns)", 13),
    Column::new("P50(ns)", 11),
    Column::new("P99(ns)", 11),
    Column::new("MAX(ns)", 11),
];

/// Writes events as rows.
#[derive(Debug, Clone)]
pub struct Table {
    style: Style,
    fit: Fit,
    /// What makes a time of the runtime's one of the calendar's; `None`: times of day are not shown.
    pub unix_offset_ns: Option<i128>,
    /// Lines of `gctrace` begin with the process: there may be several.
    pub with_pid: bool,
}

impl Table {
    /// A table in this style; `unix_offset_ns` adds the time of day at which things began.
    pub fn new(style: Style, unix_offset_ns: Option<i128>) -> Self {
        let first = unix_offset_ns.map(|_| TIME_OF_DAY);
        Self {
            style,
            fit: Fit::of(first.into_iter().chain(COLUMNS), style),
            unix_offset_ns,
            with_pid: false,
        }
    }

    /// Its columns.
    pub fn fit(&self) -> &Fit {
        &self.fit
    }

    /// Begins the row of what began then.
    fn row<'a>(&'a self, out: &'a mut Vec<u8>, begin_ns: u64) -> Row<'a> {
        let mut row = Row::begin(out, &self.fit);
        if let Some(offset) = self.unix_offset_ns {
            row.time_of_day(u64::try_from(i128::from(begin_ns) + offset).ok());
        }
        row
    }

    /// A line of `gctrace`, with the time of day at which the cycle began, and the process, if these are to be told.
    pub fn cycle(&self, out: &mut Vec<u8>, cycle: &CycleRecord) {
        if let Some(offset) = self.unix_offset_ns {
            let unix_ns = u64::try_from(i128::from(cycle.sweep_term_ns) + offset);
            let mut text = [0; time_of_day::WIDTH];
            let text = unix_ns.map_or("?", |ns| time_of_day::time_of_day(ns, &mut text));
            out.extend_from_slice(text.as_bytes());
            out.push(b' ');
        }
        if self.with_pid {
            let pid = process::id(cycle.process).map_or("?".to_owned(), |pid| pid.to_string());
            let _ = write!(out, "{pid:<7} ");
        }
        // Into memory: cannot fail.
        let _ = writeln!(out, "{}", GcTrace(cycle));
    }

    /// A stop of the world.
    pub fn stw(&self, out: &mut Vec<u8>, stw: &Stw) {
        let mut row = self.row(out, stw.begin_ns);
        row.cell("stw")
            .duration(Some(stw.duration_ns()))
            .process(stw.process);
        row.number(stw.cycle.map(u64::from));
        match &stw.reason {
            Some(reason) => row.cell(reason),
            None => row.coloured("?", Colour::Yellow),
        };
        row.cell("-")
            .cell("-")
            .duration(stw.stopping_ns())
            .duration(stw.standing_ns());
        row.end();
    }

    /// The concurrent mark of a cycle.
    pub fn mark(&self, out: &mut Vec<u8>, cycle: &CycleRecord) {
        let mut row = self.row(out, cycle.mark_ns);
        row.cell("mark")
            .duration(Some(cycle.mark_duration_ns()))
            .process(cycle.process);
        row.number(Some(u64::from(cycle.cycle)));
        match cycle.known_trigger() {
            Some(trigger) => row.cell(trigger.name()),
            None => row.coloured("?", Colour::Yellow),
        };
        row.figure(&format!(
            "{}->{}",
            size(cycle.heap_before),
            size(cycle.heap_after)
        ));
        row.figure(&size(cycle.heap_goal)).cell("-").cell("-");
        row.end();
    }

    /// The concurrent sweep of a cycle, begun for `trigger`.
    pub fn sweep(&self, out: &mut Vec<u8>, sweep: &Sweep, trigger: Option<Trigger>) {
        let mut row = self.row(out, sweep.begin_ns);
        row.cell("sweep")
            .duration(Some(sweep.duration_ns()))
            .process(sweep.process);
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
        let fit = Fit::of(SUMMARY_COLUMNS, self.style);
        fit.heading(out);
        for (kind, summary) in kinds {
            let mut row = Row::begin(out, &fit);
            row.cell(kind).number(Some(summary.count));
            let any = |ns| (summary.count > 0).then_some(ns);
            for ns in [
                summary.total_ns,
                summary.p50_ns,
                summary.p99_ns,
                summary.max_ns,
            ] {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn stw() -> Stw {
        let reason = Some("GC sweep termination".to_owned());
        Stw {
            process: 4242,
            begin_ns: 1_000,
            stopped_ns: Some(10_120),
            end_ns: 15_230,
            reason,
            cycle: Some(7),
        }
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

    const SWEEP: Sweep = Sweep {
        process: 4242,
        cycle: 7,
        begin_ns: 0,
        end_ns: 812_311,
        finished: true,
        exact: true,
    };

    fn text(style: Style) -> String {
        let table = Table::new(style, None);
        let mut out = Vec::new();
        table.fit().heading(&mut out);
        table.stw(&mut out, &stw());
        table.mark(&mut out, &cycle());
        table.sweep(&mut out, &SWEEP, Some(Trigger::Heap));
        table.sweep(
            &mut out,
            &Sweep {
                finished: false,
                ..SWEEP
            },
            Some(Trigger::Periodic),
        );
        table.sweep(
            &mut out,
            &Sweep {
                exact: false,
                ..SWEEP
            },
            None,
        );
        table.stw(
            &mut out,
            &Stw {
                stopped_ns: None,
                reason: None,
                cycle: None,
                ..stw()
            },
        );
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_original_columns_come_first() {
        let expected = "   \
EVENT  TIME(ns)      PID     CYCLE    TRIGGER/REASON             HEAP       GOAL STOPPING(ns) STOPPED(ns)
   stw    14230         4242    7        GC sweep termination       -          -    9120         5110
   mark   2531123       4242    7        heap                       3.0M->1.3M 4.0M -            -
   sweep  812311        4242    7        heap                       -          -    -            -
   sweep  812311        4242    7        periodic, unfinished       -          -    -            -
   sweep  812311        4242    7        ?, at most                 -          -    -            -
   stw    14230         4242    -        ?                          -          -    ?            ?
";
        assert_eq!(text(Style::PLAIN), expected);
    }

    #[test]
    fn eighty_columns_hold_the_essential() {
        let text = text(Style {
            width: Some(80),
            ..Style::PLAIN
        });
        assert!(
            text.lines().all(|line| line.chars().count() <= 80),
            "{text}"
        );
        assert!(
            text.contains("GC sweep termination") && text.contains("3.0M->1.3M 4.0M"),
            "{text}"
        );
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
        let some = Summary {
            count: 3,
            total_ns: 60,
            p50_ns: 20,
            p99_ns: 30,
            max_ns: 30,
        };
        let mut out = Vec::new();
        Table::new(Style::PLAIN, None)
            .summary(&mut out, &[("stw", some), ("mark", Summary::default())]);
        let expected = "   \
EVENT  COUNT    TOTAL(ns)     P50(ns)     P99(ns)     MAX(ns)
   stw    3        60            20          30          30
   mark   0        -             -           -           -
";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
