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

/// Nanoseconds of CLOCK_MONOTONIC: the clock of `bpf_ktime_get_ns` and of Go's `nanotime`.
pub fn monotonic_ns() -> Result<u64> {
    u64::try_from(now(ClockId::CLOCK_MONOTONIC)?).context("the clock is out of range")
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
