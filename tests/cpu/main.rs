//! CPU profiles, held against what the program says it used, function by function.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "test code"
)]

#[path = "../common/mod.rs"]
mod common;

use std::path::Path;
use std::thread;
use std::time::Duration;

use common::{Build, Fixture, fixture, require_capabilities_or_skip, toolchains};
use grtmon::go::pclntab::FuncTable;
use grtmon::observe::cpu_profile::{CpuProfile, Where};
use grtmon::observe::{cpu_profile, reader};
use serde_json::Value;

/// Looks at each processor, a second. Not a multiple of anything that a program does.
const HZ: u32 = 997;

fn number(value: &Value) -> u64 {
    value
        .as_u64()
        .unwrap_or_else(|| panic!("not a number: {value}"))
}

/// Runs the fixture's mode `cpu` under the sampler.
fn observe(program: &Path, check: impl FnOnce(&CpuProfile, &Value, FuncTable<'_>)) {
    let mut target = Fixture::start(program, &["cpu"]);
    let found = reader::find(target.pid().cast_signed()).unwrap();
    let live = reader::open(&found).unwrap();
    let (end, stop) = crossbeam_channel::bounded(1);
    let profile = thread::scope(|scope| {
        let sampler = scope.spawn(|| {
            cpu_profile::take(&found, &live, HZ, Duration::from_secs(600), &stop).unwrap()
        });
        target.work();
        end.send(()).unwrap();
        sampler.join().unwrap()
    });
    let truth = target.finish();
    check(&profile, &truth, found.program.binary.functions());
}

/// Names of functions, innermost first, inlined ones too.
fn names<'i>(place: &Where, functions: &FuncTable<'i>) -> Vec<&'i str> {
    let addresses = place.trace.inner.iter().chain(&place.trace.outer);
    let frames = addresses.flat_map(|address| address.frames(functions));
    frames.map(|frame| frame.function).collect()
}

/// Five standard deviations of a count.
fn by_chance(expected: f64) -> f64 {
    5.0 * expected.sqrt()
}

fn check(what: &str, profile: &CpuProfile, truth: &Value, functions: &FuncTable<'_>) {
    let all = profile.count();
    assert_eq!(
        all,
        profile.proved + profile.cut + profile.chained + profile.bare,
        "{what}"
    );
    assert!(profile.losses.is_empty(), "{what}: {:?}", profile.losses);
    assert!(
        profile.proved * 100 >= all * 97,
        "{what}: {} proved, {} chained, {} bare of {all}",
        profile.proved,
        profile.chained,
        profile.bare
    );
    // All of the CPU time that the kernel counts is seen.
    let used = profile.cpu_ns.unwrap() as f64 * f64::from(HZ) / 1e9;
    assert!(
        (all as f64 - used).abs() < by_chance(used) + 0.05 * used,
        "{what}: {all} samples of {used}"
    );
    for burned in truth["burned"].as_array().unwrap() {
        let name = burned["name"].as_str().unwrap();
        let within = profile
            .samples
            .iter()
            .filter(|(place, _)| names(place, functions).contains(&name));
        let seen: u64 = within.clone().map(|(_, count)| count).sum();
        let expected = number(&burned["ns"]) as f64 * f64::from(HZ) / 1e9;
        // What the runtime does for it on other threads is not in the truth; growth happens on stacks of others.
        if name != "main.burnGrowth" {
            assert!(
                (seen as f64 - expected).abs() < by_chance(expected) + 0.1 * expected,
                "{what}, {name}: {seen} samples of {expected}"
            );
        }
        for (place, _) in within {
            let names = names(place, functions);
            let at = names.iter().rposition(|it| *it == name).unwrap();
            if name != "main.burnGrowth" {
                assert_eq!(names[at + 1], "main.runCPU", "{what}: {names:?}");
                assert_eq!(names.last(), Some(&"runtime.main"), "{what}: {names:?}");
            }
        }
    }
    // A function without a frame has not lost its caller, nor assembly that uses the frame pointer for its own.
    let mut leaves = 0;
    for (place, count) in &profile.samples {
        let names = names(place, functions);
        if names.first() == Some(&"main.leaf") {
            assert_eq!(names[1], "main.burnLeaf", "{what}: {names:?}");
            leaves += count;
        }
        if names.first().is_some_and(|it| it.contains("sha256.block")) {
            assert!(names.contains(&"main.burnSum"), "{what}: {names:?}");
        }
    }
    assert!(leaves > 10, "{what}: {leaves}");
}

#[test]
fn every_function_has_its_time_and_its_callers() {
    if !require_capabilities_or_skip() {
        return;
    }
    for toolchain in toolchains() {
        for build in [Build::STRIPPED_PIE, Build::CGO].map(Build::or_prebuilt) {
            let what = format!("Go {}, {}", toolchain.version, build.name());
            observe(&fixture(toolchain, build), |profile, truth, functions| {
                check(&what, profile, truth, &functions);
            });
        }
    }
}
