//! The runtime's own figures about scheduler, heap and collector, as of one moment: copies of `sched`, `memstats`,
//! `gcController` and `work`, and what is derived from them as the runtime itself derives it.
//!
//! Each figure is one aligned word, so it is never half of one value and half of another. What belongs together is
//! read twice, and again while a collection moves it.

use crate::model::metric::Distribution;
use crate::model::run_queue::Latencies;

use super::block::{Block, read_all};
use super::copies::{self, Copies};
use super::g::is_early;
use super::heap_stats::{self, HeapStats};
use super::processors::Processor;
use super::runtime_info::{ProcessView, ReadError};
use super::time_histogram;
use crate::go::layout::Field;
use crate::go::memory::SliceHeader;
use crate::go::versions::counts_system_calls;

/// Attempts to find things at rest.
const ATTEMPTS: usize = 16;

/// A process as of one moment.
#[derive(Debug)]
pub struct RuntimeStats<'a> {
    view: ProcessView<'a>,
    copies: Copies,
    processors: Vec<Processor>,
    heap: Result<HeapStats, ReadError>,
    /// Whether nothing moved between the processors' lists of dead goroutines and the global ones.
    lists_held_still: bool,
}

/// What says that a collection began or ended, or that CPU time was added up: all of that changes together.
const OF_A_CYCLE: [Field; 6] = [
    Field::MstatsNumgc,
    Field::MstatsNumforcedgc,
    Field::WorkCpuTotalTime,
    Field::WorkCpuGcTotalTime,
    Field::WorkCpuIdleTime,
    Field::WorkCpuUserTime,
];

/// What says that dead goroutines went from one list to another: processors give them back, and fetch them, by the dozen
/// (`gfput`, `gfget`, runtime/proc.go), and would be counted twice or not at all.
const OF_LISTS: [Field; 4] = [
    Field::SchedGFreeN,
    Field::SchedGFreeStackSize,
    Field::SchedGFreeNoStackSize,
    Field::SchedNgsys,
];

impl<'a> RuntimeStats<'a> {
    /// Reads a process.
    ///
    /// # Errors
    /// What it takes is not known or not readable, or does not check out: one of the oldest goroutines has an id of the
    /// first, `allp[i].id` is i, sizes and generations are possible.
    pub fn read(view: ProcessView<'a>) -> Result<Self, ReadError> {
        first_goroutine(&view)?;
        let mut at_rest = Err(ReadError::Implausible(
            "its garbage collector did not hold still".to_owned(),
        ));
        for _ in 0..ATTEMPTS {
            match Self::attempt(view) {
                Ok(Some(runtime_stats)) if runtime_stats.lists_held_still => {
                    return Ok(runtime_stats);
                }
                Ok(Some(runtime_stats)) => at_rest = Ok(runtime_stats),
                Ok(None) => {}
                Err(why) if why.is_final() => return Err(why),
                // The processors, for one, may just have been replaced.
                Err(why) => at_rest = at_rest.or(Err(why)),
            }
        }
        at_rest
    }

    /// Reads once; `None` if what was read is not of one moment.
    fn attempt(view: ProcessView<'a>) -> Result<Option<Self>, ReadError> {
        let mut copies = Copies::locate(&view)?;
        let mut before = copies.shared();
        read_all(&view, before.iter_mut().flatten())?;
        read_all(&view, copies.blocks())?;
        let decoded = match &copies.heap {
            Ok(block) => heap_stats::decode(&view, block),
            Err(why) => Err(why.clone()),
        };
        let heap = match decoded {
            Ok(Some(heap)) => Ok(heap),
            Ok(None) => return Ok(None),
            Err(why @ ReadError::Unknown(_)) => Err(why),
            Err(why) => return Err(why),
        };
        let mut runtime_stats = Self {
            view,
            processors: copies.processors.decode(&view)?,
            copies,
            heap,
            lists_held_still: false,
        };
        if !runtime_stats.is_same(&before, &OF_A_CYCLE) {
            return Ok(None);
        }
        let allgs = |block: &Block| block.u64(SliceHeader::LEN);
        let earlier = before.last().and_then(Option::as_ref);
        let mut processors = runtime_stats.processors.iter();
        runtime_stats.lists_held_still = runtime_stats.is_same(&before, &OF_LISTS)
            && earlier.and_then(allgs) == allgs(&runtime_stats.copies.allgs)
            && processors.all(|processor| !processor.is_torn);
        Ok(Some(runtime_stats))
    }

    /// Whether these members are what they were in an earlier [`Copies::shared`].
    fn is_same(&self, before: &[Option<Block>], fields: &[Field]) -> bool {
        let same = |field: &Field| self.half(*field) == self.half_of(before, *field);
        fields.iter().all(same)
    }

    /// The process it was read from.
    pub fn view(&self) -> &ProcessView<'a> {
        &self.view
    }

    /// What is counted of the heap, without what lies in the processors' caches.
    ///
    /// # Errors
    /// [`ReadError::Unknown`]: where it is counted is not known.
    pub fn heap(&self) -> Result<&HeapStats, ReadError> {
        self.heap.as_ref().map_err(Clone::clone)
    }

    fn place(&self, field: Field) -> Option<(usize, u64)> {
        let offset = self.view.known(field)?;
        Some((copies::variable_of(field)?, offset))
    }

    /// The 8-byte member of `sched`, `memstats`, `gcController`, `work` or `mheap_`; `None` if this version does not have it.
    pub fn word(&self, field: Field) -> Option<u64> {
        if let Some(index) = copies::place_in_mheap(field) {
            return self.copies.mheap.get(index)?.as_ref()?.u64(0);
        }
        let (variable, offset) = self.place(field)?;
        self.copies.variables.get(variable)?.as_ref()?.u64(offset)
    }

    /// The 4-byte member likewise.
    pub fn half(&self, field: Field) -> Option<u32> {
        self.half_of(&self.copies.variables, field)
    }

    fn half_of(&self, blocks: &[Option<Block>], field: Field) -> Option<u32> {
        let (variable, offset) = self.place(field)?;
        blocks.get(variable)?.as_ref()?.u32(offset)
    }

    /// The histogram of durations that is this member.
    ///
    /// # Errors
    /// This version does not have it, or keeps it in a form that is not known.
    pub fn durations(&self, field: Field) -> Result<Distribution, ReadError> {
        let missing =
            || ReadError::Unknown(format!("where the runtime keeps {field} is not known"));
        let (variable, offset) = self.place(field).ok_or_else(missing)?;
        let block = self.copies.variables.get(variable);
        let block = block.and_then(Option::as_ref).ok_or_else(missing)?;
        time_histogram::decode(&self.view, block, offset)
    }

    /// Times from runnable to running, of about one transition in eight, of all goroutines: the runtime's own included,
    /// its background sweeper above all, which yields to itself again and again and is most of them while it sweeps
    /// (`bgsweep`, runtime/mgcsweep.go).
    ///
    /// # Errors
    /// As [`durations`](Self::durations).
    pub fn latencies(&self) -> Result<Latencies, ReadError> {
        let mut times = self.durations(Field::SchedTimeToRun)?;
        // Until Go 1.25, `casgstatus` (runtime/proc.go) tracks a goroutine also when it goes into a system call, and
        // counts a time of zero when it comes back: it never was runnable. Nothing takes less than the 64 ns of the
        // first bucket (1 ns in Go 1.19), so where the version is hidden nothing is lost either.
        let has_zeros = self.view.runtime_info.minor.is_none_or(counts_system_calls);
        // The bucket before it is for what is below zero.
        let zeros = times.counts.get_mut(1).filter(|_| has_zeros);
        Ok(Latencies {
            zeros: zeros.map(std::mem::take),
            times,
        })
    }

    /// `gcount`: goroutines there are, those of the runtime itself only if `with_system` (runtime/proc.go).
    ///
    /// # Errors
    /// A list that takes part is not known, or dead goroutines went from one list to another while they were counted.
    pub fn goroutines(&self, with_system: bool) -> Result<u64, ReadError> {
        let unknown = || ReadError::Unknown("a list of dead goroutines is not known".to_owned());
        if !self.lists_held_still {
            return Err(ReadError::Implausible(
                "its goroutines come and go faster than they can be counted".to_owned(),
            ));
        }
        let mut others = self.dead().ok_or_else(unknown)?;
        if !with_system {
            others += u64::from(self.half(Field::SchedNgsys).ok_or_else(unknown)?);
        }
        let all = self.copies.allgs.u64(SliceHeader::LEN).unwrap_or(0);
        all.checked_sub(others)
            .filter(|alive| *alive > 0)
            .ok_or_else(|| {
                ReadError::Implausible(format!("of {all} goroutines {others} are not in use"))
            })
    }

    /// `g`s that wait to be used anew.
    fn dead(&self) -> Option<u64> {
        let global = match self.half(Field::SchedGFreeN) {
            Some(dead) => u64::from(dead),
            None => {
                let with = self.half(Field::SchedGFreeStackSize)?;
                let without = self.half(Field::SchedGFreeNoStackSize)?;
                u64::from(with) + u64::from(without)
            }
        };
        let mut local = self.processors.iter();
        local.try_fold(global, |sum, processor| {
            Some(sum + u64::from(processor.free?))
        })
    }

    /// Goroutines in run queues.
    pub fn runnable(&self) -> Option<u64> {
        let global = u64::from(self.half(Field::SchedRunqSize)?);
        let mut local = self.processors.iter();
        local.try_fold(global, |sum, processor| {
            sum.checked_add(processor.runnable?)
        })
    }

    /// Goroutines ever made: `sched.goroutinesCreated` and what processors have not added yet, from Go 1.26 on.
    pub fn created(&self) -> Option<u64> {
        let mut sum = self.word(Field::SchedGoroutinesCreated)?;
        for processor in &self.processors {
            sum = sum.wrapping_add(processor.created?);
        }
        Some(sum)
    }

    /// `mcount`: threads that the runtime has made, and that have not ended.
    pub fn threads(&self) -> Option<u64> {
        let made = self.word(Field::SchedMnext)?;
        made.checked_sub(self.word(Field::SchedNmfreed)?)
    }

    /// GOMAXPROCS: the length of `allp` (`procresize`, runtime/proc.go).
    pub fn processors(&self) -> u64 {
        self.processors.len() as u64
    }

    /// CPU time of collections until the last one, ns, without what they took of idle processors: what
    /// `MemStats.GCCPUFraction` counts. Go 1.19 counts it in `work.totaltime` (runtime/mgc.go).
    pub fn gc_cpu_ns(&self) -> Option<u64> {
        match self.word(Field::WorkCpuGcTotalTime) {
            Some(all) => Some(all.saturating_sub(self.word(Field::WorkCpuGcIdleTime)?)),
            None => self.word(Field::WorkTotaltime),
        }
    }

    /// Pauses for the collector, as runtime/metrics has them under `/gc/pauses:seconds`.
    ///
    /// # Errors
    /// As [`durations`](Self::durations).
    pub fn pauses(&self) -> Result<Distribution, ReadError> {
        match self.view.known(Field::SchedStwTotalTimeGc) {
            Some(_) => self.durations(Field::SchedStwTotalTimeGc),
            None => self.durations(Field::MstatsGcPauseDist),
        }
    }
}

/// How many of the oldest goroutines are looked at.
const OLDEST: u64 = 64;

/// Looks at the oldest goroutines: one has an id of the first that were handed out. (The main goroutine can end and its
/// descriptor serve others; those that it starts for the runtime never end.)
fn first_goroutine(view: &ProcessView<'_>) -> Result<(), ReadError> {
    let allgs = view.global("allgs", |globals| globals.allgs)?;
    let header = view.memory.slice_header(allgs)?;
    if !header.is_plausible() || header.len == 0 {
        return Err(ReadError::Implausible(
            "its list of goroutines is empty".to_owned(),
        ));
    }
    let Some(goid) = view.known(Field::GGoid) else {
        return Ok(());
    };
    let allp = view.global("allp", |globals| globals.allp)?;
    let processors = view.memory.slice_header(allp)?.len;
    for index in 0..header.len.min(OLDEST) {
        let g = view.memory.u64(header.ptr.wrapping_add(8 * index))?;
        if is_early(view.memory.u64(g.wrapping_add(goid))?, processors) {
            return Ok(());
        }
    }
    Err(ReadError::Implausible(
        "none of its oldest goroutines has an id of the first".to_owned(),
    ))
}
