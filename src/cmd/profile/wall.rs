//! `grtmon profile wall`: what goroutines do all the time, waiting included.

use std::sync::Once;
use std::time::Duration;
use std::time::Instant;

use anyhow::Result;
use anyhow::bail;
use crossbeam_channel::Receiver;

use crate::cli::ProfileBy;
use crate::cli::WallArgs;
use crate::go::process::g;
use crate::go::process::goroutines::GoroutineReader;
use crate::model::human::counted;
use crate::model::human::duration;
use crate::model::profile::Mapping;
use crate::model::profile::NANOSECONDS;
use crate::model::profile::Profile;
use crate::model::profile::ValueType;
use crate::observe::reader;
use crate::observe::stop;
use crate::observe::wall_profile;
use crate::observe::wall_profile::WallProfile;
use crate::target::Target;
use crate::target::live::Live;

use super::sampled;
use super::sampled::SAMPLES;
use super::several;
use super::subject;
use super::subject::Subject;
use super::taken::Taken;
use super::taken::Together;

/// What is counted, besides how often it was seen.
const WALL: ValueType = ValueType {
    name: "wall",
    unit: NANOSECONDS,
};
pub(super) const TYPES: [ValueType; 2] = [SAMPLES, WALL];

/// How often goroutines of a command are looked for that runs Go already, and how long is waited each time.
const TRIES: u32 = 500;
const PAUSE: Duration = Duration::from_millis(2);

/// 19 of 20 times a share that was found is within so many standard deviations of the true one.
const DEVIATIONS: f64 = 1.96;

/// Looks at goroutines of each process until the time is over.
pub(super) fn take_all(
    args: &WallArgs,
    subjects: &[Subject],
    stop: &Receiver<()>,
    begun: &dyn Fn() -> Result<()>,
) -> Result<Together> {
    let said = Once::new();
    let whom = subject::describe(subjects);
    let begin = || {
        said.call_once(|| sampled::begun(&whom, "looking at goroutines", args.duration));
    };
    begun()?;
    let take = |live: &Live, subject: &Subject, stop: &Receiver<()>| {
        let target = &subject.target;
        take(args, stop, target, live, subject.mapping(), &begin)
    };
    let each = match subjects {
        [one] if one.has_begun() => vec![take(&one.live, one, stop)],
        [one] => vec![when_it_runs(one, stop).and_then(|live| take(&live, one, stop))],
        all => several::at_once(all, stop, |it, stop| take(&it.live, it, stop)),
    };
    Ok(Together {
        each,
        losses: Vec::new(),
    })
}

/// A command that has just been started, as soon as it has goroutines.
fn when_it_runs(subject: &Subject, stop: &Receiver<()>) -> Result<Live> {
    let process = &subject.live.process;
    let binary = &subject.target.program.binary;
    let mut tries = 0;
    loop {
        let live = reader::open_process(&subject.target, process);
        let live = live.and_then(|live| {
            tries += 1;
            let reader = GoroutineReader::new(binary, &live.view());
            reader.map_err(|why| reader::unreadable(&live, why))?;
            Ok(live)
        });
        match live {
            Ok(live) => return Ok(live),
            Err(_) if !process.is_alive() => bail!(
                "process {} has ended before it had goroutines to look at",
                process.pid
            ),
            Err(why) if tries > TRIES => return Err(why),
            Err(_) => {}
        }
        if stop::wait_until(Instant::now() + PAUSE, stop) {
            bail!("interrupted before there were goroutines to look at");
        }
    }
}

/// Looks at goroutines until the time is over.
fn take(
    args: &WallArgs,
    stop: &Receiver<()>,
    target: &Target,
    live: &Live,
    mapping: Mapping,
    begun: &(dyn Fn() + Sync),
) -> Result<Taken> {
    let period = 1_000_000_000 / u64::from(args.hz);
    let mut profile = Profile::new("wall", TYPES.to_vec(), (WALL, period), mapping);
    profile.tells_goroutines = args.profile.by == ProfileBy::Goroutine;
    let how = (args.hz, args.duration);
    let taken = wall_profile::take(target, live, how, stop, &mut profile, begun)?;
    profile.duration_ns = u64::try_from(taken.elapsed.as_nanos()).ok();
    let mut warnings = g::shortcomings(&live.runtime_info.layout);
    warnings.extend(shortcomings(&taken));
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
