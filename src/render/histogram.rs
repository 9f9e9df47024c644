//! Histograms of durations, drawn as the original drew them, and as JSON.

use std::io::Write;

use crate::model::histogram::Bar;
use crate::model::histogram::Histogram;

use super::json::Object;
use super::style::Style;
use super::table::human_duration;

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
    let quantile = |q| match histogram.quantile_ns(q) {
        None => duration(None),
        bound => format!("≤{}", duration(bound)),
    };
    let _ = writeln!(
        out,
        "   count {}  p50 {}  p90 {}  p99 {}  max {}",
        histogram.count,
        quantile(0.5),
        quantile(0.9),
        quantile(0.99),
        duration((histogram.count > 0).then_some(histogram.max_ns)),
    );
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

/// The histogram's fields: count, sum, quantiles (upper bounds, at most 12.5 % above), maximum, and the bars that are
/// not empty.
pub fn json(object: &mut Object<'_>, histogram: &Histogram) {
    object
        .number("count", histogram.count)
        .number("sum_ns", histogram.sum_ns);
    for (key, q) in [("p50_ns", 0.5), ("p90_ns", 0.9), ("p99_ns", 0.99)] {
        object.number_or_null(key, histogram.quantile_ns(q));
    }
    object.number_or_null("max_ns", (histogram.count > 0).then_some(histogram.max_ns));
    let bars = histogram.bars();
    object.list(
        "buckets",
        bars.iter().filter(|bar| bar.count > 0),
        |inner, bar| {
            inner
                .number("low_us", bar.low_us)
                .number_or_null("high_us", bar.high_us)
                .number("count", bar.count);
        },
    );
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
