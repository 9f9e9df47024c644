//! The kernel memory that maps take, by the kernel's own account.

use std::fs;
use std::os::fd::AsFd;
use std::os::fd::AsRawFd;

use anyhow::Context;
use anyhow::Result;
use libbpf_rs::Object;

/// The sum of `memlock` in /proc/self/fdinfo (kernel/bpf/syscall.c, `bpf_map_show_fdinfo`).
pub(super) fn of_maps(object: &Object) -> Result<u64> {
    let mut sum: u64 = 0;
    for map in object.maps() {
        let path = format!("/proc/self/fdinfo/{}", map.as_fd().as_raw_fd());
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
        let bytes = text
            .lines()
            .find_map(|line| line.strip_prefix("memlock:"))
            .and_then(|bytes| bytes.trim().parse::<u64>().ok())
            .with_context(|| format!("{path} does not tell the size of a map"))?;
        sum = sum.saturating_add(bytes);
    }
    Ok(sum)
}
