//! What commands need to know of a binary, so that one can say beforehand what they will show.

use crate::go::layout::globals::Globals;
use crate::go::layout::{Field, Layout};
use crate::go::process::gc_record;

/// A variable of the runtime: its name, and where it lies.
type Variable = (&'static str, fn(&Globals) -> Option<u64>);

/// Something that a command shows, and what it takes.
#[derive(Debug)]
pub struct Need {
    /// The command.
    pub command: &'static str,
    /// What of it; empty: all.
    pub what: &'static str,
    fields: &'static [Field],
    globals: &'static [Variable],
}

/// Fields that one can do without if others are known: Go has had one list of dead goroutines, then two.
const INSTEAD: [(Field, &[Field]); 3] = [
    (
        Field::SchedGFreeN,
        &[Field::SchedGFreeStackSize, Field::SchedGFreeNoStackSize],
    ),
    (Field::SchedGFreeStackSize, &[Field::SchedGFreeN]),
    (Field::SchedGFreeNoStackSize, &[Field::SchedGFreeN]),
];

impl Need {
    /// What it takes.
    pub fn fields(&self) -> &'static [Field] {
        self.fields
    }

    /// Why it cannot be had, if it cannot.
    pub fn lack(&self, layout: &Layout, globals: &Globals) -> Option<String> {
        for (name, address) in self.globals {
            if address(globals).is_none() {
                return Some(format!(
                    "the variable runtime.{name} was not found in the binary"
                ));
            }
        }
        let wanted = self
            .fields
            .iter()
            .filter(|field| layout.exists(**field) != Some(false));
        let known = |field: &Field| layout.require_checked(*field).is_ok();
        let replaced = |field: &Field| {
            let mut others = INSTEAD.iter().filter(|(other, _)| other == field);
            others.any(|(_, instead)| instead.iter().all(known))
        };
        let mut lacks = wanted
            .filter(|field| !replaced(field))
            .filter_map(|field| layout.require_checked(*field).err());
        let first = lacks.next()?;
        Some(match lacks.count() {
            0 => first.to_string(),
            more => format!("{first}; {more} more like that"),
        })
    }
}

/// The commands that need something.
pub fn commands() -> Vec<&'static str> {
    let mut names: Vec<&str> = Vec::new();
    for name in NEEDS.iter().flat_map(|need| need.command.split(", ")) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// What one of them needs.
pub fn of(command: &str) -> impl Iterator<Item = &'static Need> {
    let is_for = move |need: &&Need| need.command.split(", ").any(|it| it == command);
    NEEDS.iter().filter(is_for)
}

/// The fields that are needed, each once.
pub fn fields(needs: impl Iterator<Item = &'static Need>) -> Vec<Field> {
    let mut fields = Vec::new();
    for field in needs.flat_map(|need| need.fields) {
        if !fields.contains(field) {
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

/// All of it, command by command.
pub const NEEDS: &[Need] = &[
    Need {
        command: "gr, gr seq",
        what: "",
        fields: &OF_GOROUTINES,
        globals: &[],
    },
    Need {
        command: "gr, gr seq",
        what: "start functions learned while observing, and creation sites",
        fields: &OF_CREATION,
        globals: &[],
    },
    Need {
        command: "sched",
        what: "",
        fields: &OF_STATES,
        globals: &[],
    },
    Need {
        command: "dump",
        what: "",
        fields: &[
            Field::GGoid,
            Field::GAtomicstatus,
            Field::GStackLo,
            Field::GStackHi,
            Field::GSchedSp,
            Field::GSchedPc,
        ],
        globals: &[("allgs", |globals| globals.allgs)],
    },
    Need {
        command: "dump",
        what: "why goroutines wait",
        fields: &[Field::GWaitreason],
        globals: &[],
    },
    Need {
        command: "dump",
        what: "since when",
        fields: &[Field::GWaitsince],
        globals: &[],
    },
    Need {
        command: "dump",
        what: "stacks in system calls",
        fields: &[Field::GSyscallsp, Field::GSyscallpc],
        globals: &[],
    },
    Need {
        command: "dump",
        what: "start functions and creators",
        fields: &[Field::GStartpc, Field::GGopc, Field::GParentGoid],
        globals: &[],
    },
    Need {
        command: "dump",
        what: "locks to threads",
        fields: &[Field::GLockedm],
        globals: &[],
    },
    Need {
        command: "stat, top, ps",
        what: "goroutines",
        fields: &[
            Field::SchedNgsys,
            Field::SchedGFreeN,
            Field::SchedGFreeStackSize,
            Field::SchedGFreeNoStackSize,
            Field::PGFreeSize,
        ],
        globals: &[
            ("allgs", |globals| globals.allgs),
            ("allp", |globals| globals.allp),
            ("sched", |globals| globals.sched),
        ],
    },
    Need {
        command: "stat, top",
        what: "runnable",
        fields: &[
            Field::SchedRunqSize,
            Field::PRunqhead,
            Field::PRunqtail,
            Field::PRunnext,
        ],
        globals: &[("sched", |globals| globals.sched)],
    },
    Need {
        command: "stat, top",
        what: "threads",
        fields: &[Field::SchedMnext, Field::SchedNmfreed],
        globals: &[("sched", |globals| globals.sched)],
    },
    Need {
        command: "stat, top, gm",
        what: "allocations",
        fields: &[
            Field::PMcache,
            Field::McacheAlloc,
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
            Field::HeapStatsGen,
            Field::HeapStatsDeltaTinyAllocCount,
            Field::HeapStatsDeltaLargeAlloc,
            Field::HeapStatsDeltaLargeAllocCount,
            Field::HeapStatsDeltaSmallAllocCount,
        ],
        globals: &[
            ("memstats", |globals| globals.memstats),
            ("mheap_", |globals| globals.mheap),
        ],
    },
    Need {
        command: "stat, top, ps",
        what: "heap in use, and its goal",
        fields: &[
            Field::GcControllerHeapLive,
            Field::GcControllerHeapInUse,
            Field::GcControllerGcPercentHeapGoal,
            Field::GcControllerMemoryLimit,
        ],
        globals: &[("gcController", |globals| globals.gc_controller)],
    },
    Need {
        command: "stat, top, ps",
        what: "collections",
        fields: &[Field::MstatsNumgc],
        globals: &[("memstats", |globals| globals.memstats)],
    },
    Need {
        command: "stat, top",
        what: "latencies",
        fields: &[
            Field::SchedTimeToRun,
            Field::TimeHistogramCounts,
            Field::TimeHistogramUnderflow,
        ],
        globals: &[("sched", |globals| globals.sched)],
    },
    Need {
        command: "stat, top",
        what: "CPU time of collections",
        fields: &[
            Field::WorkCpuGcTotalTime,
            Field::WorkCpuGcIdleTime,
            Field::WorkCpuTotalTime,
        ],
        globals: &[("work", |globals| globals.work)],
    },
    Need {
        command: "gc --cycles",
        what: "",
        fields: &gc_record::NEEDED,
        globals: &[
            ("work", |globals| globals.work),
            ("gcController", |globals| globals.gc_controller),
            ("memstats", |globals| globals.memstats),
            ("runtimeInitTime", |globals| globals.runtime_init_time),
        ],
    },
    Need {
        command: "gc --cycles",
        what: "whether a cycle was forced",
        fields: &[gc_record::FORCED],
        globals: &[],
    },
];
