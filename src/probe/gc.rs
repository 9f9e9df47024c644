//! The probes behind `gc`: see `src/bpf/gc.bpf.c` for what each program does.

mod decode;
mod plan;

use std::cell::RefCell;
use std::mem::MaybeUninit;
use std::rc::Rc;

use anyhow::Context;
use anyhow::Result;
use libbpf_rs::MapCore;
use libbpf_rs::OpenObject;
use libbpf_rs::RingBuffer;
use libbpf_rs::RingBufferBuilder;
use libbpf_rs::skel::OpenSkel;
use libbpf_rs::skel::Skel;
use libbpf_rs::skel::SkelBuilder;

use crate::bpf::gc::GcSkel;
use crate::bpf::gc::GcSkelBuilder;
use crate::bpf::gc::OpenGcSkel;
use crate::bpf::gc::types::gc_counter;
use crate::model::gc::GcEvent;
use crate::model::gc::sweep::Sweeps;
use crate::model::loss::Loss;
use crate::target::Scope;
use crate::target::Target;

use super::Probes;
use super::attach;
use super::attach::Attached;
use super::attach::Place;
use super::counters;
use super::detach::detach;
use super::spent;
use super::spent::Spent;

use self::decode::Record;
pub use self::plan::Plan;
pub use self::plan::Wanted;

/// Size of the ring buffer: some thousand records, of which there are about ten in each cycle.
const RING_BYTES: u32 = 512 << 10;

/// Loaded and attached programs for one binary.
#[allow(
    missing_debug_implementations,
    reason = "the generated skeleton has none"
)]
pub struct GcProbes<'object> {
    skel: GcSkel<'object>,
    ring: RingBuffer<'object>,
    batch: Rc<RefCell<Batch>>,
    sweeps: Sweeps,
    /// They detach when dropped.
    links: Vec<Attached>,
}

/// Records taken from the ring buffer and not yet handed on.
#[derive(Debug, Default)]
struct Batch {
    records: Vec<Record>,
    reasons: Vec<String>,
    undecodable: u64,
    implausible: u64,
}

impl Batch {
    fn take(&mut self, bytes: &[u8]) {
        match decode::decode(bytes, &self.reasons) {
            Some(record) if record.is_plausible() => self.records.push(record),
            Some(_) => self.implausible += 1,
            None => self.undecodable += 1,
        }
    }
}

/// What passed the probes, whether it could be recorded or not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Passed {
    /// Stops of the world whose beginning was seen.
    pub stops: u64,
    /// Cycles.
    pub cycles: u64,
}

/// Gives the ring buffer its size.
pub(super) fn size_maps(open: &mut OpenGcSkel<'_>) -> Result<()> {
    open.maps
        .gc_events
        .set_max_entries(RING_BYTES)
        .context("cannot size the ring buffer")
}

impl<'object> GcProbes<'object> {
    /// Loads and attaches. The gate stays closed: nothing is recorded until [`GcProbes::open_gate`].
    pub fn attach(
        object: &'object mut MaybeUninit<OpenObject>,
        target: &Target,
        plan: &Plan,
        place: &Place,
    ) -> Result<Self> {
        let mut open = GcSkelBuilder::default()
            .open(object)
            .context("cannot open the BPF object")?;
        let rodata = open
            .maps
            .rodata_data
            .as_mut()
            .context("the BPF object has no configuration")?;
        rodata.gc_cfg = plan.config;
        rodata.gc_cfg.one_process =
            u8::from(matches!(&target.scope, Scope::Only(processes) if processes.len() == 1));
        attach::configure!(rodata, place, target);
        size_maps(&mut open)?;
        let programs: Vec<&'static str> = plan.steps.iter().map(|step| step.program).collect();
        attach::select(open.open_object_mut(), &programs, place.method());
        attach::prepare(open.open_object_mut(), place)?;
        let skel = open.load().map_err(attach::cannot_load)?;
        attach::list(&skel.maps.go_listed, &target.scope)?;

        let batch = Rc::new(RefCell::new(Batch {
            reasons: plan.reasons.clone(),
            ..Batch::default()
        }));
        let into = Rc::clone(&batch);
        let mut builder = RingBufferBuilder::new();
        builder
            .add(&skel.maps.gc_events, move |bytes| {
                into.borrow_mut().take(bytes);
                0
            })
            .context("cannot use the ring buffer")?;
        let ring = builder.build().context("cannot use the ring buffer")?;
        let sweeps = Sweeps::default();
        let mut probes = Self {
            skel,
            ring,
            batch,
            sweeps,
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

    /// Takes everything that is in the ring buffer now, and gives each event to `each` in the order of their ends.
    pub fn consume(&mut self, mut each: impl FnMut(GcEvent)) -> Result<()> {
        self.ring.consume().context("cannot read the ring buffer")?;
        let records = std::mem::take(&mut self.batch.borrow_mut().records);
        let mut events = Vec::with_capacity(records.len());
        for record in records {
            match record {
                Record::Stw(stw) => events.push(GcEvent::Stw(stw)),
                Record::Cycle(cycle) => events.push(GcEvent::Cycle(cycle)),
                Record::Sweep(moment) => {
                    self.sweeps
                        .observe(moment, &mut |sweep| events.push(GcEvent::Sweep(sweep)));
                }
            }
        }
        // A cycle's record comes after the stop that follows its mark.
        events.sort_by_key(GcEvent::end_ns);
        events.into_iter().for_each(&mut each);
        Ok(())
    }

    fn counter(&self, counter: gc_counter) -> Result<u64> {
        counters::per_cpu_sum(&self.skel.maps.gc_counters, counter.0)
    }

    /// What passed the probes since the gate was opened.
    pub fn passed(&self) -> Result<Passed> {
        Ok(Passed {
            stops: self.counter(gc_counter::GC_N_STW)?,
            cycles: self.counter(gc_counter::GC_N_CYCLE)?,
        })
    }
}

impl Probes for GcProbes<'_> {
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

    fn remembered(&self) -> Vec<u32> {
        counters::numbers(&self.skel.maps.gc_processes)
    }

    fn losses(&self) -> Result<Vec<Loss>> {
        let mut losses = Vec::new();
        for (counter, cause, meaning) in LOSSES {
            losses.push(Loss {
                cause,
                meaning,
                events: self.counter(counter)?,
            });
        }
        let batch = self.batch.borrow();
        losses.push(Loss {
            cause: "implausible",
            meaning: "records that contradict themselves: the layout of this Go version differs from what is known",
            events: batch.implausible,
        });
        losses.push(Loss {
            cause: "undecodable",
            meaning: "records of an unknown kind; this is a bug in grtmon",
            events: batch.undecodable,
        });
        losses.push(counters::strays(&self.skel.maps.go_strays)?);
        losses.retain(|loss| loss.events > 0);
        Ok(losses)
    }

    fn forget(&mut self, process: u32) -> Result<()> {
        self.sweeps.forget(process);
        // It may not be there: nothing was begun in it.
        let _ = self.skel.maps.gc_processes.delete(&process.to_ne_bytes());
        Ok(())
    }
}

const LOSSES: [(gc_counter, &str, &str); 6] = [
    (
        gc_counter::GC_N_LOST_STW,
        "ring_full_stw",
        "stops of the world not shown: the ring buffer was full",
    ),
    (
        gc_counter::GC_N_LOST_CYCLE,
        "ring_full_cycle",
        "cycles not shown: the ring buffer was full",
    ),
    (
        gc_counter::GC_N_LOST_SWEEP,
        "ring_full_sweep",
        "ends of sweeps not noticed: the ring buffer was full",
    ),
    (
        gc_counter::GC_N_MAP_FULL,
        "map_full",
        "stops not shown or triggers unknown: too many processes at once",
    ),
    (
        gc_counter::GC_N_UNREADABLE_CYCLE,
        "unreadable_cycle",
        "cycles whose record could not be read from memory",
    ),
    (
        gc_counter::GC_N_UNREADABLE_SWEEP,
        "unreadable_sweep",
        "ends of sweeps whose cycle could not be read from memory",
    ),
];
