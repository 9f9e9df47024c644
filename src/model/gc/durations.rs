//! Durations of one kind, summed up: count, total, quantiles, longest; in bounded memory.
//!
//! The first [`KEPT`] durations are kept as they are and quantiles of them are exact. When there are more, they are
//! counted in slots, 64 to each power of two, and a quantile is then at most 1/64 (1.6 %) above the true one.

use crate::model::quantile::quantile;

/// Durations kept as they are: 128 KiB.
pub const KEPT: usize = 16 * 1024;

const SLOTS_PER_OCTAVE: u64 = 64;
/// Values below 64 have a slot each; each of the 58 octaves from 2^6 on has 64.
const SLOTS: usize = 59 * 64;

/// Durations in ns.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Durations {
    count: u64,
    total_ns: u64,
    max_ns: u64,
    kept: Vec<u64>,
    slots: Vec<u64>,
}

/// The figures of some durations.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// How many.
    pub count: u64,
    /// Their sum, ns.
    pub total_ns: u64,
    /// The median, ns.
    pub p50_ns: u64,
    /// 99 of 100 are at most this long, ns.
    pub p99_ns: u64,
    /// The longest, ns.
    pub max_ns: u64,
}

impl Durations {
    /// Adds one.
    pub fn add(&mut self, ns: u64) {
        self.count += 1;
        self.total_ns = self.total_ns.saturating_add(ns);
        self.max_ns = self.max_ns.max(ns);
        if self.slots.is_empty() && self.kept.len() < KEPT {
            self.kept.push(ns);
            return;
        }
        if self.slots.is_empty() {
            self.slots = vec![0; SLOTS];
            for kept in std::mem::take(&mut self.kept) {
                self.count_in_slot(kept);
            }
        }
        self.count_in_slot(ns);
    }

    fn count_in_slot(&mut self, ns: u64) {
        if let Some(slot) = self.slots.get_mut(slot_of(ns)) {
            *slot += 1;
        }
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The figures; all 0 when there is none.
    pub fn summary(&self) -> Summary {
        let mut sorted = self.kept.clone();
        sorted.sort_unstable();
        let kept = sorted.iter().map(|ns| (*ns, 1));
        let slots = self.slots.iter().copied().enumerate();
        let quantile = |percent| match self.slots.is_empty() {
            true => quantile(kept.clone(), percent).unwrap_or(0),
            false => quantile(slots.clone(), percent)
                .map_or(self.max_ns, |slot| last_of(slot).min(self.max_ns)),
        };
        Summary {
            count: self.count,
            total_ns: self.total_ns,
            p50_ns: quantile(50),
            p99_ns: quantile(99),
            max_ns: self.max_ns,
        }
    }
}

fn slot_of(ns: u64) -> usize {
    let octave = u64::from(ns.max(1).ilog2()).saturating_sub(5);
    let slot = match octave {
        0 => ns,
        _ => octave * SLOTS_PER_OCTAVE + (ns >> (octave - 1)) - SLOTS_PER_OCTAVE,
    };
    usize::try_from(slot).unwrap_or(SLOTS - 1)
}

/// The largest duration that falls into a slot.
fn last_of(slot: usize) -> u64 {
    let slot = slot as u64;
    let octave = slot / SLOTS_PER_OCTAVE;
    match octave {
        0 => slot,
        _ => {
            let first = slot % SLOTS_PER_OCTAVE + SLOTS_PER_OCTAVE;
            let next = u128::from(first + 1) << (octave - 1);
            u64::try_from(next - 1).unwrap_or(u64::MAX)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: impl IntoIterator<Item = u64>) -> Durations {
        let mut durations = Durations::default();
        values.into_iter().for_each(|ns| durations.add(ns));
        durations
    }

    #[test]
    fn nothing_is_all_zero() {
        assert_eq!(Durations::default().summary(), Summary::default());
    }

    #[test]
    fn few_are_exact() {
        let summary = of((1..=100).rev()).summary();
        let want = Summary {
            count: 100,
            total_ns: 5050,
            p50_ns: 50,
            p99_ns: 99,
            max_ns: 100,
        };
        assert_eq!(summary, want);
        assert_eq!(
            of([7]).summary(),
            Summary {
                count: 1,
                total_ns: 7,
                p50_ns: 7,
                p99_ns: 7,
                max_ns: 7
            }
        );
    }

    #[test]
    fn many_are_within_a_64th() {
        let count = 3 * KEPT as u64;
        let durations = of((1..=count).map(|n| n * 1_000));
        let summary = durations.summary();
        assert!(durations.kept.is_empty());
        assert_eq!((summary.count, summary.max_ns), (count, count * 1_000));
        assert_eq!(summary.total_ns, 1_000 * count * (count + 1) / 2);
        for (percent, found) in [(50, summary.p50_ns), (99, summary.p99_ns)] {
            let exact = (count * percent).div_ceil(100) * 1_000;
            assert!(
                found >= exact && found - exact <= exact / 64,
                "p{percent}: {found} for {exact}"
            );
        }
    }

    #[test]
    fn slots_are_in_order_and_hold_what_they_say() {
        for slot in 0..SLOTS {
            assert_eq!(slot_of(last_of(slot)), slot);
            if last_of(slot) < u64::MAX {
                assert_eq!(slot_of(last_of(slot) + 1), slot + 1);
            }
        }
        assert_eq!(slot_of(u64::MAX), SLOTS - 1);
        assert_eq!(slot_of(0), 0);
    }
}
