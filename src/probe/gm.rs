//! The probes behind `gm`: see `src/bpf/gm.bpf.c` for what each program does.

use std::mem::MaybeUninit;

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;
use libbpf_rs::MapCore;
use libbpf_rs::MapFlags;
use libbpf_rs::OpenObject;
use libbpf_rs::skel::OpenSkel;
use libbpf_rs::skel::Skel;
use libbpf_rs::skel::SkelBuilder;

use crate::bpf::gm::GmSkel;
use crate::bpf::gm::GmSkelBuilder;
use crate::bpf::gm::types::gm_config;
use crate::bpf::gm::types::gm_count;
use crate::bpf::gm::types::gm_counter;
use crate::bpf::gm::types::gm_slot;
use crate::bpf::gm::types::rodata;
use crate::go::allocators;
use crate::go::allocators::AllocKind;
use crate::go::runtime::Runtime;
use crate::go::sites::Site;
use crate::go::size_classes;
use crate::go::size_classes::CLASS_BYTES;
use crate::go::size_classes::Limits;
use crate::model::allocation::Allocations;
use crate::model::allocation::Count;
use crate::model::loss::Loss;
use crate::target::Target;

use super::Probes;
use super::attach;
use super::attach::Attached;
use super::attach::Place;
use super::attach::Step;
use super::counters;
use super::detach::detach;
use super::spent;
use super::spent::Spent;

/// Loaded and attached programs for one binary.
#[allow(
    missing_debug_implementations,
    reason = "the generated skeleton has none"
)]
pub struct GmProbes<'object> {
    skel: GmSkel<'object>,
    /// They detach when dropped.
    links: Vec<Attached>,
}

/// Where the probes go, decided from the binary before anything is loaded.
#[derive(Debug, Clone)]
pub struct Plan {
    config: gm_config,
    steps: Vec<Step>,
}

impl Plan {
    /// The sites that every allocation of the target passes exactly one of.
    pub fn of(target: &Target) -> Result<Self> {
        let binary = &target.binary;
        if !size_classes::has_known_classes(binary) {
            bail!(
                "cannot count allocations: this binary's size classes are not those grtmon knows"
            );
        }
        let runtime = Runtime::of(binary);
        let limits = Limits::new(allocators::has_headers(&runtime));
        let mut config = gm_config {
            tiny_below: limits.tiny_below,
            small_max: limits.small_max,
            header_above: limits.header_above.unwrap_or(0),
            header_bytes: limits.header_bytes,
            type_ptr_bytes: size_classes::TYPE_PTR_BYTES,
            page_bytes: size_classes::PAGE_BYTES,
            generic_from: 0,
        };
        let allocators = allocators::allocators(&runtime).context("cannot count allocations")?;
        let mut steps: Vec<Step> = Vec::new();
        for allocator in allocators {
            if let AllocKind::Generic { from } = allocator.kind {
                config.generic_from = from.into();
            }
            let program = program(allocator.kind);
            match steps.iter_mut().find(|step| step.program == program) {
                Some(step) => step.sites.push(allocator.site),
                None => steps.push(Step {
                    program,
                    sites: vec![allocator.site],
                }),
            }
        }
        Ok(Self { config, steps })
    }
}

impl super::Plan for Plan {
    fn sites(&self) -> Vec<Site> {
        attach::sites(&self.steps)
    }

    fn shortcomings(&self) -> &[String] {
        &[]
    }
}

/// The program for a kind of allocation function.
fn program(kind: AllocKind) -> &'static str {
    match kind {
        AllocKind::Tiny => "gm_tiny",
        AllocKind::NoHeader => "gm_plain",
        AllocKind::Header => "gm_header",
        AllocKind::Large => "gm_large",
        AllocKind::Generic { .. } => "gm_generic",
    }
}

impl<'object> GmProbes<'object> {
    /// Loads and attaches. The gate stays closed: nothing is counted until [`GmProbes::open_gate`].
    pub fn attach(
        object: &'object mut MaybeUninit<OpenObject>,
        target: &Target,
        plan: &Plan,
        place: &Place,
    ) -> Result<Self> {
        let mut open = GmSkelBuilder::default()
            .open(object)
            .context("cannot open the BPF object")?;
        let rodata = open
            .maps
            .rodata_data
            .as_mut()
            .context("the BPF object has no configuration")?;
        rodata.gm_cfg = plan.config;
        attach::configure!(rodata, place, target);
        fill_tables(rodata)?;
        let programs: Vec<&'static str> = plan.steps.iter().map(|step| step.program).collect();
        attach::select(open.open_object_mut(), &programs, place.method());
        attach::prepare(open.open_object_mut(), place)?;
        let skel = open.load().map_err(attach::cannot_load)?;
        attach::list(&skel.maps.go_listed, &target.scope)?;
        let mut probes = Self {
            skel,
            links: Vec::new(),
        };
        for step in &plan.steps {
            let links = place.attach(probes.skel.object(), step)?;
            probes.links.extend(links);
        }
        Ok(probes)
    }

    fn set_gate(&mut self, value: u32) -> Result<()> {
        let bss = self
            .skel
            .maps
            .bss_data
            .as_mut()
            .context("the BPF object has no gate")?;
        bss.go_gate = value;
        Ok(())
    }

    fn count(&self, slot: u32) -> Result<Count> {
        let values = self
            .skel
            .maps
            .gm_counts
            .lookup_percpu(&slot.to_ne_bytes(), MapFlags::ANY)
            .context("cannot read the allocation counts")?
            .context("an allocation count is missing")?;
        let mut sum = Count::default();
        for value in values {
            let mut count = gm_count::default();
            if plain::copy_from_bytes(&mut count, &value).is_err() {
                bail!("an allocation count has an unknown size");
            }
            sum.objects += count.objects;
            sum.bytes += count.bytes;
        }
        Ok(sum)
    }

    /// Everything allocated since the gate was opened.
    pub fn allocations(&self) -> Result<Allocations> {
        let mut classes = Vec::with_capacity(CLASS_BYTES.len());
        for (slot, bytes) in (0_u32..).zip(CLASS_BYTES).skip(1) {
            classes.push((bytes, self.count(slot)?));
        }
        Ok(Allocations {
            tiny: self.count(gm_slot::GM_TINY.0)?,
            classes,
            large: self.count(gm_slot::GM_LARGE.0)?,
        })
    }
}

impl Probes for GmProbes<'_> {
    fn open_gate(&mut self, _now_ns: u64) -> Result<()> {
        self.set_gate(1)
    }

    fn close(&mut self) -> Result<()> {
        self.set_gate(0)?;
        detach(std::mem::take(&mut self.links));
        Ok(())
    }

    fn spent(&self) -> Result<Spent> {
        spent::spent(&self.skel.maps.go_spent)
    }

    fn losses(&self) -> Result<Vec<Loss>> {
        let count =
            |counter: gm_counter| counters::per_cpu_sum(&self.skel.maps.gm_counters, counter.0);
        let unreadable = Loss {
            cause: "type_unreadable",
            meaning: "allocations counted as pointer-free because their type could not be read",
            events: count(gm_counter::GM_N_UNREADABLE)?,
        };
        let unclassed = Loss {
            cause: "no_class",
            meaning: "allocations not counted: of a size that no class of small objects has",
            events: count(gm_counter::GM_N_UNCLASSED)?,
        };
        let strays = counters::strays(&self.skel.maps.go_strays)?;
        let mut losses = vec![unreadable, unclassed, strays];
        losses.retain(|loss| loss.events > 0);
        Ok(losses)
    }

    /// Nothing is.
    fn forget(&mut self, _process: u32) -> Result<()> {
        Ok(())
    }
}

/// The size class of each size, in the steps that `gm.h` describes.
fn fill_tables(rodata: &mut rodata) -> Result<()> {
    let class = |size: usize| {
        let size = u32::try_from(size).unwrap_or(u32::MAX).max(1);
        size_classes::class_of(size).context("a size has no class")
    };
    for (step, slot) in rodata.gm_step8.iter_mut().enumerate() {
        *slot = class(step * 8)?;
    }
    for (step, slot) in rodata.gm_step128.iter_mut().enumerate() {
        *slot = class(1024 + step * 128)?;
    }
    for (slot, bytes) in rodata.gm_class_bytes.iter_mut().zip(CLASS_BYTES) {
        *slot = u32::from(bytes);
    }
    Ok(())
}
