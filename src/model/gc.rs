//! What the garbage collector did, as seen from outside: stops of the world, cycles, and the two concurrent phases.
//!
//! Times are nanoseconds of CLOCK_MONOTONIC, which is what the runtime's `nanotime` returns on Linux.

pub mod durations;
pub mod gctrace;
pub mod sweep;

/// One thing the collector did, complete: it is reported when it ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GcEvent {
    /// The world was stopped, for the collector or for something else.
    Stw(Stw),
    /// A cycle ended (its concurrent mark is over, its sweep has just begun).
    Cycle(Box<CycleRecord>),
    /// The concurrent sweep of a cycle ended.
    Sweep(Sweep),
}

impl GcEvent {
    /// The process (thread group id) it happened in.
    pub fn process(&self) -> u32 {
        match self {
            Self::Stw(stw) => stw.process,
            Self::Cycle(cycle) => cycle.process,
            Self::Sweep(sweep) => sweep.process,
        }
    }

    /// When what it is about was over, ns. Of a cycle this is its concurrent mark.
    pub fn end_ns(&self) -> u64 {
        match self {
            Self::Stw(stw) => stw.end_ns,
            Self::Cycle(cycle) => cycle.mark_term_ns,
            Self::Sweep(sweep) => sweep.end_ns,
        }
    }
}

/// One stop of the world (`stopTheWorldWithSema` to `startTheWorldWithSema`, runtime/proc.go).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stw {
    /// The process.
    pub process: u32,
    /// When the runtime began to stop the other threads.
    pub begin_ns: u64,
    /// When the last of them had stopped, if that was seen.
    pub stopped_ns: Option<u64>,
    /// When the world ran again: every P handed back to a thread.
    pub end_ns: u64,
    /// The runtime's own words for it; `None` if they could not be read.
    pub reason: Option<String>,
    /// The cycle it belongs to, if it belongs to one.
    pub cycle: Option<u32>,
}

impl Stw {
    /// How long some goroutine was kept from running, in ns: the stopping included.
    pub fn duration_ns(&self) -> u64 {
        self.end_ns.saturating_sub(self.begin_ns)
    }

    /// How long it took until everything stood still, in ns.
    pub fn stopping_ns(&self) -> Option<u64> {
        self.stopped_ns
            .map(|stopped| stopped.saturating_sub(self.begin_ns))
    }

    /// How long everything stood still, in ns.
    pub fn standing_ns(&self) -> Option<u64> {
        self.stopped_ns
            .map(|stopped| self.end_ns.saturating_sub(stopped))
    }

    /// Whether the times can be right: they are in order.
    pub fn is_plausible(&self) -> bool {
        let stopped_ns = self.stopped_ns.unwrap_or(self.end_ns);
        self.begin_ns != 0 && self.begin_ns <= stopped_ns && stopped_ns <= self.end_ns
    }
}

/// Why a cycle began (`gcTriggerKind`, runtime/mgc.go; the same three since Go 1.9).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trigger {
    /// The heap grew to the trigger the pacer had set.
    Heap,
    /// No cycle for two minutes.
    Periodic,
    /// The program asked for it: `runtime.GC`, `debug.FreeOSMemory`, a heap profile.
    Forced,
}

impl Trigger {
    /// The stable name, in text and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Heap => "heap",
            Self::Periodic => "periodic",
            Self::Forced => "forced",
        }
    }
}

/// The runtime's own record of one cycle, as it stands in `runtime.work`, `runtime.gcController` and
/// `runtime.memstats` between the end of mark termination and the start of the next cycle (runtime/mgc.go).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CycleRecord {
    /// The process.
    pub process: u32,
    /// Number of the cycle, from 1 (`memstats.numgc`).
    pub cycle: u32,
    /// Why it began, if its beginning was seen.
    pub trigger: Option<Trigger>,
    /// `work.userForced`.
    pub forced: bool,
    /// It also looked for leaked goroutines (Go 1.26 and newer).
    pub leak_check: bool,
    /// `work.stwprocs`: Ps counted for the CPU time of pauses.
    pub stw_procs: u32,
    /// `work.maxprocs`: GOMAXPROCS during the cycle.
    pub max_procs: u32,
    /// `work.tSweepTerm`: just before the first stop of the world.
    pub sweep_term_ns: u64,
    /// `work.tMark`: the world runs again, concurrent mark begins.
    pub mark_ns: u64,
    /// `work.tMarkTerm`: just before the last stop of the world.
    pub mark_term_ns: u64,
    /// `work.tEnd`: marking is over; concurrent sweep begins.
    pub end_ns: u64,
    /// `work.pauseNS`: the pauses of the cycle, what `MemStats.PauseNs` holds.
    pub pause_ns: u64,
    /// `work.heap0`: live heap in bytes when the cycle began.
    pub heap_before: u64,
    /// `work.heap1`: heap in bytes when marking ended, garbage included.
    pub heap_at_end: u64,
    /// `work.heap2`: bytes found reachable, what remains after the sweep.
    pub heap_after: u64,
    /// `gcController.lastHeapGoal`: the heap size, in bytes, this cycle was to end by.
    pub heap_goal: u64,
    /// `gcController.lastStackScan` (`maxStackScan` up to Go 1.19): bytes of stacks.
    pub stack_bytes: u64,
    /// `gcController.globalsScan`: bytes of global variables to scan.
    pub globals_bytes: u64,
    /// `gcController.assistTime`: CPU ns of marking by allocating goroutines.
    pub assist_ns: u64,
    /// `gcController.dedicatedMarkTime`: CPU ns of dedicated mark workers.
    pub dedicated_ns: u64,
    /// `gcController.fractionalMarkTime`: CPU ns of fractional mark workers.
    pub fractional_ns: u64,
    /// `gcController.idleMarkTime`: CPU ns of marking by Ps that had nothing else to do.
    pub idle_ns: u64,
    /// `memstats.gc_cpu_fraction`, the bits of the double: share of all CPU time since the start that went into GC.
    pub cpu_fraction_bits: u64,
    /// `runtimeInitTime`: when the runtime started.
    pub init_ns: u64,
}

/// No program has as many bytes of memory.
const ADDRESSES: u64 = 1 << 48;

impl CycleRecord {
    /// How long marking ran beside the program, in ns.
    pub fn mark_duration_ns(&self) -> u64 {
        self.mark_term_ns.saturating_sub(self.mark_ns)
    }

    /// The trigger as far as it is known: a forced cycle says so itself.
    pub fn known_trigger(&self) -> Option<Trigger> {
        self.trigger.or(self.forced.then_some(Trigger::Forced))
    }

    /// Whether this can be the record of a cycle: its times are in order, and every number is within what the machine
    /// can have done. It tells a record from whatever else lies where the record was looked for.
    pub fn is_plausible(&self) -> bool {
        let times = [
            self.init_ns,
            self.sweep_term_ns,
            self.mark_ns,
            self.mark_term_ns,
            self.end_ns,
        ];
        let sizes = [
            self.heap_before,
            self.heap_at_end,
            self.heap_after,
            self.stack_bytes,
            self.globals_bytes,
        ];
        let wall_ns = self.end_ns.saturating_sub(self.sweep_term_ns);
        // The runtime's clocks of its workers and those of the cycle do not start together.
        let cpu_ns = wall_ns
            .saturating_add(1_000_000_000)
            .saturating_mul(u64::from(self.max_procs));
        let works = [
            self.assist_ns,
            self.dedicated_ns,
            self.fractional_ns,
            self.idle_ns,
        ];
        self.init_ns != 0
            && times.is_sorted()
            && self.cycle != 0
            && (1..=self.max_procs).contains(&self.stw_procs)
            && sizes.iter().all(|bytes| *bytes < ADDRESSES)
            && self.pause_ns <= wall_ns
            && works.iter().all(|ns| *ns <= cpu_ns)
            && (0.0..=2.0).contains(&self.cpu_fraction())
    }

    /// Share of the CPU time since the start of the program that went into GC, 0 to 1.
    pub fn cpu_fraction(&self) -> f64 {
        f64::from_bits(self.cpu_fraction_bits)
    }
}

/// The concurrent sweep of one cycle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sweep {
    /// The process.
    pub process: u32,
    /// The cycle whose garbage was swept.
    pub cycle: u32,
    /// When marking had ended (`work.tEnd`).
    pub begin_ns: u64,
    /// When the last span was swept; when `finished` is false, when the next cycle began to stop the world.
    pub end_ns: u64,
    /// Whether it was done before the next cycle began. If not, that cycle swept the rest with the world stopped.
    pub finished: bool,
    /// Whether `end_ns` is the moment itself; if not, it was then or a little before ([`sweep`]).
    pub exact: bool,
}

impl Sweep {
    /// How long, in ns.
    pub fn duration_ns(&self) -> u64 {
        self.end_ns.saturating_sub(self.begin_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_is_stopping_and_standing() {
        let mut stw = Stw {
            process: 1,
            begin_ns: 100,
            stopped_ns: Some(130),
            end_ns: 200,
            reason: None,
            cycle: None,
        };
        assert_eq!(
            (stw.duration_ns(), stw.stopping_ns(), stw.standing_ns()),
            (100, Some(30), Some(70))
        );
        assert!(stw.is_plausible());
        stw.stopped_ns = Some(201);
        assert!(!stw.is_plausible());
        stw.stopped_ns = None;
        assert_eq!(
            (stw.duration_ns(), stw.stopping_ns(), stw.standing_ns()),
            (100, None, None)
        );
    }

    #[test]
    fn a_forced_cycle_needs_no_trigger() {
        let record = CycleRecord {
            forced: true,
            ..CycleRecord::default()
        };
        assert_eq!(record.known_trigger(), Some(Trigger::Forced));
        let record = CycleRecord {
            trigger: Some(Trigger::Heap),
            ..CycleRecord::default()
        };
        assert_eq!(record.known_trigger(), Some(Trigger::Heap));
        assert_eq!(CycleRecord::default().known_trigger(), None);
    }

    #[test]
    fn other_memory_is_no_record() {
        let record = CycleRecord {
            cycle: 3,
            stw_procs: 2,
            max_procs: 4,
            init_ns: 1,
            sweep_term_ns: 10,
            mark_ns: 20,
            mark_term_ns: 30,
            end_ns: 40,
            cpu_fraction_bits: 0.25_f64.to_bits(),
            ..CycleRecord::default()
        };
        assert!(record.is_plausible());
        let wrong = [
            CycleRecord {
                mark_ns: 31,
                ..record.clone()
            },
            CycleRecord {
                init_ns: 0,
                ..record.clone()
            },
            CycleRecord {
                cycle: 0,
                ..record.clone()
            },
            CycleRecord {
                heap_after: 0xffff_8000_0000_0000,
                ..record.clone()
            },
            CycleRecord {
                idle_ns: 1 << 40,
                ..record.clone()
            },
            CycleRecord {
                pause_ns: 31,
                ..record.clone()
            },
            CycleRecord {
                stw_procs: 5,
                ..record.clone()
            },
            CycleRecord {
                cpu_fraction_bits: f64::NAN.to_bits(),
                ..record
            },
            CycleRecord::default(),
        ];
        assert!(wrong.iter().all(|record| !record.is_plausible()));
    }
}
