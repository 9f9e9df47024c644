//! What commands need to know of a binary, so that one can say beforehand what they will show.

use crate::go::layout::globals::Globals;
use crate::go::layout::{Field, Layout};
use crate::go::process::gc_record;

/// A variable of the runtime: its name, and where it lies.
type Variable = (&'static str, fn(&Globals) -> Option<u64>);

/// Something that a command reads and shows, and what it takes.
#[derive(Debug)]
pub struct Need {
    /// The commands.
    pub commands: &'static [&'static str],
    /// What of them.
    pub what: &'static str,
    /// The fields that tell it; versions of Go keep some things in other fields, and then one of these ways is enough.
    ways: &'static [&'static [Field]],
    globals: &'static [Variable],
}

impl Need {
    /// Why it cannot be had, if it cannot. What the version does not have at all is not lacking.
    pub fn lack(&self, layout: &Layout, globals: &Globals) -> Option<String> {
        for (name, address) in self.globals {
            if address(globals).is_none() {
                return Some(format!(
                    "the variable runtime.{name} was not found in the binary"
                ));
            }
        }
        let is_there = |field: &Field| layout.exists(*field) != Some(false);
        let mut first = None;
        for way in self.ways {
            if self.ways.len() > 1 && !way.iter().all(is_there) {
                continue;
            }
            let wanted = way.iter().filter(|field| is_there(field));
            let mut lacks = wanted.filter_map(|field| layout.require_readable(*field).err());
            let lack = lacks.next()?;
            let lack = match lacks.count() {
                0 => lack.to_string(),
                more => format!("{lack}; {more} more like that"),
            };
            first.get_or_insert(lack);
        }
        first
    }
}

/// What a command needs.
pub fn of(command: &str) -> impl Iterator<Item = &'static Need> {
    NEEDS
        .iter()
        .filter(move |need| need.commands.contains(&command))
}

/// The fields that are needed, each once, but for sizes, which need no witness.
pub fn fields(needs: impl Iterator<Item = &'static Need>) -> Vec<Field> {
    let mut fields = Vec::new();
    for field in needs.flat_map(|need| need.ways).copied().flatten() {
        if !field.is_size() && !fields.contains(field) {
            fields.push(*field);
        }
    }
    fields
}

/// What the programs of `gr` and `gr seq` cannot do without.
pub const OF_GOROUTINES: [Field; 5] =
    [Field::GGoid, Field::GM, Field::MP, Field::MCurg, Field::PId];

/// What they read of a goroutine's creation.
pub const OF_CREATION: [Field; 3] = [Field::GGopc, Field::GStartpc, Field::GParentGoid];

/// What the programs of `sched` read of a goroutine.
pub const OF_STATES: [Field; 2] = [Field::GStartpc, Field::GWaitreason];

/// What commands read. Of what takes probes or samples, and of the lists of goroutines, only which fields that are: what they
/// lack they say themselves.
pub const NEEDS: &[Need] = &[
    Need {
        commands: &["gr", "gr seq"],
        what: "goroutines",
        ways: &[&OF_GOROUTINES, &OF_CREATION],
        globals: &[],
    },
    Need {
        commands: &["sched"],
        what: "states",
        ways: &[&OF_STATES],
        globals: &[],
    },
    Need {
        commands: &["gc", "gc --cycles"],
        what: "cycles",
        ways: &[&gc_record::NEEDED, &[gc_record::FORCED]],
        globals: &[],
    },
    Need {
        commands: &["profile cpu"],
        what: "stacks",
        ways: &[&[
            Field::GM,
            Field::MCurg,
            Field::MG0,
            Field::MGsignal,
            Field::GSchedSp,
            Field::GSchedPc,
            Field::GSchedBp,
            Field::GSyscallsp,
            Field::GSyscallpc,
            Field::GLabels,
            Field::WorkCycles,
        ]],
        globals: &[],
    },
    Need {
        commands: &["profile heap"],
        what: "sites",
        ways: &[&[
            Field::BucketSize,
            Field::BucketAllnext,
            Field::BucketHash,
            Field::BucketObjectSize,
            Field::BucketNstk,
            Field::MemRecordSize,
            Field::MemRecordActive,
            Field::MemRecordFuture,
            Field::MemRecordFutureLen,
            Field::MemRecordCycleSize,
            Field::MemRecordCycleAllocs,
            Field::MemRecordCycleFrees,
        ]],
        globals: &[
            ("mbuckets", |globals| globals.mbuckets),
            ("mProfCycle", |globals| globals.mprof_cycle),
            ("MemProfileRate", |globals| globals.mem_profile_rate),
        ],
    },
    Need {
        commands: &["profile block", "profile mutex"],
        what: "waits",
        ways: &[&[
            Field::BucketSize,
            Field::BucketAllnext,
            Field::BucketTyp,
            Field::BucketHash,
            Field::BucketObjectSize,
            Field::BucketNstk,
        ]],
        globals: &[],
    },
    Need {
        commands: &["profile threadcreate"],
        what: "threads",
        ways: &[&[Field::MAlllink, Field::MCreatestack]],
        globals: &[("allm", |globals| globals.allm)],
    },
    Need {
        commands: &["dump", "profile goroutine", "profile wall"],
        what: "goroutines",
        ways: &[&[
            Field::GGoid,
            Field::GAtomicstatus,
            Field::GStackLo,
            Field::GStackHi,
            Field::GSchedSp,
            Field::GSchedPc,
            Field::GWaitreason,
            Field::GWaitsince,
            Field::GSyscallsp,
            Field::GSyscallpc,
            Field::GStartpc,
            Field::GGopc,
            Field::GParentGoid,
            Field::GLockedm,
        ]],
        globals: &[],
    },
    Need {
        commands: &["stat", "top", "ps"],
        what: "goroutines",
        ways: &[
            &[
                Field::SchedNgsys,
                Field::SchedGFreeStackSize,
                Field::SchedGFreeNoStackSize,
                Field::PGFreeSize,
            ],
            &[Field::SchedNgsys, Field::SchedGFreeN, Field::PGFreeSize],
        ],
        globals: &[("sched", |globals| globals.sched)],
    },
    Need {
        commands: &["stat", "top"],
        what: "runnable",
        ways: &[&[
            Field::SchedRunqSize,
            Field::PRunqhead,
            Field::PRunqtail,
            Field::PRunnext,
        ]],
        globals: &[("sched", |globals| globals.sched)],
    },
    Need {
        commands: &["stat", "top", "gm"],
        what: "allocations",
        ways: &[&[
            Field::PMcache,
            Field::SizeClasses,
            Field::McacheAlloc,
            Field::McacheAllocLen,
            Field::McacheTinyAllocs,
            Field::McacheFlushGen,
            Field::MspanStartAddr,
            Field::MspanSweepgen,
            Field::MspanAllocCount,
            Field::MspanAllocCountBeforeCache,
            Field::MspanSpanclass,
            Field::MheapSweepgen,
            Field::MstatsHeapStats,
            Field::HeapStatsStats,
            Field::HeapStatsStatsLen,
            Field::HeapStatsGen,
            Field::HeapStatsDeltaSize,
            Field::HeapStatsDeltaCommitted,
            Field::HeapStatsDeltaReleased,
            Field::HeapStatsDeltaInHeap,
            Field::HeapStatsDeltaInStacks,
            Field::HeapStatsDeltaInWorkBufs,
            Field::HeapStatsDeltaTinyAllocCount,
            Field::HeapStatsDeltaLargeAlloc,
            Field::HeapStatsDeltaLargeAllocCount,
            Field::HeapStatsDeltaLargeFree,
            Field::HeapStatsDeltaLargeFreeCount,
            Field::HeapStatsDeltaSmallAllocCount,
            Field::HeapStatsDeltaSmallFreeCount,
        ]],
        globals: &[
            ("memstats", |globals| globals.memstats),
            ("mheap_", |globals| globals.mheap),
        ],
    },
    Need {
        commands: &["stat", "top"],
        what: "heap in use",
        ways: &[&[Field::GcControllerHeapLive]],
        globals: &[("gcController", |globals| globals.gc_controller)],
    },
    Need {
        commands: &["stat", "top"],
        what: "heap goal",
        ways: &[&[
            Field::GcControllerGcPercentHeapGoal,
            Field::GcControllerMemoryLimit,
            Field::GcControllerSweepDistMinTrigger,
            Field::GcControllerTriggered,
        ]],
        globals: &[("gcController", |globals| globals.gc_controller)],
    },
    Need {
        commands: &["ps"],
        what: "heap",
        ways: &[&[Field::GcControllerHeapInUse]],
        globals: &[("gcController", |globals| globals.gc_controller)],
    },
    Need {
        commands: &["stat", "top", "ps"],
        what: "collections",
        ways: &[&[Field::MstatsNumgc]],
        globals: &[("memstats", |globals| globals.memstats)],
    },
    Need {
        commands: &["stat", "top"],
        what: "pauses",
        ways: &[
            &[
                Field::SchedStwTotalTimeGc,
                Field::TimeHistogramCounts,
                Field::TimeHistogramUnderflow,
            ],
            &[
                Field::MstatsGcPauseDist,
                Field::TimeHistogramCounts,
                Field::TimeHistogramUnderflow,
            ],
        ],
        globals: &[("sched", |globals| globals.sched)],
    },
    Need {
        commands: &["stat", "top"],
        what: "CPU time of collections",
        ways: &[
            &[
                Field::WorkCpuGcTotalTime,
                Field::WorkCpuGcIdleTime,
                Field::WorkCpuTotalTime,
            ],
            &[Field::WorkTotaltime],
        ],
        globals: &[("work", |globals| globals.work)],
    },
    Need {
        commands: &["stat", "top"],
        what: "latencies",
        ways: &[&[
            Field::SchedTimeToRun,
            Field::TimeHistogramCounts,
            Field::TimeHistogramUnderflow,
        ]],
        globals: &[("sched", |globals| globals.sched)],
    },
    Need {
        commands: &["stat", "top"],
        what: "waits for locks",
        ways: &[&[Field::SchedTotalMutexWaitTime]],
        globals: &[("sched", |globals| globals.sched)],
    },
];
