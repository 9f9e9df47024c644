//! What running programs have cost so far, by their own account.

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;
use libbpf_rs::MapCore;
use libbpf_rs::MapFlags;

/// What the programs of one object have cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Overhead {
    /// How often one of them ran.
    pub hits: u64,
    /// How many of the runs were timed.
    pub timed_runs: u64,
    /// Nanoseconds that these took, without the trap.
    pub timed_ns: u64,
}

impl Overhead {
    /// The cost of both.
    pub fn and(self, other: Self) -> Self {
        Self {
            hits: self.hits + other.hits,
            timed_runs: self.timed_runs + other.timed_runs,
            timed_ns: self.timed_ns + other.timed_ns,
        }
    }
}

/// What the programs with this map have cost (`struct go_overhead` in `src/bpf/go.bpf.h`).
pub(super) fn overhead(map: &dyn MapCore) -> Result<Overhead> {
    let values = map
        .lookup_percpu(&0_u32.to_ne_bytes(), MapFlags::ANY)
        .context("cannot read what the programs have cost")?
        .context("what the programs have cost is missing")?;
    let mut sum = Overhead::default();
    for value in values {
        let words = value.as_chunks().0;
        let [hits, timed_runs, timed_ns, ..] = *words else {
            bail!("what the programs have cost has an unknown size");
        };
        sum = sum.and(Overhead {
            hits: u64::from_ne_bytes(hits),
            timed_runs: u64::from_ne_bytes(timed_runs),
            timed_ns: u64::from_ne_bytes(timed_ns),
        });
    }
    Ok(sum)
}
