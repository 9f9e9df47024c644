//! Why the kernel refused, in words. Its own answer is a number that fits ten causes.

use std::fs;
use std::path::Path;

use libbpf_rs::ErrorKind;

use super::kernel;
use super::kernel::Kernel;
use super::method::Method;

/// What perf calls the kernel's uprobes.
const UPROBES: &str = "/sys/bus/event_source/devices/uprobe";

/// The kernel refused because it does not know `uprobe.multi` (Linux before 6.6 answers EINVAL).
#[derive(Debug)]
pub struct NoMulti;

impl std::fmt::Display for NoMulti {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("this kernel has no uprobe.multi")
    }
}

impl std::error::Error for NoMulti {}

/// Explains a refusal to attach.
pub(super) fn cannot_attach(error: libbpf_rs::Error, method: Method, what: &str) -> anyhow::Error {
    let kind = error.kind();
    let error = anyhow::Error::new(error);
    match kind {
        ErrorKind::InvalidInput if method == Method::Multi && !has_multi() => {
            error.context(NoMulti)
        }
        ErrorKind::PermissionDenied => error.context(kernel::missing_privileges()),
        _ if method != Method::Multi && !Path::new(UPROBES).exists() => error
            .context("this kernel has no uprobes (CONFIG_UPROBE_EVENTS), or /sys is not mounted"),
        _ => error.context(format!("the kernel refused the probes ({what})")),
    }
}

fn has_multi() -> bool {
    Kernel::current().is_ok_and(|kernel| kernel.has_uprobe_multi())
}

/// Explains a refusal to load.
pub fn cannot_load(error: libbpf_rs::Error) -> anyhow::Error {
    let kind = error.kind();
    let error = anyhow::Error::new(error);
    if locked_down() {
        return error.context(LOCKED_DOWN);
    }
    match kind {
        ErrorKind::PermissionDenied => {
            error.context(too_little_memory().unwrap_or_else(kernel::missing_privileges))
        }
        ErrorKind::Unsupported => {
            error.context("this kernel was built without BPF (CONFIG_BPF_SYSCALL)")
        }
        _ => error
            .context("the kernel refused to load the probes (grtmon doctor says what it offers)"),
    }
}

/// What is said where the kernel is locked down.
const LOCKED_DOWN: &str = "the kernel is locked down (lockdown=confidentiality): it lets no BPF program read memory, as this \
                           command's must; stat, dump, ps and gm --source counters need none";

/// Whether the kernel lets BPF programs read no memory (`LOCKDOWN_BPF_READ_KERNEL`, include/linux/security.h). Where
/// securityfs is not mounted nobody knows.
fn locked_down() -> bool {
    fs::read_to_string("/sys/kernel/security/lockdown")
        .is_ok_and(|modes| modes.contains("[confidentiality]"))
}

/// Why a map could not be made, on kernels that count maps as locked memory of the user (before Linux 5.11, "bpf:
/// Eliminate rlimit-based memory accounting").
fn too_little_memory() -> Option<String> {
    let kernel = Kernel::current().ok()?;
    if !kernel.counts_locked_memory() {
        return None;
    }
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    let limit = locked_memory(&limits)?;
    Some(format!(
        "Linux {} counts what probes take as locked memory, of which we may have {} KiB: give more (ulimit -l unlimited, \
         systemd's LimitMEMLOCK=infinity), or the capability CAP_SYS_RESOURCE",
        kernel.release,
        limit >> 10
    ))
}

/// The soft limit in bytes; `None` if there is none.
fn locked_memory(limits: &str) -> Option<u64> {
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max locked memory"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_of_locked_memory_is_read() {
        let limits = "Limit                     Soft Limit           Hard Limit           Units\n\
                      Max locked memory         65536                65536                bytes\n";
        assert_eq!(locked_memory(limits), Some(65536));
        assert_eq!(locked_memory(&limits.replace("65536", "unlimited")), None);
    }
}
