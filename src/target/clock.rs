//! The two clocks: the one the kernel stamps events with, and the one people read.

use anyhow::Context;
use anyhow::Result;
use nix::time::ClockId;
use nix::time::clock_gettime;

/// What to add to nanoseconds of CLOCK_MONOTONIC to get nanoseconds since 1970. Good to about a microsecond.
pub fn unix_offset_ns() -> Result<i128> {
    let monotonic = now(ClockId::CLOCK_MONOTONIC)?;
    let real = now(ClockId::CLOCK_REALTIME)?;
    Ok(real - monotonic)
}

/// Nanoseconds of CLOCK_MONOTONIC: the clock of `bpf_ktime_get_ns` and of Go's `nanotime`.
pub fn monotonic_ns() -> Result<u64> {
    u64::try_from(now(ClockId::CLOCK_MONOTONIC)?).context("the clock is out of range")
}

fn now(clock: ClockId) -> Result<i128> {
    let time = clock_gettime(clock).context("cannot read the clock")?;
    Ok(i128::from(time.tv_sec()) * 1_000_000_000 + i128::from(time.tv_nsec()))
}
