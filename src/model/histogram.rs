//! A histogram of durations: the reading side of what the kernel programs fill (`src/bpf/hist.h`).
//!
//! The unit of a slot is 1/16 µs. Slots 0 to 7 hold 0 to 7 units; from there on every power of two of the unit is cut
//! into 8 slots. Because 16 units are a microsecond, slots fold without remainder into powers of two of microseconds.

use super::process::Named;
use super::quantile::quantile;

const SUB_SLOTS: usize = 8;

/// Durations counted in slots.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Histogram {
    /// How many durations.
    pub count: u64,
    /// Their sum in ns.
    pub sum_ns: u64,
    /// The longest, exact, in ns.
    pub max_ns: u64,
    slots: Vec<u64>,
}

/// One bar of the drawn histogram: durations from `low_us` to `high_us` inclusive, in whole microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bar {
    /// Smallest duration, µs.
    pub low_us: u64,
    /// Largest duration, µs; `None` for the open end.
    pub high_us: Option<u64>,
    /// How many.
    pub count: u64,
}

/// Longest bar boundary drawn, as in the original: 2^22 - 1 µs. What is longer falls into the open end.
const LAST_OCTAVE: usize = 23;

impl Histogram {
    /// From the parts kept by the kernel.
    pub fn from_parts(sum_ns: u64, max_ns: u64, slots: &[u64]) -> Self {
        Self {
            count: slots.iter().sum(),
            sum_ns,
            max_ns,
            slots: slots.to_vec(),
        }
    }

    /// Adds another histogram.
    pub fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.sum_ns = self.sum_ns.saturating_add(other.sum_ns);
        self.max_ns = self.max_ns.max(other.max_ns);
        if self.slots.len() < other.slots.len() {
            self.slots.resize(other.slots.len(), 0);
        }
        for (slot, more) in self.slots.iter_mut().zip(&other.slots) {
            *slot += more;
        }
    }

    /// An upper bound, in ns, of what `percent` of 100 durations do not exceed: at most 12.5 % above the true one and never
    /// above the maximum; `None` when empty.
    pub fn quantile_ns(&self, percent: u32) -> Option<u64> {
        let slots = self.slots.iter().copied().enumerate();
        let slot = quantile(slots, percent)?;
        Some(slot_end_ns(slot).min(self.max_ns))
    }

    /// The bars of the drawing: `0 -> 1` µs, then one per power of two, then the open end, as the original drew them.
    pub fn bars(&self) -> Vec<Bar> {
        let mut bars: Vec<Bar> = (0..LAST_OCTAVE)
            .map(|octave| match octave {
                0 => Bar {
                    low_us: 0,
                    high_us: Some(1),
                    count: 0,
                },
                _ => Bar {
                    low_us: 1 << octave,
                    high_us: Some((2 << octave) - 1),
                    count: 0,
                },
            })
            .collect();
        bars.push(Bar {
            low_us: 1 << LAST_OCTAVE,
            high_us: None,
            count: 0,
        });
        for (slot, count) in self.slots.iter().enumerate() {
            let us = slot_start_units(slot) / 16;
            let octave = (us.max(1).ilog2() as usize).min(LAST_OCTAVE);
            if let Some(bar) = bars.get_mut(octave) {
                bar.count += count;
            }
        }
        bars
    }
}

/// First unit (1/16 µs) of a slot.
fn slot_start_units(slot: usize) -> u64 {
    if slot < SUB_SLOTS {
        return slot as u64;
    }
    let octave = slot / SUB_SLOTS + 2;
    let sub = (slot % SUB_SLOTS) as u64;
    (SUB_SLOTS as u64 + sub) << (octave - 3)
}

/// Largest whole ns that falls into a slot.
pub(super) fn slot_end_ns(slot: usize) -> u64 {
    // A unit is 62.5 ns: the slot ends just below the start of the next.
    (slot_start_units(slot + 1) * 125)
        .div_ceil(2)
        .saturating_sub(1)
}

/// How long goroutines ran.
#[derive(Debug, Clone, Default)]
pub struct LifeTimes {
    /// All of them.
    pub total: Histogram,
    /// Exits that are in no histogram.
    pub unseen: Unseen,
    /// By start function, if they are told apart.
    pub by_fn: Option<Vec<(String, Histogram)>>,
    /// By process, if they are told apart.
    pub by_pid: Option<Vec<(Named, OfProcess)>>,
}

/// How long the goroutines of one process lived.
#[derive(Debug, Clone, Default)]
pub struct OfProcess {
    /// All of them.
    pub total: Histogram,
    /// Exits that are in no histogram.
    pub unseen: Unseen,
}

/// Exits that are in no histogram, because the first execution was not seen.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unseen {
    /// The goroutines were there before the probes.
    pub older: u64,
    /// Their start function was not watched: no `go` statement names it, or it is called directly too often.
    pub unwatched: u64,
}

impl Unseen {
    /// Adds so many exits of one cause.
    pub fn add(&mut self, exits: u64, older: bool) {
        *(if older {
            &mut self.older
        } else {
            &mut self.unwatched
        }) += exits;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The slot as `src/bpf/hist.bpf.h` computes it.
    fn slot_of(ns: u64) -> usize {
        let units = ns / 125 * 2 + (ns % 125) * 2 / 125;
        if units < 8 {
            return units as usize;
        }
        let octave = units.ilog2() as usize;
        (octave - 2) * 8 + ((units >> (octave - 3)) & 7) as usize
    }

    fn of(durations: &[u64]) -> Histogram {
        let mut slots = vec![0; 336];
        for ns in durations {
            slots[slot_of(*ns)] += 1;
        }
        let max = durations.iter().copied().max().unwrap_or(0);
        Histogram::from_parts(durations.iter().sum(), max, &slots)
    }

    #[test]
    fn every_duration_lies_within_its_slot() {
        for shift in 0..40 {
            for ns in [
                (1_u64 << shift) - 1,
                1 << shift,
                (1 << shift) + 1,
                3 << shift,
            ] {
                let slot = slot_of(ns);
                assert!(ns <= slot_end_ns(slot), "{ns} in {slot}");
                assert!(slot == 0 || ns > slot_end_ns(slot - 1), "{ns} in {slot}");
            }
        }
    }

    #[test]
    fn bars_begin_at_whole_powers_of_two_microseconds() {
        let bars = of(&[0, 1_999, 2_000, 3_999, 4_000, 1 << 40]).bars();
        assert_eq!(
            bars[0],
            Bar {
                low_us: 0,
                high_us: Some(1),
                count: 2
            }
        );
        assert_eq!(
            bars[1],
            Bar {
                low_us: 2,
                high_us: Some(3),
                count: 2
            }
        );
        assert_eq!(
            bars[2],
            Bar {
                low_us: 4,
                high_us: Some(7),
                count: 1
            }
        );
        assert_eq!(
            bars.last(),
            Some(&Bar {
                low_us: 1 << 23,
                high_us: None,
                count: 1
            })
        );
    }

    #[test]
    fn quantiles_are_close_from_above() {
        let values: Vec<u64> = (1..=1000).map(|n| n * 1_000).collect();
        let histogram = of(&values);
        for (percent, true_ns) in [
            (50, 500_000),
            (90, 900_000),
            (99, 990_000),
            (100, 1_000_000),
        ] {
            let read = histogram.quantile_ns(percent).unwrap();
            assert!(
                read >= true_ns && read as f64 <= true_ns as f64 * 1.125,
                "p{percent}: {read}"
            );
        }
        assert_eq!(Histogram::default().quantile_ns(50), None);
    }
}
