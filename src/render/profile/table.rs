//! A profile as a table: flat is what was counted in a function itself, cum with all that it called.

use crate::model::human;
use crate::model::human::human_bytes;
use crate::model::profile::BYTES;
use crate::model::profile::By;
use crate::model::profile::NANOSECONDS;
use crate::model::profile::Ranking;
use crate::model::profile::ValueType;

use crate::render::style::Style;
use crate::render::table::Column;
use crate::render::table::Fit;
use crate::render::table::Row;

/// The columns as they are drawn; places only where there are any.
pub fn fit(style: Style, by: By<'_>) -> Fit {
    Fit::of(columns(8, 6, by, what(by)), style)
}

/// Those of a difference, whose numbers have a sign.
pub fn fit_of_changes(style: Style, by: By<'_>) -> Fit {
    Fit::of(columns(10, 7, by, what(by)), style)
}

/// The same where what stands in place of functions are types.
pub fn fit_of_changed_types(style: Style) -> Fit {
    Fit::of(columns(10, 7, By::Function, "TYPE").take(5), style)
}

fn columns(
    sizes: usize,
    shares: usize,
    by: By<'_>,
    what: &'static str,
) -> impl Iterator<Item = Column> {
    let all = [
        Column::new("FLAT", sizes),
        Column::new("FLAT%", shares).rank(1),
        Column::new("CUM", sizes),
        Column::new("CUM%", shares).rank(1),
        Column::new(what, 60).least(24),
        Column::new("FILE:LINE", 60).least(16).rank(2),
    ];
    let columns = if by.has_places() { 6 } else { 5 };
    all.into_iter().take(columns)
}

/// What the rows are.
fn what(by: By<'_>) -> &'static str {
    match by {
        By::Function | By::Line => "FUNCTION",
        By::Package => "PACKAGE",
        By::Label(_) => "LABEL",
        By::Goroutine => "GOROUTINE",
        By::Process => "PROCESS",
    }
}

/// The first rows of it.
pub fn table(out: &mut Vec<u8>, ranking: &Ranking<'_>, value: ValueType, most: usize, fit: &Fit) {
    fit.heading(out);
    for entry in ranking.entries.iter().take(most) {
        Row::begin(out, fit)
            .figure(&size(entry.flat, value))
            .figure(&share(entry.flat, ranking.total))
            .figure(&size(entry.cumulative, value))
            .figure(&share(entry.cumulative, ranking.total))
            .cell(&entry.name)
            .cell(&placed(entry.place).unwrap_or_default())
            .end();
    }
}

/// A number in its unit.
pub fn size(count: u64, value: ValueType) -> String {
    match value.unit {
        _ if count == 0 => "0".to_owned(),
        BYTES => human_bytes(count),
        NANOSECONDS => human::duration(count),
        _ => count.to_string(),
    }
}

/// `main.go:17`
pub(super) fn placed(place: Option<(&str, u32)>) -> Option<String> {
    place.map(|(file, line)| match line {
        0 => file.to_owned(),
        _ => format!("{file}:{line}"),
    })
}

/// `12.5%`
pub(super) fn share(part: u64, whole: u64) -> String {
    match whole {
        0 => "-".to_owned(),
        _ => format!("{:.1}%", part as f64 * 100.0 / whole as f64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::profile::sample;

    #[test]
    fn largest_first() {
        let profile = sample::heap();
        let ranking = Ranking::of(&profile, 1, By::Function, false);
        let mut out = Vec::new();
        table(
            &mut out,
            &ranking,
            profile.types[1],
            2,
            &fit(Style::PLAIN, By::Function),
        );
        let text = String::from_utf8(out).unwrap();
        let words: Vec<Vec<&str>> = text
            .lines()
            .map(|line| line.split_whitespace().collect())
            .collect();
        assert_eq!(words.len(), 3, "{text}");
        assert_eq!(
            words[1],
            [
                "2.93",
                "KiB",
                "75.0%",
                "2.93",
                "KiB",
                "75.0%",
                "main.leaf",
                "/src/main.go:10"
            ]
        );
    }
}
