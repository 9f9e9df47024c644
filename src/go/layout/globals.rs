//! Where the runtime's global variables lie.
//!
//! Their addresses are operands of instructions in functions that every program has. Each pattern below names the
//! function and the statement, which are the same in Go 1.19 to 1.27; where two patterns find the same variable, they
//! must agree. An address is believed only if it lies in a writable segment. What a pattern does not find, the symbol
//! table has if the binary was not stripped: that is asked second because it takes longer.

use std::collections::BTreeSet;
use std::ops::Range;

use super::string_table::StringTable;
use crate::go::elf::image::Machine;
use crate::go::isa::code::Code;
use crate::go::isa::dataflow::{Dataflow, Origin};
use crate::go::isa::instruction::{Access, Effects, Instruction, Register};
use crate::go::site::body::Body;
use crate::go::site::go_statements;
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

    fn body(&self, name: &str) -> Option<Body<'b>> {
        self.runtime.body(name).ok()
    }

    /// [`words`] of the function of that name, or where it is inlined everywhere, of one of its copies.
    fn words_of(&self, name: &str) -> Option<BTreeSet<u64>> {
        if let Some(body) = self.body(name) {
            return Some(words(body.code(), |_| true));
        }
        let copies = self.runtime.copies(name).ok()?;
        let copy = copies.first()?;
        Some(words(copy.host().code(), |at| copy.contains(at)))
    }

    /// The address that `caller` passes as the first argument in its first call of `callee`.
    fn argument(&self, caller: &str, callee: &str) -> Option<u64> {
        let body = self.body(caller)?;
        let callees = self.runtime.entries(callee);
        let call = body.code().calls_to(&callees).next()?;
        let mut dataflow = Dataflow::new(body.code(), &self.keeping);
        address(&mut dataflow, Register::FIRST, call)
    }

    /// `refill` and `allocLarge` call `memstats.heapStats.acquire()`; heapStats is the first field.
    fn memstats(&self) -> Option<u64> {
        let acquire = "runtime.(*consistentHeapStats).acquire";
        agreed([
            self.argument("runtime.(*mcache).refill", acquire),
            self.argument("runtime.(*mcache).allocLarge", acquire),
        ])
    }

    /// `refill` and `allocLarge` call `gcController.update(…)`.
    fn gc_controller(&self) -> Option<u64> {
        let update = "runtime.(*gcControllerState).update";
        agreed([
            self.argument("runtime.(*mcache).refill", update),
            self.argument("runtime.(*mcache).allocLarge", update),
        ])
    }

    /// `mheap_.alloc(…)` and `mheap_.nextSpanForSweep()`.
    fn mheap(&self) -> Option<u64> {
        agreed([
            self.argument("runtime.(*mcache).allocLarge", "runtime.(*mheap).alloc"),
            self.argument("runtime.sweepone", "runtime.(*mheap).nextSpanForSweep"),
        ])
    }

    /// `putfull`: `work.full.push(&b.node)`; full is the first field.
    fn work(&self) -> Option<u64> {
        self.argument("runtime.putfull", "runtime.(*lfstack).push")
            .or_else(|| self.work_where_inlined())
    }

    /// The same where `putfull` is inlined: into `dispose`, beside `putempty`, which pushes on a later field; or, with
    /// `push` in it, into `handoff`, which uses no other variable.
    fn work_where_inlined(&self) -> Option<u64> {
        let pushed = self.arguments("runtime.(*gcWork).dispose", "runtime.(*lfstack).push");
        if let (Some(full), 2) = (pushed.first(), pushed.len()) {
            return Some(*full);
        }
        let body = self.body("runtime.handoff")?;
        let used = words(body.code(), |_| true);
        let pointed_to = body.code().instructions().iter();
        let pointed_to = pointed_to.filter_map(Instruction::address_set);
        let all = used
            .into_iter()
            .chain(pointed_to.map(|(_, address)| address));
        only(all.filter(|address| self.is_variable(*address)))
    }

    /// The addresses that `caller` passes as the first argument in its calls of `callee`.
    fn arguments(&self, caller: &str, callee: &str) -> BTreeSet<u64> {
        let Some(body) = self.body(caller) else {
            return BTreeSet::new();
        };
        let callees = self.runtime.entries(callee);
        let mut dataflow = Dataflow::new(body.code(), &self.keeping);
        let calls = body.code().calls_to(&callees);
        calls
            .filter_map(|call| address(&mut dataflow, Register::FIRST, call))
            .collect()
    }

    /// `newproc1`: `sched.goidgen.Add(_GoidCacheBatch)`, an atomic addition of 16; goidgen is the first field.
    fn sched(&self) -> Option<u64> {
        let body = self.body("runtime.newproc1")?;
        let code = body.code();
        let mut dataflow = Dataflow::new(code, &[]);
        let additions = code.instructions().iter().enumerate();
        let inlined = only(additions.filter_map(|(at, i)| {
            let (pointer, added) = i.atomic_addition()?;
            let is_it = constant_before(code, at, added) == Some(16);
            is_it.then(|| address(&mut dataflow, pointer, at))?
        }));
        // Where nothing is inlined, `Add` is called.
        let second = match self.runtime.binary().image().machine() {
            Machine::X86_64 => Register(3),
            Machine::Aarch64 => Register(1),
        };
        inlined.or_else(|| {
            only(code.calls().filter_map(|(at, _)| {
                let is_it = constant_before(code, at, second) == Some(16);
                let passed = is_it.then(|| address(&mut dataflow, Register::FIRST, at))?;
                passed.filter(|address| self.is_variable(*address))
            }))
        })
    }

    /// `stopm`: `lock(&sched.lock)`.
    fn sched_lock(&self) -> Option<u64> {
        let inlined = self.argument("runtime.stopm", "runtime.lock2");
        inlined.or_else(|| self.argument("runtime.stopm", "runtime.lock"))
    }

    /// `gcMarkDone` begins with `semacquire(&work.markDoneSema)`.
    fn work_mark_done_sema(&self) -> Option<u64> {
        let inlined = self.argument("runtime.gcMarkDone", "runtime.semacquire1");
        inlined.or_else(|| self.argument("runtime.gcMarkDone", "runtime.semacquire"))
    }

    /// `allgadd`: `allgs = append(allgs, gp)` reads and writes the three words of the slice.
    fn allgs(&self) -> Option<u64> {
        let words = self.words_of("runtime.allgadd")?;
        only(words.iter().copied().filter(|first| {
            [8, 16].iter().all(|distance| {
                first
                    .checked_add(*distance)
                    .is_some_and(|word| words.contains(&word))
            })
        }))
    }

    /// `preemptall` reads the first two words of the slice, in `for _, pp := range allp`, and no other variable.
    fn allp(&self) -> Option<u64> {
        let words = self.words_of("runtime.preemptall").unwrap_or_default();
        let mut words = words.iter();
        let found = words.next().zip(words.next()).filter(|(first, second)| {
            first.checked_add(8) == Some(**second) && words.next().is_none()
        });
        match found {
            Some((first, _)) => Some(*first),
            None => self.allp_where_inlined(),
        }
    }

    /// Where `preemptall` is inlined: the slice whose length `procresize` changes, and that `retake` and
    /// `stopTheWorldWithSema` go through.
    fn allp_where_inlined(&self) -> Option<u64> {
        let words = |name| self.words_of(name);
        let resized = words("runtime.procresize")?;
        let (retake, stop) = (
            words("runtime.retake")?,
            words("runtime.stopTheWorldWithSema")?,
        );
        let is_read = |words: &BTreeSet<u64>, first: u64| {
            [0, 8]
                .iter()
                .all(|distance| words.contains(&first.wrapping_add(*distance)))
        };
        only(resized.iter().copied().filter(|first| {
            resized.contains(&first.wrapping_add(8))
                && resized.contains(&first.wrapping_add(16))
                && is_read(&retake, *first)
                && is_read(&stop, *first)
        }))
    }

    /// `mcommoninit`: `mp.alllink = allm` and `atomicstorep(unsafe.Pointer(&allm), …)`: both read and pointed to.
    fn allm(&self) -> Option<u64> {
        let body = self.body("runtime.mcommoninit")?;
        let words = words(body.code(), |_| true);
        let pointed_to: BTreeSet<u64> = body
            .code()
            .instructions()
            .iter()
            .filter_map(Instruction::address_set)
            .map(|(_, address)| address)
            .collect();
        let both = only(words.intersection(&pointed_to).copied());
        // Where all variables are pointed to, to be read.
        both.or_else(|| self.argument("runtime.mcommoninit", "runtime.atomicwb"))
    }

    /// `main`: `runtimeInitTime = nanotime()`; `gcMarkTermination`: `work.tSweepTerm - runtimeInitTime`.
    fn init_time(&self) -> Option<u64> {
        let used = words(self.body("runtime.gcMarkTermination")?.code(), |_| true);
        let main = self.body("runtime.main")?;
        let set = accesses(main.code())
            .into_iter()
            .filter(|(_, access)| access.stores && used.contains(&access.address));
        only(set.map(|(_, access)| access.address))
    }

    /// The table of strings that one of `functions` indexes.
    fn strings(&self, functions: &[&str]) -> Option<StringTable> {
        functions
            .iter()
            .filter_map(|name| self.body(name))
            .find_map(|body| StringTable::find(body.code()))
            .filter(|table| self.is_variable(table.address))
    }
}

/// The address that a register holds before the instruction at `at`, if it is one and the same on all ways there.
fn address(dataflow: &mut Dataflow<'_>, register: Register, at: usize) -> Option<u64> {
    match dataflow.origins(register, at).as_slice() {
        &[Origin::Address(address)] => Some(address),
        _ => None,
    }
}

/// What those say that say something, if they say the same.
fn agreed(found: [Option<u64>; 2]) -> Option<u64> {
    only(found.into_iter().flatten())
}

/// The only value, which may come several times.
fn only(mut values: impl Iterator<Item = u64>) -> Option<u64> {
    let first = values.next()?;
    values.all(|value| value == first).then_some(first)
}

/// The addresses of the variables that are read or written as whole machine words by the instructions at these places.
fn words(code: &Code<'_>, at: impl Fn(usize) -> bool) -> BTreeSet<u64> {
    accesses(code)
        .iter()
        .filter(|(place, _)| at(*place))
        .map(|(_, access)| access)
        .flat_map(|access| {
            let words = (access.address..).step_by(8);
            words.take(access.words)
        })
        .collect()
}

/// The variables that are read or written.
fn accesses(code: &Code<'_>) -> Vec<(usize, Access)> {
    let mut dataflow = Dataflow::new(code, &[]);
    let instructions = code.instructions().iter().enumerate();
    instructions
        .filter_map(|(at, i)| {
            let access = i
                .access()
                .or_else(|| i.access_by_pointer(|pointer| address(&mut dataflow, pointer, at)));
            Some((at, access?))
        })
        .collect()
}

/// The constant that was put into a register a few instructions before `at`.
fn constant_before(code: &Code<'_>, at: usize, register: Register) -> Option<u64> {
    let mut effects = Effects::default();
    let set = (at.saturating_sub(4)..at)
        .rev()
        .filter_map(|index| code.get(index))
        .find(|i| effects.changes(i, register))?;
    let (_, constant) = set.constant_set().filter(|(set, _)| *set == register)?;
    Some(constant)
}
