//! The probes behind `sched`: see `src/bpf/sched.bpf.c` for what each program does.

use std::collections::HashMap;

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;
use libbpf_rs::MapCore;
use libbpf_rs::MapFlags;

use crate::bpf::sched::OpenSchedSkel;
use crate::bpf::sched::SchedSkel;
use crate::bpf::sched::SchedSkelBuilder;
use crate::bpf::sched::types::sched_block;
use crate::bpf::sched::types::sched_block_key;
use crate::bpf::sched::types::sched_flag;
use crate::bpf::sched::types::sched_stack;
use crate::bpf::sched::types::sched_state;
use crate::bpf::sched::types::sched_whose;
use crate::model::sched::Doing;
use crate::model::sched::Open;
use crate::model::sched::Times;
use crate::target::Target;

use super::Probes;
use super::alive;
use super::alive::Life;
use super::counters;
use super::kernel::Kernel;
use super::place::Place;
use super::session::AnySession;
use super::session::Cause;
use super::session::Gate;
use super::session::Kind;
use super::session::Session;
use super::session::Wiring;

mod found;
mod losses;
mod options;
mod plan;

pub use found::Key;
pub use found::Known;
pub use found::Pcs;
pub use options::Options;
pub use plan::Plan;

use found::key;
use found::times;

/// This kind of probes.
struct Sched;

impl Kind for Sched {
    type Builder = SchedSkelBuilder;
    type Open = OpenSchedSkel<'static>;
    type Skel = SchedSkel<'static>;
    type Options = Options;

    fn size(open: &mut Self::Open, options: &Options) -> Result<()> {
        size_maps(open, options)
    }

    fn counters(skel: &Self::Skel) -> &dyn MapCore {
        &skel.maps.sched_counters
    }

    const CAUSES: &'static [Cause] = &losses::LOSSES;
}

/// Bytes of kernel memory that they take with these options.
pub fn memory(options: &Options) -> Result<u64> {
    Session::<Sched>::memory(options)
}

/// Loaded and attached programs for one binary.
#[allow(
    missing_debug_implementations,
    reason = "the generated skeleton has none"
)]
pub struct SchedProbes {
    session: Session<Sched>,
    options: Options,
}

impl SchedProbes {
    /// Loads and attaches. The gate stays closed: nothing is recorded until [`Probes::open_gate`].
    pub fn attach(target: &Target, plan: &Plan, options: &Options, place: &Place) -> Result<Self> {
        let wiring = Wiring {
            scope: &target.scope,
            place,
            steps: &plan.steps,
            later: &[],
        };
        let session = Session::<Sched>::begin(&wiring, options, |open| {
            let rodata = open.maps.rodata_data.as_mut();
            rodata
                .context("the BPF object has no configuration")?
                .sched_cfg = plan.config;
            Ok(())
        })?;
        for entry in &plan.system {
            session
                .skel
                .maps
                .sched_system
                .update(&entry.to_ne_bytes(), &[1], MapFlags::ANY)
                .context("cannot list a start function of the runtime")?;
        }
        Ok(Self {
            session,
            options: *options,
        })
    }

    /// From now on hits are counted, and nothing else happens.
    pub fn count_hits(&mut self) -> Result<()> {
        self.session.set_gate(Gate::GO_GATE_AJAR)
    }

    /// The times of all intervals that have ended.
    pub fn times(&self) -> Result<HashMap<Key, Times>> {
        let mut all: HashMap<Key, Times> = HashMap::new();
        let mut add = |whose: &sched_whose, bytes: &[u8]| -> Result<()> {
            let times = times(bytes)?;
            if times.ended() > 0 {
                all.entry(key(whose)).or_default().merge(&times);
            }
            Ok(())
        };
        let totals = &self.session.skel.maps.sched_totals;
        for slot in 0..totals.max_entries() {
            let values = totals
                .lookup_percpu(&slot.to_ne_bytes(), MapFlags::ANY)
                .context("cannot read the times")?
                .context("times are missing")?;
            let of_all = sched_whose {
                slot,
                ..sched_whose::default()
            };
            for value in values {
                add(&of_all, &value)?;
            }
        }
        for (bytes, value) in counters::entries(&self.session.skel.maps.sched_apart)? {
            let mut whose = sched_whose::default();
            if plain::copy_from_bytes(&mut whose, &bytes).is_err() {
                bail!("a key has an unknown size");
            }
            add(&whose, &value)?;
        }
        Ok(all)
    }

    /// The processes that have begun another program since the gate was opened, and when: CLOCK_MONOTONIC in ns.
    pub fn begun_anew(&self) -> Result<HashMap<u32, u64>> {
        let map = &self.session.skel.maps.sched_images;
        let mut images = HashMap::new();
        for bytes in map.keys() {
            let value = map.lookup(&bytes, MapFlags::ANY);
            let Some(value) = value.context("cannot read a map")? else {
                continue;
            };
            if let Ok(process) = <[u8; 4]>::try_from(bytes.as_slice()) {
                images.insert(u32::from_ne_bytes(process), counters::word(&value)?);
            }
        }
        Ok(images)
    }

    /// The goroutines that have changed their state.
    pub fn known(&self) -> Result<Vec<Known>> {
        let maps = &self.session.skel.maps;
        let images = self.begun_anew()?;
        let lives = alive::all(&maps.alive_table, &maps.alive_overflow)?;
        let known = lives.iter().filter_map(|life| self.describe(life, &images));
        Ok(known.collect())
    }

    fn describe(&self, life: &Life, images: &HashMap<u32, u64>) -> Option<Known> {
        let [_, since, start_pc, stack, rest, ..] = life.words;
        let [state, reason, flags, ..] = rest.to_ne_bytes();
        // What was there before an exec is not there any more.
        if images
            .get(&life.process)
            .is_some_and(|begun| since < *begun)
        {
            return None;
        }
        let Options {
            by_fn, by_process, ..
        } = self.options;
        let doing = match sched_state(u32::from(state)) {
            sched_state::SCHED_RUNNING => Some(Doing::Running),
            sched_state::SCHED_RUNNABLE => Some(Doing::Runnable),
            sched_state::SCHED_SYSCALL => Some(Doing::Syscall),
            sched_state::SCHED_WAITING => Some(Doing::Waiting(reason)),
            sched_state::SCHED_GONE => None,
            _ => return None,
        };
        let now = doing.map(|doing| {
            let key = Key {
                start: Some(start_pc).filter(|pc| by_fn && *pc != 0),
                process: by_process.then_some(life.process),
                doing,
                system: u32::from(flags) & sched_flag::SCHED_SYSTEM.0 != 0,
            };
            (key, since, Some(stack).filter(|stack| *stack != 0))
        });
        Some(Known {
            process: life.process,
            g: life.g,
            now,
        })
    }

    /// Whether times are kept by start function.
    pub fn by_fn(&self) -> bool {
        self.options.by_fn
    }

    /// Whether times are kept by process.
    pub fn by_process(&self) -> bool {
        self.options.by_process
    }

    /// Whether a goroutine is in the sample.
    pub fn samples(&self, g: u64) -> bool {
        is_sampled(g, self.options.sample)
    }

    /// The waits that have ended, by the key of the stack, and whose and what for.
    pub fn blocks(&self) -> Result<Vec<(u64, Key, Open)>> {
        let map = &self.session.skel.maps.sched_blocks;
        let mut all = Vec::new();
        for bytes in map.keys() {
            let value = map.lookup(&bytes, MapFlags::ANY);
            let Some(value) = value.context("cannot read where goroutines block")? else {
                continue;
            };
            let (mut block_key, mut block) = (sched_block_key::default(), sched_block::default());
            if plain::copy_from_bytes(&mut block_key, &bytes).is_err()
                || plain::copy_from_bytes(&mut block, &value).is_err()
            {
                bail!("an entry of where goroutines block has an unknown size");
            }
            let times = Open {
                count: block.count,
                sum_ns: block.sum_ns,
                max_ns: block.max_ns,
            };
            let whose = sched_whose {
                process: block_key.process,
                slot: block_key.slot,
                ..sched_whose::default()
            };
            all.push((block_key.stack, key(&whose), times));
        }
        Ok(all)
    }

    /// The stacks by their keys.
    pub fn stacks(&self) -> Result<HashMap<u64, Pcs>> {
        let map = &self.session.skel.maps.sched_stacks;
        let mut all = HashMap::new();
        for bytes in map.keys() {
            let value = map.lookup(&bytes, MapFlags::ANY);
            let Some(value) = value.context("cannot read the stacks")? else {
                continue;
            };
            let mut stack = sched_stack::default();
            if plain::copy_from_bytes(&mut stack, &value).is_err() {
                bail!("a stack has an unknown size");
            }
            let frames = stack.pc.iter().copied().take(stack.frames as usize);
            let pcs = Pcs {
                pcs: frames.collect(),
                deeper: stack.deeper != 0,
            };
            all.insert(counters::word(&bytes)?, pcs);
        }
        Ok(all)
    }
}

impl Probes for SchedProbes {
    fn session(&self) -> &dyn AnySession {
        &self.session
    }

    fn session_mut(&mut self) -> &mut dyn AnySession {
        &mut self.session
    }

    fn open_gate(&mut self, now_ns: u64) -> Result<()> {
        let bss = self.session.skel.maps.bss_data.as_mut();
        bss.context("the BPF object has no gate")?.sched_begin_ns = now_ns;
        self.session.set_gate(Gate::GO_GATE_OPEN)
    }

    fn remembered(&self) -> Vec<u32> {
        counters::numbers(&self.session.skel.maps.sched_images)
    }

    fn forget(&mut self, process: u32) -> Result<()> {
        let maps = &self.session.skel.maps;
        // It may not be there: the process has not begun while we looked.
        let _ = maps.sched_images.delete(&process.to_ne_bytes());
        alive::forget(&maps.alive_table, &maps.alive_overflow, process)
    }
}

/// As `left_out` in `sched.bpf.c`.
fn is_sampled(g: u64, sample: u32) -> bool {
    let spread = (g ^ g >> 21).wrapping_mul(0xd6e8_feb8_6659_fd93) >> 32;
    sample <= 1 || (spread * u64::from(sample)) >> 32 == 0
}

/// Gives the maps the sizes that `options` ask for.
fn size_maps(open: &mut OpenSchedSkel<'_>, options: &Options) -> Result<()> {
    let maps = &mut open.maps;
    let has_compare_and_swap = Kernel::current()?.has_compare_and_swap();
    let size = alive::Size::for_goroutines(options.max_goroutines, has_compare_and_swap);
    let only = |wanted, entries| if wanted { entries } else { 1 };
    let rodata = maps.rodata_data.as_mut();
    rodata
        .context("the BPF object has no configuration")?
        .alive_shift = size.shift;
    maps.alive_table
        .set_max_entries(size.buckets)
        .and_then(|()| maps.alive_overflow.set_max_entries(size.overflow))
        .and_then(|()| {
            let apart = only(options.by_fn || options.by_process, options.max_apart);
            maps.sched_apart.set_max_entries(apart)
        })
        .and_then(|()| {
            let stacks = only(options.stacks, options.max_stacks);
            maps.sched_stacks.set_max_entries(stacks)
        })
        .and_then(|()| {
            let blocks = only(options.stacks, options.max_stacks.saturating_mul(2));
            maps.sched_blocks.set_max_entries(blocks)
        })
        .context("cannot size a map")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_about_as_large_as_asked_for() {
        let gs = || (0..16_000_u64).map(|n| 0xc0_0000_0000 + n * 512);
        assert!(gs().all(|g| is_sampled(g, 1)));
        for sample in [2, 7, 16, 100] {
            let share = gs().filter(|g| is_sampled(*g, sample)).count() as f64 / 16_000.0;
            let wanted = 1.0 / f64::from(sample);
            assert!((share - wanted).abs() < 0.25 * wanted, "{sample}: {share}");
        }
    }
}
