//! What has changed between two profiles: as a table, whose numbers have a sign, and as folded stacks.

use std::collections::BTreeMap;
use std::io::Write;

use crate::model::profile::Changes;
use crate::model::profile::Profile;
use crate::model::profile::ValueType;

use crate::render::table::Fit;
use crate::render::table::Row;

use super::folded;
use super::table::placed;
use super::table::share;
use super::table::size;

/// The first rows. Shares are of what there was before.
pub fn table_of_changes(
    out: &mut Vec<u8>,
    changes: &Changes<'_>,
    value: ValueType,
    most: usize,
    fit: &Fit,
) {
    fit.heading(out);
    for entry in changes.entries.iter().take(most) {
        let mut row = Row::begin(out, fit);
        for number in [entry.flat, entry.cumulative] {
            let amount = u64::try_from(number.unsigned_abs()).unwrap_or(u64::MAX);
            let sign = sign(number);
            row.figure(&format!("{sign}{}", size(amount, value)));
            let share = share(amount, changes.before);
            match changes.before {
                0 => row.figure(&share),
                _ => row.figure(&format!("{sign}{share}")),
            };
        }
        row.cell(&entry.name)
            .cell(&placed(entry.place).unwrap_or_default())
            .end();
    }
}

fn sign(number: i128) -> &'static str {
    match number {
        ..0 => "-",
        0 => "",
        1.. => "+",
    }
}

/// Stacks with what was counted before and now, as difffolded.pl writes them and flamegraph.pl reads them:
/// `main.main;main.work 42 57`. Also those that are as they were.
pub fn folded_difference(out: &mut Vec<u8>, base: &Profile, now: &Profile, value: usize) {
    let mut stacks: BTreeMap<String, [u64; 2]> = BTreeMap::new();
    let [before, after] = [base, now].map(|profile| folded::stacks(profile, value));
    for (stack, count) in before {
        stacks.entry(stack).or_default()[0] = count;
    }
    for (stack, count) in after {
        stacks.entry(stack).or_default()[1] = count;
    }
    for (stack, [before, now]) in stacks {
        let _ = writeln!(out, "{stack} {before} {now}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::profile::{By, sample};
    use crate::render::profile::fit_of_changes;
    use crate::render::style::Style;

    #[test]
    fn numbers_have_signs() {
        let base = sample::heap();
        let mut now = sample::heap();
        now.retain(|name| name == "main.leaf");
        let fit = fit_of_changes(Style::PLAIN, By::Function);
        let mut out = Vec::new();
        let changes = Changes::of(&base, &now, 1, By::Function, false);
        table_of_changes(&mut out, &changes, base.types[1], 9, &fit);
        let changes = Changes::of(&now, &base, 1, By::Function, false);
        table_of_changes(&mut out, &changes, base.types[1], 1, &fit);
        let text = String::from_utf8(out).unwrap();
        let words: Vec<String> = text
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect();
        assert_eq!(words.len(), 6, "{text}");
        assert_eq!(
            words[1],
            "-1000 B -25.0% -1000 B -25.0% main.inner /src/main.go:20"
        );
        assert!(words[2].starts_with("0 0.0% -1000 B"), "{text}");
        assert!(words[5].starts_with("+1000 B +33.3% "), "{text}");
    }

    #[test]
    fn before_and_now() {
        let base = sample::heap();
        let mut now = sample::heap();
        now.retain(|name| name == "main.leaf");
        let mut out = Vec::new();
        folded_difference(&mut out, &base, &now, 0);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "main.main;main.work;main.inner 10 0\n\
             main.main;main.work;main.inner;main.leaf 3 3\n"
        );
    }
}
