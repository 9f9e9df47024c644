//! One object of BPF programs at work: from the choice of its programs to its last count. It owns all it needs, can live on
//! any thread, and many can at the same time. What is alike for all kinds of probes is here; what differs says a `Kind`.

use std::mem::MaybeUninit;

use anyhow::Context;
use anyhow::Result;
use libbpf_rs::MapCore;
use libbpf_rs::Object;
use libbpf_rs::OpenObject;
use libbpf_rs::RingBuffer;
use libbpf_rs::RingBufferBuilder;
use libbpf_rs::skel::OpenSkel;
use libbpf_rs::skel::Skel;
use libbpf_rs::skel::SkelBuilder;

use crate::bpf::GoConfig;
use crate::bpf::Loaded;
use crate::bpf::Opened;
use crate::model::loss::Loss;
use crate::target::Scope;

use super::counters;
use super::detach::detach;
use super::filter;
use super::held::Attached;
use super::overhead;
use super::overhead::Overhead;
use super::place::Place;
use super::prepare;
use super::process_number::Processes;
use super::refusal;
use super::step;
use super::step::Step;

/// Positions of the gate, in all objects (`go_gate_position` in `go.bpf.h`).
pub use crate::bpf::sched::types::go_gate_position as Gate;

/// Something that is not recorded, as a program counts it: its counter, the name of the cause, and what it means.
pub(super) type Cause = (u32, &'static str, &'static str);

/// A kind of probes.
pub(super) trait Kind {
    /// Makes the skeleton that `build.rs` generated.
    type Builder: SkelBuilder<'static, Output = Self::Open> + Default;
    /// The object before it is loaded.
    type Open: OpenSkel<'static, Output = Self::Skel> + Opened;
    /// The loaded object.
    type Skel: Skel<'static> + Loaded;
    /// What the sizes of its maps depend on.
    type Options;

    /// Gives the maps their sizes.
    fn size(open: &mut Self::Open, options: &Self::Options) -> Result<()>;

    /// Where its programs count.
    fn counters(skel: &Self::Skel) -> &dyn MapCore;

    /// What they count that is not recorded.
    const CAUSES: &'static [Cause];
}

/// Which programs go where.
pub(super) struct Wiring<'w> {
    pub(super) scope: &'w Scope,
    pub(super) place: &'w Place,
    pub(super) steps: &'w [Step],
    /// Programs that are attached later.
    pub(super) later: &'w [&'static str],
}

/// Loaded and attached programs.
pub(super) struct Session<K: Kind> {
    /// They detach when dropped, before the object goes.
    links: Vec<Attached>,
    pub(super) skel: K::Skel,
}

/// An object of the kind, not yet loaded.
///
/// libbpf-rs keeps the address of an object, 8 bytes, in a place that must outlive it. One is made for each object and never
/// taken back, so that objects can be owned and moved.
fn open<K: Kind>() -> Result<K::Open> {
    let place: &'static mut MaybeUninit<OpenObject> = Box::leak(Box::new(MaybeUninit::uninit()));
    K::Builder::default()
        .open(place)
        .context("cannot open the BPF object")
}

impl<K: Kind> Session<K> {
    /// Loads and attaches. The gate is closed. `configure` sets the kind's own constants.
    pub(super) fn begin(
        wiring: &Wiring<'_>,
        options: &K::Options,
        configure: impl FnOnce(&mut K::Open) -> Result<()>,
    ) -> Result<Self> {
        let Wiring { scope, place, .. } = wiring;
        let steps = wiring.steps.iter().map(|step| step.program);
        let programs: Vec<&str> = steps.chain(wiring.later.iter().copied()).collect();
        let mut session = Self::load(&config(place, scope)?, options, |open| {
            configure(open)?;
            step::select(open.open_object_mut(), &programs, place.method());
            prepare::prepare(open.open_object_mut(), place)
        })?;
        filter::list(session.skel.listed(), scope)?;
        place.require(&step::sites(wiring.steps))?;
        for step in wiring.steps {
            let links = place.attach_checked(session.skel.object(), step)?;
            session.links.extend(links);
        }
        Ok(session)
    }

    /// Loads, and attaches nothing. The gate is closed. `prepare` says what is loaded, and sets the kind's own constants.
    pub(super) fn load(
        config: &GoConfig,
        options: &K::Options,
        prepare: impl FnOnce(&mut K::Open) -> Result<()>,
    ) -> Result<Self> {
        let mut open = open::<K>()?;
        open.tell(config)
            .context("the BPF object has no configuration")?;
        K::size(&mut open, options)?;
        prepare(&mut open)?;
        let skel = open.load().map_err(refusal::cannot_load)?;
        let links = Vec::new();
        Ok(Self { links, skel })
    }

    /// The kernel memory that its maps take.
    pub(super) fn memory(options: &K::Options) -> Result<u64> {
        let mut open = open::<K>()?;
        K::size(&mut open, options)?;
        for mut program in open.open_object_mut().progs_mut() {
            program.set_autoload(false);
        }
        let skel = open.load().map_err(refusal::cannot_load)?;
        super::memory::of_maps(skel.object())
    }

    /// The loaded object, to attach more of its programs.
    pub(super) fn object(&self) -> &Object {
        self.skel.object()
    }

    /// Closes the gate, and detaches everything together with these.
    pub(super) fn close_with(&mut self, mut others: Vec<Attached>) -> Result<()> {
        self.set_gate(Gate::GO_GATE_CLOSED)?;
        others.append(&mut self.links);
        detach(others);
        Ok(())
    }

    pub(super) fn counter(&self, counter: u32) -> Result<u64> {
        counters::per_cpu_sum(K::counters(&self.skel), counter)
    }
}

fn config(place: &Place, scope: &Scope) -> Result<GoConfig> {
    let mut config = GoConfig::default();
    Processes::of(place, scope)?.tell(&mut config);
    if let Some(by_address) = place.by_address() {
        by_address.tell(&mut config);
    }
    Ok(config)
}

/// What is done with a session whatever its kind.
pub trait AnySession {
    /// Moves the gate.
    fn set_gate(&mut self, position: Gate) -> Result<()>;
    /// Closes the gate and detaches everything.
    fn close(&mut self) -> Result<()>;
    /// What the programs have cost.
    fn overhead(&self) -> Result<Overhead>;
    /// What the programs could not record; causes without an event too.
    fn losses(&self) -> Result<Vec<Loss>>;
}

impl<K: Kind> AnySession for Session<K> {
    fn set_gate(&mut self, position: Gate) -> Result<()> {
        let gate = self.skel.gate();
        *gate.context("the BPF object has no gate")? = position.0;
        Ok(())
    }

    fn close(&mut self) -> Result<()> {
        self.close_with(Vec::new())
    }

    fn overhead(&self) -> Result<Overhead> {
        overhead::overhead(self.skel.overhead())
    }

    fn losses(&self) -> Result<Vec<Loss>> {
        let mut losses = Vec::new();
        for (counter, cause, meaning) in K::CAUSES {
            losses.push(Loss {
                cause,
                meaning,
                events: self.counter(*counter)?,
            });
        }
        losses.push(counters::unknown_sites(self.skel.unknown_sites())?);
        Ok(losses)
    }
}

/// A reader of records: gives each of them to `take`.
pub(super) fn ring(
    map: &dyn MapCore,
    mut take: impl FnMut(&[u8]) + Send + 'static,
) -> Result<RingBuffer<'static>> {
    let mut builder = RingBufferBuilder::new();
    builder
        .add(map, move |bytes| {
            take(bytes);
            0
        })
        .context("cannot use the ring buffer")?;
    builder.build().context("cannot use the ring buffer")
}
