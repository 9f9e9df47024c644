//! The runtime's own profile of memory: which stacks have allocated how many objects of which size, and how many of them
//! were freed, since the program began (runtime/mprof.go).
//!
//! Every object has a chance to be noted that grows with its size: one in [`rate`](MemoryProfile::rate) bytes on average.
//! What is published is as of a completed garbage collection: the runtime counts for the cycles to come (`future`), and
//! adds to what is published (`active`) what the cycle that has become the current one counted. While it does so, a
//! record can be seen half done; so all records are read until they are twice the same within one cycle.

use super::block::{Block, read_all};
use super::bucket::Buckets;
use super::runtime_info::{ProcessView, ReadError};
use crate::go::layout::Field;

/// How often all records are read before those that still change are counted.
const ATTEMPTS: usize = 24;

/// Records read together.
const BATCH: usize = 512;

/// More cycles than this are not kept apart (three, Go 1.19 to 1.27).
const MOST_CYCLES: u64 = 16;

/// What was allocated by one stack, in objects of one size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// Live return addresses, innermost first.
    pub stack: Vec<u64>,
    /// Bytes of an object.
    pub size: u64,
    /// Objects that were noted when they were allocated,
    pub allocs: u64,
    /// and those of them that have been freed.
    pub frees: u64,
}

/// All of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemoryProfile {
    /// `runtime.MemProfileRate`; 0 or less: nothing is noted.
    pub rate: i64,
    /// What was allocated, by stack and size.
    pub sites: Vec<Site>,
    /// How sure the numbers are.
    pub certainty: Certainty,
}

/// How sure the numbers of a profile are, though the program went on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Certainty {
    /// All were twice the same, within one cycle.
    Same,
    /// So many were not, each time: they may be off by what happened in one cycle.
    Changing(u64),
    /// They were never read twice within one cycle: any may be off by what happened in one.
    Once,
    /// No collection has been completed: they grew while they were read.
    Growing,
}

/// What a record says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Counts {
    allocs: u64,
    frees: u64,
}

impl Counts {
    fn plus(self, other: Self) -> Self {
        Self {
            allocs: self.allocs.wrapping_add(other.allocs),
            frees: self.frees.wrapping_add(other.frees),
        }
    }
}

/// Where the parts of a record lie.
#[derive(Debug, Clone, Copy)]
struct RecordLayout {
    size: u64,
    active: u64,
    future: u64,
    cycles: u64,
    cycle_size: u64,
    allocs: u64,
    frees: u64,
}

impl RecordLayout {
    fn of(view: &ProcessView<'_>) -> Result<Self, ReadError> {
        let layout = Self {
            size: view.offset(Field::MemRecordSize)?,
            active: view.offset(Field::MemRecordActive)?,
            future: view.offset(Field::MemRecordFuture)?,
            cycles: view.offset(Field::MemRecordFutureLen)?,
            cycle_size: view.offset(Field::MemRecordCycleSize)?,
            allocs: view.offset(Field::MemRecordCycleAllocs)?,
            frees: view.offset(Field::MemRecordCycleFrees)?,
        };
        match (1..=MOST_CYCLES).contains(&layout.cycles) {
            true => Ok(layout),
            false => Err(ReadError::Implausible(format!(
                "its profile of memory keeps {} cycles apart",
                layout.cycles
            ))),
        }
    }

    /// What was counted until now, and what for a cycle to come.
    fn counts(&self, record: &Block, cycle: Option<u64>) -> Counts {
        let at = match cycle {
            None => self.active,
            Some(cycle) => self.future.saturating_add(cycle * self.cycle_size),
        };
        let word = |member| record.u64(at.saturating_add(member)).unwrap_or(0);
        Counts {
            allocs: word(self.allocs),
            frees: word(self.frees),
        }
    }

    /// What is published in a cycle, whether or not it has been added to the rest already.
    fn published(&self, record: &Block, cycle: u64) -> Counts {
        let current = cycle.checked_rem(self.cycles);
        self.counts(record, None).plus(self.counts(record, current))
    }

    /// All that was ever counted.
    fn all(&self, record: &Block) -> Counts {
        let cycles = (0..self.cycles).map(|cycle| self.counts(record, Some(cycle)));
        cycles.fold(self.counts(record, None), Counts::plus)
    }
}

/// Reads it.
///
/// # Errors
/// [`ReadError::Unknown`]: where it lies is not known of this binary, or the program does not keep one. Otherwise it could
/// not be read, or is not what it is taken for.
pub fn read(view: &ProcessView<'_>) -> Result<MemoryProfile, ReadError> {
    let rate = view.global("MemProfileRate", |globals| globals.mem_profile_rate)?;
    let cycle = view.global("mProfCycle", |globals| globals.mprof_cycle)?;
    let rate = view.memory.i64(rate)?;
    // What was allocated before the rate was set is not what anybody asks for.
    if rate <= 0 && !view.runtime_info.keeps_memory_profile {
        return Err(ReadError::Unknown(off(view)));
    }
    let layout = RecordLayout::of(view)?;
    let mut sites = Vec::new();
    let mut records = Vec::new();
    let mut buckets = Buckets::of_memory(view)?;
    while let Some(bucket) = buckets.next()? {
        records.push(Block::new(bucket.record, layout.size)?);
        sites.push(Site {
            stack: bucket.stack,
            size: bucket.size,
            allocs: 0,
            frees: 0,
        });
    }
    if rate <= 0 && sites.is_empty() {
        return Err(ReadError::Unknown(off(view)));
    }
    let mut reading = Reading {
        view,
        layout,
        cycle,
        records,
    };
    let (mut counts, mut certainty) = reading.settle()?;
    let is_published = counts.iter().any(|it| *it != Counts::default());
    if !is_published {
        let all = reading.records.iter().map(|it| layout.all(it));
        counts = all.collect();
        certainty = Certainty::Growing;
    }
    for (site, counts) in sites.iter_mut().zip(counts) {
        (site.allocs, site.frees) = (counts.allocs, counts.frees);
    }
    if let Some(site) = sites.iter().find(|site| site.frees > site.allocs) {
        return Err(ReadError::Implausible(format!(
            "{} objects were allocated on a stack, and {} of them freed",
            site.allocs, site.frees
        )));
    }
    Ok(MemoryProfile {
        rate,
        sites,
        certainty,
    })
}

/// Why a program has none that does not want one.
pub const NONE_KEPT: &str = "the program keeps no profile of memory: nothing in it asks for one (runtime/pprof, net/http/pprof), so the linker has switched it off";

/// Why there is none.
fn off(view: &ProcessView<'_>) -> String {
    let why = match view.runtime_info.keeps_memory_profile {
        true => {
            "the program has switched its profile of memory off: its runtime.MemProfileRate is 0"
        }
        false => NONE_KEPT,
    };
    why.to_owned()
}

/// Reads all records, again and again.
struct Reading<'v, 'a> {
    view: &'v ProcessView<'a>,
    layout: RecordLayout,
    /// Where the number of the cycle lies.
    cycle: u64,
    records: Vec<Block>,
}

impl Reading<'_, '_> {
    /// What is published, and how sure that is.
    fn settle(&mut self) -> Result<(Vec<Counts>, Certainty), ReadError> {
        let mut last: Option<(u64, Vec<Counts>)> = None;
        let mut certainty = Certainty::Once;
        for _ in 0..ATTEMPTS {
            let Some(next) = self.once()? else {
                continue;
            };
            if let Some((cycle, counts)) = &last
                && *cycle == next.0
            {
                let differ = counts.iter().zip(&next.1).filter(|(a, b)| a != b);
                match differ.count() as u64 {
                    0 => return Ok((next.1, Certainty::Same)),
                    some => certainty = Certainty::Changing(some),
                }
            }
            last = Some(next);
        }
        match last {
            Some((_, counts)) => Ok((counts, certainty)),
            None => Err(ReadError::Implausible(
                "its garbage collections follow each other faster than its profile of memory can be read".to_owned(),
            )),
        }
    }

    /// What is published in a cycle; `None` if another one began meanwhile.
    fn once(&mut self) -> Result<Option<(u64, Vec<Counts>)>, ReadError> {
        let before = self.current()?;
        for batch in self.records.chunks_mut(BATCH) {
            read_all(self.view, batch)?;
        }
        if self.current()? != before {
            return Ok(None);
        }
        let counts = self.records.iter();
        let counts = counts.map(|record| self.layout.published(record, before));
        Ok(Some((before, counts.collect())))
    }

    /// The number of the cycle. The lowest bit says whether it has been added to what is published.
    fn current(&self) -> Result<u64, ReadError> {
        Ok(u64::from(self.view.memory.u32(self.cycle)? >> 1))
    }
}

impl MemoryProfile {
    /// What so many noted objects of a size stand for: objects and bytes (`scaleHeapSample`, runtime/pprof/protomem.go).
    pub fn scaled(&self, count: u64, size: u64) -> (u64, u64) {
        let bytes = count.saturating_mul(size);
        if count == 0 || size == 0 {
            return (0, 0);
        }
        if self.rate <= 1 {
            return (count, bytes);
        }
        let scale = 1.0 / (1.0 - (-(size as f64) / self.rate as f64).exp());
        ((count as f64 * scale) as u64, (bytes as f64 * scale) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of 1.27: a cycle is two words.
    const LAYOUT: RecordLayout = RecordLayout {
        size: 64,
        active: 0,
        future: 16,
        cycles: 3,
        cycle_size: 16,
        allocs: 0,
        frees: 8,
    };

    fn record(words: [u64; 8]) -> Block {
        let mut block = Block::new(0x1000, LAYOUT.size).unwrap();
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        block.piece().buf.copy_from_slice(&bytes);
        block
    }

    #[test]
    fn what_the_current_cycle_counted_is_published_too() {
        let counts = |allocs, frees| Counts { allocs, frees };
        let before = record([5, 2, 1, 0, 7, 1, 100, 0]);
        assert_eq!(LAYOUT.published(&before, 4), counts(12, 3));
        let flushed = record([12, 3, 1, 0, 0, 0, 100, 0]);
        assert_eq!(LAYOUT.published(&flushed, 4), counts(12, 3));
        assert_eq!(LAYOUT.all(&before), counts(113, 3));
        assert_eq!(LAYOUT.all(&before), LAYOUT.all(&flushed));
    }

    #[test]
    fn one_stands_for_many() {
        let of = |rate| MemoryProfile {
            rate,
            sites: Vec::new(),
            certainty: Certainty::Same,
        };
        assert_eq!(of(1).scaled(3, 100), (3, 300));
        assert_eq!(of(0).scaled(3, 100), (3, 300));
        assert_eq!(of(524_288).scaled(0, 100), (0, 0));
        // As Go does: 1/(1-exp(-1024/524288)).
        assert_eq!(of(524_288).scaled(2, 1024), (1025, 1_049_600));
        assert_eq!(of(4096).scaled(1, 1 << 20), (1, 1 << 20));
    }
}
