//! Claims about goroutines: `allgs` and what its elements hold (runtime/runtime2.go, `type g`).
//!
//! The first element is the main goroutine, made by the program's very first `newproc` (runtime/asm_amd64.s, `rt0_go`). It
//! starts at `runtime.main`, and as a rule lives as long as the program; the goroutines that `runtime.main` starts for the
//! runtime itself follow, and they never end. But the main goroutine can end (runtime.Goexit; Go in a C program), and then
//! its descriptor serves others: so nothing here is asked of the first element only.

use std::collections::HashSet;

use super::claim::Claims;
use super::reader::{Reader, Skip};
use crate::go::constant::{
    G_COPYSTACK, G_DEADEXTRA, G_PREEMPTED, G_RUNNABLE, G_RUNNING, G_SCAN, G_SYSCALL, G_WAITING,
};
use crate::go::layout::Field::{
    GAtomicstatus, GGoid, GGopc, GParentGoid, GSchedBp, GSchedPc, GSchedSp, GStackHi, GStackLo,
    GStartpc, GWaiting, GWaitreason, SchedGoidgen, SudogG,
};
use crate::go::process::g::is_early;

/// States in which a goroutine is alive.
const ALIVE: [u32; 6] = [
    G_RUNNABLE,
    G_RUNNING,
    G_SYSCALL,
    G_WAITING,
    G_COPYSTACK,
    G_PREEMPTED,
];

/// There are 47 wait reasons in Go 1.27.
const MAX_WAIT_REASON: u8 = 64;

/// Stacks are powers of two in size, from 2 KiB (runtime/stack.go, `stackMin`) to 1 GiB
/// (`runtime.main` sets the limit).
const STACK_SIZES: std::ops::RangeInclusive<u64> = 1 << 11..=1 << 31;

pub(super) fn check(claims: &mut Claims<'_>) {
    let all = claims.reader().goroutines();
    claims.claim(&[], "allgs is a list of goroutines", |_| {
        all.as_ref().map(|_| true).map_err(Clone::clone)
    });
    let all = all.unwrap_or_default();
    if all.is_empty() {
        return;
    }

    claims.claim(
        &[GGoid],
        "no two goroutines have the same id, and one has an id that was among the first to be handed out",
        |r| {
            let processors = r.processor_count()?;
            let mut ids = HashSet::new();
            for g in &all {
                // A descriptor not yet used has none.
                let id = r.word(*g, GGoid)?;
                if id != 0 && !ids.insert(id) {
                    return Ok(false);
                }
            }
            Ok(ids.iter().any(|id| is_early(*id, processors)))
        },
    );
    claims.claim(
        &[GStartpc],
        "one of the first goroutines starts where the program or the collector does",
        |r| {
            if r.live.main.is_empty() {
                return Err(Skip::Unknown);
            }
            let mut found = HashSet::new();
            for g in &all {
                match r.word(*g, GStartpc)? {
                    pc if r.is_main(pc) && !found.insert(pc) => return Ok(false),
                    pc if r.is_main(pc) => {}
                    0 => {}
                    pc if !r.is_code(pc) => return Ok(false),
                    _ => {}
                }
            }
            Ok(!found.is_empty())
        },
    );
    claims.claim(
        &[GAtomicstatus],
        "some of the first goroutines are alive",
        |r| {
            let mut alive = 0;
            for g in all.iter().take(8) {
                let status = status(r, *g)?;
                if status > G_DEADEXTRA {
                    return Ok(false);
                }
                alive += usize::from(ALIVE.contains(&status));
            }
            Ok(alive > 0)
        },
    );
    claims.claim(
        &[GParentGoid],
        "the first goroutine is the parent of others, and parents have small numbers",
        |r| {
            let (mut children, mut largest, mut parents) = (0, 0, Vec::new());
            for g in &all {
                largest = largest.max(r.word(*g, GGoid)?);
                let parent = r.word(*g, GParentGoid)?;
                children += usize::from(parent == 1);
                parents.push(parent);
            }
            Ok(children >= 2
                && parents
                    .iter()
                    .all(|parent| *parent <= largest.saturating_mul(2)))
        },
    );
    claims.at_once(|claims| {
        for g in &all {
            any(claims, *g);
            parked(claims, *g);
        }
    });
}

/// What holds of every goroutine.
fn any(claims: &mut Claims<'_>, g: u64) {
    claims.plausible(
        &[GGoid, SchedGoidgen],
        "goroutine ids come from sched.goidgen",
        |r| {
            // In this order: ids given meanwhile do no harm.
            let id = r.word(g, GGoid)?;
            let given = r.word(r.variable(r.live.globals.sched)?, SchedGoidgen)?;
            Ok(given > 0 && given < 1 << 62 && id <= given)
        },
    );
    claims.plausible(
        &[GAtomicstatus],
        "the state of a goroutine is one that exists",
        |r| Ok(status(r, g)? <= G_DEADEXTRA),
    );
    claims.plausible(
        &[GGopc],
        "a goroutine was started by the program's code",
        |r| {
            // Those made for threads of C were not.
            match r.word(g, GGopc)? {
                0 => Err(Skip::DoesNotApply),
                pc => Ok(r.is_code(pc)),
            }
        },
    );
}

/// What holds of a goroutine that waits; it may stop waiting at any time.
fn parked(claims: &mut Claims<'_>, g: u64) {
    let waits = |r: Reader<'_>| match status(r, g)? {
        G_WAITING => Ok(()),
        _ => Err(Skip::DoesNotApply),
    };
    let stack =
        |r: Reader<'_>| -> Result<_, Skip> { Ok(r.word(g, GStackLo)?..=r.word(g, GStackHi)?) };
    claims.claim(
        &[GStackLo, GStackHi],
        "a stack's size is a power of two",
        |r| {
            waits(r)?;
            let (low, high) = (r.word(g, GStackLo)?, r.word(g, GStackHi)?);
            let size = high.saturating_sub(low);
            Ok(size.is_power_of_two() && STACK_SIZES.contains(&size))
        },
    );
    claims.plausible(
        &[GSchedSp, GStackLo, GStackHi],
        "a waiting goroutine's sp lies in its stack",
        |r| {
            waits(r)?;
            Ok(stack(r)?.contains(&r.word(g, GSchedSp)?))
        },
    );
    claims.plausible(
        &[GSchedPc],
        "a waiting goroutine's pc lies in the code",
        |r| {
            waits(r)?;
            Ok(r.is_code(r.word(g, GSchedPc)?))
        },
    );
    claims.plausible(
        &[GSchedBp, GStackLo, GStackHi],
        "a waiting goroutine's bp lies in its stack",
        |r| {
            waits(r)?;
            Ok(stack(r)?.contains(&r.pointer(g, GSchedBp)?))
        },
    );
    claims.plausible(&[GWaitreason], "a waiting goroutine has a reason", |r| {
        waits(r)?;
        Ok((1..MAX_WAIT_REASON).contains(&r.byte(g, GWaitreason)?))
    });
    claims.claim(
        &[GWaiting, SudogG],
        "what a goroutine waits on knows it",
        |r| {
            waits(r)?;
            Ok(r.word(r.pointer(g, GWaiting)?, SudogG)? == g)
        },
    );
}

/// The state of a goroutine, whether it is being scanned or not.
fn status(r: Reader<'_>, g: u64) -> Result<u32, Skip> {
    Ok(r.int32(g, GAtomicstatus)? & !G_SCAN)
}
