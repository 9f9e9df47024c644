//! Reads counters and histograms out of BPF maps.

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;
use libbpf_rs::MapCore;
use libbpf_rs::MapFlags;

use crate::bpf::gr::types::hist;
use crate::model::histogram::Histogram;
use crate::model::loss::Loss;

/// The sum over all CPUs of slot `index` of a per-CPU array of 64-bit counters.
pub fn per_cpu_sum(map: &dyn MapCore, index: u32) -> Result<u64> {
    let values = map
        .lookup_percpu(&index.to_ne_bytes(), MapFlags::ANY)
        .context("cannot read a counter")?
        .context("a counter is missing from its map")?;
    let mut sum: u64 = 0;
    for value in values {
        let Ok(value) = <[u8; 8]>::try_from(value.as_slice()) else {
            bail!("a counter has an unknown size")
        };
        sum = sum.wrapping_add(u64::from_ne_bytes(value));
    }
    Ok(sum)
}

/// Hits whose site could not be told from their address (`go_unknown_sites` in `go.bpf.h`).
pub(super) fn unknown_sites(map: &dyn MapCore) -> Result<Loss> {
    Ok(Loss {
        cause: "unknown_site",
        meaning: "events at an address where no probe was set: the process has moved its own code",
        events: per_cpu_sum(map, 0)?,
    })
}

/// Keys and values of a hash map.
pub(super) fn entries(map: &dyn MapCore) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let mut entries = Vec::new();
    for key in map.keys() {
        // Entries can go while we look.
        let value = map.lookup(&key, MapFlags::ANY);
        if let Some(value) = value.context("cannot read a map")? {
            entries.push((key, value));
        }
    }
    Ok(entries)
}

/// The same where both are words of 64 bits.
pub fn pairs(map: &dyn MapCore) -> Result<Vec<(u64, u64)>> {
    let entries = entries(map)?.into_iter();
    entries
        .map(|(key, value)| Ok((word(&key)?, word(&value)?)))
        .collect()
}

/// The keys of a map whose keys are processes.
pub(super) fn numbers(map: &dyn MapCore) -> Vec<u32> {
    let number = |key: Vec<u8>| {
        Some(u32::from_ne_bytes(
            <[u8; 4]>::try_from(key.as_slice()).ok()?,
        ))
    };
    map.keys().filter_map(number).collect()
}

/// A 64-bit key of a map.
pub fn word(bytes: &[u8]) -> Result<u64> {
    let Ok(bytes) = <[u8; 8]>::try_from(bytes) else {
        bail!("a map has a key or value of unknown size")
    };
    Ok(u64::from_ne_bytes(bytes))
}

/// A histogram as the programs keep it (`hist.h`).
pub fn histogram(bytes: &[u8]) -> Result<Histogram> {
    let mut copy = hist {
        sum_ns: 0,
        max_ns: 0,
        slots: [0; SLOTS],
    };
    if plain::copy_from_bytes(&mut copy, bytes).is_err() {
        bail!("a histogram has an unknown size");
    }
    Ok(Histogram::from_parts(copy.sum_ns, copy.max_ns, &copy.slots))
}

const SLOTS: usize = (size_of::<hist>() - 2 * size_of::<u64>()) / size_of::<u64>();
