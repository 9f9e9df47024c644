//! What a heap is made of, as a table: what counts most first.

use crate::model::human::human_bytes;
use crate::model::profile::BYTES;
use crate::model::profile::Profile;
use crate::model::profile::Sample;

use crate::render::style::Style;
use crate::render::table::Column;
use crate::render::table::Fit;
use crate::render::table::Row;

use super::table::share;

const COLUMNS: [Column; 4] = [
    Column::new("BYTES", 8),
    Column::new("SHARE", 6).rank(1),
    Column::new("OBJECTS", 10),
    Column::new("TYPE", 100).least(24),
];

/// The columns as they are drawn.
pub fn fit(style: Style) -> Fit {
    Fit::of(COLUMNS, style)
}

/// The first rows of it, by what one of its types counts. Returns how many rows there are.
pub fn table(out: &mut Vec<u8>, profile: &Profile, value: usize, most: usize, fit: &Fit) -> usize {
    fit.heading(out);
    let count = |sample: &Sample, value: usize| sample.values.get(value).copied().unwrap_or(0);
    let is_bytes = |it: &crate::model::profile::ValueType| it.unit == BYTES;
    let bytes = profile.types.iter().position(is_bytes).unwrap_or(0);
    let objects = profile
        .types
        .iter()
        .position(|it| !is_bytes(it))
        .unwrap_or(0);
    let mut rows: Vec<&Sample> = profile.samples().iter().collect();
    rows.sort_by(|a, b| {
        let by_count = count(b, value).cmp(&count(a, value));
        by_count.then_with(|| name(profile, a).cmp(name(profile, b)))
    });
    let total = profile.total(value);
    for sample in rows.iter().take(most) {
        Row::begin(out, fit)
            .figure(&human_bytes(count(sample, bytes)))
            .figure(&share(count(sample, value), total))
            .figure(&count(sample, objects).to_string())
            .cell(name(profile, sample))
            .end();
    }
    rows.len()
}

/// What the sample is of.
fn name<'p>(profile: &'p Profile, sample: &'p Sample) -> &'p str {
    let mut lines = profile.lines(&sample.stack);
    lines.next().map_or("", |(_, function, _)| &function.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::profile::sample;

    #[test]
    fn what_counts_most_first() {
        let profile = sample::heap();
        let text = |value| {
            let mut out = Vec::new();
            let rows = table(&mut out, &profile, value, 1, &fit(Style::PLAIN));
            assert_eq!(rows, 2);
            String::from_utf8(out).unwrap()
        };
        let words = |text: String| -> Vec<String> {
            let line = text.lines().nth(1).unwrap().to_owned();
            line.split_whitespace().map(str::to_owned).collect()
        };
        assert_eq!(words(text(1)), ["2.93", "KiB", "75.0%", "3", "main.leaf"]);
        assert_eq!(words(text(0)), ["1000", "B", "76.9%", "10", "main.inner"]);
    }
}
