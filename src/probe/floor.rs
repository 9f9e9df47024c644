//! Probes with nothing behind them: what a hit costs at the least, on this machine and at these sites.

use std::mem::MaybeUninit;

use anyhow::Context;
use anyhow::Result;
use libbpf_rs::OpenObject;
use libbpf_rs::skel::OpenSkel;
use libbpf_rs::skel::Skel;
use libbpf_rs::skel::SkelBuilder;

use crate::bpf::floor::FloorSkel;
use crate::bpf::floor::FloorSkelBuilder;
use crate::go::site::Site;

use super::attach;
use super::attach::Attached;
use super::attach::Place;
use super::attach::Step;

/// Empty programs on sites; they detach when this is dropped.
#[allow(
    missing_debug_implementations,
    reason = "the generated skeleton has none"
)]
pub struct Floor<'object> {
    // Before the skeleton: links go first.
    _links: Vec<Attached>,
    skel: FloorSkel<'object>,
}

/// Names of the programs.
const EMPTY: &str = "empty";
const FRAMED: &str = "framed";

impl<'object> Floor<'object> {
    /// Loads the empty program and attaches it.
    pub fn attach(
        object: &'object mut MaybeUninit<OpenObject>,
        place: &Place,
        sites: Vec<Site>,
    ) -> Result<Self> {
        Self::attach_program(object, place, sites, EMPTY)
    }

    /// The same with one that does what all programs here do beside their work.
    pub(super) fn framed(
        object: &'object mut MaybeUninit<OpenObject>,
        place: &Place,
        sites: Vec<Site>,
    ) -> Result<Self> {
        let mut floor = Self::attach_program(object, place, sites, FRAMED)?;
        let bss = floor.skel.maps.bss_data.as_mut();
        bss.context("the BPF object has no gate")?.go_gate = 1;
        Ok(floor)
    }

    fn attach_program(
        object: &'object mut MaybeUninit<OpenObject>,
        place: &Place,
        sites: Vec<Site>,
        program: &'static str,
    ) -> Result<Self> {
        let mut open = FloorSkelBuilder::default()
            .open(object)
            .context("cannot open the BPF object")?;
        attach::select(open.open_object_mut(), &[program], place.method());
        let skel = open.load().map_err(attach::cannot_load)?;
        let step = Step { program, sites };
        let links = place.attach(skel.object(), &step)?;
        Ok(Self {
            _links: links,
            skel,
        })
    }
}
