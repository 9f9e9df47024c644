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
use crate::bpf::gm::types::gm_counts_of;
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
use super::counters;
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
    type Options = Options;

    fn size(open: &mut Self::Open, options: &Options) -> Result<()> {
        let processes = match options.by_process {
            true => options.max_processes,
            false => 1,
        };
        let map = &mut open.maps.gm_by_process;
        map.set_max_entries(processes).context("cannot size a map")
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
        (
            gm_counter::GM_N_PROCESS_FULL.0,
            "apart_full",
            "allocations in the total only: too many processes to tell apart",
        ),
    ];
}

/// What is wanted of the probes.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Counts by process.
    pub by_process: bool,
    /// How many processes can have counts of their own.
    pub max_processes: u32,
}

/// Processes with counts of their own (1.1 KB of kernel memory each, on every CPU).
const MAX_PROCESSES: u32 = 256;

impl Options {
    /// Counts of all processes together, or of each.
    pub fn of(by_process: bool) -> Self {
        Self {
            by_process,
            max_processes: MAX_PROCESSES,
        }
    }
}

/// Bytes of kernel memory that they take.
pub fn memory(options: &Options) -> Result<u64> {
    Session::<Gm>::memory(options)
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
            by_process: 0,
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
    pub fn attach(target: &Target, plan: &Plan, options: &Options, place: &Place) -> Result<Self> {
        let wiring = Wiring {
            scope: &target.scope,
            place,
            steps: &plan.steps,
            later: &[],
        };
        let session = Session::<Gm>::begin(&wiring, options, |open| {
            let rodata = open.maps.rodata_data.as_mut();
            let rodata = rodata.context("the BPF object has no configuration")?;
            rodata.gm_cfg = plan.config;
            rodata.gm_cfg.by_process = options.by_process.into();
            fill_tables(rodata)
        })?;
        Ok(Self { session })
    }

    /// Everything allocated since the gate was opened that is not told apart by process: all of it, or with
    /// [`Options::by_process`] that for which there was no room.
    fn together(&self) -> Result<Allocations> {
        let mut counts = gm_counts_of::default();
        for (slot, sum) in (0_u32..).zip(&mut counts.slots) {
            let values = self
                .session
                .skel
                .maps
                .gm_counts
                .lookup_percpu(&slot.to_ne_bytes(), MapFlags::ANY)
                .context("cannot read the allocation counts")?
                .context("an allocation count is missing")?;
            for value in values {
                let mut count = gm_count::default();
                if plain::copy_from_bytes(&mut count, &value).is_err() {
                    bail!("an allocation count has an unknown size");
                }
                add(sum, &count);
            }
        }
        allocations(&counts)
    }

    /// What each process allocated, with [`Options::by_process`]; processes as records name them
    /// ([`process`](crate::model::process)).
    pub fn by_process(&self) -> Result<Vec<(u32, Allocations)>> {
        let map = &self.session.skel.maps.gm_by_process;
        let mut all = Vec::new();
        for process in counters::numbers(map) {
            let values = map.lookup_percpu(&process.to_ne_bytes(), MapFlags::ANY);
            let values = values.context("cannot read the allocation counts")?;
            let mut counts = gm_counts_of::default();
            for value in values.unwrap_or_default() {
                let mut here = gm_counts_of::default();
                if plain::copy_from_bytes(&mut here, &value).is_err() {
                    bail!("the allocation counts of a process have an unknown size");
                }
                for (sum, count) in counts.slots.iter_mut().zip(&here.slots) {
                    add(sum, count);
                }
            }
            all.push((process, allocations(&counts)?));
        }
        Ok(all)
    }

    /// Everything allocated since the gate was opened.
    pub fn allocations(&self) -> Result<Allocations> {
        let mut all = self.together()?;
        for (_, own) in self.by_process()? {
            all.merge(&own);
        }
        Ok(all)
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

fn add(sum: &mut gm_count, more: &gm_count) {
    sum.objects += more.objects;
    sum.bytes += more.bytes;
}

/// Counts by slot (`enum gm_slot`) as the table shows them.
fn allocations(counts: &gm_counts_of) -> Result<Allocations> {
    let count = |slot: u32| {
        let count = counts.slots.get(slot as usize);
        let count = count.context("an allocation count is missing")?;
        anyhow::Ok(Count {
            objects: count.objects,
            bytes: count.bytes,
        })
    };
    let classes = (0_u32..).zip(CLASS_BYTES).skip(1);
    let classes = classes.map(|(slot, bytes)| Ok((bytes, count(slot)?)));
    Ok(Allocations {
        tiny: count(gm_slot::GM_TINY.0)?,
        classes: classes.collect::<Result<_>>()?,
        large: count(gm_slot::GM_LARGE.0)?,
    })
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
