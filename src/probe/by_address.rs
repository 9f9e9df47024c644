//! What the programs need in order to tell sites apart by their addresses, where there are no cookies (`go_by_address` in
//! `config.h`).

use anyhow::Context;
use anyhow::Result;
use libbpf_rs::btf::Btf;
use libbpf_rs::btf::types::Composite;
use libbpf_rs::btf::types::MemberAttr;

use crate::bpf::GoConfig;
use crate::go::elf::image::Image;

/// How a process's addresses become link-time addresses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct ByAddress {
    /// Link-time address where the program's code begins.
    pub(super) start_code: u64,
    /// Offset of `mm` in the kernel's `task_struct`; 0 where the loader does not move the program.
    pub(super) mm: u32,
    /// Offset of `start_code` in `mm_struct`.
    pub(super) mm_start_code: u32,
}

impl ByAddress {
    /// For this program on the running kernel, whose own types are needed where the loader moves the program.
    pub(super) fn of(image: &Image) -> Result<Self> {
        // As the kernel does it (load_elf_binary, fs/binfmt_elf.c).
        let code = image.segments().iter().filter(|segment| segment.exec);
        let start_code = code
            .map(|segment| segment.vaddr)
            .min()
            .context("the program has no code")?;
        if !image.is_pie() {
            return Ok(Self {
                start_code,
                ..Self::default()
            });
        }
        let btf = Btf::from_vmlinux().context(
            "this kernel does not describe its own types (CONFIG_DEBUG_INFO_BTF), which grtmon needs here: the program is \
             position-independent, and the kernel is older than 5.15 or probes are attached through tracefs",
        )?;
        let offset = |kind: &str, field: &str| {
            btf.type_by_name::<Composite<'_>>(kind)
                .and_then(|kind| offset_of(&btf, kind, field))
                .with_context(|| format!("this kernel's {kind} has no {field}"))
        };
        Ok(Self {
            start_code,
            mm: offset("task_struct", "mm")?,
            mm_start_code: offset("mm_struct", "start_code")?,
        })
    }
}

impl ByAddress {
    /// Writes it into the configuration of an object.
    pub(super) fn tell(self, config: &mut GoConfig) {
        let into = &mut config.by_address;
        into.wanted = 1;
        into.start_code = self.start_code;
        into.mm = self.mm;
        into.mm_start_code = self.mm_start_code;
    }
}

/// Offset in bytes of a field, also of one in an unnamed struct or union inside.
fn offset_of(btf: &Btf<'_>, composite: Composite<'_>, field: &str) -> Option<u32> {
    for index in 0..composite.len() {
        let member = composite.get(index)?;
        let MemberAttr::Normal { offset: bits } = member.attr else {
            continue;
        };
        let inside = match member.name {
            Some(name) if name == field => Some(0),
            Some(_) => None,
            None => btf
                .type_by_id::<Composite<'_>>(member.ty)
                .and_then(|unnamed| offset_of(btf, unnamed, field)),
        };
        if let Some(inside) = inside {
            return Some(bits / 8 + inside);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The kernel tells where it has put our own code, the same that /proc/self/stat shows.
    #[test]
    fn fields_in_unnamed_structs_are_found() {
        let Ok(btf) = Btf::from_vmlinux() else {
            return;
        };
        let mm: Composite<'_> = btf.type_by_name("mm_struct").unwrap();
        let start = offset_of(&btf, mm, "start_code").unwrap();
        // They are neighbours in this order (include/linux/mm_types.h).
        assert_eq!(offset_of(&btf, mm, "end_code"), Some(start + 8));
        assert_eq!(offset_of(&btf, mm, "no such field"), None);
    }
}
