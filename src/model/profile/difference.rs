//! What has changed between two profiles of the same kind, by function, line or package.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::HashMap;

use super::By;
use super::Profile;
use super::Ranking;

/// Of a function, line or package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change<'p> {
    /// Its name.
    pub name: Cow<'p, str>,
    /// File and line, as it is now, or as it was if it is gone.
    pub place: Option<(&'p str, u32)>,
    /// How much more is counted in it itself now.
    pub flat: i128,
    /// How much more with all that it called.
    pub cumulative: i128,
}

/// All of them that there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changes<'p> {
    /// Those that have changed, most first.
    pub entries: Vec<Change<'p>>,
    /// The sum before.
    pub before: u64,
    /// The sum now.
    pub now: u64,
}

impl<'p> Changes<'p> {
    /// From `base` to `now`, of what one of their types counts.
    pub fn of(
        base: &'p Profile,
        now: &'p Profile,
        value: usize,
        by: By<'_>,
        cumulative: bool,
    ) -> Self {
        let rankings = [(base, -1), (now, 1)]
            .map(|(profile, sign)| (Ranking::of(profile, value, by, cumulative), sign));
        let [before, after] = [0, 1].map(|side| rankings.get(side).map_or(0, |it| it.0.total));
        let mut all = HashMap::new();
        for (ranking, sign) in rankings {
            for entry in ranking.entries {
                // Functions and packages are the same wherever they are now.
                let place = entry.place.filter(|_| by == By::Line);
                let change = all.entry((entry.name.clone(), place)).or_insert(Change {
                    name: entry.name,
                    place: None,
                    flat: 0,
                    cumulative: 0,
                });
                change.place = entry.place.or(change.place);
                change.flat += sign * i128::from(entry.flat);
                change.cumulative += sign * i128::from(entry.cumulative);
            }
        }
        let mut entries: Vec<Change<'p>> = all.into_values().collect();
        entries.retain(|it| it.flat != 0 || it.cumulative != 0);
        entries.sort_by_cached_key(|it| {
            let sizes = match cumulative {
                true => (it.cumulative.unsigned_abs(), it.flat.unsigned_abs()),
                false => (it.flat.unsigned_abs(), it.cumulative.unsigned_abs()),
            };
            (Reverse(sizes), it.name.clone(), it.place)
        });
        Self {
            entries,
            before,
            now: after,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::profile::{Line, Sample, sample};

    #[test]
    fn more_less_gone_and_new() {
        let base = sample::heap();
        // Less, gone, and new.
        let mut now = Profile::new(
            "heap",
            base.types.clone(),
            base.period,
            base.mapping.clone(),
        );
        for (name, line, bytes) in [("main.inner", 21, 400), ("main.other", 5, 7000)] {
            let function = now.function(name, "/src/main.go");
            let location = now.location(0, vec![Line { function, line }]);
            now.add(Sample {
                stack: vec![location],
                values: vec![1, bytes],
                labels: Vec::new(),
            });
        }
        let changes = Changes::of(&base, &now, 1, By::Function, false);
        let rows: Vec<_> = changes
            .entries
            .iter()
            .map(|it| (&*it.name, it.flat, it.cumulative))
            .collect();
        assert_eq!(
            rows,
            [
                ("main.other", 7000, 7000),
                ("main.leaf", -3000, -3000),
                ("main.inner", -600, -3600),
                ("main.main", 0, -4000),
                ("main.work", 0, -4000),
            ]
        );
        assert_eq!((changes.before, changes.now), (4000, 7400));
        assert_eq!(changes.entries[2].place, Some(("/src/main.go", 21)));
        let by_line = Changes::of(&base, &now, 1, By::Line, false);
        let inner = by_line.entries.iter().filter(|it| it.name == "main.inner");
        assert_eq!(inner.map(|it| it.flat).collect::<Vec<_>>(), [-1000, 400]);
        assert!(
            Changes::of(&base, &base, 1, By::Line, true)
                .entries
                .is_empty()
        );
    }
}
