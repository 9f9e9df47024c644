//! The runtime's threads (`allm *m`, linked by `alllink`; runtime/runtime2.go).

use super::block::{Block, read_all};
use super::runtime_info::{ProcessView, ReadError};
use crate::go::layout::Field;

/// More threads than a program can have: the runtime's own limit is 10,000 unless it was raised (`sched.maxmcount`).
const MOST: usize = 1 << 16;

/// Attempts to find the list at rest.
const ATTEMPTS: usize = 8;

/// What all threads together have counted for themselves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::go) struct Threads {
    /// Those kept for threads that C made: `m.isextra`.
    pub(in crate::go) extra: u64,
    /// `m.mLockProfile.waitTime`, ns.
    pub(in crate::go) lock_wait_ns: u64,
}

/// Follows the list until it is twice the same: threads are put in front of it, and those that end are taken out and may
/// become something else, while it is being followed.
///
/// # Errors
/// It cannot be read, has no end, or does not hold still.
pub(in crate::go) fn read(view: &ProcessView<'_>) -> Result<Threads, ReadError> {
    let mut last = walk(view)?;
    for _ in 0..ATTEMPTS {
        let next = walk(view)?;
        if next.0 == last.0 {
            return Ok(next.1);
        }
        last = next;
    }
    Err(restless())
}

fn endless() -> ReadError {
    ReadError::Implausible("its list of threads has no end".to_owned())
}

fn restless() -> ReadError {
    ReadError::Implausible("its list of threads does not hold still".to_owned())
}

/// The addresses of all threads, newest first, once they are twice the same.
///
/// # Errors
/// As [`read`].
pub(in crate::go) fn addresses(view: &ProcessView<'_>) -> Result<Vec<u64>, ReadError> {
    let mut last = list(view)?;
    for _ in 0..ATTEMPTS {
        let next = list(view)?;
        if next == last {
            return Ok(next);
        }
        last = next;
    }
    Err(restless())
}

fn list(view: &ProcessView<'_>) -> Result<Vec<u64>, ReadError> {
    let head = view.global("allm", |globals| globals.allm)?;
    let link = view.offset(Field::MAlllink)?;
    let mut next = view.memory.u64(head)?;
    let mut addresses = Vec::new();
    while next != 0 {
        if addresses.len() >= MOST {
            return Err(endless());
        }
        addresses.push(next);
        next = view.memory.u64(next.wrapping_add(link))?;
    }
    Ok(addresses)
}

/// Whether there is a thread whose number (`m.procid`, as the process itself knows it) is one of those. Stops at the first.
/// `None` if no thread has a number.
///
/// # Errors
/// It cannot be read, or has no end.
pub fn any(
    view: &ProcessView<'_>,
    is_one: impl Fn(u64) -> bool,
) -> Result<Option<bool>, ReadError> {
    let head = view.global("allm", |globals| globals.allm)?;
    let link = view.offset(Field::MAlllink)?;
    let id = view.offset(Field::MProcid)?;
    let mut next = view.memory.u64(head)?;
    let mut met = None;
    for _ in 0..MOST {
        if next == 0 {
            return Ok(met);
        }
        // Those kept in store for C have none yet.
        match view.memory.u64(next.wrapping_add(id))? {
            0 => {}
            id if is_one(id) => return Ok(Some(true)),
            _ => met = Some(false),
        }
        next = view.memory.u64(next.wrapping_add(link))?;
    }
    Err(endless())
}

/// The addresses of all threads, and what they have counted.
fn walk(view: &ProcessView<'_>) -> Result<(Vec<u64>, Threads), ReadError> {
    let head = view.global("allm", |globals| globals.allm)?;
    let link = view.offset(Field::MAlllink)?;
    let extra = view.offset(Field::MIsextra)?;
    let wait = view.offset(Field::MLockProfileWaitTime)?;
    let mut next = view.memory.u64(head)?;
    let mut addresses = Vec::new();
    let mut threads = Threads::default();
    while next != 0 {
        if addresses.len() >= MOST {
            return Err(endless());
        }
        addresses.push(next);
        let at = |offset: u64, width| Block::new(next.wrapping_add(offset), width);
        let mut members = [at(link, 8)?, at(extra, 1)?, at(wait, 8)?];
        read_all(view, &mut members)?;
        let [link, extra, wait] = members;
        threads.extra += u64::from(extra.u8(0) == Some(1));
        threads.lock_wait_ns = threads.lock_wait_ns.wrapping_add(wait.u64(0).unwrap_or(0));
        next = link.u64(0).unwrap_or(0);
    }
    Ok((addresses, threads))
}
