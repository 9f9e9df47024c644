//! Everything that reads bytes which others have made, fed with damaged and invented ones: read or refused, never a
//! panic (arithmetic that overflows included, in builds that check it), and never time or memory out of proportion.
//!
//! One file for each kind of input. Each target goes through seeds until its time is over; what a seed makes is the
//! same in each run.
//!
//! - `GRTMON_FUZZ_SECONDS`: how long all targets together take, about; 8 if it is not set, 60 in CI.
//! - `GRTMON_FUZZ_SEED`: tries this seed only. A failure says which one it was.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "test code"
)]

#[path = "../common/mod.rs"]
mod common;
#[path = "../go_binary/edit.rs"]
mod edit;

mod code;
mod core_dumps;
mod counters;
mod damage;
mod debug_information;
mod heap;
mod limits;
mod memory;
mod proc_texts;
mod profiles;
mod programs;
mod random;
mod recorded;

use std::env;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use random::Random;

/// How many targets there are.
const TARGETS: u32 = 9;

/// What one input may take at most: a thousand times what it takes.
const LONGEST: Duration = Duration::from_secs(60);

/// What setting a target up took is no matter of the time it has.
fn seconds() -> Duration {
    let set = env::var("GRTMON_FUZZ_SECONDS").ok();
    let usual = if common::in_ci() { 60.0 } else { 8.0 };
    let seconds = set.map_or(usual, |text| text.parse().unwrap());
    Duration::from_secs_f64(seconds) / TARGETS
}

/// Tries `one` with seed after seed; each may take `most` bytes of memory more than there are now. Returns how many
/// were tried, and how many of them `one` called well-formed.
fn fuzz(target: &str, most: usize, mut one: impl FnMut(&mut Random) -> bool) -> (u32, u32) {
    let only: Option<u64> = env::var("GRTMON_FUZZ_SEED")
        .ok()
        .map(|text| text.parse().unwrap());
    let began = Instant::now();
    let time = seconds();
    let (mut tried, mut well) = (0, 0);
    // A few in any case, however slow the machine is.
    for seed in only.unwrap_or(1).. {
        if only.is_none() && tried >= 20 && began.elapsed() > time {
            break;
        }
        let start = Instant::now();
        limits::begin();
        let done = catch_unwind(AssertUnwindSafe(|| one(&mut Random::new(seed))));
        let (taken, took) = (limits::most_taken(), start.elapsed());
        let again = format!("GRTMON_FUZZ_SEED={seed} cargo test --test fuzz {target}");
        match done {
            Ok(is_well) => well += u32::from(is_well),
            Err(_) => panic!("{target} panicked; again: {again}"),
        }
        assert!(taken <= most, "{target} took {taken} bytes; again: {again}");
        assert!(took <= LONGEST, "{target} took {took:?}; again: {again}");
        tried += 1;
        if only.is_some() {
            break;
        }
    }
    eprintln!("{target}: {tried} inputs, {well} of them well-formed");
    (tried, well)
}
