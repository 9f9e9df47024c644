//! What this kernel offers and what we may do with it.

use anyhow::Result;
use anyhow::bail;
use procfs::process::Process;
use procfs::sys::kernel::Version;

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
    /// Its version.
    pub version: Version,
    /// Its release string, as `uname -r` prints it.
    pub release: String,
    capabilities: u64,
}

/// Attach cookies for uprobes: Linux 5.15 ("bpf: Add bpf_get_attach_cookie() BPF helper").
const COOKIES: (u8, u8) = (5, 15);
/// Ring buffer: Linux 5.8 ("bpf: Implement BPF ring buffer and verifier support for it").
const RING_BUFFER: (u8, u8) = (5, 8);
/// `uprobe.multi`: Linux 6.6 ("bpf: Add multi uprobe link").
const MULTI: (u8, u8) = (6, 6);
/// Before Linux 6.10 a `uprobe.multi` link confined to a process saw only its main thread
/// (fixed by "bpf: fix multi-uprobe PID filtering logic").
const MULTI_CONFINES: (u8, u8) = (6, 10);

impl Kernel {
    /// Asks the running kernel.
    pub fn current() -> Result<Self> {
        let version = match Version::current() {
            Ok(version) => version,
            Err(error) => bail!("cannot learn the kernel's version: {error}"),
        };
        let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let capabilities = Process::myself()
            .and_then(|me| me.status())
            .map(|status| status.capeff)
            .unwrap_or_default();
        Ok(Self {
            version,
            release: release.trim().to_owned(),
            capabilities,
        })
    }

    fn at_least(&self, (major, minor): (u8, u8)) -> bool {
        (self.version.major, self.version.minor) >= (major, minor)
    }

    /// Ring buffer maps.
    pub fn has_ring_buffer(&self) -> bool {
        self.at_least(RING_BUFFER)
    }

    /// A value of our own with each site.
    pub fn has_cookies(&self) -> bool {
        self.at_least(COOKIES)
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
        if !self.has_ring_buffer() || !self.has_cookies() {
            return Some(format!(
                "this kernel is too old: {} (probes need Linux {}.{} or later)",
                self.release, COOKIES.0, COOKIES.1
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

fn our_path() -> String {
    std::env::current_exe().map_or_else(|_| "grtmon".to_owned(), |path| path.display().to_string())
}

/// Ends with the reason when probes cannot be used here. To be asked before anything is loaded or started.
pub fn require_probes() -> Result<()> {
    match Kernel::current()?.obstacle() {
        Some(obstacle) => bail!("{obstacle}"),
        None => Ok(()),
    }
}

/// Whether the kernel itself keeps probes away from the other processes that run the same binary.
pub fn confines_probes(method: Method) -> bool {
    method == Method::Perf || Kernel::current().is_ok_and(|kernel| kernel.at_least(MULTI_CONFINES))
}

/// What to say when the kernel answered "permission denied" although [`require_probes`] found nothing.
pub fn missing_privileges() -> String {
    Kernel::current().ok().and_then(|kernel| kernel.obstacle()).unwrap_or_else(|| {
        "the kernel refused although the capabilities are there: a security module or kernel lockdown may forbid it"
            .to_owned()
    })
}
