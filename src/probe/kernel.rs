//! What this kernel offers and what we may do with it.

use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use anyhow::Context;
use anyhow::Result;

use crate::target::machine::kernel_release;

use super::rights::Rights;

/// Facts about the running kernel and our rights in it.
#[derive(Debug, Clone)]
pub struct Kernel {
    /// Its version: the first two numbers of the release.
    version: (u16, u16),
    /// Its release string, as `uname -r` prints it.
    pub release: String,
    /// What we may do with it.
    pub rights: Rights,
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
/// What libbpf reads before it reads a map that has a value for each processor.
const PROCESSORS: &str = "/sys/devices/system/cpu/possible";

impl Kernel {
    /// The running kernel, and what grtmon may do to it: asked once.
    ///
    /// # Errors
    /// It cannot be asked.
    pub fn current() -> Result<Self> {
        static ASKED: OnceLock<Kernel> = OnceLock::new();
        match ASKED.get() {
            Some(known) => Ok(known.clone()),
            None => {
                let asked = Self::ask()?;
                Ok(ASKED.get_or_init(|| asked).clone())
            }
        }
    }

    fn ask() -> Result<Self> {
        let release = kernel_release()?;
        let version = version(&release)
            .with_context(|| format!("cannot make out the kernel's version: {release}"))?;
        let status = fs::read_to_string("/proc/self/status")
            .context("cannot read /proc/self/status: is /proc mounted?")?;
        let rights =
            Rights::of(&status).context("cannot learn our capabilities from /proc/self/status")?;
        Ok(Self {
            version,
            release,
            rights,
        })
    }

    pub(super) fn at_least(&self, version: (u16, u16)) -> bool {
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
        Path::new("/sys/kernel/btf/vmlinux").exists()
    }

    /// Why probes cannot be used here, if they cannot.
    pub fn obstacle(&self) -> Option<String> {
        self.obstacle_if(self.has_uprobe_multi())
    }

    /// Why processors cannot be sampled here, if they cannot: for that the two capabilities are enough on every kernel.
    pub fn obstacle_to_samples(&self) -> Option<String> {
        self.obstacle_if(true)
    }

    fn obstacle_if(&self, bpf_is_enough: bool) -> Option<String> {
        if !self.has_ring_buffer() || !self.at_least(OLDEST) {
            return Some(format!(
                "this kernel is too old: {} (probes need Linux {}.{} or later)",
                self.release, OLDEST.0, OLDEST.1
            ));
        }
        if !Path::new(PROCESSORS).exists() {
            return Some(
                "/sys is not mounted here, from which libbpf learns how many processors there are: mount it (mount -t sysfs sysfs /sys)"
                    .to_owned(),
            );
        }
        self.rights.obstacle(&self.release, bpf_is_enough)
    }
}

/// The first two numbers of a release such as `6.1.0-56-amd64` or `6.18-rc3`.
fn version(release: &str) -> Option<(u16, u16)> {
    let mut numbers = release
        .split(|c: char| !c.is_ascii_digit())
        .map(|digits| digits.parse().ok());
    Some((numbers.next()??, numbers.next()??))
}

/// What to say when the kernel answered "permission denied" although `method::require_probes` found nothing.
pub fn missing_privileges() -> String {
    match Kernel::current() {
        Ok(kernel) => match kernel.obstacle() {
            Some(obstacle) => obstacle,
            None => kernel.rights.unexplained().to_owned(),
        },
        Err(why) => format!("{why:#}"),
    }
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
}
