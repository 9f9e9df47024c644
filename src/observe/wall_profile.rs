//! What goroutines do, by stacks, for a while: where time goes that is not CPU time, too.
//!
//! Goroutines are looked at again and again ([`Looks`]); what they are seen to do stands for the time that they do it.

use std::collections::HashMap;
use std::time::Duration;
use std::time::Instant;

use anyhow::Result;
use crossbeam_channel::Receiver;

use crate::go::process::goroutines::Picked;
use crate::model::dump::Missing;
use crate::model::dump::StackState;
use crate::model::profile::Label;
use crate::model::profile::LocationId;
use crate::model::profile::Profile;
use crate::model::profile::Sample;
use crate::target::Target;
use crate::target::live::Live;

use super::looks::Look;
use super::looks::Looks;
use super::stop;

/// What the samples of one kind add up to.
#[derive(Debug, Default)]
struct Sum {
    samples: u64,
    ns: u64,
    /// How many goroutines that stands for at each look: the sum, and the sum of the squares.
    goroutines: f64,
    squares: f64,
}

/// A kind of samples.
type Kind = (Vec<LocationId>, Vec<Label>);

/// What came of it, besides the samples.
#[derive(Debug, Default)]
pub struct WallProfile {
    /// How often the process was looked at.
    pub looks: u64,
    /// Goroutines that were looked at, each as often as it was.
    pub seen: u64,
    /// Looks at which nothing could be read: the list of goroutines was just being changed.
    pub missed: u64,
    /// What the looks lack.
    pub missing: Missing,
    /// From the beginning to the last look.
    pub elapsed: Duration,
    /// Why it ended before its time, if it did so by itself.
    pub ended: Option<&'static str>,
    sums: HashMap<Kind, Sum>,
    /// The sum of the squares of the seconds between looks.
    squares_of_time: f64,
}

/// Looks at goroutines of the process of `live`, `hz` times a second on average, until `time` is over, `stop` says so or
/// it ends, and adds what they did to `profile`: how often it was seen, and for how many nanoseconds that stands.
/// `begun` is called when it has begun.
///
/// # Errors
/// Its goroutines cannot be read.
pub fn take(
    target: &Target,
    live: &Live,
    (hz, time): (u32, Duration),
    stop: &Receiver<()>,
    profile: &mut Profile,
    begun: impl FnOnce(),
) -> Result<WallProfile> {
    let mut looks = Looks::begin(target, live, hz)?;
    let mut taken = WallProfile::default();
    let end = Instant::now() + time;
    begun();
    loop {
        let is_stopped = stop::wait_until(looks.next().min(end), stop);
        let is_over = is_stopped || Instant::now() >= end;
        match looks.look()? {
            Look::Picked(picked, time) => taken.add(profile, &picked, time),
            Look::Missed => taken.missed += 1,
            Look::Ended => taken.ended = Some("has ended"),
            Look::Replaced => taken.ended = Some("replaced itself by exec"),
        }
        if is_over || taken.ended.is_some() {
            break;
        }
    }
    for ((stack, labels), sum) in &taken.sums {
        profile.add(Sample {
            stack: stack.clone(),
            values: vec![sum.samples, sum.ns],
            labels: labels.clone(),
        });
    }
    Ok(taken)
}

impl WallProfile {
    fn add(&mut self, profile: &mut Profile, picked: &Picked, time: Duration) {
        let Picked { dump, .. } = picked;
        let stands_for = time.as_nanos() * u128::from(picked.listed);
        let stands_for = stands_for / u128::from(picked.picked.max(1));
        let stands_for = u64::try_from(stands_for).unwrap_or(u64::MAX);
        self.looks += 1;
        self.elapsed += time;
        self.missing.goroutines += dump.missing.goroutines;
        for one in dump.goroutines.iter().filter(|one| !one.system) {
            let stack = match one.stack {
                StackState::Read(number) => dump.stacks.get(number),
                StackState::Moving => {
                    self.missing.moving += 1;
                    None
                }
                StackState::Unwalkable => {
                    self.missing.unwalkable += 1;
                    None
                }
                StackState::Running | StackState::NotInCore => None,
            };
            self.seen += 1;
            profile.add_activity(one, stack, vec![1, stands_for]);
        }
        let mut here: HashMap<Kind, u64> = HashMap::new();
        for sample in profile.take_samples() {
            *here.entry((sample.stack, sample.labels)).or_default() += 1;
        }
        let each = picked.listed as f64 / (picked.picked as f64).max(1.0);
        for (kind, samples) in here {
            let goroutines = each * samples as f64;
            let sum = self.sums.entry(kind).or_default();
            sum.samples += samples;
            sum.ns = sum.ns.saturating_add(stands_for.saturating_mul(samples));
            sum.goroutines += goroutines;
            sum.squares += goroutines * goroutines;
        }
        self.squares_of_time += time.as_secs_f64().powi(2);
    }

    /// The standard deviation of the time of a stack, in seconds, of the stack of which it is largest. From look to look,
    /// as goroutines may do the same at the same time: then many of one look tell no more than one.
    pub fn deviation(&self) -> f64 {
        let looks = (self.looks as f64).max(1.0);
        let variances = self.sums.values().map(|sum| {
            let mean = sum.goroutines / looks;
            (sum.squares / looks - mean * mean).max(0.0)
        });
        (variances.fold(0.0, f64::max) * self.squares_of_time).sqrt()
    }
}
