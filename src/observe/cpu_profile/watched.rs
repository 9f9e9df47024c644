//! One process that is sampled: its samples, each with its stack and labels, and how far they go.

use std::time::Instant;

use anyhow::Result;

use crate::go::binary::plugins::Tables;
use crate::go::layout::Field;
use crate::go::process::label_sets::LabelSets;
use crate::go::process::sampled_stack::Found;
use crate::go::process::sampled_stack::Leaf;
use crate::go::process::sampled_stack::SampledStacks;
use crate::go::process::unwind::Trace;
use crate::model::cpu::CpuSample;
use crate::model::profile::End;
use crate::observe::reader;
use crate::probe::cpu::CpuProbes;
use crate::target::Target;
use crate::target::code_maps::CodeMaps;
use crate::target::live::Live;
use crate::target::process::Loaded;
use crate::target::process::ProcessId;

use super::counted::CpuProfile;
use super::counted::Labels;
use super::counted::Where;
use super::known;
use super::subject::How;
use super::subject::Subject;

/// How often what is known of a command is held against it after its start, until all of it holds.
const TRIES: u32 = 80;

/// A process that is sampled.
pub(super) struct Watched<'s> {
    target: &'s Target,
    live: Live,
    /// How often more is to be learnt of it.
    tries: u32,
    stacks: SampledStacks<'s>,
    trace: Trace,
    maps: CodeMaps,
    sets: Option<LabelSets>,
    loaded: Option<Loaded>,
    /// Its CPU time at first, and the last time that it was looked at.
    cpu_ns: [Option<u64>; 2],
    from: Instant,
    ended: Option<End>,
    profile: CpuProfile,
    tells_goroutines: bool,
}

impl<'s> Watched<'s> {
    /// # Errors
    /// It has ended.
    pub(super) fn new(subject: &Subject<'s>, how: How) -> Result<Self> {
        let (target, live) = (subject.target, subject.live);
        let binary = &target.program.binary;
        let tables = Tables::with(binary, &live.runtime_info.plugins);
        let mut profile = CpuProfile::default();
        profile.sampling.hz = how.hz;
        Ok(Self {
            target,
            tries: if subject.has_begun { 0 } else { TRIES },
            stacks: SampledStacks::new(binary, tables, live.bias),
            trace: Trace::default(),
            maps: CodeMaps::new(&live.process),
            sets: known::label_sets(binary, live),
            loaded: live.process.loaded()?,
            live: live.clone(),
            cpu_ns: [None; 2],
            from: Instant::now(),
            ended: None,
            profile,
            tells_goroutines: how.tells_goroutines,
        })
    }

    pub(super) fn process(&self) -> &ProcessId {
        &self.live.process
    }

    /// Tells the probes where things lie in it.
    pub(super) fn watch(&self, probes: &mut CpuProbes) -> Result<()> {
        let layout = known::layout(&self.target.program.binary, &self.live)?;
        probes.watch(&self.live.process, &layout)
    }

    pub(super) fn begin(&mut self, from: Instant) {
        self.from = from;
        self.cpu_ns = [self.live.process.cpu_ns(); 2];
    }

    pub(super) fn is_going_on(&self) -> bool {
        self.ended.is_none()
    }

    /// Whether labels are to be read before the next garbage collection.
    pub(super) fn needs_haste(&self) -> bool {
        self.profile.sampling.labelled > 0 && self.is_going_on()
    }

    pub(super) fn add(&mut self, sample: &CpuSample) {
        // Another one may have its number now.
        if matches!(self.ended, Some(End::Process | End::Exec)) {
            return;
        }
        let (found, leaf) = self.stacks.walk(sample, &mut self.trace);
        let sampling = &mut self.profile.sampling;
        match found {
            Found::Proved => sampling.proved += 1,
            Found::Cut => sampling.cut += 1,
            Found::Chained => sampling.chained += 1,
            Found::Nothing => sampling.bare += 1,
        }
        let labels = match (sample.labels, &mut self.sets) {
            (Some(seen), Some(sets)) => match sets.read(&self.live.memory, seen) {
                Some(set) => Labels::Known(Some(set)),
                None => Labels::Lost,
            },
            _ => Labels::Known(None),
        };
        sampling.labelled += u64::from(labels != Labels::Known(None));
        if labels == Labels::Lost {
            sampling.unlabelled += 1;
        }
        let place = Where {
            labels,
            goroutine: sample.goid.filter(|_| self.tells_goroutines),
            trace: self.trace.clone(),
            elsewhere: match leaf {
                Leaf::Go => None,
                Leaf::Elsewhere(pc) => Some(self.maps.name(pc)),
            },
            is_cut: found == Found::Cut,
        };
        *self.profile.samples.entry(place).or_default() += 1;
    }

    /// Whether it is what it was. To be called before its samples are taken: these may end it.
    pub(super) fn look(&mut self) -> Option<End> {
        if !self.is_going_on() {
            return None;
        }
        let process = &self.live.process;
        // Of one that has ended there is none.
        self.cpu_ns[1] = process.cpu_ns().or(self.cpu_ns[1]);
        if !process.is_alive() {
            return Some(End::Process);
        }
        // What is not to be had at this moment, is at another.
        let is_another =
            matches!(process.loaded(), Ok(Some(now)) if Some(&now) != self.loaded.as_ref());
        is_another.then_some(End::Exec)
    }

    /// Nothing more comes of it, for this reason; the first one counts.
    pub(super) fn end(&mut self, reason: Option<End>) {
        if reason.is_some() && self.is_going_on() {
            self.ended = reason;
            let elapsed = self.from.elapsed().as_nanos();
            self.profile.sampling.elapsed_ns = u64::try_from(elapsed).unwrap_or(u64::MAX);
        }
    }

    /// Of a command that has just been started more is known when its runtime has begun.
    pub(super) fn learn(&mut self, probes: &mut CpuProbes) -> Result<()> {
        if self.tries == 0 || !self.is_going_on() || !matches!(self.live.began(), Ok(1..)) {
            return Ok(());
        }
        self.tries -= 1;
        if let Ok(live) = reader::open_process(self.target, &self.live.process) {
            let binary = &self.target.program.binary;
            if known::shortcomings(binary, &live.runtime_info).is_empty() {
                self.tries = 0;
            }
            self.sets = known::label_sets(binary, &live);
            self.live = live;
            // One that ends at this moment is not watched any more, whatever is known of it.
            match self.watch(probes) {
                Err(why) if self.live.process.is_alive() => return Err(why),
                _ => {}
            }
        }
        Ok(())
    }

    pub(super) fn profile(self) -> CpuProfile {
        let mut profile = self.profile;
        let sampling = &mut profile.sampling;
        sampling.end = self.ended.unwrap_or_default();
        let [before, after] = self.cpu_ns;
        sampling.cpu_ns = before
            .zip(after)
            .map(|(before, after)| after.saturating_sub(before));
        let known = &self.live.runtime_info;
        profile.shortcomings = known::shortcomings(&self.target.program.binary, known);
        if self.tells_goroutines
            && let Err(why) = known.layout.require_checked(Field::GGoid)
        {
            let what = format!("not known: numbers of goroutines ({why})");
            profile.shortcomings.push(what);
        }
        profile
    }
}
