//! The two clocks: the one the kernel stamps events with, and the one people read.

use std::time::Duration;

use anyhow::Context;
use anyhow::Result;
use nix::time::ClockId;
use nix::time::clock_gettime;

/// How often the two clocks are read for one comparison.
const READINGS: usize = 16;

/// What to add to nanoseconds of CLOCK_MONOTONIC to get nanoseconds since 1970. Good to about a microsecond: of several
/// readings the one counts that took least time, since on a busy machine anything can come between two of them.
pub fn unix_offset_ns() -> Result<i128> {
    let mut best: Option<(i128, i128)> = None;
    for _ in 0..READINGS {
        let before = now(ClockId::CLOCK_MONOTONIC)?;
        let real = now(ClockId::CLOCK_REALTIME)?;
        let took = now(ClockId::CLOCK_MONOTONIC)? - before;
        if best.is_none_or(|(least, _)| took < least) {
            best = Some((took, real - before - took / 2));
        }
    }
    let (_, offset) = best.context("cannot read the clocks")?;
    Ok(offset)
}

/// This moment, in nanoseconds since 1970; `None` before that.
///
/// # Errors
/// The clocks cannot be read.
pub fn unix_ns() -> Result<Option<u64>> {
    Ok(u64::try_from(now(ClockId::CLOCK_REALTIME)?).ok())
}

/// Less than this is an error of reading: both clocks are slewed alike, and differ otherwise only where one is set, or goes
/// on while the machine is suspended.
const STEP_NS: u128 = 100_000;

/// As [`unix_offset_ns`], where it was `before` a moment ago: that stays, to the nanosecond, unless the clock was set or
/// the machine suspended.
///
/// # Errors
/// The clocks cannot be read.
pub fn renewed_unix_offset_ns(before: i128) -> Result<i128> {
    Ok(renewed(before, unix_offset_ns()?))
}

fn renewed(before: i128, now: i128) -> i128 {
    if now.abs_diff(before) < STEP_NS {
        before
    } else {
        now
    }
}

/// Nanoseconds of CLOCK_MONOTONIC: the clock of `bpf_ktime_get_ns` and of Go's `nanotime`.
pub fn monotonic_ns() -> Result<u64> {
    u64::try_from(now(ClockId::CLOCK_MONOTONIC)?).context("the clock is out of range")
}

/// The CPU time of one thread, for others to look at.
#[derive(Debug, Clone, Copy)]
pub(super) struct ThreadClock {
    id: ClockId,
    began: Duration,
}

impl ThreadClock {
    /// Of this thread, from now on.
    pub(super) fn now() -> Self {
        // include/linux/posix-timers_types.h: the clock of a thread by its number, of what the scheduler has counted.
        const OF_THREAD: i32 = 4 | 2;
        let id = (!nix::unistd::gettid().as_raw()) << 3 | OF_THREAD;
        Self {
            id: ClockId::from_raw(id),
            began: thread_cpu(),
        }
    }

    /// What it has used since; `None` if it has ended.
    pub(super) fn used(&self) -> Option<Duration> {
        let ns = u64::try_from(now(self.id).ok()?).ok()?;
        Some(Duration::from_nanos(ns).saturating_sub(self.began))
    }
}

/// CPU time that this thread has used; zero if the kernel does not tell.
pub fn thread_cpu() -> Duration {
    let ns = now(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap_or(0);
    Duration::from_nanos(u64::try_from(ns).unwrap_or(0))
}

fn now(clock: ClockId) -> Result<i128> {
    let time = clock_gettime(clock).context("cannot read the clock")?;
    Ok(i128::from(time.tv_sec()) * 1_000_000_000 + i128::from(time.tv_nsec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_told_from_an_error_of_reading() {
        assert_eq!(renewed(1_000_000_000, 1_000_000_900), 1_000_000_000);
        assert_eq!(renewed(1_000_000_000, 1_100_000_000), 1_100_000_000);
        assert_eq!(renewed(1_000_000_000, -5), -5);
    }
}
