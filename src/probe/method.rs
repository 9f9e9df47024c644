//! The ways of attaching many probes: which the kernel has, and which is taken.

use anyhow::Result;
use anyhow::bail;

use crate::target::limits;

use super::kernel::Kernel;
use super::rights::Capability;
use super::trace_event::TraceFs;

/// How sites are attached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// One link for many sites: `uprobe.multi`, Linux 6.6 and later.
    Multi,
    /// One perf event for each site: slow to detach, needs CAP_SYS_ADMIN.
    Perf,
    /// One tracefs event for many sites: needs CAP_SYS_ADMIN, and tracefs mounted or the right to mount it.
    Tracefs,
}

impl Method {
    /// The program to use for `name`: each is in the object twice (`GO_PROBE` in `go.bpf.h`).
    pub(super) fn program(self, name: &str) -> String {
        match self {
            Self::Multi => name.to_owned(),
            Self::Perf | Self::Tracefs => format!("{name}_perf"),
        }
    }

    /// What it means, for the user.
    pub fn describe(self) -> &'static str {
        match self {
            Self::Multi => "uprobe.multi: one link for many probes",
            Self::Perf => {
                "a perf event for each probe: detaching takes a tenth of a second for each"
            }
            Self::Tracefs => {
                "one tracefs event for many probes, a perf event for each of a few (no uprobe.multi)"
            }
        }
    }

    /// The way for so many sites: a perf event for each of a few leaves nothing behind in tracefs, and gets cookies.
    pub fn for_sites(self, sites: usize) -> Self {
        match self {
            Self::Tracefs if sites <= FEW => Self::Perf,
            other => other,
        }
    }

    /// Whether this way can be used here; the reason if not.
    pub fn check(self) -> Result<()> {
        match self {
            // The kernel says it when it is asked.
            Self::Multi | Self::Perf => Ok(()),
            Self::Tracefs => TraceFs::open().map(|_| ()),
        }
    }
}

/// Before Linux 6.10 a `uprobe.multi` link confined to a process saw only its main thread
/// (fixed by "bpf: fix multi-uprobe PID filtering logic").
const MULTI_CONFINES: (u16, u16) = (6, 10);

/// So many perf events are detached in a second or two.
const FEW: usize = 16;

/// The best way of attaching many probes here, and where it is not the best there is, why.
pub fn best(kernel: &Kernel) -> (Method, Option<anyhow::Error>) {
    if kernel.has_uprobe_multi() {
        return (Method::Multi, None);
    }
    match Method::Tracefs.check() {
        Ok(()) => (Method::Tracefs, None),
        Err(why) => (Method::Perf, Some(why)),
    }
}

/// Ends with the reason when probes cannot be used here, or not in this way. To be asked before anything is loaded or
/// started.
pub fn require_probes(method: Method) -> Result<()> {
    let kernel = Kernel::current()?;
    if let Some(obstacle) = kernel.obstacle() {
        bail!("{obstacle}");
    }
    if kernel.counts_locked_memory() {
        limits::raise_locked_memory();
    }
    if method != Method::Multi && !kernel.rights.may(Capability::SysAdmin) {
        bail!(
            "missing CAP_SYS_ADMIN, which attaching by perf events needs: run as root, or use --attach multi"
        );
    }
    Ok(())
}

/// Whether the kernel itself keeps probes away from the other processes that run the same binary.
pub fn confines_probes(method: Method) -> bool {
    method != Method::Multi || Kernel::current().is_ok_and(|kernel| kernel.at_least(MULTI_CONFINES))
}
