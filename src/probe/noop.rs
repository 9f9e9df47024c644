//! Probes with nothing behind them: what a hit costs at the least, on this machine and at these sites.

use anyhow::Result;
use libbpf_rs::MapCore;

use crate::bpf::Loaded;
use crate::bpf::noop::NoopSkel;
use crate::bpf::noop::NoopSkelBuilder;
use crate::bpf::noop::OpenNoopSkel;
use crate::go::site::Site;
use crate::target::Scope;

use super::place::Place;
use super::session::AnySession;
use super::session::Cause;
use super::session::Gate;
use super::session::Kind;
use super::session::Session;
use super::session::Wiring;
use super::step::Step;

/// This kind of probes.
struct Nothing;

impl Kind for Nothing {
    type Builder = NoopSkelBuilder;
    type Open = OpenNoopSkel<'static>;
    type Skel = NoopSkel<'static>;
    type Options = ();

    fn size(_open: &mut Self::Open, _options: &()) -> Result<()> {
        Ok(())
    }

    fn counters(skel: &Self::Skel) -> &dyn MapCore {
        skel.overhead()
    }

    const CAUSES: &'static [Cause] = &[];
}

/// Empty programs on sites; they detach when this is dropped.
#[allow(
    missing_debug_implementations,
    reason = "the generated skeleton has none"
)]
pub struct Noop {
    session: Session<Nothing>,
}

/// Names of the programs.
const EMPTY: &str = "empty";
const FRAMED: &str = "framed";

impl Noop {
    /// Loads the empty program and attaches it.
    pub fn attach(place: &Place, sites: Vec<Site>) -> Result<Self> {
        Self::attach_program(place, sites, EMPTY)
    }

    /// The same with one that does what all programs here do beside their work.
    pub(super) fn framed(place: &Place, sites: Vec<Site>) -> Result<Self> {
        let mut noop = Self::attach_program(place, sites, FRAMED)?;
        noop.session.set_gate(Gate::GO_GATE_OPEN)?;
        Ok(noop)
    }

    fn attach_program(place: &Place, sites: Vec<Site>, program: &'static str) -> Result<Self> {
        let wiring = Wiring {
            scope: &Scope::Everyone,
            place,
            steps: &[Step { program, sites }],
            later: &[],
        };
        let session = Session::begin(&wiring, &(), |_| Ok(()))?;
        Ok(Self { session })
    }
}
