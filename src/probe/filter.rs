//! Which processes the programs leave out.

use anyhow::Context;
use anyhow::Result;
use libbpf_rs::MapCore;
use libbpf_rs::MapFlags;

use crate::target::Scope;

use super::place::Place;

/// Which processes the programs themselves leave out, because the kernel does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Filter {
    /// `only` of `go_config`: all but this one.
    pub(super) only: u32,
    /// `listed_only` of `go_config`: all that are not listed.
    pub(super) listed_only: bool,
}

impl Filter {
    pub(super) fn of(place: &Place, scope: &Scope) -> Self {
        let (only, listed) = match scope {
            Scope::Only(processes) if !place.is_confined() => match processes.as_slice() {
                [one] => (one.pid.cast_unsigned(), false),
                _ => (0, true),
            },
            _ => (0, false),
        };
        Self {
            only,
            listed_only: listed,
        }
    }
}

/// Tells the programs which processes to look at, for when the kernel cannot confine the probes to them.
pub(super) fn list(listed: &dyn MapCore, scope: &Scope) -> Result<()> {
    let Scope::Only(processes) = scope else {
        return Ok(());
    };
    for process in processes {
        listed
            .update(&process.pid.to_ne_bytes(), &[1], MapFlags::ANY)
            .context("cannot list a process")?;
    }
    Ok(())
}
