//! What this kernel offers and what we may do with it.

use std::fs;

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;

use crate::target::limits;

use super::attach::Method;

/// Capabilities by number (include/uapi/linux/capability.h).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Capability {
    /// Read other users' memory and /proc entries.
    SysPtrace = 19,
    /// The old right to everything.
    SysAdmin = 21,
    /// Attach tracing programs.
    Perfmon = 38,
    /// Load BPF programs.
    Bpf = 39,
}

/// Facts about the running kernel and our rights in it.
#[derive(Debug, Clone)]
pub struct Kernel {
    /// Its version: the first two numbers of the release.
    version: (u16, u16),
    /// Its release string, as `uname -r` prints it.
    pub release: String,
    capabilities: u64,
}

/// Attach cookies for uprobes: Linux 5.15 ("bpf: Add bpf_get_attach_cookie() BPF helper").
const COOKIES: (u16, u16) = (5, 15);
/// Ring buffer: Linux 5.8 ("bpf: Implement BPF ring buffer and verifier support for it").
const RING_BUFFER: (u16, u16) = (5, 8);
/// A compare-and-swap in BPF programs: Linux 5.12 (`atomic_cmpxchg`); on arm64 5.18 ("bpf,
/// arm64: support more atomic operations").
const COMPARE_AND_SWAP: (u16, u16) = if cfg!(target_arch = "aarch64") {
    (5, 18)
} else {
    (5, 12)
};
/// Maps are no longer counted as locked memory: Linux 5.11 ("bpf: Eliminate rlimit-based memory accounting").
const NOT_LOCKED_MEMORY: (u16, u16) = (5, 11);
/// The oldest kernel that grtmon has been tried on.
const OLDEST: (u16, u16) = (5, 10);
/// `uprobe.multi`: Linux 6.6 ("bpf: Add multi uprobe link").
const MULTI: (u16, u16) = (6, 6);
/// Before Linux 6.10 a `uprobe.multi` link confined to a process saw only its main thread
/// (fixed by "bpf: fix multi-uprobe PID filtering logic").
const MULTI_CONFINES: (u16, u16) = (6, 10);

impl Kernel {
    /// Asks the running kernel.
    pub fn current() -> Result<Self> {
        let read =
            |path: &str| fs::read_to_string(path).with_context(|| format!("cannot read {path}"));
        let release = read("/proc/sys/kernel/osrelease")?.trim().to_owned();
        let version = version(&release)
            .with_context(|| format!("cannot make out the kernel's version: {release}"))?;
        let capabilities = capabilities(&read("/proc/self/status")?)
            .context("cannot learn our capabilities from /proc/self/status")?;
        Ok(Self {
            version,
            release,
            capabilities,
        })
    }

    fn at_least(&self, version: (u16, u16)) -> bool {
        self.version >= version
    }

    /// Ring buffer maps.
    pub fn has_ring_buffer(&self) -> bool {
        self.at_least(RING_BUFFER)
    }

    /// A value of our own with each site.
    pub fn has_cookies(&self) -> bool {
        self.at_least(COOKIES)
    }

    /// An atomic instruction that takes a place only if it is free.
    pub fn has_compare_and_swap(&self) -> bool {
        self.at_least(COMPARE_AND_SWAP)
    }

    /// Whether RLIMIT_MEMLOCK limits maps and programs.
    pub fn counts_locked_memory(&self) -> bool {
        !self.at_least(NOT_LOCKED_MEMORY)
    }

    /// Many sites with one link.
    pub fn has_uprobe_multi(&self) -> bool {
        self.at_least(MULTI)
    }

    /// Whether the kernel describes its own types. Nothing here needs it.
    pub fn has_btf(&self) -> bool {
        std::path::Path::new("/sys/kernel/btf/vmlinux").exists()
    }

    /// Whether we hold a capability.
    pub fn may(&self, capability: Capability) -> bool {
        self.capabilities & (1 << capability as u32) != 0
    }

    /// Why probes cannot be used here, if they cannot.
    pub fn obstacle(&self) -> Option<String> {
        if !self.has_ring_buffer() || !self.at_least(OLDEST) {
            return Some(format!(
                "this kernel is too old: {} (probes need Linux {}.{} or later)",
                self.release, OLDEST.0, OLDEST.1
            ));
        }
        if self.may(Capability::SysAdmin) {
            return None;
        }
        let missing: Vec<&str> = [
            (Capability::Bpf, "CAP_BPF"),
            (Capability::Perfmon, "CAP_PERFMON"),
        ]
        .into_iter()
        .filter(|(capability, _)| !self.may(*capability))
        .map(|(_, name)| name)
        .collect();
        if !missing.is_empty() {
            return Some(format!(
                "missing {}: run as root, or grant it with: sudo setcap cap_bpf,cap_perfmon,cap_sys_ptrace+ep {}",
                missing.join(" and "),
                our_path()
            ));
        }
        if !self.has_uprobe_multi() {
            return Some(format!(
                "missing CAP_SYS_ADMIN, which Linux {} needs for probes (from 6.6 on CAP_BPF and CAP_PERFMON do): run as root",
                self.release
            ));
        }
        None
    }
}

/// The first two numbers of a release such as `6.1.0-56-amd64` or `6.18-rc3`.
fn version(release: &str) -> Option<(u16, u16)> {
    let mut numbers = release
        .split(|c: char| !c.is_ascii_digit())
        .map(|digits| digits.parse().ok());
    Some((numbers.next()??, numbers.next()??))
}

/// Our effective capabilities, one bit each.
fn capabilities(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))?;
    u64::from_str_radix(line.trim(), 16).ok()
}

fn our_path() -> String {
    std::env::current_exe().map_or_else(|_| "grtmon".to_owned(), |path| path.display().to_string())
}

/// Ends with the reason when probes cannot be used here. To be asked before anything is loaded or started.
pub fn require_probes() -> Result<()> {
    let kernel = Kernel::current()?;
    if let Some(obstacle) = kernel.obstacle() {
        bail!("{obstacle}");
    }
    if kernel.counts_locked_memory() {
        limits::raise_locked_memory();
    }
    Ok(())
}

/// Whether the kernel itself keeps probes away from the other processes that run the same binary.
pub fn confines_probes(method: Method) -> bool {
    method != Method::Multi || Kernel::current().is_ok_and(|kernel| kernel.at_least(MULTI_CONFINES))
}

/// What to say when the kernel answered "permission denied" although [`require_probes`] found nothing.
pub fn missing_privileges() -> String {
    Kernel::current().ok().and_then(|kernel| kernel.obstacle()).unwrap_or_else(|| {
        "the kernel refused although the capabilities are there: a security module or kernel lockdown may forbid it"
            .to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_of_all_kinds() {
        assert_eq!(version("6.1.0-56-amd64"), Some((6, 1)));
        assert_eq!(version("6.18-rc3"), Some((6, 18)));
        assert_eq!(version("5.10.0"), Some((5, 10)));
        assert_eq!(version("kernel"), None);
    }

    #[test]
    fn capabilities_are_read() {
        let status = "Name:\tx\nCapEff:\t000000c000080000\n";
        let kernel = |capabilities| Kernel {
            version: (6, 18),
            release: String::new(),
            capabilities,
        };
        let some = kernel(capabilities(status).unwrap());
        assert!(some.may(Capability::Bpf) && some.may(Capability::Perfmon));
        assert!(some.may(Capability::SysPtrace) && !some.may(Capability::SysAdmin));
        assert_eq!(some.obstacle(), None);
        assert!(
            kernel(0)
                .obstacle()
                .unwrap()
                .contains("CAP_BPF and CAP_PERFMON")
        );
    }
}
