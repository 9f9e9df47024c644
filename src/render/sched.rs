//! Where the time of goroutines goes, for people.

pub mod counters;
pub mod json;
pub mod sampling;

use std::io::Write;
use std::sync::Arc;

use crate::model::foreign::shown;
use crate::model::histogram::Histogram;
use crate::model::human::counted;
use crate::model::sched::Blocking;
use crate::model::sched::Report;
use crate::model::sched::Row as Times;
use crate::model::sched::latency;
use crate::model::sched::total_ns;

use super::dump_stack;
use super::histogram;
use super::process;
use super::style::Colour;
use super::style::Style;
use super::table::Column;
use super::table::Fit;
use super::table::INDENT;
use super::table::Row;
use super::table::human_duration;
use super::table::push_within;
use super::within::Within;

/// Start functions, and stacks, that are shown.
const SHOWN: usize = 10;

const COLUMNS: [Column; 8] = [
    Column::new("STATE", 26).least(24),
    Column::new("SHARE", 6),
    Column::new("TOTAL", 7),
    Column::new("COUNT", 8),
    Column::new("P50", 7).least(6).rank(2),
    Column::new("P99", 7).least(6).rank(1),
    Column::new("MAX", 8).rank(3),
    Column::new("NOW", 5).rank(4),
];

/// The columns as they are drawn.
pub fn fit(style: Style) -> Fit {
    Fit::of(COLUMNS, style)
}

/// The whole report, of this time, and an empty line.
pub fn report(out: &mut Vec<u8>, report: &Report, system: bool, within: &Within, style: Style) {
    within.heading(out);
    let totals = report.totals(false);
    let latency = latency(&totals);
    let _ = writeln!(out, "   from runnable to running:");
    histogram::text(out, &latency, style, false);
    out.push(b'\n');
    if report.by_fn {
        functions(out, report, false, style);
    }
    if report.by_pid {
        processes(out, report, false, style);
    }
    if report.by_fn || report.by_pid {
        let _ = writeln!(out, "   all");
    }
    table(out, &totals, style);
    let own = report.totals(true);
    if system && !own.is_empty() {
        let _ = writeln!(out, "\n   the runtime's own goroutines");
        table(out, &own, style);
    }
    if let Some(blocking) = &report.blocking {
        places(out, blocking, system);
    }
    notes(out, report, &own, system);
    out.push(b'\n');
}

fn functions(out: &mut Vec<u8>, report: &Report, system: bool, style: Style) {
    let functions = report.by_function(system);
    let all = total_ns(functions.iter().flat_map(|(_, rows)| rows));
    for (name, rows) in functions.iter().take(SHOWN) {
        part(out, rows, all, style, |out, room| {
            push_within(out, name.as_deref().unwrap_or("?"), room);
        });
    }
    if functions.len() > SHOWN {
        let more = functions.len() - SHOWN;
        let _ = writeln!(
            out,
            "   and {} (--fn REGEX, --output json)\n",
            counted(more as u64, "more start function")
        );
    }
}

fn processes(out: &mut Vec<u8>, report: &Report, system: bool, style: Style) {
    let processes = report.by_process(system);
    let all = total_ns(processes.iter().flat_map(|(_, rows)| rows));
    for (process, rows) in processes.iter().take(process::SHOWN) {
        part(out, rows, all, style, |out, room| match process {
            Some(process) => process::push(out, process, room),
            None => out.extend_from_slice(b"processes not told apart"),
        });
    }
    process::more(out, processes.len());
}

/// The times of those of one name, which is written into so many columns, as a part of all.
fn part(
    out: &mut Vec<u8>,
    rows: &[Times],
    all: u64,
    style: Style,
    name: impl Fn(&mut Vec<u8>, usize),
) {
    let share = percent(total_ns(rows), all);
    let share = format!(": {share} of the time of goroutines\n");
    let room = style.width.map_or(usize::MAX, |width| {
        width.saturating_sub(INDENT + share.len() - 1)
    });
    out.resize(out.len() + INDENT, b' ');
    name(out, room);
    out.extend_from_slice(share.as_bytes());
    table(out, rows, style);
    out.push(b'\n');
}

/// The times of some goroutines, state by state.
fn table(out: &mut Vec<u8>, rows: &[Times], style: Style) {
    let all = total_ns(rows);
    let fit = fit(style);
    fit.heading(out);
    for row in rows {
        let times = &row.times;
        let mut cells = Row::begin(out, &fit);
        match row.waits {
            true => cells.cell(&row.state),
            false => cells.coloured(&row.state, Colour::Green),
        };
        cells.figure(&percent(times.total_ns(), all));
        cells.figure(&duration(Some(times.total_ns())));
        cells.number(Some(times.ended()));
        cells.figure(&quantile(&times.whole, 50));
        cells.figure(&quantile(&times.whole, 99));
        match times.longest() {
            None => cells.figure("-"),
            Some((ns, false)) => cells.figure(&duration(Some(ns))),
            Some((ns, true)) => cells.figure(&format!(">{}", duration(Some(ns)))),
        };
        let now = Some(times.open.count).filter(|count| *count > 0);
        cells.number(now).end();
    }
    if rows.is_empty() {
        let _ = writeln!(out, "   nothing happened");
    }
}

pub(super) fn duration(ns: Option<u64>) -> String {
    ns.map_or_else(
        || "-".to_owned(),
        |ns| human_duration(ns, &mut [0; 16]).to_owned(),
    )
}

fn quantile(histogram: &Histogram, percent: u32) -> String {
    duration(histogram.quantile_ns(percent))
}

/// `34.5%`; small shares as `<0.1%`.
fn percent(part: u64, whole: u64) -> String {
    share(part as f64, whole.max(1) as f64)
}

fn share(part: f64, whole: f64) -> String {
    let percent = part / whole * 100.0;
    if part > 0.0 && percent < 0.1 {
        "<0.1%".to_owned()
    } else {
        format!("{percent:.1}%")
    }
}

/// The places where most time was spent waiting.
fn places(out: &mut Vec<u8>, blocking: &[Blocking], system: bool) {
    let mut places: Vec<&Blocking> = blocking
        .iter()
        .filter(|place| system || !place.system)
        .collect();
    places.sort_by_key(|place| (place.is_idle(), std::cmp::Reverse(place.total_ns())));
    let idle = places.iter().filter(|place| place.is_idle()).count();
    places.truncate(places.len() - idle);
    for place in places.iter().take(SHOWN) {
        let (ended, open) = (place.ended, place.open);
        let _ = write!(
            out,
            "\n{} in {}: {}",
            duration(Some(place.total_ns())),
            shown(&place.reason),
            counted(ended.count, "wait")
        );
        if ended.count > 0 {
            let _ = write!(out, " of at most {}", duration(Some(ended.max_ns)));
        }
        if open.count > 0 {
            let _ = write!(out, ", {} still waiting", open.count);
        }
        if let Some(process) = &place.process {
            out.extend_from_slice(b", ");
            process::push(out, process, usize::MAX);
        }
        out.push(b'\n');
        match &place.stack {
            Some(stack) => dump_stack::frames(out, stack, false),
            None => {
                let _ = writeln!(out, "\tstack not known");
            }
        }
        if place.deeper {
            let _ = writeln!(out, "...more frames...");
        }
    }
    if places.len() > SHOWN {
        let more = places.len() - SHOWN;
        let _ = writeln!(
            out,
            "\nand {} (--output json)",
            counted(more as u64, "more place")
        );
    }
    if idle > 0 {
        let _ = writeln!(
            out,
            "\nin {} goroutines waited all the time (--output json)",
            counted(idle as u64, "more place")
        );
    }
    out.push(b'\n');
}

/// What the tables do not say.
fn notes(out: &mut Vec<u8>, report: &Report, own: &[Times], system: bool) {
    let mut notes: Vec<Arc<str>> = Vec::new();
    if report.sample > 1 {
        notes.push(format!("of a sample: about one in {} goroutines", report.sample).into());
    }
    if !system && !own.is_empty() {
        notes.push("without the runtime's own goroutines (--system shows them)".into());
    }
    if !report.has_unmoved {
        notes.push("without goroutines that did not change their state".into());
    }
    for note in notes {
        let _ = writeln!(out, "   {note}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::sched::Open;
    use crate::model::sched::Times as Spent;

    fn row(state: &str, waits: bool, system: bool, function: Option<&str>, ns: &[u64]) -> Times {
        let sum = ns.iter().sum();
        let max = ns.iter().copied().max().unwrap_or(0);
        let mut slots = vec![0; 336];
        slots[40] = ns.len() as u64;
        Times {
            state: state.into(),
            waits,
            system,
            function: function.map(Arc::from),
            process: None,
            times: Spent {
                whole: Histogram::from_parts(sum, max, &slots),
                ..Spent::default()
            },
        }
    }

    fn sample() -> Report {
        let mut idle = row("select", true, false, Some("main.idle"), &[]);
        idle.times.open = Open {
            count: 2,
            sum_ns: 20_000_000_000,
            max_ns: 10_000_000_000,
        };
        Report {
            elapsed_ns: 10_000_000_000,
            sample: 16,
            rows: vec![
                row("running", false, false, Some("main.busy"), &[8_000, 8_100]),
                row("runnable", false, false, Some("main.busy"), &[8_200]),
                row("GC sweep wait", true, true, None, &[8_300]),
                idle,
            ],
            by_fn: true,
            by_pid: false,
            blocking: None,
            has_unmoved: false,
        }
    }

    fn text(report_: &Report, system: bool, width: Option<usize>) -> String {
        let style = Style {
            width,
            human: true,
            ..Style::PLAIN
        };
        let mut out = Vec::new();
        let within = Within::default();
        report(&mut out, report_, system, &within, style);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn all_that_happened_is_in_the_table() {
        let text = text(&sample(), false, None);
        let all = text.split("   all\n").nth(1).unwrap();
        let expected = "   \
STATE                      SHARE  TOTAL   COUNT    P50     P99     MAX      NOW
   select                     100.0% 20.0s   0        -       -       >10.0s   2
   running                    <0.1%  16.1µs  2        8.10µs  8.10µs  8.10µs   -
   runnable                   <0.1%  8.20µs  1        8.20µs  8.20µs  8.20µs   -
   of a sample: about one in 16 goroutines
   without the runtime's own goroutines (--system shows them)
   without goroutines that did not change their state

";
        assert_eq!(all, expected);
        // Who does something comes before who waits all the time.
        let (busy, idle) = (text.find("main.busy"), text.find("main.idle"));
        assert!(busy.unwrap() < idle.unwrap(), "{text}");
    }

    #[test]
    fn the_runtime_s_own_goroutines_are_apart() {
        let text = text(&sample(), true, Some(80));
        let own = text.split("the runtime's own goroutines\n").nth(1).unwrap();
        assert!(own.contains("GC sweep wait"), "{text}");
        assert!(
            text.lines().all(|line| line.chars().count() <= 80),
            "{text}"
        );
    }

    #[test]
    fn an_observation_of_nothing_is_a_report_too() {
        let text = text(&Report::default(), false, Some(80));
        assert!(text.contains("nothing happened"), "{text}");
    }
}
