//! Where the runtime's global variables lie.
//!
//! Their addresses are operands of instructions in functions that every program has. Each pattern below names the
//! function and the statement, which are the same in Go 1.19 to 1.27; the statement is found where the function was
//! inlined, too (`Piece`), and where the calls in it are inlined, others that pass the same variable are
//! (`receivers`). Where several find a variable, they must agree, or it counts as not found. An address is believed
//! only if it lies in a writable segment. What no pattern finds, the symbol table has if the binary was not stripped: that
//! is asked second because it takes longer.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::string_table::StringTable;
use crate::go::elf::image::Machine;
use crate::go::isa::instruction::Register;
use crate::go::site::go_statements;
use crate::go::site::pieces::Piece;
use crate::go::site::receivers;
use crate::go::site::runtime_functions::Runtime;

/// Link-time addresses of the runtime's global variables; `None` where one was not found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Globals {
    /// `allgs []*g`: every goroutine that was ever made (runtime/proc.go).
    pub allgs: Option<u64>,
    /// `allm *m`: head of the list of all threads (runtime/proc.go).
    pub allm: Option<u64>,
    /// `allp []*p` (runtime/runtime2.go).
    pub allp: Option<u64>,
    /// `gcController gcControllerState` (runtime/mgcpacer.go).
    pub gc_controller: Option<u64>,
    /// `memstats mstats` (runtime/mstats.go).
    pub memstats: Option<u64>,
    /// `mheap_ mheap` (runtime/mheap.go).
    pub mheap: Option<u64>,
    /// `runtimeInitTime int64`, nanoseconds of `CLOCK_MONOTONIC` (runtime/proc.go).
    pub runtime_init_time: Option<u64>,
    /// `sched schedt` (runtime/runtime2.go).
    pub sched: Option<u64>,
    /// `work workType` (runtime/mgc.go).
    pub work: Option<u64>,
    /// `mbuckets *bucket`: head of the list of sites at which memory was allocated (runtime/mprof.go).
    pub mbuckets: Option<u64>,
    /// `mProfCycle`, 4 bytes (runtime/mprof.go).
    pub mprof_cycle: Option<u64>,
    /// `MemProfileRate int` (runtime/mprof.go).
    pub mem_profile_rate: Option<u64>,
    /// `memstats.heapStats`: its distance from `memstats` is its offset.
    pub heap_stats: Option<u64>,
    /// `sched.lock`: its distance from `sched` tests a layout.
    pub sched_lock: Option<u64>,
    /// `work.markDoneSema`: its distance from `work` tests a layout.
    pub work_mark_done_sema: Option<u64>,
    /// `waitReasonStrings [...]string` (runtime/runtime2.go).
    pub wait_reason_strings: Option<StringTable>,
    /// `stwReasonStrings [...]string` (runtime/proc.go, Go ≥ 1.21); not found in a small program of Go 1.21 that never
    /// stops the world but for the collector.
    pub stw_reason_strings: Option<StringTable>,
}

impl Globals {
    /// Looks for all of them.
    pub fn of(runtime: &Runtime<'_>) -> Self {
        let search = Search {
            runtime,
            keeping: go_statements::keeping(runtime),
            receivers: OnceCell::new(),
        };
        Self {
            allgs: search.variable("runtime.allgs", search.allgs()),
            allm: search.variable("runtime.allm", search.allm()),
            allp: search.variable("runtime.allp", search.allp()),
            gc_controller: search.variable("runtime.gcController", search.gc_controller()),
            memstats: search.variable("runtime.memstats", search.memstats()),
            mheap: search.variable("runtime.mheap_", search.mheap()),
            runtime_init_time: search.variable("runtime.runtimeInitTime", search.init_time()),
            sched: search.variable("runtime.sched", search.sched()),
            work: search.variable("runtime.work", search.work()),
            mbuckets: search.variable("runtime.mbuckets", search.mbuckets()),
            mprof_cycle: search.variable("runtime.mProfCycle", search.mprof_cycle()),
            mem_profile_rate: search.variable("runtime.MemProfileRate", search.mem_profile_rate()),
            heap_stats: search.memstats(),
            sched_lock: search.sched_lock(),
            work_mark_done_sema: search.work_mark_done_sema(),
            wait_reason_strings: search.strings(&["runtime.waitReason.String"]),
            stw_reason_strings: search.strings(&[
                "runtime.stwReason.String",
                "runtime.traceLocker.STWStart",
                "runtime.stopTheWorld",
            ]),
        }
    }
}

struct Search<'r, 'b> {
    runtime: &'r Runtime<'b>,
    /// Code of functions that keep registers.
    keeping: Vec<Range<u64>>,
    /// What methods are called for anywhere.
    receivers: OnceCell<BTreeMap<&'static str, BTreeSet<u64>>>,
}

impl<'b> Search<'_, 'b> {
    /// `found` if it is plausible, else what the symbol table says.
    fn variable(&self, name: &str, found: Option<u64>) -> Option<u64> {
        let image = self.runtime.binary().image();
        found
            .filter(|address| self.is_variable(*address))
            .or_else(|| image.symbol(name))
    }

    fn is_variable(&self, address: u64) -> bool {
        let segments = self.runtime.binary().image().segments();
        segments.iter().any(|segment| {
            segment.write
                && address
                    .checked_sub(segment.vaddr)
                    .is_some_and(|distance| distance < segment.memsz)
        })
    }

    fn own(&self, name: &str) -> Option<Piece<'b>> {
        Piece::own(self.runtime, name)
    }

    /// What the function's own code says.
    fn said(&self, name: &str, says: impl Fn(&Piece<'b>) -> Option<u64>) -> Option<u64> {
        says(&self.own(name)?)
    }

    /// What all copies of the function say that say something, if they say the same. To find them takes a pass over the whole
    /// function table: for when all else has failed.
    fn said_by_copies(&self, name: &str, says: impl Fn(&Piece<'b>) -> Option<u64>) -> Option<u64> {
        only(Piece::of(self.runtime, name).iter().filter_map(says))
    }

    /// The address that `caller` passes as the first argument in its first call of `callee`.
    fn argument(&self, caller: &str, callee: &str) -> Option<u64> {
        self.said(caller, self.passing(callee))
    }

    /// The same where a function with one call of one of `callees`, by whatever name, is inlined.
    fn argument_in_copies(&self, caller: &str, callees: [&str; 2]) -> Option<u64> {
        let mut callees = callees.into_iter();
        callees.find_map(|callee| self.said_by_copies(caller, self.passing(callee)))
    }

    fn passing(&self, callee: &str) -> impl Fn(&Piece<'b>) -> Option<u64> {
        let callees = self.runtime.entries(callee);
        move |piece| piece.first_argument(&callees, &self.keeping)
    }

    /// The only variable for which methods of this type are called.
    fn receiver(&self, of: &str) -> Option<u64> {
        only(self.receivers(of).into_iter())
    }

    /// All variables for which methods of this type are called.
    fn receivers(&self, of: &str) -> BTreeSet<u64> {
        let receivers = || receivers::receivers(self.runtime, &self.keeping);
        let found = self.receivers.get_or_init(receivers).get(of).cloned();
        let mut found = found.unwrap_or_default();
        found.retain(|address| self.is_variable(*address));
        found
    }

    /// `refill` and `allocLarge` call `memstats.heapStats.acquire()`; heapStats is the first field.
    fn memstats(&self) -> Option<u64> {
        let acquire = "runtime.(*consistentHeapStats).acquire";
        let found = [
            self.argument("runtime.(*mcache).refill", acquire),
            self.argument("runtime.(*mcache).allocLarge", acquire),
        ];
        agreed(found, || self.receiver(receivers::HEAP_STATS))
    }

    /// `refill` and `allocLarge` call `gcController.update(…)`.
    fn gc_controller(&self) -> Option<u64> {
        let update = "runtime.(*gcControllerState).update";
        let found = [
            self.argument("runtime.(*mcache).refill", update),
            self.argument("runtime.(*mcache).allocLarge", update),
        ];
        agreed(found, || self.receiver(receivers::CONTROLLER))
    }

    /// `mheap_.alloc(…)` and `mheap_.nextSpanForSweep()`.
    fn mheap(&self) -> Option<u64> {
        let found = [
            self.argument("runtime.(*mcache).allocLarge", "runtime.(*mheap).alloc"),
            self.argument("runtime.sweepone", "runtime.(*mheap).nextSpanForSweep"),
        ];
        agreed(found, || self.receiver(receivers::HEAP))
    }

    /// `putfull`: `work.full.push(&b.node)`; full is the first field.
    fn work(&self) -> Option<u64> {
        self.argument("runtime.putfull", "runtime.(*lfstack).push")
            .or_else(|| self.work_where_inlined())
    }

    /// Where that is inlined: of the stacks that are pushed to and popped from anywhere, `full` and `empty` are one word and
    /// one [`cache line`](Search::cache_line) apart.
    fn work_where_inlined(&self) -> Option<u64> {
        let mut stacks = self.receivers(receivers::STACK);
        for name in ["push", "pop", "empty"] {
            for piece in Piece::of(self.runtime, &format!("{}{name}", receivers::STACK)) {
                stacks.extend(piece.words());
                stacks.extend(piece.pointed_to());
            }
        }
        let distance = 8 + self.cache_line();
        only(stacks.iter().copied().filter(|full| {
            full.checked_add(distance)
                .is_some_and(|empty| stacks.contains(&empty))
        }))
    }

    /// `CacheLinePadSize` (internal/cpu/cpu_x86.go, cpu_arm64.go).
    fn cache_line(&self) -> u64 {
        match self.runtime.binary().image().machine() {
            Machine::X86_64 => 64,
            Machine::Aarch64 => 128,
        }
    }

    /// `newproc1`: `sched.goidgen.Add(_GoidCacheBatch)`, an atomic addition of 16; goidgen is the first field.
    fn sched(&self) -> Option<u64> {
        let second = match self.runtime.binary().image().machine() {
            Machine::X86_64 => Register(3),
            Machine::Aarch64 => Register(1),
        };
        let says = |piece: &Piece<'b>| {
            let (inlined, called) = piece.additions(16, second);
            let called = called.into_iter();
            let called = called.filter(|address| self.is_variable(*address));
            only(inlined.into_iter()).or_else(|| only(called))
        };
        let own = self.said("runtime.newproc1", says);
        own.or_else(|| self.said_by_copies("runtime.newproc1", says))
    }

    /// `stopm`: `lock(&sched.lock)`.
    fn sched_lock(&self) -> Option<u64> {
        let inlined = self.argument("runtime.stopm", "runtime.lock2");
        inlined
            .or_else(|| self.argument("runtime.stopm", "runtime.lock"))
            .or_else(|| self.argument_in_copies("runtime.stopm", ["runtime.lock2", "runtime.lock"]))
    }

    /// `gcMarkDone` begins with `semacquire(&work.markDoneSema)`.
    fn work_mark_done_sema(&self) -> Option<u64> {
        let inlined = self.argument("runtime.gcMarkDone", "runtime.semacquire1");
        inlined
            .or_else(|| self.argument("runtime.gcMarkDone", "runtime.semacquire"))
            .or_else(|| {
                let callees = ["runtime.semacquire1", "runtime.semacquire"];
                self.argument_in_copies("runtime.gcMarkDone", callees)
            })
    }

    /// `allgadd`: `allgs = append(allgs, gp)` reads and writes the three words of the slice.
    fn allgs(&self) -> Option<u64> {
        let says = |piece: &Piece<'b>| {
            let words = piece.words();
            let firsts = words.iter().copied();
            only(firsts.filter(|first| is_slice(&words, *first, 3)))
        };
        let own = self.said("runtime.allgadd", says);
        own.or_else(|| self.said_by_copies("runtime.allgadd", says))
    }

    /// `preemptall` reads the first two words of the slice, in `for _, pp := range allp`, and no other variable.
    fn allp(&self) -> Option<u64> {
        let says = |piece: &Piece<'b>| {
            let words = piece.words();
            let first = *words.first()?;
            (words.len() == 2 && is_slice(&words, first, 2)).then_some(first)
        };
        self.said("runtime.preemptall", says)
            .or_else(|| self.allp_where_inlined())
            .or_else(|| self.said_by_copies("runtime.preemptall", says))
    }

    /// Where other variables are read in between: the slice whose length `procresize` changes, and that `retake` and
    /// `stopTheWorldWithSema` go through.
    fn allp_where_inlined(&self) -> Option<u64> {
        let words = |name| Some(self.own(name)?.words());
        let resized = words("runtime.procresize")?;
        let (retake, stop) = (
            words("runtime.retake")?,
            words("runtime.stopTheWorldWithSema")?,
        );
        only(resized.iter().copied().filter(|first| {
            is_slice(&resized, *first, 3)
                && is_slice(&retake, *first, 2)
                && is_slice(&stop, *first, 2)
        }))
    }

    /// `mcommoninit`: `mp.alllink = allm` and `atomicstorep(unsafe.Pointer(&allm), …)`: both read and pointed to.
    fn allm(&self) -> Option<u64> {
        let says = |piece: &Piece<'b>| {
            let pointed_to = piece.pointed_to();
            only(piece.words().intersection(&pointed_to).copied())
        };
        self.said("runtime.mcommoninit", says)
            // Where all variables are pointed to, to be read.
            .or_else(|| self.argument("runtime.mcommoninit", "runtime.atomicwb"))
            .or_else(|| self.said_by_copies("runtime.mcommoninit", says))
    }

    /// `mProf_FlushLocked` goes through the list, `for b := mbuckets; …`, and reads no other variable.
    fn mbuckets(&self) -> Option<u64> {
        let says = |piece: &Piece<'b>| {
            // Where it is read atomically, it is pointed to.
            let read = piece.words().into_iter().chain(piece.pointed_to());
            only(read.filter(|address| self.is_variable(*address)))
        };
        let own = self.said("runtime.mProf_FlushLocked", says);
        // Where nothing is inlined, locks are pointed to besides; `stkbucket`, which puts new ones in front, has others.
        let shared = || {
            let flushed = self.own("runtime.mProf_FlushLocked")?.pointed_to();
            let made = self.own("runtime.stkbucket")?.pointed_to();
            only(flushed.intersection(&made).copied())
        };
        own.or_else(shared)
            .or_else(|| self.said_by_copies("runtime.mProf_FlushLocked", says))
    }

    /// `mProf_Flush`: `mProfCycle.setFlushed()` reads it and compares and swaps; the locks that it takes are only passed on.
    fn mprof_cycle(&self) -> Option<u64> {
        let says = |piece: &Piece<'b>| {
            let pointed_to = piece.pointed_to();
            let read = piece.accesses().into_iter().map(|it| it.address);
            let read = match piece.atomic_reads() {
                none if none.is_empty() => read.collect::<BTreeSet<u64>>(),
                atomic => atomic,
            };
            only(
                read.into_iter()
                    .filter(|address| pointed_to.contains(address) && self.is_variable(*address)),
            )
        };
        let own = self.said("runtime.mProf_Flush", says);
        let set = "runtime.(*mProfCycleHolder).setFlushed";
        own.or_else(|| self.argument("runtime.mProf_Flush", set))
            .or_else(|| self.said_by_copies("runtime.mProf_Flush", says))
    }

    /// `profilealloc`: `c.memProfRate = MemProfileRate`. The other variable that it reads is `mcache0`, which `mallocinit`
    /// sets; `schedinit` sets this one, where the linker says that nobody asks for profiles. Where all that is inlined, or
    /// nothing is: the variable that it has in common with `nextSample`, or that this reads.
    fn mem_profile_rate(&self) -> Option<u64> {
        let words = |piece: &Piece<'b>| {
            let mut words = piece.words();
            words.retain(|address| self.is_variable(*address));
            words
        };
        let own = |name| Some(words(&self.own(name)?));
        let (first, set) = (own("runtime.mallocinit"), own("runtime.schedinit"));
        let says = |piece: &Piece<'b>| {
            let read = words(piece);
            let others = first
                .as_ref()
                .map(|first| only(read.difference(first).copied()));
            let set = set
                .as_ref()
                .map(|set| only(read.intersection(set).copied()));
            agreed([others.flatten(), set.flatten()], || None)
        };
        let found = self.said("runtime.profilealloc", says);
        found.or_else(|| {
            let next = Piece::of(self.runtime, "runtime.nextSample");
            let alloc = Piece::of(self.runtime, "runtime.profilealloc");
            let all = next.iter().chain(&alloc).map(words);
            let common = all.filter(|words| !words.is_empty());
            let common = common.reduce(|a, b| a.intersection(&b).copied().collect());
            only(common?.into_iter())
        })
    }

    /// `main`: `runtimeInitTime = nanotime()`; `gcMarkTermination`: `work.tSweepTerm - runtimeInitTime`.
    fn init_time(&self) -> Option<u64> {
        let name = "runtime.gcMarkTermination";
        let used = self.own(name);
        let used = used.or_else(|| Piece::of(self.runtime, name).into_iter().next())?;
        let used = used.words();
        let set = self.own("runtime.main")?.accesses().into_iter();
        let set = set.filter(|access| access.stores && used.contains(&access.address));
        only(set.map(|access| access.address))
    }

    /// The table of strings that one of `functions` indexes.
    fn strings(&self, functions: &[&str]) -> Option<StringTable> {
        functions
            .iter()
            .filter_map(|name| self.runtime.find(name))
            .find_map(|body| StringTable::find(body.code()))
            .filter(|table| self.is_variable(table.address))
    }
}

/// Whether these words are among those read: of a slice.
fn is_slice(words: &BTreeSet<u64>, first: u64, count: u64) -> bool {
    (0..count).all(|word| words.contains(&first.wrapping_add(8 * word)))
}

/// What those say that say something, if they say the same; what the last one says where nobody else does.
fn agreed(found: [Option<u64>; 2], last: impl Fn() -> Option<u64>) -> Option<u64> {
    match found {
        [None, None] => last(),
        _ => only(found.into_iter().flatten()),
    }
}

/// The only value, which may come several times.
fn only(mut values: impl Iterator<Item = u64>) -> Option<u64> {
    let first = values.next()?;
    values.all(|value| value == first).then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Witnesses that contradict each other are no witnesses, and nobody else is asked then.
    #[test]
    fn contradictions_refuse() {
        let last = || Some(3);
        assert_eq!(agreed([Some(1), Some(2)], last), None);
        assert_eq!(agreed([Some(1), Some(1)], last), Some(1));
        assert_eq!(agreed([None, Some(1)], last), Some(1));
        assert_eq!(agreed([None, None], last), Some(3));
        assert_eq!(only([1, 1, 2].into_iter()), None);
        assert_eq!(only([].into_iter()), None);
    }
}
