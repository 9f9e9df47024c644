//! Ticks of the processor's own clock, in which Go counts short times (`runtime.cputicks`).

#![cfg_attr(target_arch = "x86_64", allow(unsafe_code))]

use std::thread;
use std::time::Duration;

use anyhow::Result;

use super::clock::monotonic_ns;

/// Long enough for four digits, though a reading of the clock can take a microsecond.
const LOOK: Duration = Duration::from_millis(20);

/// How many there are of a second, measured.
///
/// # Errors
/// The other clock cannot be read.
pub fn per_second() -> Result<u64> {
    let (ticks, ns) = (now()?, monotonic_ns()?);
    thread::sleep(LOOK);
    let (ticks, ns) = (now()?.wrapping_sub(ticks), monotonic_ns()?.wrapping_sub(ns));
    let per_second = u128::from(ticks) * 1_000_000_000 / u128::from(ns.max(1));
    Ok(u64::try_from(per_second).unwrap_or(u64::MAX).max(1))
}

#[cfg(target_arch = "x86_64")]
fn now() -> Result<u64> {
    // SAFETY: every x86-64 has the instruction, and it touches no memory.
    Ok(unsafe { core::arch::x86_64::_rdtsc() })
}

/// Nanoseconds, as in Go (runtime/os_linux_arm64.go).
#[cfg(not(target_arch = "x86_64"))]
fn now() -> Result<u64> {
    monotonic_ns()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_many_of_a_second() {
        assert!((1_000_000..100_000_000_000).contains(&per_second().unwrap()));
    }
}
