//! `grtmon profile cpu`: what processors do for the process, by stacks.

use anyhow::Result;
use crossbeam_channel::Receiver;

use crate::cli::CpuArgs;
use crate::go::binary::plugins::Tables;
use crate::go::process::trace_locations::TraceLocations;
use crate::model::human::counted;
use crate::model::human::duration;
use crate::model::profile::COUNT;
use crate::model::profile::Mapping;
use crate::model::profile::NANOSECONDS;
use crate::model::profile::Profile;
use crate::model::profile::Sample;
use crate::model::profile::ValueType;
use crate::observe::cpu_profile;
use crate::observe::cpu_profile::CpuProfile;
use crate::target::Target;
use crate::target::live::Live;

use super::taken::Taken;
use crate::cmd::output;

/// What is counted, in this order (runtime/pprof/proto.go, `newProfileBuilder`).
const SAMPLES: ValueType = ValueType {
    name: "samples",
    unit: COUNT,
};
const CPU: ValueType = ValueType {
    name: "cpu",
    unit: NANOSECONDS,
};

/// Less of the CPU time than this has been seen: that is said.
const LITTLE: f64 = 0.9;

/// Of fewer samples it is not said for how much of the CPU time they stand.
const ENOUGH: u64 = 100;

/// Samples the process until the time is over.
pub(super) fn take(
    args: &CpuArgs,
    stop: &Receiver<()>,
    target: &Target,
    live: &Live,
    mapping: Mapping,
) -> Result<Taken> {
    let begun = || {
        let time = u64::try_from(args.duration.as_nanos()).unwrap_or(u64::MAX);
        let (whom, time) = (target.describe(), duration(time));
        output::note(&format!("{whom}: sampling for {time}. Ctrl-C to end."));
    };
    let taken = cpu_profile::take(target, live, args.hz, args.duration, stop, begun)?;
    let period = 1_000_000_000 / u64::from(args.hz);
    let mut profile = Profile::new("cpu", vec![SAMPLES, CPU], (CPU, period), mapping);
    profile.duration_ns = u64::try_from(taken.elapsed.as_nanos()).ok();
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
            labels: Vec::new(),
        });
    }
    Ok(Taken {
        about: about(&taken, args, period),
        is_sampled: true,
        warnings: warnings(&taken, period),
        profile,
    })
}

/// The part of the CPU time, by the kernel's account, that so many samples stand for; and how far chance takes it from
/// that, three standard deviations. `None`: chance takes it anywhere.
fn coverage(seen: u64, taken: &CpuProfile, period: u64) -> Option<(f64, f64)> {
    let used = taken.cpu_ns.filter(|used| *used > 0)?;
    let chance = 3.0 / (seen as f64).sqrt();
    let part = seen.saturating_mul(period) as f64 / used as f64;
    (seen >= ENOUGH).then_some((part, chance))
}

fn about(taken: &CpuProfile, args: &CpuArgs, period: u64) -> String {
    let count = taken.count();
    if count == 0 {
        let used = taken.cpu_ns.map_or_else(String::new, |used| {
            format!(
                ", of which it used {} by the kernel's account",
                duration(used)
            )
        });
        let elapsed = u64::try_from(taken.elapsed.as_nanos()).unwrap_or(u64::MAX);
        return format!("no sample in {}{used}", duration(elapsed));
    }
    let seen = duration(count.saturating_mul(period));
    let elapsed = duration(u64::try_from(taken.elapsed.as_nanos()).unwrap_or(u64::MAX));
    let samples = counted(count, "sample");
    let mut about = format!(
        "{seen} of CPU time in {elapsed} ({samples}, {} a second of each processor)",
        args.hz
    );
    if let Some((part, _)) = coverage(count, taken, period) {
        about += &format!(", {:.0}% of what the kernel counts", 100.0 * part);
    }
    let proved = taken.proved as f64 * 100.0 / count as f64;
    about += &format!("; {proved:.1}% of the stacks proved");
    about
}

fn warnings(taken: &CpuProfile, period: u64) -> Vec<String> {
    let mut warnings = Vec::new();
    // What was lost has another reason, which is said.
    let lost: u64 = taken.losses.iter().map(|loss| loss.events).sum();
    let ticks = taken.count().saturating_add(lost);
    if let Some((part, chance)) = coverage(ticks, taken, period)
        && part + chance < LITTLE
    {
        warnings.push(format!(
            "only {:.0}% of its CPU time was seen: this machine's clocks do not tick as often as they should",
            100.0 * part
        ));
    }
    if taken.chained > 0 {
        warnings.push(format!(
            "{} not proved: a function may be missing that has no frame, or the outermost ones where C code calls Go",
            stacks(taken.chained)
        ));
    }
    if taken.bare > 0 {
        warnings.push(format!(
            "{} unknown but for the function itself",
            stacks(taken.bare)
        ));
    }
    if taken.cut > 0 {
        warnings.push(format!(
            "{} deeper than a sample: the outermost functions are missing",
            stacks(taken.cut)
        ));
    }
    for loss in &taken.losses {
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
