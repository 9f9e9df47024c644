//! `grtmon profile cpu`: what processors do for the process, by stacks.

use std::borrow::Cow;

use anyhow::Result;
use crossbeam_channel::Receiver;

use crate::cli::CpuArgs;
use crate::cli::ProfileBy;
use crate::go::binary::plugins::Tables;
use crate::go::process::trace_locations::TraceLocations;
use crate::model::profile::GOROUTINE;
use crate::model::profile::LABELS;
use crate::model::profile::Label;
use crate::model::profile::LabelValue;
use crate::model::profile::NANOSECONDS;
use crate::model::profile::NOT_KNOWN;
use crate::model::profile::Profile;
use crate::model::profile::Sample;
use crate::model::profile::ValueType;
use crate::observe::cpu_profile;
use crate::observe::cpu_profile::CpuProfile;
use crate::observe::cpu_profile::How;
use crate::observe::cpu_profile::Labels;

use super::account;
use super::sampled;
use super::sampled::SAMPLES;
use super::subject;
use super::subject::Subject;
use super::taken::Taken;
use super::taken::Together;

/// What is counted besides, and in which order (runtime/pprof/proto.go, `newProfileBuilder`).
const CPU: ValueType = ValueType {
    name: "cpu",
    unit: NANOSECONDS,
};
pub(super) const TYPES: [ValueType; 2] = [SAMPLES, CPU];

/// Samples the processes until the time is over.
pub(super) fn take(
    args: &CpuArgs,
    subjects: &[Subject],
    stop: &Receiver<()>,
    begun: &dyn Fn() -> Result<()>,
) -> Result<Together> {
    let of: Vec<cpu_profile::Subject<'_>> = subjects.iter().map(Subject::for_samples).collect();
    let how = How {
        hz: args.hz,
        time: args.duration,
        tells_goroutines: args.profile.by == ProfileBy::Goroutine,
    };
    let begun = || {
        sampled::begun(&subject::describe(subjects), "sampling", args.duration);
        begun()
    };
    let taken = cpu_profile::take_all(&of, how, stop, begun)?;
    let profiles = subjects.iter().zip(taken.profiles);
    let each = profiles.map(|(subject, profile)| Ok(of_process(subject, profile?)));
    Ok(Together {
        each: each.collect(),
        losses: taken.losses,
    })
}

fn of_process(subject: &Subject, taken: CpuProfile) -> Taken {
    let sampling = taken.sampling;
    let period = sampling.period_ns();
    let types = TYPES.to_vec();
    let mut profile = Profile::new("cpu", types, (CPU, period), subject.mapping());
    profile.duration_ns = Some(sampling.elapsed_ns);
    let binary = &subject.target.program.binary;
    let tables = Tables::with(binary, &subject.live.runtime_info.plugins);
    let mut names = TraceLocations::new(binary, tables);
    for (place, count) in &taken.samples {
        let mut stack = names.locations(&mut profile, &place.trace);
        if let Some(elsewhere) = &place.elsewhere {
            let leaf = profile.words(elsewhere);
            stack.insert(0, leaf);
        }
        if place.is_cut {
            stack.push(profile.words("[deeper than a sample]"));
        }
        if stack.is_empty() {
            stack.push(profile.words("[unknown]"));
        }
        let mut labels = labels(&place.labels);
        labels.extend(place.goroutine.map(|number| Label {
            key: GOROUTINE.into(),
            value: LabelValue::Number(number),
        }));
        profile.add(Sample {
            stack,
            values: vec![*count, count.saturating_mul(period)],
            labels,
        });
    }
    let about = account::about(&sampling);
    profile.sampling = Some(sampling);
    Taken {
        profile,
        about,
        warnings: taken.shortcomings,
    }
}

/// As Go's own profile has them.
fn labels(known: &Labels) -> Vec<Label> {
    let text = |key: Cow<'static, str>, value: &str| Label {
        key,
        value: LabelValue::Text(value.to_owned()),
    };
    match known {
        Labels::Lost => vec![text(LABELS.into(), NOT_KNOWN)],
        Labels::Known(set) => {
            let all = set.iter().flat_map(|set| set.iter());
            all.map(|(key, value)| text(key.clone().into(), value))
                .collect()
        }
    }
}
