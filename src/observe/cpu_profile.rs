//! What processors do for processes, by stacks, for a while.

mod counted;
mod known;
mod subject;
mod watched;

use std::collections::HashMap;
use std::time::Duration;
use std::time::Instant;

use anyhow::Context;
use anyhow::Result;
use crossbeam_channel::Receiver;

use crate::model::loss::Loss;
use crate::model::profile::End;
use crate::probe::cpu::CpuProbes;
use crate::target::Scope;
use crate::target::Target;
use crate::target::live::Live;

pub use self::counted::CpuProfile;
pub use self::counted::Labels;
pub use self::counted::Where;
pub use self::known::shortcomings;
pub use self::subject::How;
pub use self::subject::Subject;
use self::watched::Watched;

/// How often what was sampled is taken, and the process looked at,
const TURN: Duration = Duration::from_millis(25);
/// and how often where goroutines bear labels, which are to be read before the next garbage collection.
const SHORT_TURN: Duration = Duration::from_millis(2);

/// What came of several.
#[derive(Debug)]
pub struct Taken {
    /// Of each, in the order in which they were given.
    pub profiles: Vec<Result<CpuProfile>>,
    /// What was lost of all of them together.
    pub losses: Vec<Loss>,
}

/// Samples the process of `live`, `hz` times a second of each processor, until `time` is over, `stop` says so or it ends.
/// `begun` is called when it has begun.
///
/// # Errors
/// The kernel refuses, or the process runs another program now.
pub fn take(
    target: &Target,
    live: &Live,
    hz: u32,
    time: Duration,
    stop: &Receiver<()>,
    begun: impl FnOnce(),
) -> Result<CpuProfile> {
    let subject = Subject {
        target,
        live,
        has_begun: true,
    };
    let begun = || {
        begun();
        Ok(())
    };
    let how = How {
        hz,
        time,
        tells_goroutines: false,
    };
    let taken = take_all(&[subject], how, stop, begun)?;
    let Taken {
        mut profiles,
        losses,
    } = taken;
    let mut profile = profiles.pop().context("nothing was sampled")??;
    profile.sampling.losses = losses;
    Ok(profile)
}

/// Whether processors can be sampled here.
///
/// # Errors
/// What stands in the way.
pub fn require() -> Result<()> {
    CpuProbes::load(&Scope::Only(Vec::new())).map(drop)
}

/// Samples several processes together: with one program on the clocks, which knows them by their numbers.
///
/// # Errors
/// The kernel refuses; what one of them refuses is in its place.
pub fn take_all(
    subjects: &[Subject<'_>],
    how: How,
    stop: &Receiver<()>,
    begun: impl FnOnce() -> Result<()>,
) -> Result<Taken> {
    let processes = subjects.iter().map(|it| it.live.process.clone()).collect();
    let mut probes = CpuProbes::load(&Scope::Only(processes))?;
    let mut all: Vec<Result<Watched<'_>>> = Vec::new();
    for subject in subjects {
        let watched = Watched::new(subject, how);
        all.push(watched.and_then(|it| it.watch(&mut probes).map(|()| it)));
    }
    let mut watched: Vec<&mut Watched<'_>> = all.iter_mut().flatten().collect();
    // Where samples of a process go.
    let places: HashMap<u32, usize> = watched
        .iter()
        .enumerate()
        .map(|(at, it)| (it.process().pid.cast_unsigned(), at))
        .collect();
    let add = |watched: &mut [&mut Watched<'_>], probes: &mut CpuProbes| {
        probes.take(|sample| {
            let of = places.get(&sample.process);
            if let Some(of) = of.and_then(|at| watched.get_mut(*at)) {
                of.add(sample);
            }
        })
    };
    let from = Instant::now();
    watched.iter_mut().for_each(|it| it.begin(from));
    if !watched.is_empty() {
        probes.start(how.hz)?;
        begun()?;
    }
    let end = from + how.time;
    let mut looked = from;
    while watched.iter().any(|it| it.is_going_on()) {
        let left = end.saturating_duration_since(Instant::now());
        let turn = match watched.iter().any(|it| it.needs_haste()) {
            false => TURN,
            true => SHORT_TURN,
        };
        let was_asked = super::stop::wait_until(Instant::now() + left.min(turn), stop);
        let is_over = was_asked || left.is_zero();
        if !is_over && looked.elapsed() < TURN {
            add(&mut watched, &mut probes)?;
            continue;
        }
        looked = Instant::now();
        let ended: Vec<Option<End>> = watched.iter_mut().map(|it| it.look()).collect();
        add(&mut watched, &mut probes)?;
        for (it, ended) in watched.iter_mut().zip(ended) {
            it.end(ended);
            it.learn(&mut probes)?;
            match (was_asked, is_over) {
                (true, _) => it.end(Some(End::Asked)),
                (_, true) => it.end(Some(End::Time)),
                _ => {}
            }
        }
    }
    probes.stop()?;
    add(&mut watched, &mut probes)?;
    Ok(Taken {
        losses: probes.losses()?,
        profiles: all.into_iter().map(|it| it.map(Watched::profile)).collect(),
    })
}
