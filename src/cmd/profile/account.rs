//! What is to be known of samples, for people.

use crate::model::human::counted;
use crate::model::human::duration;
use crate::model::profile::Sampling;

/// Less of the CPU time than this has been seen: that is said.
const LITTLE: f64 = 0.9;

/// What they are of: a clause.
pub(super) fn about(sampling: &Sampling) -> String {
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

/// What is missing.
pub(super) fn warnings(sampling: &Sampling) -> Vec<String> {
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
