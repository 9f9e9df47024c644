//! The goroutines of a process, counted: by what they do, and by where they come from.

use std::collections::HashMap;
use std::sync::Arc;

use super::dump::Dump;
use super::dump::Goroutine;
use super::dump::SourcePlace;
use super::package_path::unescaped;

/// Goroutines at one moment, in numbers. Those of the runtime itself are only counted.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Census {
    /// Goroutines of the program.
    pub total: u64,
    /// Goroutines of the runtime.
    pub system: u64,
    /// Goroutines that could not be read: they may be of either.
    pub missing: u64,
    /// What they do, in the runtime's words, with the number of those that do it; most first.
    pub activities: Vec<(Arc<str>, u64)>,
    /// By where they come from, most first.
    pub sites: Vec<SiteCount>,
}

/// Where a goroutine comes from: its start function, and the `go` statement.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Origin {
    /// The function it began with; `None` if unknown.
    pub start: Option<Arc<str>>,
    /// The function that created it; `None` if unknown, or if nobody did (the main goroutine).
    pub creator: Option<Arc<str>>,
    /// File and line of the `go` statement, likewise.
    pub file: Arc<str>,
    /// See `file`; 0 if unknown.
    pub line: u32,
}

/// The goroutines that come from one place.
#[derive(Debug, Clone, PartialEq)]
pub struct SiteCount {
    /// The place.
    pub origin: Origin,
    /// How many there are.
    pub count: u64,
    /// What most of them do.
    pub activity: Arc<str>,
    /// How many do that.
    pub active: u64,
    /// Since when the one has been waiting that waits longest, ns of CLOCK_MONOTONIC, as far as is known.
    pub since_ns: Option<u64>,
}

/// What tells places apart without looking at their words: a reader makes each only once.
type Key = (Option<*const SourcePlace>, Option<*const SourcePlace>);

/// A site being counted.
struct Counting {
    origin: Origin,
    activities: Vec<(Arc<str>, u64)>,
    since_ns: Option<u64>,
}

/// Makes censuses of one process, and remembers the words that come again.
#[derive(Debug, Default)]
pub struct Counter {
    words: HashMap<String, Arc<str>>,
}

impl Counter {
    /// Counts the goroutines of a dump.
    pub fn count(&mut self, dump: &Dump) -> Census {
        let mut census = Census {
            missing: dump.missing.goroutines,
            ..Census::default()
        };
        let mut numbers: HashMap<Key, usize> = HashMap::new();
        let mut places: HashMap<Origin, usize> = HashMap::new();
        let mut sites: Vec<Counting> = Vec::new();
        for goroutine in &dump.goroutines {
            if goroutine.system {
                census.system += 1;
                continue;
            }
            census.total += 1;
            let key = (
                goroutine.start.as_ref().map(Arc::as_ptr),
                goroutine.created.as_ref().map(Arc::as_ptr),
            );
            let number = *numbers.entry(key).or_insert_with(|| {
                let origin = self.origin(goroutine);
                // Instructions can differ where the line is the same.
                *places.entry(origin.clone()).or_insert_with(|| {
                    sites.push(Counting {
                        origin,
                        activities: Vec::new(),
                        since_ns: None,
                    });
                    sites.len() - 1
                })
            });
            let Some(site) = sites.get_mut(number) else {
                continue;
            };
            add(
                &mut self.words,
                &mut site.activities,
                goroutine.activity(),
                1,
            );
            if let Some(since) = goroutine.since_ns {
                site.since_ns = Some(site.since_ns.map_or(since, |known| known.min(since)));
            }
        }
        for site in &sites {
            for (activity, count) in &site.activities {
                add(&mut self.words, &mut census.activities, activity, *count);
            }
        }
        census
            .activities
            .sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        census.sites = sites.into_iter().filter_map(Counting::finish).collect();
        census
            .sites
            .sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.origin.cmp(&b.origin)));
        census
    }

    fn origin(&mut self, goroutine: &Goroutine) -> Origin {
        let start = goroutine.start.as_deref();
        let created = goroutine.created.as_deref();
        Origin {
            start: start.map(|place| word(&mut self.words, &unescaped(&place.function))),
            creator: created.map(|place| word(&mut self.words, &unescaped(&place.function))),
            file: word(&mut self.words, created.map_or("", |place| &place.file)),
            line: created.map_or(0, |place| place.line),
        }
    }
}

impl Origin {
    /// Whether a goroutine comes from here.
    pub fn is_of(&self, goroutine: &Goroutine) -> bool {
        let created = goroutine.created.as_deref();
        let start = goroutine.start.as_deref();
        let is = |known: &Option<Arc<str>>, place: Option<&SourcePlace>| {
            known.as_deref() == place.map(|place| unescaped(&place.function)).as_deref()
        };
        is(&self.start, start)
            && is(&self.creator, created)
            && &*self.file == created.map_or("", |place| &place.file)
            && self.line == created.map_or(0, |place| place.line)
    }

    /// `server.go:142`: the file without its directories; `None` if it is not known.
    pub fn created_at(&self) -> Option<String> {
        let name = self
            .file
            .rsplit('/')
            .next()
            .filter(|name| !name.is_empty())?;
        Some(format!("{name}:{}", self.line))
    }
}

impl Counting {
    fn finish(self) -> Option<SiteCount> {
        let (activity, active) = self
            .activities
            .iter()
            .max_by(|a, b| a.1.cmp(&b.1).then_with(|| b.0.cmp(&a.0)))?
            .clone();
        Some(SiteCount {
            origin: self.origin,
            count: self.activities.iter().map(|(_, count)| count).sum(),
            activity,
            active,
            since_ns: self.since_ns,
        })
    }
}

/// The one copy of a word.
fn word(words: &mut HashMap<String, Arc<str>>, text: &str) -> Arc<str> {
    if let Some(known) = words.get(text) {
        return Arc::clone(known);
    }
    let new: Arc<str> = Arc::from(text);
    words.insert(text.to_owned(), Arc::clone(&new));
    new
}

fn add(
    words: &mut HashMap<String, Arc<str>>,
    to: &mut Vec<(Arc<str>, u64)>,
    activity: &str,
    more: u64,
) {
    match to.iter_mut().find(|(known, _)| &**known == activity) {
        Some((_, count)) => *count += more,
        None => to.push((word(words, activity), more)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::dump::StackState;
    use crate::model::dump::sample::goroutine;
    use crate::model::dump::sample::place;

    #[test]
    fn goroutines_are_counted_by_origin_and_activity() {
        let mut dump = Dump::default();
        for number in 0..7 {
            let state = if number < 2 {
                StackState::Running
            } else {
                StackState::Moving
            };
            let mut one = goroutine(number, state);
            // The same line, read as another instruction.
            one.created = Some(place("main.main", 5));
            one.since_ns = (number == 3).then_some(77);
            dump.goroutines.push(one);
        }
        dump.goroutines[6].created = Some(place("main.other", 9));
        let mut of_the_runtime = goroutine(8, StackState::Moving);
        of_the_runtime.system = true;
        dump.goroutines.push(of_the_runtime);
        dump.missing.goroutines = 1;

        let census = Counter::default().count(&dump);
        assert_eq!((census.total, census.system, census.missing), (7, 1, 1));
        let activities: Vec<_> = census.activities.iter().map(|(a, n)| (&**a, *n)).collect();
        assert_eq!(activities, [("chan receive", 5), ("running", 2)]);
        let sites: Vec<_> = census
            .sites
            .iter()
            .map(|site| (site.count, site.active, &*site.activity, site.since_ns))
            .collect();
        assert_eq!(
            sites,
            [
                (6, 4, "chan receive", Some(77)),
                (1, 1, "chan receive", None)
            ]
        );
        let first = &census.sites[0].origin;
        assert_eq!(first.created_at().as_deref(), Some("main.go:5"));
        assert!(first.is_of(&dump.goroutines[0]) && !first.is_of(&dump.goroutines[6]));
    }

    #[test]
    fn nobody_created_the_main_goroutine() {
        let mut main = goroutine(1, StackState::Running);
        main.created = None;
        let dump = Dump {
            goroutines: vec![main],
            ..Dump::default()
        };
        let census = Counter::default().count(&dump);
        let origin = &census.sites[0].origin;
        assert_eq!((origin.creator.clone(), origin.created_at()), (None, None));
        assert!(origin.is_of(&dump.goroutines[0]));
    }
}
