//! A second opinion: what the runtime's own counters say happened while probes looked.
//!
//! The counters are read after the gate was opened and again before it is closed. What they count in between happened while
//! the probes were to see it, so that these must have seen as much, or have counted it as lost. That is all that is claimed:
//! what comes before the first reading and after the last, and processes that came or ended meanwhile, make the probes see
//! more. A reading takes a moment, in which counters go on: the first is then too high and the last too low at most, in
//! either case in favour of the probes. Each counter only grows.

use crate::go::ReadError;
use crate::go::layout::Field;
use crate::go::process::heap_counters::HeapCounters;
use crate::go::process::runtime_stats::RuntimeStats;

use super::Target;
use super::live::Live;

/// First readings that are tried: a busy process does not always hold still.
const TRIES: u32 = 20;

/// Ids that a processor takes from `sched.goidgen` at once (`_GoidCacheBatch`, runtime/runtime2.go).
const IDS_IN_STORE: u64 = 16;

/// Where a slice has its capacity.
const CAPACITY: u64 = 16;

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    /// Goroutines made.
    Created,
    /// Goroutines that ran after they had been runnable for some time: the runtime keeps the time of every eighth or so
    /// (`sched.timeToRun`, runtime/proc.go).
    Scheduled,
    /// Objects allocated.
    Allocated,
}

impl Counted {
    fn describe(self) -> &'static str {
        match self {
            Self::Created => "goroutines created",
            Self::Scheduled => "goroutines that ran after a wait in a run queue",
            Self::Allocated => "objects allocated",
        }
    }
}

/// Processes whose counters were read.
#[derive(Debug)]
pub struct Witness {
    counted: Counted,
    processes: Vec<Process>,
}

#[derive(Debug)]
struct Process {
    live: Live,
    /// See [`Live::began`].
    began: u64,
    heap: HeapCounters,
    first: Reading,
    /// What was counted since.
    since: u64,
}

#[derive(Debug, Clone, Copy)]
struct Reading {
    count: u64,
    /// So many may not have happened yet, though counted.
    early: u64,
    /// Whether the count is of goroutine ids, which are given out in advance.
    of_ids: bool,
}

impl Witness {
    /// Reads what the processes of the target count at this moment; the gate is open. Those that cannot be read are left
    /// out: then there is no second opinion.
    pub fn begin(target: &Target, counted: Counted) -> Self {
        // What threads of C bring along takes ids as well, and is not created by a `go` statement.
        let ids_count = target.program.binary.uses_cgo() == Some(false);
        let open = |process| {
            target.is_under_way(process).then_some(())?;
            let live = Live::of(process, &target.program).ok()?;
            let began = live.began().ok()?;
            let mut heap = HeapCounters::default();
            let first = read(&live, counted, &mut heap, true).ok()?;
            (ids_count || !first.of_ids).then_some(Process {
                live,
                began,
                heap,
                first,
                since: 0,
            })
        };
        Self {
            counted,
            processes: target.processes().iter().filter_map(open).collect(),
        }
    }

    /// Reads again; the gate is still open. A process that has ended or become another program stays as it was read last.
    pub fn look(&mut self) {
        for process in &mut self.processes {
            let now = read(&process.live, self.counted, &mut process.heap, false);
            // Still the same program afterwards.
            if process.live.began() != Ok(process.began) {
                continue;
            }
            if let Ok(now) = now
                && now.of_ids == process.first.of_ids
            {
                let sure = now.count.saturating_sub(now.early);
                process.since = process.since.max(sure.saturating_sub(process.first.count));
            }
        }
    }

    /// What the probes cannot be right about, if they saw so many, those counted as lost included.
    pub fn contradiction(&self, seen: u64) -> Option<String> {
        let counted: u64 = self.processes.iter().map(|it| it.since).sum();
        (seen < counted).then(|| {
            format!(
                "the runtime itself counted at least {counted} {} where the probes passed {seen}: what is shown is not complete",
                self.counted.describe()
            )
        })
    }
}

fn read(
    live: &Live,
    counted: Counted,
    heap: &mut HeapCounters,
    is_first: bool,
) -> Result<Reading, ReadError> {
    let mut tries = 1;
    loop {
        let reading = match counted {
            Counted::Allocated => allocated(live, heap, is_first),
            _ => scheduled(live, counted),
        };
        match reading {
            Err(why) if !why.is_final() && tries < TRIES => tries += 1,
            reading => return reading,
        }
    }
}

fn allocated(live: &Live, heap: &mut HeapCounters, is_first: bool) -> Result<Reading, ReadError> {
    let now = heap.read(&live.view())?;
    // A value kept from before is too low: that must not be where counting begins.
    if is_first && heap.kept() > 0 {
        return Err(ReadError::Implausible("it did not hold still".to_owned()));
    }
    Ok(Reading {
        count: now.small.iter().sum::<u64>() + now.tiny + now.large,
        early: 0,
        of_ids: false,
    })
}

fn scheduled(live: &Live, counted: Counted) -> Result<Reading, ReadError> {
    let view = live.view();
    let runtime_stats = RuntimeStats::read(view)?;
    if counted == Counted::Scheduled {
        let waits = runtime_stats.durations(Field::SchedTimeToRun)?;
        // The lowest bucket also holds the zeros that Go up to 1.25 records at returns from system calls.
        let known = waits.bounds.iter().zip(&waits.counts);
        return Ok(Reading {
            count: known
                .filter(|(from, _)| **from > 0.0)
                .map(|(_, count)| count)
                .sum(),
            early: 0,
            of_ids: false,
        });
    }
    if let Some(count) = runtime_stats.created() {
        return Ok(Reading {
            count,
            early: 0,
            of_ids: false,
        });
    }
    let unknown = || ReadError::Unknown("how many goroutine ids were given out".to_owned());
    let count = runtime_stats
        .word(Field::SchedGoidgen)
        .ok_or_else(unknown)?;
    // Every processor there ever was may have ids in store.
    let allp = view.global("allp", |globals| globals.allp)?;
    let ever = view.memory.u64(allp.wrapping_add(CAPACITY))?;
    Ok(Reading {
        count,
        early: ever.saturating_mul(IDS_IN_STORE),
        of_ids: true,
    })
}
