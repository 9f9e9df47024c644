//! The probes behind `gc`: see `src/bpf/gc.bpf.c` for what each program does.

mod decode;
mod plan;

use std::sync::Arc;
use std::sync::Mutex;

use anyhow::Context;
use anyhow::Result;
use libbpf_rs::MapCore;
use libbpf_rs::RingBuffer;

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
use super::counters;
use super::lock;
use super::place::Place;
use super::session;
use super::session::AnySession;
use super::session::Cause;
use super::session::Kind;
use super::session::Session;
use super::session::Wiring;

use self::decode::Record;
pub use self::plan::Plan;
pub use self::plan::Wanted;

/// Size of the ring buffer: some thousand records, of which there are about ten in each cycle.
const RING_BYTES: u32 = 512 << 10;

/// This kind of probes.
struct Gc;

impl Kind for Gc {
    type Builder = GcSkelBuilder;
    type Open = OpenGcSkel<'static>;
    type Skel = GcSkel<'static>;
    type Options = ();

    fn size(open: &mut Self::Open, _options: &()) -> Result<()> {
        open.maps
            .gc_events
            .set_max_entries(RING_BYTES)
            .context("cannot size the ring buffer")
    }

    fn counters(skel: &Self::Skel) -> &dyn MapCore {
        &skel.maps.gc_counters
    }

    const CAUSES: &'static [Cause] = &LOSSES;
}

/// Bytes of kernel memory that they take.
pub fn memory() -> Result<u64> {
    Session::<Gc>::memory(&())
}

/// Loaded and attached programs for one binary.
#[allow(
    missing_debug_implementations,
    reason = "the generated skeleton has none"
)]
pub struct GcProbes {
    session: Session<Gc>,
    ring: RingBuffer<'static>,
    batch: Arc<Mutex<Batch>>,
    sweeps: Sweeps,
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

impl GcProbes {
    /// Loads and attaches. The gate stays closed: nothing is recorded until [`Probes::open_gate`].
    pub fn attach(target: &Target, plan: &Plan, place: &Place) -> Result<Self> {
        let wiring = Wiring {
            scope: &target.scope,
            place,
            steps: &plan.steps,
            later: &[],
        };
        let session = Session::<Gc>::begin(&wiring, &(), |open| {
            let rodata = open.maps.rodata_data.as_mut();
            let into = &mut rodata
                .context("the BPF object has no configuration")?
                .gc_cfg;
            *into = plan.config;
            into.one_process =
                u8::from(matches!(&target.scope, Scope::Only(processes) if processes.len() == 1));
            Ok(())
        })?;
        let batch = Arc::new(Mutex::new(Batch {
            reasons: plan.reasons.clone(),
            ..Batch::default()
        }));
        let into = Arc::clone(&batch);
        let ring = session::ring(&session.skel.maps.gc_events, move |bytes| {
            lock(&into).take(bytes);
        })?;
        Ok(Self {
            session,
            ring,
            batch,
            sweeps: Sweeps::default(),
        })
    }

    /// Takes everything that is in the ring buffer now, and gives each event to `each` in the order of their ends.
    pub fn consume(&mut self, mut each: impl FnMut(GcEvent)) -> Result<()> {
        self.ring.consume().context("cannot read the ring buffer")?;
        let records = std::mem::take(&mut lock(&self.batch).records);
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

    /// What passed the probes since the gate was opened.
    pub fn passed(&self) -> Result<Passed> {
        Ok(Passed {
            stops: self.session.counter(gc_counter::GC_N_STW.0)?,
            cycles: self.session.counter(gc_counter::GC_N_CYCLE.0)?,
        })
    }
}

impl Probes for GcProbes {
    fn session(&self) -> &dyn AnySession {
        &self.session
    }

    fn session_mut(&mut self) -> &mut dyn AnySession {
        &mut self.session
    }

    fn remembered(&self) -> Vec<u32> {
        counters::numbers(&self.session.skel.maps.gc_processes)
    }

    fn lost_here(&self) -> Vec<Loss> {
        let batch = lock(&self.batch);
        let implausible = Loss {
            cause: "implausible",
            meaning: "records that contradict themselves: the layout of this Go version differs from what is known",
            events: batch.implausible,
        };
        vec![implausible, Loss::undecodable(batch.undecodable)]
    }

    fn forget(&mut self, process: u32) -> Result<()> {
        self.sweeps.forget(process);
        // It may not be there: nothing was begun in it.
        let _ = self
            .session
            .skel
            .maps
            .gc_processes
            .delete(&process.to_ne_bytes());
        Ok(())
    }
}

const LOSSES: [Cause; 6] = [
    (
        gc_counter::GC_N_LOST_STW.0,
        "ring_full_stw",
        "stops of the world not shown: the ring buffer was full",
    ),
    (
        gc_counter::GC_N_LOST_CYCLE.0,
        "ring_full_cycle",
        "cycles not shown: the ring buffer was full",
    ),
    (
        gc_counter::GC_N_LOST_SWEEP.0,
        "ring_full_sweep",
        "ends of sweeps not noticed: the ring buffer was full",
    ),
    (
        gc_counter::GC_N_MAP_FULL.0,
        "map_full",
        "stops not shown or triggers unknown: too many processes at once",
    ),
    (
        gc_counter::GC_N_UNREADABLE_CYCLE.0,
        "unreadable_cycle",
        "cycles whose record could not be read from memory",
    ),
    (
        gc_counter::GC_N_UNREADABLE_SWEEP.0,
        "unreadable_sweep",
        "ends of sweeps whose cycle could not be read from memory",
    ),
];
