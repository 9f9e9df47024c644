//! `grtmon profile block` and `mutex`: who waits for others, and who lets others wait. The runtime notes it where the program
//! asks for that; elsewhere goroutines that wait are looked at for a while.

use std::time::Duration;

use anyhow::Result;
use crossbeam_channel::Receiver;

use crate::go::layout::globals::contention::ContentionGlobals;
use crate::go::process::call_stacks::CallStacks;
use crate::go::process::contention_profile;
use crate::go::process::contention_profile::ContentionProfile;
use crate::go::process::contention_profile::Which;
use crate::go::process::g;
use crate::go::site::runtime_functions::Runtime;
use crate::model::human::counted;
use crate::model::human::duration;
use crate::model::profile::COUNT;
use crate::model::profile::LabelValue;
use crate::model::profile::Mapping;
use crate::model::profile::NANOSECONDS;
use crate::model::profile::Profile;
use crate::model::profile::Sample;
use crate::model::profile::ValueType;
use crate::observe::reader::unreadable;
use crate::observe::wall_profile;
use crate::target::Target;
use crate::target::live::Live;
use crate::target::ticks;

use super::several;
use super::subject::Subject;
use super::taken::Taken;
use super::taken::Together;
use super::wall;
use crate::cmd::output;

/// What is counted, in this order (`printCountCycleProfile`, runtime/pprof/pprof.go).
const CONTENTIONS: ValueType = ValueType {
    name: "contentions",
    unit: COUNT,
};
const DELAY: ValueType = ValueType {
    name: "delay",
    unit: NANOSECONDS,
};
pub(super) const TYPES: [ValueType; 2] = [CONTENTIONS, DELAY];

/// How often goroutines are looked at where nothing is noted, a second.
const HZ: u32 = 49;

/// What the program has measured is believed if it is so near to what is measured now.
const NEAR: f64 = 0.02;

/// One of the two, in words.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kind {
    name: &'static str,
    which: Which,
    /// What the program calls to have them noted.
    switch: &'static str,
    /// What is counted, for people.
    noted: &'static str,
    /// Whose stacks are found instead, and what they do not tell.
    instead: &'static str,
}

impl Kind {
    pub(super) const BLOCK: Self = Self {
        name: "block",
        which: Which::Waited,
        switch: "runtime.SetBlockProfileRate",
        noted: "waits for channels, locks and groups that have ended",
        instead: "goroutines that wait for channels, locks and groups",
    };
    pub(super) const MUTEX: Self = Self {
        name: "mutex",
        which: Which::LetWait,
        switch: "runtime.SetMutexProfileFraction",
        noted: "waits for locks that have ended, by who released them",
        instead: "goroutines that wait for locks, not those that hold them",
    };
}

/// Of each process.
pub(super) fn take_all(
    time: Duration,
    kind: Kind,
    stop: &Receiver<()>,
    subjects: &[Subject],
) -> Result<Together> {
    let take = |it: &Subject, stop: &Receiver<()>| {
        take(time, kind, stop, &it.target, &it.live, it.mapping())
    };
    Ok(Together {
        each: several::at_once(subjects, stop, take),
        losses: Vec::new(),
    })
}

/// All stacks.
fn take(
    time: Duration,
    kind: Kind,
    stop: &Receiver<()>,
    target: &Target,
    live: &Live,
    mapping: Mapping,
) -> Result<Taken> {
    let binary = &target.program.binary;
    let view = live.view();
    let globals = ContentionGlobals::of(&Runtime::of(binary));
    let read = contention_profile::read(&view, &globals, kind.which);
    let read = read.map_err(|why| unreadable(live, why))?;
    if read.rate == 0 && read.waits.is_empty() {
        return look(time, kind, stop, target, live, mapping);
    }
    let mut stacks = CallStacks::new(binary, &view);
    let mut profile = Profile::new(kind.name, TYPES.to_vec(), (CONTENTIONS, 1), mapping);
    let ticks_per_second = ticks_per_second(&read)?;
    for waits in &read.waits {
        let stack = stacks.expanded(&waits.stack);
        let stack = stacks.locations(&mut profile, &stack);
        profile.add(Sample {
            stack,
            values: read.values(waits, ticks_per_second).to_vec(),
            labels: Vec::new(),
        });
    }
    let about = format!(
        "{} {} of {} in all, on {}, since it began",
        profile.total(0),
        kind.noted,
        duration(profile.total(1)),
        counted(profile.samples().len() as u64, "stack"),
    );
    let about = match (read.rate, kind.which) {
        (0 | 1, _) => about,
        (rate, Which::LetWait) => format!("{about}; estimated from one in {rate}"),
        (_, Which::Waited) => {
            let least = duration(read.rate_ns(ticks_per_second));
            format!("{about}; those of less than {least} estimated")
        }
    };
    let mut warnings = Vec::new();
    if read.rate == 0 {
        warnings.push(format!(
            "the program has switched this profile off since: nothing more is noted until it calls {}",
            kind.switch
        ));
    }
    if read.scale.is_none() {
        warnings.push("one of how many was noted is not known any more: numbers are of those that were, not of all".to_owned());
    }
    Ok(Taken {
        profile,
        about,
        warnings,
    })
}

/// As the program itself reckons, if it has done so.
fn ticks_per_second(read: &ContentionProfile) -> Result<u64> {
    let measured = ticks::per_second()?;
    let is_near = |own: &u64| (*own as f64 / measured as f64 - 1.0).abs() < NEAR;
    Ok(read.ticks_per_second.filter(is_near).unwrap_or(measured))
}

/// What goroutines that wait tell, in the same shape.
fn look(
    time: Duration,
    kind: Kind,
    stop: &Receiver<()>,
    target: &Target,
    live: &Live,
    mapping: Mapping,
) -> Result<Taken> {
    let begun = || {
        let time = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        output::note(&format!(
            "{}: the program notes no such waits (it would have to call {}): looking at {} for {}. Ctrl-C to end.",
            target.describe(),
            kind.switch,
            kind.instead,
            duration(time)
        ));
    };
    let mut profile = Profile::new(kind.name, TYPES.to_vec(), (CONTENTIONS, 1), mapping);
    let taken = wall_profile::take(target, live, (HZ, time), stop, &mut profile, begun)?;
    for sample in profile.take_samples() {
        if is_noted(kind.which, &profile, &sample) {
            profile.add(sample);
        }
    }
    let elapsed = u64::try_from(taken.elapsed.as_nanos()).unwrap_or(u64::MAX);
    profile.duration_ns = Some(elapsed);
    let (seen, waited) = (profile.total(0), profile.total(1));
    let mut warnings = g::shortcomings(&live.runtime_info.layout);
    warnings.extend(wall::shortcomings(&taken));
    Ok(Taken {
        about: format!(
            "not noted by the program, but seen: {:.1} {} at a time on average, in {}; as profile wall: {} from {}, which stand for contentions, shares are within {:.1}% by chance",
            waited as f64 / (elapsed as f64).max(1.0),
            kind.instead,
            duration(elapsed),
            counted(seen, "sample"),
            counted(taken.looks, "look"),
            wall::chance(&taken, waited),
        ),
        profile,
        warnings,
    })
}

fn is_noted(which: Which, profile: &Profile, sample: &Sample) -> bool {
    let mut states = sample.labels.iter().filter(|label| label.key == "state");
    let Some(LabelValue::Text(state)) = states.next().map(|label| &label.value) else {
        return false;
    };
    let functions = profile.lines(&sample.stack).map(|(_, it, _)| &*it.name);
    contention_profile::is_noted(which, state, functions)
}
