//! `grtmon profile cpu`: what processors do for the process, by stacks.

use std::borrow::Cow;

use anyhow::Result;
use crossbeam_channel::Receiver;

use crate::cli::CpuArgs;
use crate::go::binary::plugins::Tables;
use crate::go::process::trace_locations::TraceLocations;
use crate::model::human::counted;
use crate::model::human::duration;
use crate::model::profile::LABELS;
use crate::model::profile::Label;
use crate::model::profile::LabelValue;
use crate::model::profile::Mapping;
use crate::model::profile::NANOSECONDS;
use crate::model::profile::NOT_KNOWN;
use crate::model::profile::Profile;
use crate::model::profile::Sample;
use crate::model::profile::Sampling;
use crate::model::profile::ValueType;
use crate::observe::cpu_profile;
use crate::observe::cpu_profile::Labels;
use crate::target::Target;
use crate::target::live::Live;

use super::sampled;
use super::sampled::SAMPLES;
use super::taken::Taken;

/// What is counted besides, and in which order (runtime/pprof/proto.go, `newProfileBuilder`).
const CPU: ValueType = ValueType {
    name: "cpu",
    unit: NANOSECONDS,
};
pub(super) const TYPES: [ValueType; 2] = [SAMPLES, CPU];

/// Less of the CPU time than this has been seen: that is said.
const LITTLE: f64 = 0.9;

/// Samples the process until the time is over.
pub(super) fn take(
    args: &CpuArgs,
    stop: &Receiver<()>,
    target: &Target,
    live: &Live,
    mapping: Mapping,
) -> Result<Taken> {
    let begun = || sampled::begun(&target.describe(), "sampling", args.duration);
    let taken = cpu_profile::take(target, live, args.hz, args.duration, stop, begun)?;
    let sampling = taken.sampling;
    let period = sampling.period_ns();
    let mut profile = Profile::new("cpu", TYPES.to_vec(), (CPU, period), mapping);
    profile.duration_ns = Some(sampling.elapsed_ns);
    let binary = &target.program.binary;
    let tables = Tables::with(binary, &live.runtime_info.plugins);
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
        profile.add(Sample {
            stack,
            values: vec![*count, count.saturating_mul(period)],
            labels: labels(&place.labels),
        });
    }
    let about = about(&sampling);
    let mut warnings = warnings(&sampling);
    warnings.extend(cpu_profile::shortcomings(binary, &live.runtime_info));
    profile.sampling = Some(sampling);
    Ok(Taken {
        profile,
        about,
        warnings,
    })
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

fn about(sampling: &Sampling) -> String {
    let count = sampling.count();
    let elapsed = duration(sampling.elapsed_ns);
    if count == 0 {
        return match sampling.cpu_ns {
            None => format!("no sample in {elapsed}"),
            Some(0) => format!("no sample in {elapsed}: it used no CPU time at all"),
            Some(used) => format!(
                "no sample in {elapsed}, of which it used {} by the kernel's account",
                duration(used)
            ),
        };
    }
    let seen = duration(sampling.seen_ns());
    let samples = counted(count, "sample");
    let mut about = format!(
        "{seen} of CPU time in {elapsed} ({samples}, {} a second of each processor)",
        sampling.hz
    );
    if let Some(part) = sampling.coverage() {
        about += &format!(", {:.0}% of what the kernel counts", 100.0 * part);
    }
    let proved = sampling.proved as f64 * 100.0 / count as f64;
    about += &format!("; {proved:.1}% of the stacks proved");
    about
}

fn warnings(sampling: &Sampling) -> Vec<String> {
    let mut warnings = Vec::new();
    // What was lost has another reason, which is said.
    let ticks = sampling.count().saturating_add(sampling.lost());
    if let Some((part, chance)) = sampling.part(ticks)
        && part + chance < LITTLE
    {
        warnings.push(format!(
            "only {:.0}% of its CPU time was seen: this machine's clocks do not tick as often as they should",
            100.0 * part
        ));
    }
    if sampling.chained > 0 {
        warnings.push(format!(
            "{} not proved: a function may be missing that has no frame, or the outermost ones where C code calls Go",
            stacks(sampling.chained)
        ));
    }
    if sampling.bare > 0 {
        warnings.push(format!(
            "{} unknown but for the function itself",
            stacks(sampling.bare)
        ));
    }
    if sampling.cut > 0 {
        warnings.push(format!(
            "{} deeper than a sample: the outermost functions are missing",
            stacks(sampling.cut)
        ));
    }
    if sampling.unlabelled > 0 {
        warnings.push(format!(
            "labels of {} of {} with labels are not known: a garbage collection began before they could be read",
            sampling.unlabelled,
            counted(sampling.labelled, "sample")
        ));
    }
    for loss in &sampling.losses {
        warnings.push(format!("lost: {} {}", loss.events, loss.meaning));
    }
    warnings
}

fn stacks(count: u64) -> String {
    match count {
        1 => "1 stack is".to_owned(),
        _ => format!("{count} stacks are"),
    }
}
