//! The kernel memory that a command's maps take, by the kernel's own account.

use std::fs;
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::os::fd::AsRawFd;

use anyhow::Context;
use anyhow::Result;
use libbpf_rs::Object;
use libbpf_rs::OpenObject;
use libbpf_rs::skel::OpenSkel;
use libbpf_rs::skel::Skel;
use libbpf_rs::skel::SkelBuilder;

use crate::bpf::gc::GcSkelBuilder;
use crate::bpf::gm::GmSkelBuilder;
use crate::bpf::gr::GrSkelBuilder;
use crate::bpf::sched::SchedSkelBuilder;

use super::attach;
use super::gc;
use super::gr;
use super::sched;

/// Bytes for `gr` or `gr seq` with these options: all of it is taken when the command begins, and no more later.
pub fn of_gr(options: &gr::Options) -> Result<u64> {
    let mut object = MaybeUninit::uninit();
    let mut open = GrSkelBuilder::default()
        .open(&mut object)
        .context("cannot open the BPF object")?;
    gr::size_maps(&mut open, options)?;
    without_programs(open.open_object_mut());
    let skel = open.load().map_err(attach::cannot_load)?;
    of_maps(skel.object())
}

/// Bytes for `gc`.
pub fn of_gc() -> Result<u64> {
    let mut object = MaybeUninit::uninit();
    let mut open = GcSkelBuilder::default()
        .open(&mut object)
        .context("cannot open the BPF object")?;
    gc::size_maps(&mut open)?;
    without_programs(open.open_object_mut());
    let skel = open.load().map_err(attach::cannot_load)?;
    of_maps(skel.object())
}

/// Bytes for `sched` with these options.
pub fn of_sched(options: &sched::Options) -> Result<u64> {
    let mut object = MaybeUninit::uninit();
    let mut open = SchedSkelBuilder::default()
        .open(&mut object)
        .context("cannot open the BPF object")?;
    sched::size_maps(&mut open, options)?;
    without_programs(open.open_object_mut());
    let skel = open.load().map_err(attach::cannot_load)?;
    of_maps(skel.object())
}

/// Bytes for `gm` with probes.
pub fn of_gm() -> Result<u64> {
    let mut object = MaybeUninit::uninit();
    let mut open = GmSkelBuilder::default()
        .open(&mut object)
        .context("cannot open the BPF object")?;
    without_programs(open.open_object_mut());
    let skel = open.load().map_err(attach::cannot_load)?;
    of_maps(skel.object())
}

fn without_programs(object: &mut OpenObject) {
    for mut program in object.progs_mut() {
        program.set_autoload(false);
    }
}

/// The sum of `memlock` in /proc/self/fdinfo (kernel/bpf/syscall.c, `bpf_map_show_fdinfo`).
fn of_maps(object: &Object) -> Result<u64> {
    let mut sum: u64 = 0;
    for map in object.maps() {
        let path = format!("/proc/self/fdinfo/{}", map.as_fd().as_raw_fd());
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
        let bytes = text
            .lines()
            .find_map(|line| line.strip_prefix("memlock:"))
            .and_then(|bytes| bytes.trim().parse::<u64>().ok())
            .with_context(|| format!("{path} does not tell the size of a map"))?;
        sum = sum.saturating_add(bytes);
    }
    Ok(sum)
}
