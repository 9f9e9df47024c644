//! Where the time of goroutines goes as looks at some of them tell, for people and for programs.

use std::io::Write;

use crate::model::human::counted;
use crate::model::sampled::Report;
use crate::model::sampled::Time;
use crate::model::sampled::apart;
use crate::model::sampled::sort;
use crate::model::sampled::total;
use crate::render::account::About;
use crate::render::json::Object;
use crate::render::process;
use crate::render::style::Colour;
use crate::render::style::Style;
use crate::render::table::Column;
use crate::render::table::Fit;
use crate::render::table::INDENT;
use crate::render::table::Row;
use crate::render::table::push_within;
use crate::render::within::Within;

use super::SHOWN;
use super::duration;
use super::share;

const COLUMNS: [Column; 6] = [
    Column::new("STATE", 26).least(24),
    Column::new("SHARE", 6),
    Column::new("±", 6),
    Column::new("TOTAL", 7),
    Column::new("AVERAGE", 9).rank(2),
    Column::new("SAMPLES", 8).rank(1),
];

/// The columns as they are drawn.
pub fn fit(style: Style) -> Fit {
    Fit::of(COLUMNS, style)
}

/// The whole report, of this time, and an empty line.
pub fn text(out: &mut Vec<u8>, report: &Report, system: bool, within: &Within, style: Style) {
    within.heading(out);
    let _ = writeln!(
        out,
        "   {}, {}\n",
        counted(report.looks, "look"),
        counted(report.samples, "sample")
    );
    let own = |times: &[Time], system: bool| -> Vec<Time> {
        let times = times.iter().filter(|time| time.doing.system == system);
        times.cloned().collect()
    };
    let table = |out: &mut Vec<u8>, times: &mut [Time]| {
        sort(times);
        self::table(out, times, report.elapsed_ns, style);
    };
    if let Some(by_fn) = &report.by_fn {
        let functions = apart(&own(by_fn, false), |doing| doing.function.clone());
        let all = total(functions.iter().flat_map(|(_, times)| times));
        for (name, mut times) in functions.iter().take(SHOWN).cloned() {
            part(out, &times, all, style, |out, room| {
                push_within(out, name.as_deref().unwrap_or("?"), room);
            });
            table(out, &mut times);
            out.push(b'\n');
        }
        if let Some(more @ 1..) = functions.len().checked_sub(SHOWN) {
            let more = counted(more as u64, "more start function");
            let _ = writeln!(out, "   and {more} (--fn REGEX, --output json)\n");
        }
    }
    if let Some(by_pid) = &report.by_pid {
        let processes = apart(&own(by_pid, false), |doing| doing.process.clone());
        let all = total(processes.iter().flat_map(|(_, times)| times));
        for (process, mut times) in processes.iter().take(process::SHOWN).cloned() {
            part(out, &times, all, style, |out, room| match &process {
                Some(process) => process::push(out, process, room),
                None => out.push(b'?'),
            });
            table(out, &mut times);
            out.push(b'\n');
        }
        process::more(out, processes.len());
    }
    if report.by_fn.is_some() || report.by_pid.is_some() {
        let _ = writeln!(out, "   all");
    }
    table(out, &mut own(&report.states, false));
    let mut runtime = own(&report.states, true);
    if system && !runtime.is_empty() {
        let _ = writeln!(out, "\n   the runtime's own goroutines");
        table(out, &mut runtime);
    }
    notes(out, report);
    out.push(b'\n');
}

/// Whose part of all the time it is, `name` written into so many columns.
fn part(
    out: &mut Vec<u8>,
    times: &[Time],
    all: f64,
    style: Style,
    name: impl Fn(&mut Vec<u8>, usize),
) {
    let share = share(total(times), all.max(f64::MIN_POSITIVE));
    let share = format!(": {share} of the time of goroutines\n");
    let room = style.width.map_or(usize::MAX, |width| {
        width.saturating_sub(INDENT + share.len() - 1)
    });
    out.resize(out.len() + INDENT, b' ');
    name(out, room);
    out.extend_from_slice(share.as_bytes());
}

fn table(out: &mut Vec<u8>, times: &[Time], elapsed_ns: u64, style: Style) {
    if times.is_empty() {
        let _ = writeln!(out, "   no goroutine was seen");
        return;
    }
    let all = total(times).max(f64::MIN_POSITIVE);
    let fit = fit(style);
    fit.heading(out);
    for time in times {
        let mut cells = Row::begin(out, &fit);
        match time.doing.waits {
            true => cells.cell(&time.doing.state),
            false => cells.coloured(&time.doing.state, Colour::Green),
        };
        let error = time.error_seconds();
        cells.figure(&share(time.seconds, all));
        cells.figure(&match error.is_finite() {
            true => share(error.min(all), all),
            false => "?".to_owned(),
        });
        cells.figure(&duration(Some(ns(time.seconds))));
        let elapsed = elapsed_ns.max(1) as f64 / 1e9;
        cells.figure(&format!("{:.1}", time.seconds / elapsed));
        cells.number(Some(time.samples)).end();
    }
}

fn notes(out: &mut Vec<u8>, report: &Report) {
    if report.missed > 0 {
        let _ = writeln!(
            out,
            "   {} found a list in motion: the next one stands for that time too",
            counted(report.missed, "look")
        );
    }
    if report.unread > 0 {
        let _ = writeln!(
            out,
            "   {}: changing too fast to be read, and not counted",
            counted(report.unread, "sample")
        );
    }
}

fn ns(seconds: f64) -> u64 {
    (seconds * 1e9).round() as u64
}

/// One line.
pub fn json(out: &mut Vec<u8>, report: &Report, about: &About<'_>) {
    let mut object = about.begin(out);
    object
        .number("elapsed_ns", report.elapsed_ns)
        .text("source", "sampling")
        .number("looks", report.looks)
        .number("missed", report.missed)
        .number("samples", report.samples)
        .number("unread", report.unread);
    object.list("states", &report.states, time);
    if let Some(by_fn) = &report.by_fn {
        object.list("by_fn", by_fn, |inner, row| {
            inner.text_or_null("fn", row.doing.function.as_deref());
            time(inner, row);
        });
    }
    if let Some(by_pid) = &report.by_pid {
        object.list("by_pid", by_pid, |inner, row| {
            process::pid(inner, row.doing.process.as_ref());
            time(inner, row);
        });
    }
    about.account(&mut object);
    object.end();
}

/// `error_ns`: `total_ns` is within so much of the truth, 19 times of 20; `null` where nothing is known of that.
fn time(object: &mut Object<'_>, time: &Time) {
    let doing = &time.doing;
    let error = time.error_seconds();
    object
        .text("state", if doing.waits { "waiting" } else { &doing.state })
        .text_or_null("reason", doing.waits.then_some(&*doing.state))
        .truth("system", doing.system)
        .number("total_ns", ns(time.seconds))
        .number_or_null("error_ns", error.is_finite().then(|| ns(error)))
        .number("samples", time.samples);
}
