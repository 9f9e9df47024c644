//! Some of the goroutines of a process, picked at random: what a look at them costs does not depend on how many there are.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use super::{ALLOWANCE, ATTEMPTS, Found, GoroutineReader, MAX_GOROUTINES, Slot, Wanted};
use crate::go::memory::{Piece, ReadMemory};
use crate::go::process::runtime_info::ReadError;
use crate::model::dump::{Dump, StackState};

/// What was found of some entries of the runtime's list.
#[derive(Debug)]
pub struct Picked {
    /// The goroutines among them that are alive, with their stacks.
    pub dump: Dump,
    /// Entries of the list: it keeps those of goroutines that have ended.
    pub listed: u64,
    /// Entries that were looked at.
    pub picked: u64,
}

impl GoroutineReader<'_> {
    /// Looks at `count` entries of the list, each as likely as any other, or at all if there are no more. `random` gives
    /// a number in a range.
    ///
    /// # Errors
    /// [`ReadError`]. Whether the list is one of goroutines, [`GoroutineReader::list`] checks.
    pub fn pick(
        &mut self,
        memory: &dyn ReadMemory,
        count: u64,
        random: &mut dyn FnMut(RangeInclusive<u64>) -> u64,
    ) -> Result<Picked, ReadError> {
        let begun = self.begun(memory);
        let (listed, addresses) = self.pick_addresses(memory, count, random)?;
        let mut slots: Vec<Slot> = addresses.into_iter().map(Slot::new).collect();
        let mut allowance = ALLOWANCE;
        self.look(
            memory,
            &mut slots.iter_mut().collect::<Vec<_>>(),
            true,
            &mut allowance,
        )?;
        let first: Vec<Found> = slots.iter().map(|slot| slot.found).collect();
        self.settle(memory, &mut slots, true, &mut allowance)?;
        // Who moves may have ended at the next look. It is of the first, as no one else could be born meanwhile.
        for (slot, first) in slots.iter_mut().zip(first) {
            if let (Found::Alive(g, _), Found::Free | Found::Nothing(_)) = (first, slot.found) {
                slot.found = Found::Alive(g, StackState::Moving);
            }
        }
        Ok(Picked {
            picked: slots.len() as u64,
            dump: self.dump(memory, &slots, &Wanted::Labels { begun }),
            listed,
        })
    }

    fn pick_addresses(
        &self,
        memory: &dyn ReadMemory,
        count: u64,
        random: &mut dyn FnMut(RangeInclusive<u64>) -> u64,
    ) -> Result<(u64, Vec<u64>), ReadError> {
        for _ in 0..ATTEMPTS {
            let header = memory.slice_header(self.allgs)?;
            if !header.is_plausible() || header.len == 0 || header.len > MAX_GOROUTINES {
                continue;
            }
            let entries = entries(header.len, count, random);
            let mut words = vec![0; entries.len().saturating_mul(8)];
            let mut pieces: Vec<Piece<'_>> = entries
                .iter()
                .zip(words.chunks_exact_mut(8))
                .map(|(entry, word)| Piece::new(header.ptr.wrapping_add(entry * 8), word))
                .collect();
            memory.read_many(&mut pieces)?;
            let all = pieces.iter().all(|piece| piece.ok);
            // The runtime writes the words of the slice one after the other, and may free the old array.
            if all && memory.slice_header(self.allgs)?.ptr == header.ptr {
                let words = words.as_chunks().0.iter();
                let addresses = words.map(|word| u64::from_le_bytes(*word)).collect();
                return Ok((header.len, addresses));
            }
        }
        Err(ReadError::Implausible(
            "runtime.allgs did not hold still".to_owned(),
        ))
    }
}

/// `count` different numbers below `len`, or all of them (Floyd's way to pick without going through all).
fn entries(
    len: u64,
    count: u64,
    random: &mut dyn FnMut(RangeInclusive<u64>) -> u64,
) -> BTreeSet<u64> {
    if len <= count {
        return (0..len).collect();
    }
    let mut entries = BTreeSet::new();
    for last in len - count..len {
        let entry = random(0..=last);
        if !entries.insert(entry) {
            entries.insert(last);
        }
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_entry_is_as_likely_as_any_other() {
        let mut random = fastrand::Rng::with_seed(1);
        let mut counts = [0; 10];
        for _ in 0..10_000 {
            let picked = entries(10, 3, &mut |range| random.u64(range));
            assert_eq!(picked.len(), 3);
            picked.iter().for_each(|it| counts[*it as usize] += 1);
        }
        // 3000 each, give or take five deviations of 46.
        assert!(
            counts.iter().all(|it| (2770..=3230).contains(it)),
            "{counts:?}"
        );
        let all = entries(3, 3, &mut |_| 0);
        assert_eq!(all.into_iter().collect::<Vec<_>>(), [0, 1, 2]);
    }
}
