//! The probes behind `gm`: see `src/bpf/gm.bpf.c` for what each program does.

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;
use libbpf_rs::MapCore;
use libbpf_rs::MapFlags;

use crate::bpf::gm::GmSkel;
use crate::bpf::gm::GmSkelBuilder;
use crate::bpf::gm::OpenGmSkel;
use crate::bpf::gm::types::gm_config;
use crate::bpf::gm::types::gm_count;
use crate::bpf::gm::types::gm_counter;
use crate::bpf::gm::types::gm_slot;
use crate::bpf::gm::types::rodata;
use crate::go::binary::size_classes;
use crate::go::binary::size_classes::CLASS_BYTES;
use crate::go::binary::size_classes::Limits;
use crate::go::site::Site;
use crate::go::site::allocators;
use crate::go::site::allocators::AllocKind;
use crate::go::site::runtime_functions::Runtime;
use crate::model::allocation::Allocations;
use crate::model::allocation::Count;
use crate::target::Target;

use super::Probes;
use super::place::Place;
use super::session::AnySession;
use super::session::Cause;
use super::session::Kind;
use super::session::Session;
use super::session::Wiring;
use super::step;
use super::step::Step;

/// This kind of probes.
struct Gm;

impl Kind for Gm {
    type Builder = GmSkelBuilder;
    type Open = OpenGmSkel<'static>;
    type Skel = GmSkel<'static>;
    type Options = ();

    fn size(_open: &mut Self::Open, _options: &()) -> Result<()> {
        Ok(())
    }

    fn counters(skel: &Self::Skel) -> &dyn MapCore {
        &skel.maps.gm_counters
    }

    const CAUSES: &'static [Cause] = &[
        (
            gm_counter::GM_N_UNREADABLE.0,
            "type_unreadable",
            "allocations counted as pointer-free because their type could not be read",
        ),
        (
            gm_counter::GM_N_UNCLASSED.0,
            "no_class",
            "allocations not counted: of a size that no class of small objects has",
        ),
    ];
}

/// Bytes of kernel memory that they take.
pub fn memory() -> Result<u64> {
    Session::<Gm>::memory(&())
}

/// Loaded and attached programs for one binary.
#[allow(
    missing_debug_implementations,
    reason = "the generated skeleton has none"
)]
pub struct GmProbes {
    session: Session<Gm>,
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
        let binary = &target.program.binary;
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
        step::sites(&self.steps)
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

impl GmProbes {
    /// Loads and attaches. The gate stays closed: nothing is counted until [`Probes::open_gate`].
    pub fn attach(target: &Target, plan: &Plan, place: &Place) -> Result<Self> {
        let wiring = Wiring {
            scope: &target.scope,
            place,
            steps: &plan.steps,
            later: &[],
        };
        let session = Session::<Gm>::begin(&wiring, &(), |open| {
            let rodata = open.maps.rodata_data.as_mut();
            let rodata = rodata.context("the BPF object has no configuration")?;
            rodata.gm_cfg = plan.config;
            fill_tables(rodata)
        })?;
        Ok(Self { session })
    }

    fn count(&self, slot: u32) -> Result<Count> {
        let values = self
            .session
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

impl Probes for GmProbes {
    fn session(&self) -> &dyn AnySession {
        &self.session
    }

    fn session_mut(&mut self) -> &mut dyn AnySession {
        &mut self.session
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
