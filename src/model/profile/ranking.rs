//! Which functions, lines or packages a profile's numbers belong to, largest first.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};

use super::packages::Packages;
use super::{GOROUTINE, LABELS, LabelValue, Line, Profile};

/// What is summed up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By<'k> {
    /// Functions.
    Function,
    /// Lines.
    Line,
    /// Packages.
    Package,
    /// Values of the label with this key.
    Label(&'k str),
    /// Processes.
    Process,
    /// Goroutines.
    Goroutine,
}

impl By<'_> {
    /// Whether they lie somewhere in the source.
    pub fn has_places(self) -> bool {
        matches!(self, Self::Function | Self::Line)
    }
}

/// What belongs to one of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry<'p> {
    /// The function's name, or the package's path.
    pub name: Cow<'p, str>,
    /// The file, and the line that the most belongs to; `None` of a package, or if it is not known.
    pub place: Option<(&'p str, u32)>,
    /// What was counted in it.
    pub flat: u64,
    /// The same, with what it called.
    pub cumulative: u64,
}

/// All of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ranking<'p> {
    /// Largest first.
    pub entries: Vec<Entry<'p>>,
    /// The sum of the profile.
    pub total: u64,
}

/// What is counted of one of them.
#[derive(Default)]
struct Sums {
    flat: u64,
    cumulative: u64,
    /// By line: in it, and with what it called.
    lines: HashMap<Line, (u64, u64)>,
}

impl<'p> Ranking<'p> {
    /// Sums up what one of a profile's types counts; by what lies in them, or, if `cumulative`, by that and what they called.
    pub fn of(profile: &'p Profile, value: usize, by: By<'_>, cumulative: bool) -> Self {
        match by {
            By::Label(key) => return Self::of_label(profile, value, key),
            By::Goroutine => return Self::of_goroutine(profile, value),
            By::Process => return Self::of_process(profile, value),
            By::Function | By::Line | By::Package => {}
        }
        let mut all: HashMap<(&str, &str, u32), Sums> = HashMap::new();
        let packages = match by {
            By::Package => Packages::of(profile),
            _ => Packages::default(),
        };
        for sample in profile.samples() {
            let count = sample.values.get(value).copied().unwrap_or(0);
            if count == 0 {
                continue;
            }
            // What is on a stack several times has called all of it once.
            let (mut seen, mut lines) = (HashSet::new(), HashSet::new());
            for (depth, (_, function, line)) in profile.lines(&sample.stack).enumerate() {
                let key = match by {
                    By::Function => (&*function.name, "", 0),
                    By::Line => (&*function.name, &*function.file, line.line),
                    _ => (packages.package(function), "", 0),
                };
                let is_new = seen.insert(key);
                let sums = all.entry(key).or_default();
                let of_line = sums.lines.entry(line).or_default();
                if depth == 0 {
                    sums.flat = sums.flat.saturating_add(count);
                    of_line.0 = of_line.0.saturating_add(count);
                }
                if is_new {
                    sums.cumulative = sums.cumulative.saturating_add(count);
                }
                if lines.insert(line) {
                    of_line.1 = of_line.1.saturating_add(count);
                }
            }
        }
        let mut entries: Vec<Entry<'p>> = all
            .into_iter()
            .map(|((name, ..), sums)| Entry {
                name: name.into(),
                place: sums.place(profile).filter(|_| by.has_places()),
                flat: sums.flat,
                cumulative: sums.cumulative,
            })
            .collect();
        entries.sort_by_key(|it| {
            let sizes = match cumulative {
                true => (it.cumulative, it.flat),
                false => (it.flat, it.cumulative),
            };
            (Reverse(sizes), it.name.clone(), it.place)
        });
        Self {
            entries,
            total: profile.total(value),
        }
    }
}

impl<'p> Ranking<'p> {
    /// The same by what a label says. Nothing else is called by it: flat and cumulative are one.
    fn of_label(profile: &'p Profile, value: usize, key: &str) -> Self {
        let mut all: HashMap<Cow<'_, str>, u64> = HashMap::new();
        for sample in profile.samples() {
            let count = sample.values.get(value).copied().unwrap_or(0);
            let of = |key: &str| sample.labels.iter().find(|label| label.key == key);
            let name = match of(key).or_else(|| of(LABELS)).map(|label| &label.value) {
                Some(LabelValue::Text(text)) => text.into(),
                Some(LabelValue::Number(number)) => number.to_string().into(),
                None => format!("[no label {key}]").into(),
            };
            let sum = all.entry(name).or_default();
            *sum = sum.saturating_add(count);
        }
        Self::of_sums(all, profile.total(value))
    }

    /// The same by processes.
    fn of_process(profile: &'p Profile, value: usize) -> Self {
        let sums = profile.parts().iter().map(|part| {
            let values = profile.samples_of(part).iter();
            let values = values.filter_map(|it| it.values.get(value));
            let sum = values.fold(0, |sum: u64, value| sum.saturating_add(*value));
            (Cow::from(part.describe()), sum)
        });
        Self::of_sums(sums, profile.total(value))
    }

    /// The same by goroutines.
    fn of_goroutine(profile: &'p Profile, value: usize) -> Self {
        let mut all: HashMap<Cow<'_, str>, u64> = HashMap::new();
        for (sample, part) in profile.samples_with_parts() {
            let number = sample.labels.iter().find_map(|label| match label.value {
                LabelValue::Number(number) if label.key == GOROUTINE => Some(number),
                _ => None,
            });
            let name = number.map_or("[no goroutine]".to_owned(), |it| it.to_string());
            let name = match part {
                Some(part) => format!("{name} of {}", part.describe()),
                None => name,
            };
            let sum = all.entry(name.into()).or_default();
            *sum = sum.saturating_add(sample.values.get(value).copied().unwrap_or(0));
        }
        Self::of_sums(all, profile.total(value))
    }

    fn of_sums(all: impl IntoIterator<Item = (Cow<'p, str>, u64)>, total: u64) -> Self {
        let entries = all.into_iter().filter(|(_, count)| *count > 0);
        let entry = |(name, count)| Entry {
            name,
            place: None,
            flat: count,
            cumulative: count,
        };
        let mut entries: Vec<Entry<'p>> = entries.map(entry).collect();
        entries.sort_by_key(|it| (Reverse(it.flat), it.name.clone()));
        Self { entries, total }
    }
}

impl Sums {
    fn place<'p>(&self, profile: &'p Profile) -> Option<(&'p str, u32)> {
        let most = self.lines.iter();
        let (line, _) = most.max_by_key(|(line, sums)| (**sums, Reverse(line.line)))?;
        let function = profile.functions().get(line.function.number())?;
        (!function.file.is_empty()).then_some((function.file.as_str(), line.line))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::profile::{Label, Sample, sample};

    fn rows<'p>(profile: &'p Profile, by: By<'_>, cumulative: bool) -> Vec<(&'p str, u64, u64)> {
        let ranking = Ranking::of(profile, 1, by, cumulative);
        let entries = ranking.entries.into_iter();
        entries
            .map(|it| match it.name {
                Cow::Borrowed(name) => (name, it.flat, it.cumulative),
                Cow::Owned(name) => panic!("made up: {name}"),
            })
            .collect()
    }

    #[test]
    fn in_it_and_with_what_it_called() {
        let profile = sample::heap();
        assert_eq!(
            rows(&profile, By::Function, false),
            [
                ("main.leaf", 3000, 3000),
                ("main.inner", 1000, 4000),
                ("main.main", 0, 4000),
                ("main.work", 0, 4000),
            ]
        );
        assert_eq!(rows(&profile, By::Package, false), [("main", 4000, 4000)]);
        assert_eq!(
            rows(&profile, By::Line, true)[0],
            ("main.inner", 1000, 4000)
        );
        let ranking = Ranking::of(&profile, 1, By::Function, false);
        assert_eq!(ranking.total, 4000);
        assert_eq!(ranking.entries[0].place, Some(("/src/main.go", 10)));
    }

    #[test]
    fn who_calls_himself_counts_once() {
        let mut profile = sample::heap();
        let stack = profile.samples()[1].stack.clone();
        profile.add(Sample {
            stack: [stack.clone(), stack].concat(),
            values: vec![1, 500],
            labels: Vec::new(),
        });
        let rows = rows(&profile, By::Function, false);
        assert!(rows.contains(&("main.inner", 1500, 4500)), "{rows:?}");
    }

    #[test]
    fn labels_count_each_sample_once() {
        let mut profile = sample::heap();
        let stack = profile.samples()[0].stack.clone();
        for (key, value) in [("route", "/a"), (LABELS, "[not known]")] {
            let label = Label {
                key: key.into(),
                value: LabelValue::Text(value.to_owned()),
            };
            profile.add(Sample {
                stack: stack.clone(),
                values: vec![1, 500],
                labels: vec![label],
            });
        }
        let by = |key| {
            let entries = Ranking::of(&profile, 1, By::Label(key), false).entries;
            let rows = entries.into_iter();
            rows.map(|it| (it.name.into_owned(), it.flat))
                .collect::<Vec<_>>()
        };
        let expected = [
            ("[no label route]", 4000),
            ("/a", 500),
            ("[not known]", 500),
        ];
        assert_eq!(
            by("route"),
            expected.map(|(name, sum)| (name.to_owned(), sum))
        );
        assert_eq!(by("bytes")[0], ("1000".to_owned(), 3000));
    }
}
