//! Histograms of durations, drawn as the original drew them.

pub mod json;

use std::io::Write;

use crate::model::histogram::Bar;
use crate::model::histogram::Histogram;
use crate::model::histogram::LifeTimes;
use crate::model::histogram::Unseen;

use crate::render::process;
use crate::render::style::Style;
use crate::render::table::INDENT;
use crate::render::table::human_duration;
use crate::render::table::push_within;
use crate::render::within::Within;

/// Stars of the longest bar where the terminal has room: the original's.
const BAR: usize = 60;
/// Characters of a line beside the bar.
const FRAME: usize = 9 + 10 + 4 + 10 + 3 + 8 + 2;

/// Draws every bar, then one line of count, quantiles and maximum.
pub fn text(out: &mut Vec<u8>, histogram: &Histogram, style: Style, whole: bool) {
    let width = style
        .width
        .map_or(BAR, |width| width.saturating_sub(FRAME).clamp(10, BAR));
    let bars = histogram.bars();
    let most = bars.iter().map(|bar| bar.count).max().unwrap_or(0);
    let _ = writeln!(
        out,
        "         {:<10}    {:<10} : {:<8} distribution",
        "latency(µs)", "", "count"
    );
    let shown = if whole { &bars[..] } else { used(&bars) };
    for bar in shown {
        let high = bar
            .high_us
            .map_or_else(|| "+∞".to_owned(), |high| high.to_string());
        let stars = "*".repeat(stars(bar.count, most, width));
        let _ = writeln!(
            out,
            "{:>10} -> {high:<10} : {:<8} |{stars:<width$}|",
            bar.low_us, bar.count
        );
    }
    let quantile = |percent| match histogram.quantile_ns(percent) {
        None => duration(None),
        bound => format!("≤{}", duration(bound)),
    };
    let _ = writeln!(
        out,
        "   count {}  p50 {}  p90 {}  p99 {}  max {}",
        histogram.count,
        quantile(50),
        quantile(90),
        quantile(99),
        duration((histogram.count > 0).then_some(histogram.max_ns)),
    );
}

/// What `gr seq` prints: of which time it is, a histogram for each start function or process if they are told apart, and
/// that of all.
pub fn report(out: &mut Vec<u8>, times: &LifeTimes, within: &Within, style: Style) {
    within.heading(out);
    if let Some(by_fn) = &times.by_fn {
        for (name, histogram) in by_fn {
            out.resize(out.len() + INDENT, b' ');
            push_within(out, name, room(style));
            out.push(b'\n');
            text(out, histogram, style, false);
            out.push(b'\n');
        }
    }
    if let Some(by_pid) = &times.by_pid {
        for (process, own) in by_pid.iter().take(process::SHOWN) {
            out.resize(out.len() + INDENT, b' ');
            process::push(out, process, room(style));
            out.push(b'\n');
            text(out, &own.total, style, false);
            describe_unseen(out, own.unseen);
            out.push(b'\n');
        }
        process::more(out, by_pid.len());
    }
    if times.by_fn.is_some() || times.by_pid.is_some() {
        let _ = writeln!(out, "   all");
    }
    text(out, &times.total, style, true);
    describe_unseen(out, times.unseen);
    out.push(b'\n');
}

/// Columns for the name of what a histogram is of.
fn room(style: Style) -> usize {
    style
        .width
        .map_or(usize::MAX, |width| width.saturating_sub(INDENT))
}

fn describe_unseen(text: &mut Vec<u8>, unseen: Unseen) {
    if unseen.older > 0 {
        let _ = writeln!(
            text,
            "   not counted: {} that ran before grtmon attached",
            unseen.older
        );
    }
    if unseen.unwatched > 0 {
        let _ = writeln!(
            text,
            "   not counted: {} whose start function is not watched, or was not yet",
            unseen.unwatched
        );
    }
}

fn duration(ns: Option<u64>) -> String {
    ns.map_or_else(
        || "-".to_owned(),
        |ns| human_duration(ns, &mut [0; 16]).to_owned(),
    )
}

/// Without the empty bars at both ends.
fn used(bars: &[Bar]) -> &[Bar] {
    let first = bars.iter().position(|bar| bar.count > 0).unwrap_or(0);
    let end = bars
        .iter()
        .rposition(|bar| bar.count > 0)
        .map_or(0, |last| last + 1);
    bars.get(first..end).unwrap_or_default()
}

/// At least one star for anything that is there.
fn stars(count: u64, most: u64, width: usize) -> usize {
    if count == 0 || most == 0 {
        return 0;
    }
    let exact = u128::from(count) * width as u128 / u128::from(most);
    usize::try_from(exact).unwrap_or(width).clamp(1, width)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Histogram {
        let mut slots = vec![0; 336];
        slots[0] = 3; // up to 62.5 ns
        slots[24] = 12; // octave 5: 2 µs
        slots[40] = 1; // octave 7: 8 µs
        Histogram::from_parts(40_000, 8_500, &slots)
    }

    fn drawn(style: Style, whole: bool) -> String {
        let mut out = Vec::new();
        text(&mut out, &sample(), style, whole);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn bars_are_in_proportion_and_never_vanish() {
        let text = drawn(Style::PLAIN, true);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines[0],
            "         latency(µs)               : count    distribution"
        );
        assert_eq!(
            lines[1],
            format!(
                "         0 -> 1          : 3        |{}{}|",
                "*".repeat(15),
                " ".repeat(45)
            )
        );
        assert_eq!(
            lines[2],
            format!("         2 -> 3          : 12       |{}|", "*".repeat(60))
        );
        assert_eq!(
            lines[4],
            format!(
                "         8 -> 15         : 1        |{}{}|",
                "*".repeat(5),
                " ".repeat(55)
            )
        );
        assert_eq!(lines.len(), 1 + 24 + 1);
        assert_eq!(
            lines[25],
            "   count 16  p50 ≤2.25µs  p90 ≤2.25µs  p99 ≤8.50µs  max 8.50µs"
        );
    }

    #[test]
    fn eighty_columns_are_enough() {
        let style = Style {
            width: Some(80),
            ..Style::PLAIN
        };
        for line in drawn(style, true).lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
        assert_eq!(drawn(style, false).lines().count(), 1 + 3 + 1 + 1);
    }

    #[test]
    fn empty_is_drawn_too() {
        let mut out = Vec::new();
        text(&mut out, &Histogram::default(), Style::PLAIN, true);
        assert!(
            String::from_utf8(out)
                .unwrap()
                .ends_with("count 0  p50 -  p90 -  p99 -  max -\n")
        );
    }
}
