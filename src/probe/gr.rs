//! The probes behind `gr` and `gr seq`: see `src/bpf/gr.bpf.c` for what each program does.

mod options;
mod plan;
mod records;
mod starts;
mod watching;

use std::sync::Arc;
use std::sync::Mutex;

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;
use libbpf_rs::MapCore;
use libbpf_rs::MapFlags;
use libbpf_rs::RingBuffer;

use crate::bpf::gr::GrSkel;
use crate::bpf::gr::GrSkelBuilder;
use crate::bpf::gr::OpenGrSkel;
use crate::bpf::gr::types::gr_counter;
use crate::bpf::gr::types::gr_whose;
use crate::model::goroutine::GoroutineEvent;
use crate::model::histogram::Histogram;
use crate::model::loss::Loss;
use crate::target::Target;

use super::Probes;
use super::alive;
use super::counters;
use super::kernel::Kernel;
use super::lock;
use super::place::Place;
use super::session;
use super::session::AnySession;
use super::session::Cause;
use super::session::Kind;
use super::session::Session;
use super::session::Wiring;

pub use self::options::Options;
pub use self::plan::Plan;
use self::records::Batch;
use self::starts::LEARNED;
use self::starts::START;
use self::starts::Starts;

/// This kind of probes.
struct Gr;

impl Kind for Gr {
    type Builder = GrSkelBuilder;
    type Open = OpenGrSkel<'static>;
    type Skel = GrSkel<'static>;
    type Options = Options;

    fn size(open: &mut Self::Open, options: &Options) -> Result<()> {
        size_maps(open, options)
    }

    fn counters(skel: &Self::Skel) -> &dyn MapCore {
        &skel.maps.gr_counters
    }

    const CAUSES: &'static [Cause] = &LOSSES;
}

/// Bytes of kernel memory that they take with these options: all of it when they are loaded, and no more later.
pub fn memory(options: &Options) -> Result<u64> {
    Session::<Gr>::memory(options)
}

/// Loaded and attached programs for one binary.
#[allow(
    missing_debug_implementations,
    reason = "the generated skeleton has none"
)]
pub struct GrProbes {
    starts: Starts,
    /// Everything but the start functions.
    session: Session<Gr>,
    ring: RingBuffer<'static>,
    batch: Arc<Mutex<Batch>>,
    place: Place,
    /// Sites of the session.
    sites: usize,
}

/// Whose a histogram or a count is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Whose {
    /// Link-time entry of the start function; 0 for all, or if it is not known.
    pub start: u64,
    /// The process, as records name it ([`process`](crate::model::process)); `None` for all.
    pub process: Option<u32>,
}

fn whose(bytes: &[u8]) -> Result<Whose> {
    let mut key = gr_whose::default();
    if plain::copy_from_bytes(&mut key, bytes).is_err() {
        bail!("a key has an unknown size");
    }
    Ok(Whose {
        start: key.start_pc,
        process: (key.process != 0).then_some(key.process),
    })
}

/// Gives the maps the sizes that `options` ask for.
fn size_maps(open: &mut OpenGrSkel<'_>, options: &Options) -> Result<()> {
    open.maps
        .gr_events
        .set_max_entries(options.ring_bytes)
        .context("cannot size the ring buffer")?;
    let has_compare_and_swap = Kernel::current()?.has_compare_and_swap();
    let size = alive::Size::for_goroutines(options.max_goroutines, has_compare_and_swap);
    open.maps
        .alive_table
        .set_max_entries(size.buckets)
        .context("cannot size a map")?;
    open.maps
        .alive_overflow
        .set_max_entries(size.overflow)
        .context("cannot size a map")?;
    open.maps
        .rodata_data
        .as_mut()
        .context("the BPF object has no configuration")?
        .alive_shift = size.shift;
    let apart = match options.by_fn || options.by_process {
        true => options.max_apart,
        false => 1,
    };
    open.maps
        .gr_apart
        .set_max_entries(apart)
        .context("cannot size a map")?;
    Ok(())
}

impl GrProbes {
    /// Loads and attaches. The gate stays closed: nothing is recorded until [`Probes::open_gate`].
    pub fn attach(target: &Target, plan: &Plan, options: &Options, place: &Place) -> Result<Self> {
        let wiring = Wiring {
            scope: &target.scope,
            place,
            steps: &plan.steps,
            later: &[START],
        };
        let session = Session::<Gr>::begin(&wiring, options, |open| {
            let rodata = open.maps.rodata_data.as_mut();
            rodata
                .context("the BPF object has no configuration")?
                .gr_cfg = plan.config;
            let sites = u32::try_from(plan.start_sites.len()).unwrap_or(u32::MAX);
            open.maps
                .gr_direct
                .set_max_entries(sites.saturating_add(LEARNED))
                .context("cannot size a map")
        })?;
        let batch = Arc::new(Mutex::new(Batch::default()));
        let into = Arc::clone(&batch);
        let ring = session::ring(&session.skel.maps.gr_events, move |bytes| {
            lock(&into).take(bytes);
        })?;
        let mut probes = Self {
            starts: Starts::default(),
            session,
            ring,
            batch,
            place: place.clone(),
            sites: plan.steps.iter().map(|step| step.sites.len()).sum(),
        };
        probes.watch_starts(plan.start_sites.clone())?;
        Ok(probes)
    }

    /// Takes up to `limit` records from the ring buffer and gives each event to `each`. Returns how many there were;
    /// fewer than `limit` means that the buffer was empty for a moment.
    pub fn consume(
        &mut self,
        limit: usize,
        mut each: impl FnMut(&GoroutineEvent),
    ) -> Result<usize> {
        let taken = self.ring.consume_raw_n(limit);
        let Ok(taken) = usize::try_from(taken) else {
            bail!(
                "cannot read the ring buffer: error {}",
                taken.unsigned_abs()
            );
        };
        let mut events = std::mem::take(&mut lock(&self.batch).events);
        for event in &events {
            each(event);
        }
        events.clear();
        // Keep the allocation for the next batch.
        lock(&self.batch).events = events;
        Ok(taken)
    }

    /// At how many places there are probes.
    pub fn sites(&self) -> usize {
        self.sites + self.starts.sites.len()
    }

    /// Start functions whose goroutines exited without their first execution having been seen, and how often.
    pub fn unseen(&self) -> Result<Vec<(Whose, u64)>> {
        let all = counters::entries(&self.session.skel.maps.gr_unseen)?.into_iter();
        all.map(|(key, value)| Ok((whose(&key)?, counters::word(&value)?)))
            .collect()
    }

    /// Running times of all goroutines that exited since the gate was opened.
    pub fn total(&self) -> Result<Histogram> {
        let values = self
            .session
            .skel
            .maps
            .gr_total
            .lookup_percpu(&0_u32.to_ne_bytes(), MapFlags::ANY)
            .context("cannot read the histogram")?
            .context("the histogram is missing")?;
        let mut total = Histogram::default();
        for value in values {
            total.merge(&counters::histogram(&value)?);
        }
        Ok(total)
    }

    /// Running times by start function, with [`Options::by_fn`], and by process, with [`Options::by_process`].
    pub fn apart(&self) -> Result<Vec<(Whose, Histogram)>> {
        let all = counters::entries(&self.session.skel.maps.gr_apart)?.into_iter();
        all.map(|(key, value)| Ok((whose(&key)?, counters::histogram(&value)?)))
            .collect()
    }

    /// Creations and exits that passed the probes, whether they could be recorded or not; with [`Options::seq`] exits
    /// are in the histograms only.
    pub fn passed(&self) -> Result<(u64, u64)> {
        Ok((
            self.session.counter(gr_counter::GR_N_CREATED.0)?,
            self.session.counter(gr_counter::GR_N_EXITED.0)?,
        ))
    }
}

impl Probes for GrProbes {
    fn session(&self) -> &dyn AnySession {
        &self.session
    }

    fn session_mut(&mut self) -> &mut dyn AnySession {
        &mut self.session
    }

    fn close(&mut self) -> Result<()> {
        let starts = std::mem::take(&mut self.starts.links);
        self.session.close_with(starts)
    }

    fn lost_here(&self) -> Vec<Loss> {
        vec![Loss::undecodable(lock(&self.batch).undecodable)]
    }

    fn forget(&mut self, process: u32) -> Result<()> {
        let maps = &self.session.skel.maps;
        alive::forget(&maps.alive_table, &maps.alive_overflow, process)
    }
}

const LOSSES: [Cause; 9] = [
    (
        gr_counter::GR_N_LOST_CREATE.0,
        "ring_full_create",
        "creations not shown: the ring buffer was full (raise --buffer, filter, or use gr seq)",
    ),
    (
        gr_counter::GR_N_LOST_EXIT.0,
        "ring_full_exit",
        "exits not shown: the ring buffer was full (raise --buffer, filter, or use gr seq)",
    ),
    (
        gr_counter::GR_N_LOST_QUEUE.0,
        "ring_full_queue",
        "queue events not shown: the ring buffer was full",
    ),
    (
        gr_counter::GR_N_LOST_IMAGE.0,
        "ring_full_image",
        "program starts not noticed: the ring buffer was full",
    ),
    (
        gr_counter::GR_N_MAP_FULL.0,
        "map_full",
        "goroutines not remembered, so their running time is unknown (raise --max-goroutines)",
    ),
    (
        gr_counter::GR_N_CREATE_MAP_FULL.0,
        "map_full_create",
        "creations not remembered, so what the goroutines waited for their start is unknown (raise --max-goroutines)",
    ),
    (
        gr_counter::GR_N_UNREADABLE.0,
        "unreadable",
        "events whose goroutine could not be read from memory",
    ),
    (
        gr_counter::GR_N_APART_FULL.0,
        "apart_full",
        "running times in the total only: too many start functions, or processes, to tell apart",
    ),
    (
        gr_counter::GR_N_UNSEEN_FULL.0,
        "unseen_full",
        "exits in no histogram, because the first execution was not seen: too many start functions to count them by",
    ),
];
