//! Claims about threads and processors (runtime/runtime2.go, `type m`, `type p`, `type schedt`).
//!
//! They point to each other, which no wrong offset survives; but they do so in motion.

use std::collections::HashSet;

use super::claim::Claims;
use super::reader::Skip;
use crate::go::constant::{G_RUNNABLE, G_SCAN, P_DEAD};
use crate::go::layout::Field::{
    GAtomicstatus, GLockedm, GM, MAlllink, MCreatestack, MCurg, MG0, MGsignal, MId, MLockedg, MP,
    MPreemptoff, MProcid, McacheAlloc, McacheAllocLen, MspanSpanclass, PGoidcache, PGoidcacheend,
    PGoroutinesCreated, PId, PM, PMcache, PRunnext, PRunq, PRunqLen, PRunqhead, PRunqtail, PStatus,
    SchedGoidgen, SchedGoroutinesCreated, SchedLock, SchedMnext, SchedNgsys, SchedNmfreed,
    SchedNpidle, SchedProcresizetime,
};
use crate::go::process::g::GOID_BATCH;

/// No kernel gives higher thread ids (`PID_MAX_LIMIT`, include/linux/threads.h).
const MAX_THREAD_ID: u64 = 1 << 22;

/// Longer reasons not to be preempted there are none ("stop the world for …").
const MAX_REASON: u64 = 128;

/// A program has at least the GC's own goroutines, and not many more of the runtime's.
const SYSTEM_GOROUTINES: std::ops::Range<u32> = 1..10_000;

/// `sched.procresizetime` is set when the program starts, or when GOMAXPROCS changes: some time after
/// the machine started, and no ten years after. In ns.
const TIMES: std::ops::Range<u64> = 1..10 * 365 * 86_400 * 1_000_000_000;

pub(super) fn check(claims: &mut Claims<'_>) {
    threads(claims);
    processors(claims);
    claims.at_once(scheduler);
}

fn threads(claims: &mut Claims<'_>) {
    let all = claims.reader().threads();
    claims.plausible(&[MAlllink], "allm is a list of threads that ends", |_| {
        all.as_ref().map(|_| true).map_err(Clone::clone)
    });
    let all = all.unwrap_or_default();
    let mut numbers = HashSet::new();
    for m in all.iter().take(64).copied() {
        claims.at_once(|claims| thread(claims, m, &mut numbers));
    }
    claims.claim(
        &[SchedMnext, SchedNmfreed, MAlllink],
        "sched counts the threads there are",
        |r| {
            let sched = r.variable(r.live.globals.sched)?;
            let (made, ended) = (r.word(sched, SchedMnext)?, r.word(sched, SchedNmfreed)?);
            if all.is_empty() {
                return Err(Skip::Unknown);
            }
            let there = all.len() as u64;
            let left = made.saturating_sub(ended);
            // The first thread of a program cannot end: it counts as ended, and stays in the list (`mexit`, runtime/proc.go).
            Ok(there == left || there == left.saturating_add(1))
        },
    );
}

/// What holds of the thread `m`; the numbers of those before it are known.
fn thread(claims: &mut Claims<'_>, m: u64, numbers: &mut HashSet<u64>) {
    claims.plausible(&[MId], "no two threads have the same number", |r| {
        let id = r.word(m, MId)?;
        Ok(id < 1 << 32 && numbers.insert(id))
    });
    claims.plausible(
        &[MProcid],
        "a thread's id is one that the kernel gives",
        |r| {
            // An M that waits for a thread of C has none.
            Ok(r.pointer(m, MProcid)? <= MAX_THREAD_ID)
        },
    );
    claims.claim(&[MG0, GM], "a thread's g0 runs on it", |r| {
        Ok(r.word(r.pointer(m, MG0)?, GM)? == m)
    });
    claims.claim(
        &[MGsignal, GM],
        "a thread's signal handler runs on it",
        |r| Ok(r.word(r.pointer(m, MGsignal)?, GM)? == m),
    );
    claims.claim(
        &[MCurg, GM],
        "the goroutine that a thread runs says so",
        |r| {
            let running = r.pointer(m, MCurg)?;
            match r.word(running, GM)? {
                says if says == m => Ok(true),
                // It has ended, or is about to begin.
                0 => Err(Skip::Moved),
                _ if r.again().pointer(m, MCurg)? != running => Err(Skip::Moved),
                _ => Ok(false),
            }
        },
    );
    claims.claim(
        &[MP, PM],
        "the processor that a thread holds says so",
        |r| Ok(r.word(r.pointer(m, MP)?, PM)? == m),
    );
    claims.claim(
        &[MLockedg, GLockedm],
        "a goroutine locked to a thread says so",
        |r| Ok(r.word(r.pointer(m, MLockedg)?, GLockedm)? == m),
    );
    claims.claim(
        &[MCreatestack],
        "where a thread was created begins with code, and nothing before it is code",
        |r| {
            // The word before is of another member (`lockedg`): of a place within the stack it would be a caller.
            let before = r.at(m, MCreatestack)?.wrapping_sub(8);
            match r.memory().words(before, 3, 3)?[..] {
                [before, first, second] if first != 0 || r.is_code(before) => {
                    Ok(!r.is_code(before) && r.is_code(first) && r.is_code(second))
                }
                _ => Err(Skip::DoesNotApply),
            }
        },
    );
    claims.plausible(&[MPreemptoff], "preemptoff is a short text", |r| {
        let at = r.at(m, MPreemptoff)?;
        let (data, len) = (r.memory().u64(at)?, r.memory().u64(at.wrapping_add(8))?);
        match (data, len) {
            (0, 0) => Err(Skip::DoesNotApply),
            _ => Ok(data != 0 && len <= MAX_REASON),
        }
    });
}

fn processors(claims: &mut Claims<'_>) {
    let all = claims.reader().processors();
    claims.claim(&[], "allp is a list of processors", |_| {
        all.as_ref().map(|_| true).map_err(Clone::clone)
    });
    for (number, p) in (0u32..).zip(all.unwrap_or_default()) {
        claims.at_once(|claims| {
            processor(claims, number, p);
            caches(claims, p);
        });
    }
}

/// What holds of a processor.
fn processor(claims: &mut Claims<'_>, number: u32, p: u64) {
    claims.claim(&[PId], "a processor's number is its place in allp", |r| {
        match (r.int32(p, PId)?, number) {
            // So is much else.
            (0, 0) => Err(Skip::DoesNotApply),
            (id, _) => Ok(id == number),
        }
    });
    claims.plausible(
        &[PStatus],
        "the state of a processor is one that exists",
        |r| Ok(r.int32(p, PStatus)? <= P_DEAD),
    );
    claims.claim(
        &[PM, MP],
        "the thread that holds a processor says so",
        |r| Ok(r.word(r.pointer(p, PM)?, MP)? == p),
    );
    claims.plausible(
        &[PGoidcache, PGoidcacheend, SchedGoidgen],
        "ids in store come from sched.goidgen",
        |r| {
            let (next, end) = (r.word(p, PGoidcache)?, r.pointer(p, PGoidcacheend)?);
            let given = r.word(r.variable(r.live.globals.sched)?, SchedGoidgen)?;
            let store = end.checked_sub(next).unwrap_or(u64::MAX);
            Ok(store <= GOID_BATCH && end <= given.saturating_add(1))
        },
    );
    claims.claim(
        &[PRunqhead, PRunqtail, PRunqLen, PRunq],
        "a run queue holds goroutines, and no more than it has room for",
        |r| {
            let (head, tail) = (r.int32(p, PRunqhead)?, r.int32(p, PRunqtail)?);
            let (length, room) = (tail.wrapping_sub(head), r.known(PRunqLen)?);
            if length == 0 {
                return Err(Skip::DoesNotApply);
            }
            if u64::from(length) > room {
                return Ok(false);
            }
            let newest = u64::from(tail.wrapping_sub(1)).checked_rem(room);
            let place = newest.ok_or(Skip::Unknown)?.wrapping_mul(8);
            let g = r.memory().u64(r.at(p, PRunq)?.wrapping_add(place))?;
            let is_runnable = g != 0 && r.int32(g, GAtomicstatus)? & !G_SCAN == G_RUNNABLE;
            // Whoever took it from the queue has not left it where it was.
            let again = r.again();
            if !is_runnable
                && (again.int32(p, PRunqtail)? != tail || again.int32(p, PRunqhead)? != head)
            {
                return Err(Skip::Moved);
            }
            Ok(is_runnable)
        },
    );
    claims.claim(&[PRunnext], "what a processor runs next can be run", |r| {
        let next = r.pointer(p, PRunnext)?;
        let is_runnable = r.int32(next, GAtomicstatus)? & !G_SCAN == G_RUNNABLE;
        if !is_runnable && r.again().pointer(p, PRunnext)? != next {
            return Err(Skip::Moved);
        }
        Ok(is_runnable)
    });
    claims.plausible(&[PRunq, PRunqLen], "a run queue holds pointers", |r| {
        let at = r.at(p, PRunq)?;
        let len = r.known(PRunqLen)?;
        let slots = r.memory().words(at, len, 4096)?;
        if slots.iter().all(|slot| *slot == 0) {
            return Err(Skip::DoesNotApply);
        }
        Ok(slots
            .iter()
            .all(|slot| slot % 8 == 0 && (*slot == 0 || *slot > 1 << 16)))
    });
}

/// A cached span has the class that its place in the cache says (runtime/mcache.go). Classes not used
/// yet share one empty span of class 0.
fn caches(claims: &mut Claims<'_>, p: u64) {
    claims.claim(
        &[PMcache, McacheAlloc, McacheAllocLen, MspanSpanclass],
        "a cached span has the class of its place",
        |r| {
            let cache = r.pointer(p, PMcache)?;
            let count = r.known(McacheAllocLen)?;
            let spans = r.memory().words(r.at(cache, McacheAlloc)?, count, 1024)?;
            let mut right = false;
            for (place, span) in spans.iter().enumerate() {
                match usize::from(r.byte(*span, MspanSpanclass)?) {
                    0 => {}
                    class if class == place => right = true,
                    _ => return Ok(false),
                }
            }
            if right {
                Ok(true)
            } else {
                Err(Skip::DoesNotApply)
            }
        },
    );
}

fn scheduler(claims: &mut Claims<'_>) {
    let sched = |r: super::reader::Reader<'_>| r.variable(r.live.globals.sched);
    claims.claim(&[SchedLock], "sched.lock is what stopm locks", |r| {
        Ok(r.at(sched(r)?, SchedLock)? == r.variable(r.live.globals.sched_lock)?)
    });
    claims.plausible(
        &[SchedNgsys],
        "there are some goroutines of the runtime's own",
        |r| Ok(SYSTEM_GOROUTINES.contains(&r.int32(sched(r)?, SchedNgsys)?)),
    );
    claims.plausible(
        &[SchedNpidle],
        "no more processors are idle than there are",
        |r| {
            let idle = r.int32(sched(r)?, SchedNpidle)?;
            match idle {
                0 => Err(Skip::DoesNotApply),
                _ => Ok(u64::from(idle) <= r.processor_count()?),
            }
        },
    );
    claims.plausible(
        &[SchedProcresizetime],
        "the time of the last change of GOMAXPROCS is a time",
        |r| Ok(TIMES.contains(&r.word(sched(r)?, SchedProcresizetime)?)),
    );
    claims.plausible(
        &[SchedGoroutinesCreated, PGoroutinesCreated],
        "no more goroutines were created than ids given out",
        |r| {
            let mut created = r.word(sched(r)?, SchedGoroutinesCreated)?;
            for p in r.processors()? {
                created = created.saturating_add(r.word(p, PGoroutinesCreated)?);
            }
            // Not before: meanwhile they go on to be created.
            let given = r.again().word(sched(r)?, SchedGoidgen)?;
            Ok((1..=given).contains(&created))
        },
    );
}
