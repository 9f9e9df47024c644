//! A profile as a table: flat is what was counted in a function itself, cum with all that it called.

use crate::model::human;
use crate::model::human::human_bytes;
use crate::model::profile::BYTES;
use crate::model::profile::NANOSECONDS;
use crate::model::profile::Ranking;
use crate::model::profile::ValueType;

use crate::render::style::Style;
use crate::render::table::Column;
use crate::render::table::Fit;
use crate::render::table::Row;

/// Of differences, whose numbers have a sign.
const CHANGES: [Column; 6] = [
    Column::new("FLAT", 10),
    Column::new("FLAT%", 7).rank(1),
    Column::new("CUM", 10),
    Column::new("CUM%", 7).rank(1),
    Column::new("FUNCTION", 60).least(24),
    Column::new("FILE:LINE", 60).least(16).rank(2),
];

const COLUMNS: [Column; 6] = [
    Column::new("FLAT", 8),
    Column::new("FLAT%", 6).rank(1),
    Column::new("CUM", 8),
    Column::new("CUM%", 6).rank(1),
    Column::new("FUNCTION", 60).least(24),
    Column::new("FILE:LINE", 60).least(16).rank(2),
];

/// The columns as they are drawn; places only where there are any.
pub fn fit(style: Style, has_places: bool) -> Fit {
    let columns = if has_places { 6 } else { 5 };
    Fit::of(COLUMNS.into_iter().take(columns), style)
}

/// Those of a difference.
pub fn fit_of_changes(style: Style, has_places: bool) -> Fit {
    let columns = if has_places { 6 } else { 5 };
    Fit::of(CHANGES.into_iter().take(columns), style)
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
    use crate::model::profile::By;
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
            &fit(Style::PLAIN, true),
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
