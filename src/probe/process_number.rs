//! By which number a program knows the process it runs in: see `src/bpf/process.bpf.h`.

use std::collections::HashMap;
use std::ffi::OsStr;

use anyhow::Result;
use anyhow::bail;
use libbpf_rs::btf::Btf;
use libbpf_rs::btf::types::Composite;
use libbpf_rs::btf::types::MemberAttr;
use libbpf_rs::btf::types::Struct;

use crate::bpf::GoConfig;
use crate::target::Scope;
use crate::target::namespace;
use crate::target::namespace::PidNamespace;

use super::filter::Filter;
use super::place::Place;

/// `PIDTYPE_TGID`, include/linux/pid_types.h: the second of the pointers in `signal_struct.pids`.
const TGID_SLOT: u32 = 8;

/// What the programs are told of processes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Processes {
    pub(super) filter: Filter,
    /// Ours, if it is not the initial one.
    pub(super) namespace: Option<PidNamespace>,
    /// Where this kernel keeps the numbers of processes in namespaces below ours; `None` if it does not tell.
    pub(super) offsets: Option<Offsets>,
}

impl Processes {
    /// # Errors
    /// As [`by_number`](Self::by_number).
    pub(super) fn of(place: &Place, scope: &Scope) -> Result<Self> {
        let filter = Filter::of(place, scope);
        Ok(Self {
            filter,
            ..Self::by_number(scope)?
        })
    }

    /// The same for programs that are at no place and leave processes out by themselves.
    ///
    /// # Errors
    /// A process that is meant is in a PID namespace below ours, and the programs cannot know it there.
    pub(super) fn by_number(scope: &Scope) -> Result<Self> {
        let namespace = PidNamespace::own();
        let offsets = namespace.and_then(|_| Offsets::of_this_kernel());
        if namespace.is_some()
            && offsets.is_none()
            && let Scope::Only(processes) = scope
            && let Some(below) = processes.iter().find(|it| namespace::is_below(it.pid))
        {
            bail!(
                "process {} is in a PID namespace below grtmon's own, where this kernel (it has no BTF) does not let probes know it: run grtmon in that namespace or in the machine's own",
                below.pid
            );
        }
        Ok(Self {
            filter: Filter {
                only: 0,
                listed_only: false,
            },
            namespace,
            offsets,
        })
    }
}

impl Processes {
    /// Writes it into the configuration of an object.
    pub(super) fn tell(&self, config: &mut GoConfig) {
        config.only = self.filter.only;
        config.listed_only = self.filter.listed_only.into();
        if let Some(own) = self.namespace {
            let offsets = self.offsets.unwrap_or_default();
            let namespace = &mut config.namespace;
            namespace.dev = own.dev;
            namespace.ino = own.ino;
            namespace.task_signal = offsets.task_signal;
            namespace.signal_tgid = offsets.signal_tgid;
            namespace.pid_level = offsets.pid_level;
            namespace.pid_numbers = offsets.pid_numbers;
            namespace.namespace_ino = offsets.namespace_ino;
        }
    }
}

/// Offsets in structures of this kernel, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Offsets {
    pub(super) task_signal: u32,
    pub(super) signal_tgid: u32,
    pub(super) pid_level: u32,
    pub(super) pid_numbers: u32,
    pub(super) namespace_ino: u32,
}

impl Offsets {
    /// From the description that the kernel has of its own types.
    fn of_this_kernel() -> Option<Self> {
        let btf = Btf::from_vmlinux().ok()?;
        // Other kinds of types can have the same names.
        let structures: HashMap<&OsStr, Struct<'_>> = btf
            .type_by_kind::<Struct<'_>>()
            .filter_map(|structure| Some((structure.name()?, structure)))
            .filter(|(name, _)| STRUCTURES.iter().any(|wanted| name == wanted))
            .collect();
        let offset = |structure: &str, member: &str| {
            let structure = *structures.get(OsStr::new(structure))?;
            member_offset(&btf, Composite::from(structure), member)
        };
        Some(Self {
            task_signal: offset("task_struct", "signal")?,
            signal_tgid: offset("signal_struct", "pids")? + TGID_SLOT,
            pid_level: offset("pid", "level")?,
            pid_numbers: offset("pid", "numbers")?,
            namespace_ino: offset("pid_namespace", "ns")? + offset("ns_common", "inum")?,
        })
    }
}

const STRUCTURES: [&str; 5] = [
    "task_struct",
    "signal_struct",
    "pid",
    "pid_namespace",
    "ns_common",
];

/// The offset of a member, in bytes; it may be inside structures and unions without a name.
fn member_offset(btf: &Btf<'_>, of: Composite<'_>, name: &str) -> Option<u32> {
    of.iter().find_map(|member| {
        let MemberAttr::Normal { offset } = member.attr else {
            return None;
        };
        let bytes = offset / 8;
        match member.name.filter(|name| !name.is_empty()) {
            Some(found) => (found == name).then_some(bytes),
            None => Some(bytes + member_offset(btf, btf.type_by_id(member.ty)?, name)?),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_kernel_tells_where_it_keeps_numbers() {
        if !std::path::Path::new("/sys/kernel/btf/vmlinux").exists() {
            crate::skip::skip("this kernel does not describe its types");
            return;
        }
        let offsets = Offsets::of_this_kernel().unwrap();
        assert!(offsets.task_signal > 0 && offsets.pid_numbers > offsets.pid_level);
    }
}
