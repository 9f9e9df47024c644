//! Goroutines that do the same: grouped by what a reader of the source sees of their stacks, and what grew from one
//! dump to the next.

use std::collections::HashMap;

use super::dump::{Dump, Goroutine, Labels, SourcePlace, Stack, StackState};

/// A place as the source has it: function, file, line.
type Line<'d> = (&'d str, &'d str, u32);

/// What the goroutines of a group have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Key<'d> {
    stack: Trunk,
    site: Site<'d>,
}

/// Where goroutines come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Site<'d> {
    start: Option<Line<'d>>,
    created: Option<Line<'d>>,
}

/// A stack as it is shown, by number; or why there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Trunk {
    Shown(usize),
    Missing(StackState),
}

/// Goroutines of one dump with the same stack, start and creation site.
#[derive(Debug, Clone)]
pub struct Group<'d> {
    /// The goroutines, in the order of the dump. Not empty.
    pub goroutines: Vec<&'d Goroutine>,
    /// The stack of the first of them, if it was read.
    pub stack: Option<&'d Stack>,
    key: Key<'d>,
}

/// A group, and how many of its kind there were before.
#[derive(Debug, Clone)]
pub struct Growth<'d> {
    /// The goroutines there are now.
    pub group: Group<'d>,
    /// How many there were.
    pub before: usize,
}

/// Goroutines of one creation site, and how their number changed.
#[derive(Debug, Clone)]
pub struct SiteGrowth<'d> {
    /// One of the goroutines: its start function and creation site are those of all.
    pub example: &'d Goroutine,
    /// How many there were.
    pub before: usize,
    /// How many there are.
    pub after: usize,
    /// Their groups that grew, the one that grew most first.
    pub stacks: Vec<Growth<'d>>,
}

/// Gives the same numbers to the same stacks, in one dump or several.
#[derive(Debug, Default)]
pub struct Grouper<'d> {
    all_frames: bool,
    stacks: HashMap<Vec<Line<'d>>, usize>,
}

impl<'d> Grouper<'d> {
    /// `all_frames`: frames that the runtime would hide count too.
    pub fn new(all_frames: bool) -> Self {
        Self {
            all_frames,
            stacks: HashMap::new(),
        }
    }

    /// The groups of those goroutines of a dump that `wanted` takes, largest first.
    pub fn groups(
        &mut self,
        dump: &'d Dump,
        wanted: impl Fn(&Goroutine) -> bool,
    ) -> Vec<Group<'d>> {
        let shown: Vec<usize> = dump.stacks.iter().map(|stack| self.number(stack)).collect();
        let mut numbers: HashMap<Key<'d>, usize> = HashMap::new();
        let mut groups: Vec<Group<'d>> = Vec::new();
        for goroutine in dump.goroutines.iter().filter(|it| wanted(it)) {
            let stack = match goroutine.stack {
                StackState::Read(index) => {
                    Trunk::Shown(shown.get(index).copied().unwrap_or(usize::MAX))
                }
                missing => Trunk::Missing(missing),
            };
            let key = Key {
                stack,
                site: site(goroutine),
            };
            let next = groups.len();
            let number = *numbers.entry(key).or_insert(next);
            match groups.get_mut(number) {
                Some(group) => group.goroutines.push(goroutine),
                None => groups.push(Group {
                    goroutines: vec![goroutine],
                    stack: dump.stack_of(goroutine),
                    key,
                }),
            }
        }
        groups.sort_by_key(|group| std::cmp::Reverse(group.goroutines.len()));
        groups
    }

    fn number(&mut self, stack: &'d Stack) -> usize {
        let visible = |hidden: bool| self.all_frames || !hidden;
        let frames = stack.frames.iter().filter(|frame| visible(frame.hidden));
        let lines = frames.map(|frame| line(&frame.place)).collect();
        let next = self.stacks.len();
        *self.stacks.entry(lines).or_insert(next)
    }
}

/// The sites whose goroutines became more, or became more on some stack; those that grew most first.
pub fn growth<'d>(before: &[Group<'d>], after: Vec<Group<'d>>) -> Vec<SiteGrowth<'d>> {
    let mut was: HashMap<Key<'d>, usize> = HashMap::new();
    let mut was_at: HashMap<Site<'d>, usize> = HashMap::new();
    for group in before {
        *was.entry(group.key).or_default() += group.goroutines.len();
        *was_at.entry(group.key.site).or_default() += group.goroutines.len();
    }
    let mut numbers: HashMap<Site<'d>, usize> = HashMap::new();
    let mut sites: Vec<SiteGrowth<'d>> = Vec::new();
    for group in after {
        let Some(&example) = group.goroutines.first() else {
            continue;
        };
        let site = group.key.site;
        let next = sites.len();
        let number = *numbers.entry(site).or_insert(next);
        if number == next {
            sites.push(SiteGrowth {
                example,
                before: was_at.get(&site).copied().unwrap_or(0),
                after: 0,
                stacks: Vec::new(),
            });
        }
        if let Some(site) = sites.get_mut(number) {
            site.after += group.goroutines.len();
            let before = was.get(&group.key).copied().unwrap_or(0);
            let growth = Growth { group, before };
            if growth.grown() > 0 {
                site.stacks.push(growth);
            }
        }
    }
    for site in &mut sites {
        site.stacks
            .sort_by_key(|growth| std::cmp::Reverse(growth.grown()));
    }
    sites.retain(|site| !site.stacks.is_empty());
    sites.sort_by_key(|site| {
        let most = site.stacks.first().map_or(0, Growth::grown);
        std::cmp::Reverse((site.grown(), most))
    });
    sites
}

impl<'d> Group<'d> {
    /// What its goroutines do, with the number of those that do it, most first.
    pub fn activities(&self) -> Vec<(&str, usize)> {
        let mut counted: Vec<(&str, usize)> = Vec::new();
        for goroutine in &self.goroutines {
            let activity = goroutine.activity();
            match counted.iter_mut().find(|(known, _)| *known == activity) {
                Some((_, count)) => *count += 1,
                None => counted.push((activity, 1)),
            }
        }
        counted.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        counted
    }

    /// The shortest and the longest time that one of its goroutines has been waiting at `now_ns`, as far as is known.
    pub fn waited_ns(&self, now_ns: Option<u64>) -> Option<(u64, u64)> {
        let mut waits = self
            .goroutines
            .iter()
            .filter_map(|goroutine| goroutine.waited_ns(now_ns));
        let first = waits.next()?;
        Some(waits.fold((first, first), |(least, most), wait| {
            (least.min(wait), most.max(wait))
        }))
    }

    /// The labels of all of them, if they are the same.
    pub fn labels(&self) -> Option<&'d Labels> {
        let labels = &self.goroutines.first()?.labels;
        let is_same = self.goroutines.iter().all(|it| it.labels == *labels);
        is_same.then_some(labels)
    }

    /// How many have which labels, most first.
    pub fn label_sets(&self) -> Vec<(&'d Labels, usize)> {
        let mut counts: HashMap<&Labels, usize> = HashMap::new();
        let mut sets: Vec<(&Labels, usize)> = Vec::new();
        for goroutine in &self.goroutines {
            let place = *counts.entry(&goroutine.labels).or_insert_with(|| {
                sets.push((&goroutine.labels, 0));
                sets.len() - 1
            });
            if let Some((_, count)) = sets.get_mut(place) {
                *count += 1;
            }
        }
        sets.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        sets
    }

    /// The goroutine that created all of them, if it is one and the same.
    pub fn creator(&self) -> Option<u64> {
        let creator = self.goroutines.first()?.creator;
        creator.filter(|_| self.goroutines.iter().all(|it| it.creator == creator))
    }
}

impl Growth<'_> {
    /// How many more there are.
    pub fn grown(&self) -> usize {
        self.group.goroutines.len().saturating_sub(self.before)
    }
}

impl SiteGrowth<'_> {
    /// How many more there are.
    pub fn grown(&self) -> usize {
        self.after.saturating_sub(self.before)
    }
}

fn line(place: &SourcePlace) -> Line<'_> {
    (&place.function, &place.file, place.line)
}

fn site(goroutine: &Goroutine) -> Site<'_> {
    Site {
        start: goroutine.start.as_deref().map(line),
        created: goroutine.created.as_deref().map(line),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::dump::sample::{goroutine, place, stack};

    fn dump(counts: [usize; 3]) -> Dump {
        let mut dump = Dump {
            stacks: vec![
                stack(&[("runtime.gopark", 1, true), ("main.a", 10, false)]),
                stack(&[("runtime.gopark", 2, true), ("main.a", 10, false)]),
                stack(&[("main.b", 20, false)]),
            ],
            ..Dump::default()
        };
        for (number, count) in counts.into_iter().enumerate() {
            for _ in 0..count {
                let goid = dump.goroutines.len() as u64 + 1;
                let mut one = goroutine(goid, StackState::Read(number));
                one.created = Some(place("main.main", 5 + (number as u32) / 2));
                dump.goroutines.push(one);
            }
        }
        dump
    }

    #[test]
    fn hidden_frames_make_no_difference_unless_shown() {
        let dump = dump([3, 4, 6]);
        let count = |all| {
            let groups = Grouper::new(all).groups(&dump, |_| true);
            groups
                .iter()
                .map(|it| it.goroutines.len())
                .collect::<Vec<_>>()
        };
        assert_eq!(count(false), [7, 6]);
        assert_eq!(count(true), [6, 4, 3]);
    }

    #[test]
    fn growth_is_told_by_site_and_stack() {
        let (one, two) = (dump([3, 4, 6]), dump([5, 1, 16]));
        let mut grouper = Grouper::new(true);
        let before = grouper.groups(&one, |_| true);
        let after = grouper.groups(&two, |_| true);
        let sites = growth(&before, after);
        let told: Vec<_> = sites
            .iter()
            .map(|site| {
                let stacks: Vec<_> = site.stacks.iter().map(Growth::grown).collect();
                (site.before, site.after, stacks)
            })
            .collect();
        assert_eq!(told, [(6, 16, vec![10]), (7, 6, vec![2])]);
    }
}
