//! The probes behind `gr` and `gr seq`: see `src/bpf/gr.bpf.c` for what each program does.

mod plan;
mod records;

use std::collections::BTreeMap;
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
use crate::go::Binary;
use crate::go::site::Site;
use crate::go::site::go_statements::StartFunction;
use crate::model::goroutine::GoroutineEvent;
use crate::model::histogram::Histogram;
use crate::model::loss::Loss;
use crate::target::Target;

use super::Probes;
use super::alive;
use super::counters;
use super::detach::detach;
use super::held::Attached;
use super::kernel::Kernel;
use super::lock;
use super::method::Method;
use super::place::Place;
use super::session;
use super::session::Cause;
use super::session::Kind;
use super::session::Running;
use super::session::Session;
use super::session::Wiring;
use super::step::Step;

pub use self::plan::Plan;
use self::records::Batch;

/// What is wanted of the probes.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Only histograms, no events.
    pub seq: bool,
    /// Histograms by start function too.
    pub by_fn: bool,
    /// Run queue events too.
    pub queue: bool,
    /// Size of the ring buffer in bytes: a power of two, at least a page.
    pub ring_bytes: u32,
    /// How many goroutines alive at one time can be remembered.
    pub max_goroutines: u32,
    /// How many start functions can have a histogram of their own.
    pub max_functions: u32,
}

/// Start functions with a histogram of their own (2.7 KB of kernel memory each).
const MAX_FUNCTIONS: u32 = 1024;
/// Few records come where only histograms are wanted: the starts of programs.
const FEW_RECORDS_BYTES: u32 = 64 << 10;

impl Options {
    /// Only histograms.
    pub fn histograms(by_fn: bool, max_goroutines: u32) -> Self {
        Self {
            seq: true,
            by_fn,
            queue: false,
            ring_bytes: FEW_RECORDS_BYTES,
            max_goroutines,
            max_functions: MAX_FUNCTIONS,
        }
    }

    /// Events, and no histograms, with a ring buffer of so many KiB.
    pub fn events(buffer_kib: u32, max_goroutines: u32) -> Self {
        Self {
            seq: false,
            by_fn: false,
            queue: false,
            ring_bytes: buffer_kib << 10,
            max_goroutines,
            max_functions: 1,
        }
    }
}

// Why a start function is not watched.
const CHANGED: &str = "has other code in the process than in its file, or a breakpoint";
const NO_PLACE: &str = "has no place for a probe";
const TOO_HOT: &str = "was called directly too often to be watched";

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

/// The start functions under observation.
#[derive(Default)]
struct Starts {
    /// Entry of the function → its site.
    sites: BTreeMap<u64, Site>,
    /// Entries that cannot be probed or were called too often directly, and which of these; not to be tried again.
    given_up: BTreeMap<u64, &'static str>,
    /// Direct calls by site at the last look.
    direct: BTreeMap<u64, u64>,
    /// They detach when dropped.
    links: Vec<Attached>,
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
    let functions = if options.by_fn {
        options.max_functions
    } else {
        1
    };
    open.maps
        .gr_by_fn
        .set_max_entries(functions)
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

    /// Watches these start functions too, but for those where there can be no probe.
    fn watch_starts(&mut self, mut sites: BTreeMap<u64, Site>) -> Result<()> {
        if let Some(check) = self.place.check() {
            let (entries, all): (Vec<u64>, Vec<Site>) = sites
                .iter()
                .map(|(entry, site)| (*entry, site.clone()))
                .unzip();
            for index in check.left_out(&all)? {
                if let Some(entry) = entries.get(index) {
                    sites.remove(entry);
                    self.starts.given_up.insert(*entry, CHANGED);
                }
            }
        }
        let links = self.attach_starts(&sites)?;
        self.starts.links.extend(links);
        self.starts.sites.extend(sites);
        Ok(())
    }

    fn attach_starts(&self, sites: &BTreeMap<u64, Site>) -> Result<Vec<Attached>> {
        let step = Step {
            program: START,
            sites: sites.values().cloned().collect(),
        };
        self.place.attach_checked(self.session.object(), &step)
    }

    /// Attaches the start functions anew, each once. The new links are there before the old ones go: no start is missed,
    /// and one seen twice counts once.
    fn renew_starts(&mut self) -> Result<()> {
        let links = self.attach_starts(&self.starts.sites)?;
        detach(std::mem::replace(&mut self.starts.links, links));
        Ok(())
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

    /// Watches these start functions too, from their next start on. Returns how many are new.
    pub fn learn(
        &mut self,
        target: &Target,
        entries: impl IntoIterator<Item = u64>,
    ) -> Result<usize> {
        let mut learned = BTreeMap::new();
        for entry in entries {
            if self.starts.sites.contains_key(&entry) || self.starts.given_up.contains_key(&entry) {
                continue;
            }
            match site_of(&target.program.binary, entry) {
                Some(site) => {
                    learned.insert(entry, site);
                }
                None => {
                    self.starts.given_up.insert(entry, NO_PLACE);
                }
            }
        }
        let count = learned.len();
        if count > 0 {
            self.watch_starts(learned)?;
        }
        // Taking links away takes longer than attaching: it is worth it when there are many.
        if self.place.method() == Method::Multi && self.starts.links.len() > MAX_START_LINKS {
            self.renew_starts()?;
        }
        Ok(count)
    }

    /// Why this start function is not watched, as what is said of it, if it has been given up.
    pub fn given_up(&self, entry: u64) -> Option<&'static str> {
        self.starts.given_up.get(&entry).copied()
    }

    /// Stops watching start functions that are called directly more often than 10,000 times a second, because
    /// each such call costs the target a trap for nothing. Returns their entries: the running times of their goroutines
    /// are unknown from now on.
    pub fn drop_hot(&mut self) -> Result<Vec<u64>> {
        let direct: BTreeMap<u64, u64> = counters::pairs(&self.session.skel.maps.gr_direct)?
            .into_iter()
            .collect();
        let before = std::mem::replace(&mut self.starts.direct, direct);
        let calls = |site: &Site| {
            let count = |direct: &BTreeMap<u64, u64>| direct.get(&site.vaddr).copied().unwrap_or(0);
            count(&self.starts.direct).saturating_sub(count(&before))
        };
        let is_hot = |(entry, site): (&u64, &Site)| (calls(site) > HOT).then_some(*entry);
        let hot: Vec<u64> = self.starts.sites.iter().filter_map(is_hot).collect();
        let mut gone = Vec::new();
        for entry in &hot {
            gone.extend(self.starts.sites.remove(entry).map(|site| site.vaddr));
            self.starts.given_up.insert(*entry, TOO_HOT);
        }
        if !hot.is_empty() {
            if let Some(check) = self.place.check() {
                check.detached(&gone);
            }
            self.renew_starts()?;
        }
        Ok(hot)
    }

    /// At how many places there are probes.
    pub fn sites(&self) -> usize {
        self.sites + self.starts.sites.len()
    }

    /// Whether the first execution of goroutines with this start function is being watched.
    pub fn watches(&self, entry: u64) -> bool {
        self.starts.sites.contains_key(&entry)
    }

    /// Start functions whose goroutines exited without their first execution having been seen, and how often.
    pub fn unseen(&self) -> Result<Vec<(u64, u64)>> {
        counters::pairs(&self.session.skel.maps.gr_unseen)
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

    /// Running times by start function (link-time entry), when [`Options::by_fn`] was set.
    pub fn by_fn(&self) -> Result<Vec<(u64, Histogram)>> {
        let map = &self.session.skel.maps.gr_by_fn;
        let mut all = Vec::new();
        for key in map.keys() {
            if let Some(value) = map
                .lookup(&key, MapFlags::ANY)
                .context("cannot read the histograms")?
            {
                all.push((counters::word(&key)?, counters::histogram(&value)?));
            }
        }
        Ok(all)
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
    fn session(&self) -> &dyn Running {
        &self.session
    }

    fn session_mut(&mut self) -> &mut dyn Running {
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

/// Direct calls of a start function within one look (100 ms) that make it too dear to watch: 10,000 a second cost the
/// target about 1 % of a CPU.
const HOT: u64 = 1_000;

/// Start functions that can be learned and looked after while observing.
const LEARNED: u32 = 4096;

/// Links to start functions that were learned one after the other.
const MAX_START_LINKS: usize = 16;

/// Name of the program for start functions.
const START: &str = "gr_start";

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
        gr_counter::GR_N_FN_FULL.0,
        "fn_full",
        "running times in the total only: too many start functions",
    ),
    (
        gr_counter::GR_N_UNSEEN_FULL.0,
        "unseen_full",
        "exits in no histogram, because the first execution was not seen: too many start functions to count them by",
    ),
];

/// Where the start function with this entry can be watched.
fn site_of(binary: &Binary, entry: u64) -> Option<Site> {
    let function = binary.functions().at(entry)?;
    let name = function.name.to_owned();
    // An address inside a function is not a start function: whatever it was read from is not what we think.
    (function.entry == entry)
        .then_some(StartFunction { entry, name })?
        .site(binary)
        .ok()
}
