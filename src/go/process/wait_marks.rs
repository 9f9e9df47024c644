//! Since when a goroutine has been waiting at the latest.
//!
//! All that the runtime keeps is `g.waitsince`, and that is not when the goroutine blocked: the collector sets it, when
//! it finds a goroutine blocked as it scans its stack, to `work.tstart`, when the marking of the cycle *before* ended
//! (`markroot`, runtime/mgcmark.go; `gcMark`, runtime/mgc.go). So the goroutine may have blocked as much as a cycle
//! later; what is certain is that it was blocked before the marking ended during which it was scanned. That is the next
//! end of marking after `waitsince`, and there are three places that tell of one: the `waitsince` of other goroutines,
//! `work.tMarkTerm`, and the ring of the last 256 pauses (`memstats.pause_end`). The earliest of them is taken.
//!
//! The ring is in wall-clock time; the two times of the last cycle's end tell how far that is from the monotonic clock.
//! Where the clock has been set since, the times in it do not fit, which shows where a goroutine's own cycle is in it.
//!
//! Source: Go 1.19 to 1.27.

use super::runtime_info::ProcessView;
use crate::go::layout::Field;
use crate::go::memory::ReadMemory;

/// No ring is larger (it has had 256 entries in all versions).
const MAX_RING: usize = 4096;
/// A pause is never longer: an end of one that is further from `waitsince` is of another cycle, or of another clock.
const LONGEST_PAUSE_NS: u64 = 1_000_000_000;

/// Where the times are kept, in one process.
#[derive(Debug, Clone, Copy)]
pub(in crate::go) struct Places {
    mark_term: Option<u64>,
    ring: Option<Ring>,
}

#[derive(Debug, Clone, Copy)]
struct Ring {
    cycles: u64,
    ends: u64,
    len: u64,
    last_unix: u64,
    last_nanotime: u64,
}

impl Places {
    /// Of what is known of a process.
    pub(in crate::go) fn of(process: &ProcessView<'_>) -> Self {
        let member =
            |name, pick: fn(&crate::go::layout::globals::Globals) -> Option<u64>, field| {
                let variable = process.global(name, pick).ok()?;
                process.member(variable, field).ok()
            };
        let memstats = |field| member("memstats", |globals| globals.memstats, field);
        let ring = || {
            Some(Ring {
                cycles: memstats(Field::MstatsNumgc)?,
                ends: memstats(Field::MstatsPauseEnd)?,
                len: process.known(Field::MstatsPauseNsLen)?,
                last_unix: memstats(Field::MstatsLastGcUnix)?,
                last_nanotime: memstats(Field::MstatsLastGcNanotime)?,
            })
        };
        Self {
            mark_term: member("work", |globals| globals.work, Field::WorkTMarkTerm),
            ring: ring(),
        }
    }

    /// The times as they are now; those that cannot be read are not there.
    pub(in crate::go) fn read(&self, memory: &dyn ReadMemory) -> WaitMarks {
        let last = self.mark_term.and_then(|at| memory.u64(at).ok());
        WaitMarks {
            ends: self
                .ring
                .and_then(|ring| ring.read(memory))
                .unwrap_or_default(),
            known: last.into_iter().filter(|time| *time > 0).collect(),
        }
    }
}

impl Ring {
    /// The ends of the last pauses but for one, ascending, in ns of nanotime.
    fn read(&self, memory: &dyn ReadMemory) -> Option<Vec<u64>> {
        let cycles = memory.u32(self.cycles).ok()?;
        let times = |memory: &dyn ReadMemory| {
            let unix = memory.u64(self.last_unix).ok()?;
            Some((unix, memory.u64(self.last_nanotime).ok()?))
        };
        let before = times(memory)?;
        let ring = memory.words(self.ends, self.len, MAX_RING).ok()?;
        if memory.u32(self.cycles).ok()? != cycles || times(memory)? != before || before.1 == 0 {
            return None;
        }
        let offset = before.0.checked_sub(before.1)?;
        let count = usize::try_from(cycles).ok()?.min(ring.len());
        let newest = usize::try_from(cycles).ok()?.checked_rem(ring.len())?;
        // The oldest first; the newest is at `(numgc + 255) % 256`.
        let mut ends: Vec<u64> = ring
            .iter()
            .copied()
            .cycle()
            .skip(newest)
            .take(ring.len())
            .collect();
        let ends = ends.split_off(ring.len() - count);
        let times: Option<Vec<u64>> = ends
            .into_iter()
            .map(|end| end.checked_sub(offset))
            .collect();
        times.filter(|times| times.is_sorted())
    }
}

/// Ends of marking.
#[derive(Debug, Default)]
pub(in crate::go) struct WaitMarks {
    /// Some of them, ascending once they are [`WaitMarks::settle`]d.
    known: Vec<u64>,
    /// The ends of the pauses behind all the last ones, ascending.
    ends: Vec<u64>,
}

impl WaitMarks {
    /// Takes in what goroutines say: their `waitsince`, 0 if nothing.
    pub(in crate::go) fn settle(&mut self, since: impl Iterator<Item = u64>) {
        self.known.extend(since.filter(|since| *since > 0));
        self.known.sort_unstable();
        self.known.dedup();
    }

    /// When a goroutine with this `waitsince` was blocked at the latest; `None` if that was in a cycle that goes on.
    pub(in crate::go) fn latest(&self, since: u64) -> Option<u64> {
        let next = self.known.partition_point(|known| *known <= since);
        let next = self.known.get(next).copied();
        let later = match (next, self.by_ring(since)) {
            (Some(one), Some(other)) => one.min(other),
            (one, other) => one.or(other)?,
        };
        Some(later)
    }

    fn by_ring(&self, since: u64) -> Option<u64> {
        let own = self.ends.partition_point(|end| *end < since);
        let end = self.ends.get(own)?;
        // What lies before the ring has no entry of its own: the first one may be of the cycle that scanned it.
        if own > 0 && end - since > LONGEST_PAUSE_NS {
            return None;
        }
        self.ends.get(own + 1).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::go::memory_image::MemoryImage;

    const S: u64 = 1_000_000_000;

    fn marks(known: &[u64], ends: &[u64]) -> WaitMarks {
        let mut marks = WaitMarks {
            known: Vec::new(),
            ends: ends.to_vec(),
        };
        marks.settle(known.iter().copied());
        marks
    }

    #[test]
    fn the_next_end_of_marking_is_the_latest() {
        // Two minutes between cycles: what waits since "10 s" was seen blocked before 130 s.
        let ring = [10 * S + 1000, 130 * S + 1000, 250 * S + 1000];
        assert_eq!(marks(&[10 * S], &ring).latest(10 * S), Some(130 * S + 1000));
        // Another goroutine was seen between.
        assert_eq!(
            marks(&[10 * S, 70 * S, 0], &ring).latest(10 * S),
            Some(70 * S)
        );
        // In a cycle that goes on.
        assert_eq!(marks(&[250 * S], &ring).latest(250 * S), None);
        // Older than the ring.
        assert_eq!(marks(&[S], &ring).latest(S), Some(130 * S + 1000));
        // The clock was set: what the ring says does not fit.
        assert_eq!(marks(&[15 * S], &ring).latest(15 * S), None);
        assert_eq!(marks(&[], &[]).latest(S), None);
    }

    #[test]
    fn the_ring_is_read_from_its_oldest_entry() {
        let unix = 1_700_000_000 * S;
        let mut memory = MemoryImage::new();
        let words = |words: &[u64]| words.iter().flat_map(|it| it.to_le_bytes()).collect();
        // numgc 5 of a ring of 4: entry 0 is of cycle 5, entry 1 of cycle 2.
        memory.map(0x1000, words(&[5, unix + 50 * S, 50 * S]));
        let ends = [50, 20, 30, 40].map(|seconds| unix + seconds * S);
        memory.map(0x2000, words(&ends));
        let ring = Ring {
            cycles: 0x1000,
            ends: 0x2000,
            len: 4,
            last_unix: 0x1008,
            last_nanotime: 0x1010,
        };
        let expected = [20 * S, 30 * S, 40 * S, 50 * S];
        assert_eq!(ring.read(&memory).unwrap(), expected);
        memory.write_u64(0x1000, 2);
        memory.write(0x2000, &words(&[unix + 10 * S, unix + 50 * S, 0, 0]));
        assert_eq!(ring.read(&memory).unwrap(), [10 * S, 50 * S]);
    }
}
