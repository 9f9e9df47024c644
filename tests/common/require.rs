//! What a test needs of the machine: there, or the test says why it is skipped.

use std::{env, fs, path::PathBuf};

use super::{skip::skip, toolchain::cache};

/// CAP_PERFMON and CAP_BPF (include/uapi/linux/capability.h).
const NEEDED: u64 = 1 << 38 | 1 << 39;

/// `true` if this process may load BPF programs; otherwise the test is skipped.
#[must_use]
pub(crate) fn require_capabilities_or_skip() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let effective = status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))
        .and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok())
        .unwrap_or(0);
    let able = effective & NEEDED == NEEDED;
    if !able {
        skip("needs CAP_BPF and CAP_PERFMON: run as root");
    }
    able
}

/// `true` if this is root; otherwise the test is skipped.
#[must_use]
pub(crate) fn require_root_or_skip() -> bool {
    let root = nix::unistd::geteuid().is_root();
    if !root {
        skip("needs root");
    }
    root && require_capabilities_or_skip()
}

/// A program from `PATH`, or from the Debian packages unpacked by tests/setup/programs.sh; otherwise
/// the test is skipped.
pub(crate) fn tool(name: &str) -> Option<PathBuf> {
    let mut places: Vec<PathBuf> =
        env::split_paths(&env::var_os("PATH").unwrap_or_default()).collect();
    places.push(cache().join("debian/usr/bin"));
    let found = places
        .iter()
        .map(|it| it.join(name))
        .find(|it| it.is_file());
    if found.is_none() {
        skip(&format!("no {name}: run make setup"));
    }
    found
}
