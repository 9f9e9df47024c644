//! How the goroutines of each origin became more or fewer since the view was opened.

use std::collections::HashMap;
use std::collections::VecDeque;
use std::hash::Hash;

/// Counts that are kept of each: a rate is over as many refreshes.
const RECENT: usize = 10;

/// The counts of many things over time.
#[derive(Debug, Clone)]
pub struct Growth<K> {
    of: HashMap<K, Counts>,
    /// When the recent counts were made, in seconds since the view was opened.
    times: VecDeque<f64>,
}

/// The counts of one thing.
#[derive(Debug, Clone, Default)]
struct Counts {
    first: u64,
    /// As many as there are times, or fewer if it is new.
    recent: VecDeque<u64>,
}

impl<K> Default for Growth<K> {
    fn default() -> Self {
        Self {
            of: HashMap::new(),
            times: VecDeque::new(),
        }
    }
}

impl<K: Eq + Hash + Clone> Growth<K> {
    /// Adds the counts made `at` seconds after the view was opened. What is not among them, there is none of.
    pub fn push<'a>(&mut self, at: f64, counts: impl IntoIterator<Item = (&'a K, u64)>)
    where
        K: 'a,
    {
        let is_first = self.times.is_empty();
        let before = self.times.len();
        self.times.push_back(at);
        for (key, count) in counts {
            let known = match self.of.get_mut(key) {
                Some(known) => known,
                None => self.of.entry(key.clone()).or_insert_with(|| Counts {
                    first: if is_first { count } else { 0 },
                    recent: std::iter::repeat_n(0, before).collect(),
                }),
            };
            known.recent.push_back(count);
        }
        let length = self.times.len();
        for counts in self.of.values_mut() {
            if counts.recent.len() < length {
                counts.recent.push_back(0);
            }
        }
        if length > RECENT {
            self.times.pop_front();
            for counts in self.of.values_mut() {
                counts.recent.pop_front();
            }
        }
        // What was not there at first and is gone again is as if it had never been.
        self.of
            .retain(|_, counts| counts.first > 0 || counts.recent.iter().any(|count| *count > 0));
    }

    /// How many more there are than when the view was opened; negative if fewer.
    pub fn since_start(&self, key: &K) -> i64 {
        let Some(counts) = self.of.get(key) else {
            return 0;
        };
        let now = counts.recent.back().copied().unwrap_or(0);
        now.cast_signed().wrapping_sub(counts.first.cast_signed())
    }

    /// How many more per second lately; `None` as long as there is only one count.
    pub fn per_second(&self, key: &K) -> Option<f64> {
        let (from, to) = (self.times.front()?, self.times.back()?);
        let seconds = to - from;
        if seconds <= 0.0 {
            return None;
        }
        let Some(counts) = self.of.get(key) else {
            return Some(0.0);
        };
        let (then, now) = (counts.recent.front()?, counts.recent.back()?);
        Some((*now as f64 - *then as f64) / seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_told_from_the_first_count() {
        let mut growth = Growth::default();
        growth.push(0.0, [(&"a", 10), (&"b", 3)]);
        assert_eq!(growth.per_second(&"a"), None);
        growth.push(2.0, [(&"a", 14), (&"new", 5)]);
        assert_eq!(growth.since_start(&"a"), 4);
        assert_eq!(growth.since_start(&"b"), -3);
        assert_eq!(growth.since_start(&"new"), 5);
        assert_eq!(growth.since_start(&"never seen"), 0);
        assert_eq!(growth.per_second(&"a"), Some(2.0));
        assert_eq!(growth.per_second(&"b"), Some(-1.5));
        assert_eq!(growth.per_second(&"new"), Some(2.5));
    }

    #[test]
    fn a_rate_is_about_the_last_refreshes() {
        let mut growth = Growth::default();
        for second in 0..100_u32 {
            let count = if second < 50 { u64::from(second) } else { 50 };
            growth.push(f64::from(second), [(&"a", count)]);
        }
        assert_eq!(growth.per_second(&"a"), Some(0.0));
        assert_eq!(growth.since_start(&"a"), 50);
    }

    #[test]
    fn what_comes_and_goes_is_forgotten() {
        let mut growth = Growth::default();
        for second in 0..1000_u32 {
            growth.push(f64::from(second), [(&second, 1)]);
        }
        assert!(growth.of.len() <= RECENT + 1, "{}", growth.of.len());
    }
}
