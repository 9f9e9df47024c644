//! `grtmon profile wall`: what goroutines do all the time, waiting included.

use anyhow::Result;
use crossbeam_channel::Receiver;

use crate::cli::WallArgs;
use crate::go::process::g;
use crate::model::human::counted;
use crate::model::human::duration;
use crate::model::profile::COUNT;
use crate::model::profile::Mapping;
use crate::model::profile::NANOSECONDS;
use crate::model::profile::Profile;
use crate::model::profile::ValueType;
use crate::observe::wall_profile;
use crate::observe::wall_profile::WallProfile;
use crate::target::Target;
use crate::target::live::Live;

use super::taken::Taken;
use crate::cmd::output;

/// What is counted, in this order.
const SAMPLES: ValueType = ValueType {
    name: "samples",
    unit: COUNT,
};
const WALL: ValueType = ValueType {
    name: "wall",
    unit: NANOSECONDS,
};
pub(super) const TYPES: [ValueType; 2] = [SAMPLES, WALL];

/// 19 of 20 times a share that was found is within so many standard deviations of the true one.
const DEVIATIONS: f64 = 1.96;

/// Looks at goroutines until the time is over.
pub(super) fn take(
    args: &WallArgs,
    stop: &Receiver<()>,
    target: &Target,
    live: &Live,
    mapping: Mapping,
) -> Result<Taken> {
    let begun = || {
        let time = u64::try_from(args.duration.as_nanos()).unwrap_or(u64::MAX);
        let (whom, time) = (target.describe(), duration(time));
        output::note(&format!(
            "{whom}: looking at goroutines for {time}. Ctrl-C to end."
        ));
    };
    let period = 1_000_000_000 / u64::from(args.hz);
    let mut profile = Profile::new("wall", TYPES.to_vec(), (WALL, period), mapping);
    let how = (args.hz, args.duration);
    let taken = wall_profile::take(target, live, how, stop, &mut profile, begun)?;
    profile.duration_ns = u64::try_from(taken.elapsed.as_nanos()).ok();
    let mut warnings = g::shortcomings(&live.runtime_info.layout);
    warnings.extend(shortcomings(&taken));
    if let Some(why) = taken.ended {
        warnings.push(format!("process {} {why}", live.process.pid));
    }
    Ok(Taken {
        about: about(&taken, profile.total(1)),
        profile,
        warnings,
    })
}

/// What it is of, and how sure it is.
fn about(taken: &WallProfile, wall_ns: u64) -> String {
    let elapsed = taken.elapsed.as_nanos();
    let goroutines = wall_ns as f64 / (elapsed as f64).max(1.0);
    let time = duration(u64::try_from(elapsed).unwrap_or(u64::MAX));
    let (looks, seen) = (counted(taken.looks, "look"), counted(taken.seen, "sample"));
    let chance = chance(taken, wall_ns);
    format!(
        "{goroutines:.1} goroutines on average in {time}; {seen} from {looks}: shares are within {chance:.1}% by chance"
    )
}

/// Within how many percent of the whole a share is, by chance.
pub(super) fn chance(taken: &WallProfile, wall_ns: u64) -> f64 {
    let share = DEVIATIONS * taken.deviation() / (wall_ns as f64 / 1e9).max(1e-9);
    (share * 100.0).min(100.0)
}

pub(super) fn shortcomings(taken: &WallProfile) -> Vec<String> {
    let missing = &taken.missing;
    let of_samples = [
        (
            missing.goroutines,
            "changing too fast to be read, and not counted",
        ),
        (
            missing.moving,
            "moving too fast for a stack, and counted without",
        ),
        (
            missing.unwalkable,
            "counted without the stack, which does not lead to the first function",
        ),
    ];
    let lines = of_samples.into_iter().filter(|(count, _)| *count > 0);
    let mut lines: Vec<String> = lines
        .map(|(count, what)| format!("{}: {what}", counted(count, "sample")))
        .collect();
    if taken.missed > 0 {
        lines.push(format!(
            "{} found a list in motion: the next one stands for that time too",
            counted(taken.missed, "look")
        ));
    }
    lines
}
