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
use crate::go::sites::Site;

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
    _skel: FloorSkel<'object>,
}

/// Name of the program.
const EMPTY: &str = "empty";

impl<'object> Floor<'object> {
    /// Loads the program and attaches it.
    pub fn attach(
        object: &'object mut MaybeUninit<OpenObject>,
        place: &Place,
        sites: Vec<Site>,
    ) -> Result<Self> {
        let mut open = FloorSkelBuilder::default()
            .open(object)
            .context("cannot open the BPF object")?;
        attach::select(open.open_object_mut(), &[EMPTY], place.method());
        let skel = open.load().map_err(attach::cannot_load)?;
        let step = Step {
            program: EMPTY,
            sites,
        };
        let links = place.attach(skel.object(), &step)?;
        Ok(Self {
            _links: links,
            _skel: skel,
        })
    }
}
