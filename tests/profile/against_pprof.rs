//! Profiles of CPU time, held against those that programs make of themselves at the same time (`pprof.StartCPUProfile`, as
//! `net/http/pprof` does).
//!
//! Both are samples of the same thing; how far two such samples are from each other by chance alone follows from their
//! numbers. What is compared are shares of pairs: the function that runs, and its caller.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    common::{Build, Fixture, Grtmon, fixture, require_capabilities_or_skip, toolchains},
    parsed::Profile,
    scratch::Scratch,
};

/// Looks at each processor, a second.
const HZ: &str = "997";

/// What the two ways are different by, besides chance: the signal that the program interrupts itself with is seen in it, and
/// waits for one that interrupts a goroutine; stacks end at 64 functions.
const DIFFERENT: f64 = 0.05;

/// Chances of a false alarm.
const ALARM: f64 = 1e-5;

/// How often pairs were seen.
type Pairs = BTreeMap<(String, String), f64>;

/// The innermost function, and its caller, as Go's own profile has them: C code is in `runtime.cgocall`, the vDSO in who
/// calls it, and what stands for the interruption itself is none.
fn pairs(profile: &Profile) -> Pairs {
    let mut pairs = Pairs::new();
    for sample in &profile.samples {
        let names = sample.stack.iter().map(|it| it.0.as_str());
        let is_no_function =
            |name: &&str| name.starts_with('[') || name.starts_with("runtime.asyncPreempt");
        let mut names = names
            .skip_while(is_no_function)
            .filter(|name| *name != "runtime.goexit");
        let leaf = names.next().unwrap_or_default().to_owned();
        let caller = names.next().unwrap_or_default().to_owned();
        *pairs.entry((leaf, caller)).or_default() += sample.values[0] as f64;
    }
    pairs
}

/// The total-variation distance of two samples, and the one that only one in `1 / ALARM` pairs of samples of the same exceeds.
///
/// On average it is at most half the sum of the standard deviations of the differences of shares; and one sample of `n`
/// moves it by `1/n` at most, so that it is further than `t` above its average with a chance of at most
/// `exp(-2t² / (1/n + 1/m))` (McDiarmid's inequality).
fn distance(ours: &Pairs, theirs: &Pairs) -> (f64, f64) {
    let count = |pairs: &Pairs| pairs.values().sum::<f64>().max(1.0);
    let (n, m) = (count(ours), count(theirs));
    let spread = 1.0 / n + 1.0 / m;
    let all: BTreeSet<_> = ours.keys().chain(theirs.keys()).collect();
    let (mut distance, mut noise) = (0.0, 0.0);
    for pair in all {
        let [a, b] = [ours, theirs].map(|it| it.get(pair).copied().unwrap_or(0.0));
        let share = (a + b) / (n + m);
        distance += (a / n - b / m).abs() / 2.0;
        noise += (share * (1.0 - share) * spread).sqrt() / 2.0;
    }
    let tail = (-ALARM.ln() / 2.0 * spread).sqrt();
    (distance, noise + tail)
}

/// Sets of labels that are on so much of the samples that they would be in any sample of as many; but for those that were
/// gone before they could be read, as in a program that collects garbage all the time.
fn labels(profile: &Profile) -> BTreeSet<Vec<(String, String)>> {
    let mut counts: BTreeMap<Vec<(String, String)>, u64> = BTreeMap::new();
    for sample in &profile.samples {
        let mut set = sample.texts.clone();
        set.sort();
        *counts.entry(set).or_default() += sample.values[0];
    }
    let all: u64 = counts.values().sum();
    counts.retain(|_, count| *count * 20 > all);
    let is_known = |set: &Vec<(String, String)>| set.iter().all(|(_, it)| it != "[not known]");
    counts
        .into_keys()
        .filter(|set| !set.is_empty() && is_known(set))
        .collect()
}

#[test]
fn as_the_program_says_at_the_same_time() {
    if !require_capabilities_or_skip() {
        return;
    }
    // Before Go 1.21 what is below the scheduler's stack is not to be had in the same way.
    for toolchain in toolchains().iter().filter(|it| it.minor() >= 21) {
        for (load, build) in [
            ("server", Build::STRIPPED_PIE),
            ("collector", Build::STRIPPED_PIE),
            ("c", Build::STRIPPED_PIE_CGO),
        ] {
            let what = format!("Go {}, {load}", toolchain.version);
            let scratch = Scratch::new();
            let [ours, theirs] = ["ours.pb.gz", "theirs.pb.gz"].map(|name| scratch.file(name));
            let arguments = ["same-time", "-file", &theirs, "-load", load];
            let mut target = Fixture::start(&fixture(toolchain, build), &arguments);
            let tool = Grtmon::start(&[
                "profile",
                "cpu",
                "--pid",
                &target.pid_arg(),
                "--hz",
                HZ,
                "-d",
                "10m",
                "-w",
                &ours,
            ]);
            target.work();
            let said = tool.stop().success().stderr;
            target.finish();
            let [ours, theirs] = [ours, theirs].map(|file| Profile::read(file.as_ref()));
            assert_eq!(ours.types, theirs.types, "{what}");
            let (our_pairs, their_pairs) = (pairs(&ours), pairs(&theirs));
            let (distance, noise) = distance(&our_pairs, &their_pairs);
            println!("{what}: distance {distance:.3}, noise {noise:.3}; {said}");
            assert!(
                distance <= noise + DIFFERENT,
                "{what}: {distance:.3} is more than {noise:.3} by chance: {said}\n{our_pairs:#?}\n{their_pairs:#?}"
            );
            let (ours, theirs) = (labels(&ours), labels(&theirs));
            assert_eq!(ours.len(), 2, "{what}: {ours:?}");
            assert_eq!(ours, theirs, "{what}");
        }
    }
}

/// Samples of the same are as near as that says, and of something else they are not.
#[test]
fn chance_is_reckoned() {
    let mut random = fastrand::Rng::with_seed(7);
    let mut draw = |n: usize, other: bool| {
        let mut pairs = Pairs::new();
        for _ in 0..n {
            // Shares that fall off, as those of functions do.
            let at = (40.0 * random.f64().powi(3)) as usize;
            let at = if other && random.f64() < 0.5 { 0 } else { at };
            *pairs.entry((at.to_string(), String::new())).or_default() += 1.0;
        }
        pairs
    };
    for _ in 0..300 {
        let (distance, noise) = distance(&draw(6000, false), &draw(600, false));
        assert!(distance < noise, "{distance} {noise}");
    }
    let (distance, noise) = distance(&draw(6000, false), &draw(600, true));
    assert!(distance > noise + DIFFERENT, "{distance} {noise}");
}
