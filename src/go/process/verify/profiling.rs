//! Claims about the profile of memory (runtime/mprof.go): where a program keeps none, nothing is claimed.
//!
//! A bucket bears a hash of its stack and size, so that nothing else looks like one. Behind it lies its record; and the
//! next thing that is made often begins where that ends, since both come out of memory that is given out in order
//! (`persistentalloc`, runtime/malloc.go).

use super::claim::Claims;
use super::reader::{Reader, Skip};
use crate::go::layout::Field::{
    BucketAllnext, BucketHash, BucketNstk, BucketObjectSize, BucketSize, BucketTyp,
    MemRecordActive, MemRecordCycleAllocs, MemRecordCycleFrees, MemRecordCycleSize,
    MemRecordFuture, MemRecordFutureLen, MemRecordSize,
};
use crate::go::process::bucket_hash::{LONGEST, hash};

/// Buckets that are looked at.
const SAMPLE: usize = 16;

/// `memProfile` (runtime/mprof.go).
const OF_MEMORY: u64 = 1;

/// More objects than a program can allocate.
const MANY: u64 = 1 << 56;

pub(super) fn check(claims: &mut Claims<'_>) {
    claims.at_once(buckets);
}

fn buckets(claims: &mut Claims<'_>) {
    let first = first(claims.reader());
    let Ok(mut bucket) = first else {
        return;
    };
    for _ in 0..SAMPLE {
        one(claims, bucket);
        let reader = claims.reader();
        let Ok(older) = reader.pointer(bucket, BucketAllnext) else {
            return;
        };
        pair(claims, bucket, older);
        if older % 8 != 0 || claims.ended.is_some() {
            return;
        }
        bucket = older;
    }
}

/// The newest.
fn first(r: Reader<'_>) -> Result<u64, Skip> {
    match r.memory().u64(r.variable(r.live.globals.mbuckets)?)? {
        0 => Err(Skip::DoesNotApply),
        bucket => Ok(bucket),
    }
}

fn one(claims: &mut Claims<'_>, bucket: u64) {
    claims.claim(
        &[BucketSize, BucketHash, BucketObjectSize, BucketNstk],
        "a stack that allocates has the hash that it says",
        |r| has_hash(r, bucket),
    );
    claims.plausible(
        &[BucketTyp],
        "a stack that allocates is one of memory",
        |r| Ok(r.word(bucket, BucketTyp)? == OF_MEMORY),
    );
    claims.claim(
        &[
            MemRecordCycleAllocs,
            MemRecordCycleFrees,
            MemRecordCycleSize,
            MemRecordActive,
        ],
        "no more objects of a stack were freed than allocated",
        |r| {
            let record = record(r, bucket)?;
            let active = r.at(record, MemRecordActive)?;
            let allocs = r.word(active, MemRecordCycleAllocs)?;
            let frees = r.word(active, MemRecordCycleFrees)?;
            match (allocs, frees) {
                (0, 0) => Err(Skip::DoesNotApply),
                _ => Ok(frees <= allocs && allocs < MANY),
            }
        },
    );
}

/// A bucket, and the one that was made before it.
fn pair(claims: &mut Claims<'_>, bucket: u64, older: u64) {
    claims.claim(
        &[BucketAllnext],
        "stacks that allocate are linked to each other",
        |r| has_hash(r, older),
    );
    claims.claim(
        &[
            MemRecordSize,
            MemRecordCycleSize,
            MemRecordActive,
            MemRecordFuture,
            MemRecordFutureLen,
            BucketSize,
            BucketNstk,
        ],
        "a record, what is published and what is not yet, ends where what was made after it begins",
        |r| {
            let (size, cycles) = (r.known(MemRecordCycleSize)?, r.known(MemRecordFutureLen)?);
            let (active, future) = (r.known(MemRecordActive)?, r.known(MemRecordFuture)?);
            let all = size.checked_mul(cycles.saturating_add(1));
            let all = all.filter(|all| r.known(MemRecordSize).is_ok_and(|size| size == *all));
            let end = record(r, older)?.checked_add(r.known(MemRecordSize)?);
            let end = end.ok_or(Skip::Unknown)?;
            match bucket > older && bucket <= end {
                true => Ok(bucket == end && active == 0 && future == size && all.is_some()),
                // Something else lies between, or they were made by different processors.
                false => Err(Skip::DoesNotApply),
            }
        },
    );
}

/// Where the record of a bucket lies.
fn record(r: Reader<'_>, bucket: u64) -> Result<u64, Skip> {
    let count = r.word(bucket, BucketNstk)?;
    let stack = bucket.wrapping_add(r.known(BucketSize)?);
    match count <= LONGEST {
        true => Ok(stack.wrapping_add(8 * count)),
        false => Err(Skip::DoesNotApply),
    }
}

fn has_hash(r: Reader<'_>, bucket: u64) -> Result<bool, Skip> {
    let count = r.word(bucket, BucketNstk)?;
    if count > LONGEST {
        return Ok(false);
    }
    let size = usize::try_from(LONGEST).unwrap_or_default();
    let first = bucket.wrapping_add(r.known(BucketSize)?);
    let stack = r.memory().words(first, count, size)?;
    let of = hash(&stack, r.word(bucket, BucketObjectSize)?);
    Ok(of == r.word(bucket, BucketHash)?)
}
