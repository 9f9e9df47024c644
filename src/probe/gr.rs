//! The probes behind `gr` and `gr seq`: see `src/bpf/gr.bpf.c` for what each program does.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::mem::MaybeUninit;
use std::rc::Rc;

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;
use libbpf_rs::MapCore;
use libbpf_rs::MapFlags;
use libbpf_rs::OpenObject;
use libbpf_rs::RingBuffer;
use libbpf_rs::RingBufferBuilder;
use libbpf_rs::skel::OpenSkel;
use libbpf_rs::skel::Skel;
use libbpf_rs::skel::SkelBuilder;

use crate::bpf::gr::GrSkel;
use crate::bpf::gr::GrSkelBuilder;
use crate::bpf::gr::OpenGrSkel;
use crate::bpf::gr::types::gr_config;
use crate::bpf::gr::types::gr_counter;
use crate::bpf::gr::types::gr_event;
use crate::bpf::gr::types::gr_exit;
use crate::bpf::gr::types::gr_kind;
use crate::bpf::gr::types::gr_known;
use crate::bpf::gr::types::gr_p;
use crate::go::Binary;
use crate::go::events;
use crate::go::events::Event;
use crate::go::layout::Field;
use crate::go::layout::Layout;
use crate::go::sites::Site;
use crate::go::starts;
use crate::go::starts::StartFunction;
use crate::model::goroutine::GoroutineEvent;
use crate::model::goroutine::Identity;
use crate::model::goroutine::What;
use crate::model::histogram::Histogram;
use crate::model::loss::Loss;
use crate::target::Target;
use crate::target::checked::Checked;

use super::alive;
use super::attach;
use super::attach::Attached;
use super::attach::Method;
use super::attach::Place;
use super::attach::Step;
use super::counters;
use super::detach::detach;
use super::kernel::Kernel;
use super::spent;
use super::spent::Spent;

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

/// Loaded and attached programs for one binary.
#[allow(
    missing_debug_implementations,
    reason = "the generated skeleton has none"
)]
pub struct GrProbes<'object> {
    skel: GrSkel<'object>,
    ring: RingBuffer<'object>,
    batch: Rc<RefCell<Batch>>,
    place: Place,
    starts: Starts,
    /// Everything but the start functions. Links detach when dropped.
    links: Vec<Attached>,
    /// Sites of `links`.
    sites: usize,
}

/// Events taken from the ring buffer and not yet handed on.
#[derive(Debug, Default)]
struct Batch {
    events: Vec<GoroutineEvent>,
    undecodable: u64,
}

/// The start functions under observation.
#[derive(Default)]
struct Starts {
    /// Entry of the function → its site.
    sites: BTreeMap<u64, Site>,
    /// Entries that cannot be probed or were called too often directly; not to be tried again.
    given_up: BTreeSet<u64>,
    /// Direct calls by site at the last look.
    direct: BTreeMap<u64, u64>,
    links: Vec<Attached>,
}

/// Where the probes go, decided from the binary before anything is loaded.
#[derive(Debug, Clone)]
pub struct Plan {
    config: gr_config,
    steps: Vec<Step>,
    start_sites: BTreeMap<u64, Site>,
    /// What cannot be had from this binary, in words for the user.
    pub shortcomings: Vec<String>,
}

impl Plan {
    /// What `options` need from the binary of a target; an error when the essence cannot be had.
    pub fn of(checked: &Checked<'_>, options: &Options) -> Result<Self> {
        checked.require(&FIELDS)?;
        let (runtime, layout) = (&checked.runtime, &checked.anatomy.layout);
        let binary = runtime.binary();
        let mut shortcomings = Vec::new();
        let mut config = gr_config {
            seq: u8::from(options.seq),
            by_fn: u8::from(options.by_fn),
            ..Default::default()
        };
        let offset = |field: Field| {
            layout.offset(field).with_context(|| {
                format!(
                    "the layout of this binary's Go version is not known (no offset of {field})"
                )
            })
        };
        config.g_goid = offset(Field::GGoid)?;
        config.g_m = offset(Field::GM)?;
        config.m_p = offset(Field::MP)?;
        config.m_curg = offset(Field::MCurg)?;
        config.p_id = offset(Field::PId)?;
        match origin(layout) {
            Some((first, has_parent)) => {
                config.g_origin = first;
                config.has_parent = u8::from(has_parent);
                config.origin_known = 1;
            }
            None => shortcomings.push(
                "start functions and creation sites are unknown: the layout of g is not known for this Go version"
                    .to_owned(),
            ),
        }
        let mut steps = Vec::new();
        let mut essential = |program, event| -> Result<()> {
            let sites = events::sites(runtime, event)
                .with_context(|| format!("cannot see this event: {event}"))?;
            steps.push(Step { program, sites });
            Ok(())
        };
        essential("gr_exit", Event::GoroutineExit)?;
        if !options.seq {
            essential("gr_create", Event::GoroutineCreate)?;
            essential("gr_create_coro", Event::CoroutineCreate)?;
        }
        let queue = [
            ("gr_put_global", Event::QueuePutGlobal),
            ("gr_get_global", Event::QueueGetGlobal),
            ("gr_steal", Event::QueueSteal),
        ];
        for (program, event) in queue.into_iter().filter(|_| options.queue) {
            match events::sites(runtime, event) {
                Ok(sites) => steps.push(Step { program, sites }),
                Err(why) => shortcomings.push(format!("not shown: {event}: {why}")),
            }
        }
        let mut start_sites = BTreeMap::new();
        let starts = starts::start_functions(runtime)?;
        for start in &starts.functions {
            if let Ok(site) = start.site(binary) {
                if start.name == "runtime.main" {
                    config.main_site = site.vaddr;
                }
                start_sites.insert(start.entry, site);
            }
        }
        Ok(Self {
            config,
            steps,
            start_sites,
            shortcomings,
        })
    }

    /// Everywhere a probe goes.
    pub fn sites(&self) -> Vec<Site> {
        let mut sites = attach::sites(&self.steps);
        sites.extend(self.start_sites.values().cloned());
        sites
    }

    /// Entries of the start functions that will be watched from the beginning.
    pub fn start_entries(&self) -> impl Iterator<Item = u64> {
        self.start_sites.keys().copied()
    }
}

/// What the programs read.
const FIELDS: [Field; 8] = [
    Field::GGoid,
    Field::GM,
    Field::MP,
    Field::MCurg,
    Field::PId,
    Field::GGopc,
    Field::GStartpc,
    Field::GParentGoid,
];

/// Offset of the words parentGoid, gopc, ancestors, startpc in g, and whether parentGoid is among them. They have been
/// neighbours in this order since Go 1.21 (the last three since 1.5; runtime/runtime2.go): the programs read them with
/// one access, so anything else counts as unknown.
fn origin(layout: &Layout) -> Option<(u32, bool)> {
    let created = layout.offset(Field::GGopc)?;
    let start = layout.offset(Field::GStartpc)?;
    let first = created.checked_sub(8)?;
    (start == created + 16).then_some((first, layout.offset(Field::GParentGoid) == Some(first)))
}

/// Gives the maps the sizes that `options` ask for.
pub(super) fn size_maps(open: &mut OpenGrSkel<'_>, options: &Options) -> Result<()> {
    open.maps
        .gr_events
        .set_max_entries(options.ring_bytes)
        .context("cannot size the ring buffer")?;
    let size = if Kernel::current()?.has_compare_and_swap() {
        alive::Size::for_goroutines(options.max_goroutines)
    } else {
        alive::Size::without_table(options.max_goroutines)
    };
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

impl<'object> GrProbes<'object> {
    /// Loads and attaches. The gate stays closed: nothing is recorded until [`GrProbes::open_gate`].
    pub fn attach(
        object: &'object mut MaybeUninit<OpenObject>,
        target: &Target,
        plan: &Plan,
        options: &Options,
        place: &Place,
    ) -> Result<Self> {
        let mut open = GrSkelBuilder::default()
            .open(object)
            .context("cannot open the BPF object")?;
        let rodata = open
            .maps
            .rodata_data
            .as_mut()
            .context("the BPF object has no configuration")?;
        rodata.gr_cfg = plan.config;
        attach::configure!(rodata, place, target);
        size_maps(&mut open, options)?;
        let mut programs: Vec<&'static str> = plan.steps.iter().map(|step| step.program).collect();
        programs.push(START);
        attach::select(open.open_object_mut(), &programs, place.method());
        attach::prepare(open.open_object_mut(), place)?;
        let skel = open.load().map_err(attach::cannot_load)?;

        attach::list(&skel.maps.go_listed, &target.scope)?;
        let batch = Rc::new(RefCell::new(Batch::default()));
        let mut builder = RingBufferBuilder::new();
        let into = Rc::clone(&batch);
        builder
            .add(&skel.maps.gr_events, move |bytes| {
                into.borrow_mut().take(bytes);
                0
            })
            .context("cannot use the ring buffer")?;
        let ring = builder.build().context("cannot use the ring buffer")?;

        let mut probes = Self {
            skel,
            ring,
            batch,
            place: place.clone(),
            starts: Starts::default(),
            links: Vec::new(),
            sites: plan.steps.iter().map(|step| step.sites.len()).sum(),
        };
        for step in &plan.steps {
            let links = probes.place.attach(probes.skel.object(), step)?;
            probes.links.extend(links);
        }
        probes.starts.links = probes.attach_starts(&plan.start_sites)?;
        probes.starts.sites = plan.start_sites.clone();
        Ok(probes)
    }

    fn attach_starts(&self, sites: &BTreeMap<u64, Site>) -> Result<Vec<Attached>> {
        let step = Step {
            program: START,
            sites: sites.values().cloned().collect(),
        };
        self.place.attach(self.skel.object(), &step)
    }

    /// Attaches the start functions anew, each once. The new links are there before the old ones go: no start is missed,
    /// and one seen twice counts once.
    fn renew_starts(&mut self) -> Result<()> {
        let links = self.attach_starts(&self.starts.sites)?;
        detach(std::mem::replace(&mut self.starts.links, links));
        Ok(())
    }

    /// What the programs have cost since the gate was opened.
    pub fn spent(&self) -> Result<Spent> {
        spent::spent(self.skel.object(), &self.skel.maps.go_hits)
    }

    /// From now on everything is recorded.
    pub fn open_gate(&mut self) -> Result<()> {
        self.set_gate(1)
    }

    /// Records nothing more, detaches, and leaves what was recorded to be read.
    pub fn close(&mut self) -> Result<()> {
        self.set_gate(0)?;
        self.links.append(&mut self.starts.links);
        detach(std::mem::take(&mut self.links));
        Ok(())
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
        let mut events = std::mem::take(&mut self.batch.borrow_mut().events);
        for event in &events {
            each(event);
        }
        events.clear();
        // Keep the allocation for the next batch.
        self.batch.borrow_mut().events = events;
        Ok(taken)
    }

    /// Forgets what is remembered of a process that has ended.
    pub fn forget(&self, process: u32) -> Result<()> {
        let maps = &self.skel.maps;
        alive::forget(&maps.alive_table, &maps.alive_overflow, process)
    }

    /// Watches these start functions too, from their next start on. Returns how many are new.
    pub fn learn(
        &mut self,
        target: &Target,
        entries: impl IntoIterator<Item = u64>,
    ) -> Result<usize> {
        let mut learned = BTreeMap::new();
        for entry in entries {
            if self.starts.sites.contains_key(&entry) || self.starts.given_up.contains(&entry) {
                continue;
            }
            match site_of(&target.binary, entry) {
                Some(site) => {
                    learned.insert(entry, site);
                }
                None => {
                    self.starts.given_up.insert(entry);
                }
            }
        }
        let count = learned.len();
        if count > 0 {
            let links = self.attach_starts(&learned)?;
            self.starts.links.extend(links);
            self.starts.sites.extend(learned);
        }
        // Taking links away takes longer than attaching: it is worth it when there are many.
        if self.place.method() == Method::Multi && self.starts.links.len() > MAX_START_LINKS {
            self.renew_starts()?;
        }
        Ok(count)
    }

    /// Stops watching start functions that are called directly more often than 10,000 times a second, because
    /// each such call costs the target a trap for nothing. Returns their entries: the running times of their goroutines
    /// are unknown from now on.
    pub fn drop_hot(&mut self) -> Result<Vec<u64>> {
        let direct: BTreeMap<u64, u64> = counters::pairs(&self.skel.maps.gr_direct)?
            .into_iter()
            .collect();
        let before = std::mem::replace(&mut self.starts.direct, direct);
        let calls = |site: &Site| {
            let count = |direct: &BTreeMap<u64, u64>| direct.get(&site.vaddr).copied().unwrap_or(0);
            count(&self.starts.direct).saturating_sub(count(&before))
        };
        let is_hot = |(entry, site): (&u64, &Site)| (calls(site) > HOT).then_some(*entry);
        let hot: Vec<u64> = self.starts.sites.iter().filter_map(is_hot).collect();
        for entry in &hot {
            self.starts.sites.remove(entry);
            self.starts.given_up.insert(*entry);
        }
        if !hot.is_empty() {
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
        counters::pairs(&self.skel.maps.gr_unseen)
    }

    /// Running times of all goroutines that exited since the gate was opened.
    pub fn total(&self) -> Result<Histogram> {
        let values = self
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
        let map = &self.skel.maps.gr_by_fn;
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

    fn counter(&self, counter: gr_counter) -> Result<u64> {
        counters::per_cpu_sum(&self.skel.maps.gr_counters, counter.0)
    }

    /// Creations and exits that passed the probes, whether they could be recorded or not.
    pub fn passed(&self) -> Result<(u64, u64)> {
        Ok((
            self.counter(gr_counter::GR_N_CREATED)?,
            self.counter(gr_counter::GR_N_EXITED)?,
        ))
    }

    /// Exits in the histograms' time whose running time is unknown.
    pub fn without_start(&self) -> Result<u64> {
        self.counter(gr_counter::GR_N_START_UNKNOWN)
    }

    /// What was not recorded, by cause.
    pub fn losses(&self) -> Result<Vec<Loss>> {
        let mut losses = Vec::new();
        for (counter, cause, meaning) in LOSSES {
            losses.push(Loss {
                cause,
                meaning,
                events: self.counter(counter)?,
            });
        }
        losses.push(Loss {
            cause: "undecodable",
            meaning: "records of an unknown kind; this is a bug in grtmon",
            events: self.batch.borrow().undecodable,
        });
        losses.push(counters::strays(&self.skel.maps.go_strays)?);
        losses.retain(|loss| loss.events > 0);
        Ok(losses)
    }
}

/// Direct calls of a start function within one look (100 ms) that make it too dear to watch: 10,000 a second cost the
/// target about 1 % of a CPU.
const HOT: u64 = 1_000;

/// Links to start functions that were learned one after the other.
const MAX_START_LINKS: usize = 16;

/// Name of the program for start functions.
const START: &str = "gr_start";

const LOSSES: [(gr_counter, &str, &str); 7] = [
    (
        gr_counter::GR_N_LOST_CREATE,
        "ring_full_create",
        "creations not shown: the ring buffer was full (raise --buffer, filter, or use gr seq)",
    ),
    (
        gr_counter::GR_N_LOST_EXIT,
        "ring_full_exit",
        "exits not shown: the ring buffer was full (raise --buffer, filter, or use gr seq)",
    ),
    (
        gr_counter::GR_N_LOST_QUEUE,
        "ring_full_queue",
        "queue events not shown: the ring buffer was full",
    ),
    (
        gr_counter::GR_N_LOST_IMAGE,
        "ring_full_image",
        "program starts not noticed: the ring buffer was full",
    ),
    (
        gr_counter::GR_N_MAP_FULL,
        "map_full",
        "goroutines not remembered, so their running time is unknown (raise --max-goroutines)",
    ),
    (
        gr_counter::GR_N_UNREADABLE,
        "unreadable",
        "events whose goroutine could not be read from memory",
    ),
    (
        gr_counter::GR_N_FN_FULL,
        "fn_full",
        "running times in the total only: too many start functions",
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

impl Batch {
    fn take(&mut self, bytes: &[u8]) {
        match decode(bytes) {
            Some(event) => self.events.push(event),
            None => self.undecodable += 1,
        }
    }
}

fn decode(bytes: &[u8]) -> Option<GoroutineEvent> {
    let raw: &gr_event = plain::from_bytes(bytes).ok()?;
    let known = |value: u64| (value != 0).then_some(value);
    let goroutine = Identity {
        goid: raw.goid,
        start_pc: known(raw.start_pc),
        created_pc: known(raw.created_pc),
        creator: known(raw.creator),
    };
    let what = match gr_kind(u32::from(raw.kind)) {
        gr_kind::GR_CREATE => What::Create(goroutine),
        gr_kind::GR_EXIT => {
            let exit: &gr_exit = plain::from_bytes(bytes).ok()?;
            let knows = |flag: gr_known, ns| (u32::from(raw.known) & flag.0 != 0).then_some(ns);
            What::Exit {
                goroutine,
                created_ns: knows(gr_known::GR_KNOWS_CREATION, exit.created_ns),
                started_ns: knows(gr_known::GR_KNOWS_START, exit.started_ns),
                begun_ns: None,
            }
        }
        gr_kind::GR_PUT_GLOBAL => What::PutGlobal {
            goroutine: Identity {
                creator: None,
                ..goroutine
            },
            moved: raw.creator,
        },
        gr_kind::GR_GET_GLOBAL => What::GetGlobal,
        gr_kind::GR_STEAL => What::Steal { moved: raw.creator },
        gr_kind::GR_IMAGE => What::Image,
        _ => return None,
    };
    let p = (u32::from(raw.p) != gr_p::GR_NO_P.0).then_some(raw.p);
    Some(GoroutineEvent {
        time_ns: raw.time_ns,
        process: raw.process,
        p,
        what,
    })
}
