//! CPU profiles, held against what the program says it used, function by function.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;

use grtmon::go::pclntab::FuncTable;
use grtmon::observe::cpu_profile::{CpuProfile, Where};
use grtmon::observe::{cpu_profile, reader};
use serde_json::Value;

use crate::{
    common::{
        Build, Fixture, Grtmon, fixture, grtmon, newest, require_capabilities_or_skip, toolchains,
    },
    files::pprof,
    scratch::Scratch,
};

/// Looks at each processor, a second. Not a multiple of anything that a program does.
const HZ: u32 = 997;

fn number(value: &Value) -> u64 {
    value
        .as_u64()
        .unwrap_or_else(|| panic!("not a number: {value}"))
}

/// Runs the fixture's mode `cpu` under the sampler.
fn observe(program: &Path, hz: u32, check: impl FnOnce(&CpuProfile, &Value, FuncTable<'_>)) {
    let mut target = Fixture::start(program, &["cpu"]);
    let found = reader::find(target.pid().cast_signed()).unwrap();
    let live = reader::open(&found).unwrap();
    let (end, stop) = crossbeam_channel::bounded(1);
    let (begin, begun) = crossbeam_channel::bounded(1);
    let profile = thread::scope(|scope| {
        let sampler = scope.spawn(|| {
            let limit = Duration::from_secs(600);
            let begun = || begin.send(()).unwrap();
            cpu_profile::take(&found, &live, hz, limit, &stop, begun).unwrap()
        });
        begun.recv().unwrap();
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

/// Stacks are proved, and whole where that can be told.
fn check_stacks(what: &str, profile: &CpuProfile, truth: &Value, functions: &FuncTable<'_>) {
    let sampling = &profile.sampling;
    let all = profile.samples.values().sum::<u64>();
    assert_eq!(
        all,
        sampling.proved + sampling.cut + sampling.chained + sampling.bare,
        "{what}"
    );
    assert!(sampling.losses.is_empty(), "{what}: {:?}", sampling.losses);
    assert!(
        sampling.proved * 100 >= all * 97,
        "{what}: {} proved, {} chained, {} bare of {all}",
        sampling.proved,
        sampling.chained,
        sampling.bare
    );
    let burned = truth["burned"].as_array().unwrap().iter();
    let burned: Vec<&str> = burned.map(|it| it["name"].as_str().unwrap()).collect();
    let (mut leaves, mut back) = (0, 0);
    for (place, count) in &profile.samples {
        let names = names(place, functions);
        let within = names.iter().rposition(|it| burned.contains(it));
        // Growth happens on stacks of others.
        if let Some(at) = within.filter(|at| names[*at] != "main.burnGrowth") {
            assert_eq!(names[at + 1], "main.runCPU", "{what}: {names:?}");
            assert_eq!(names.last(), Some(&"runtime.main"), "{what}: {names:?}");
        }
        // A function without a frame has not lost its caller.
        if names.first() == Some(&"main.leaf") {
            let callers = ["main.burnLeaf", "main.burnBack"];
            assert!(callers.contains(&names[1]), "{what}: {names:?}");
            leaves += count;
        }
        // What C has called is called by who has called C.
        if names.contains(&"main.burnBack") {
            assert!(names.contains(&"main.burnForeign"), "{what}: {names:?}");
            back += count;
        }
        // Nor has assembly that uses the frame pointer for its own.
        if names.first().is_some_and(|it| it.contains("sha256.block")) {
            assert!(names.contains(&"main.burnSum"), "{what}: {names:?}");
        }
    }
    assert!(leaves > 0 && back > 0, "{what}: {leaves}, {back}");
}

/// All of the CPU time that the kernel counts is seen, and what the program says of its functions.
fn check_times(what: &str, profile: &CpuProfile, truth: &Value, functions: &FuncTable<'_>) {
    let all = profile.samples.values().sum::<u64>() as f64;
    let used = profile.sampling.cpu_ns.unwrap() as f64 * f64::from(HZ) / 1e9;
    assert!(
        (all - used).abs() < by_chance(used) + 0.05 * used,
        "{what}: {all} samples of {used}"
    );
    for burned in truth["burned"].as_array().unwrap() {
        let name = burned["name"].as_str().unwrap();
        let samples = profile.samples.iter();
        let within = samples.filter(|(place, _)| names(place, functions).contains(&name));
        let seen: u64 = within.map(|(_, count)| count).sum();
        let expected = number(&burned["ns"]) as f64 * f64::from(HZ) / 1e9;
        // What the runtime does for it on other threads is not in the truth.
        if name != "main.burnGrowth" {
            assert!(
                (seen as f64 - expected).abs() < by_chance(expected) + 0.1 * expected,
                "{what}, {name}: {seen} samples of {expected}"
            );
        }
    }
}

#[test]
fn every_function_has_its_time_and_its_callers() {
    if !require_capabilities_or_skip() {
        return;
    }
    for toolchain in toolchains() {
        for build in [Build::STRIPPED_PIE, Build::CGO].map(Build::or_prebuilt) {
            let what = format!("Go {}, {}", toolchain.version, build.name());
            let program = fixture(toolchain, build);
            observe(&program, HZ, |profile, truth, functions| {
                check_stacks(&what, profile, truth, &functions);
                check_times(&what, profile, truth, &functions);
            });
        }
    }
}

/// On any kernel. A machine that is emulated has no clock to measure times with.
#[test]
fn stacks_are_proved() {
    if !require_capabilities_or_skip() {
        return;
    }
    let program = fixture(newest(), Build::STRIPPED_PIE.or_prebuilt());
    observe(&program, 199, |profile, truth, functions| {
        check_stacks("stacks", profile, truth, &functions);
    });
}

#[test]
fn what_it_writes_others_read() {
    if !require_capabilities_or_skip() {
        return;
    }
    let program = fixture(newest(), Build::STRIPPED_PIE);
    let mut target = Fixture::start(&program, &["cpu"]);
    let scratch = Scratch::new();
    let (file, pid) = (scratch.file("a.pb.gz"), target.pid_arg());
    let tool = Grtmon::start(&[
        "profile", "cpu", "--pid", &pid, "--hz", "997", "-d", "10m", "-w", &file,
    ]);
    target.work();
    let output = tool.stop().success();
    assert!(
        output.stderr.contains("of the stacks proved"),
        "{}",
        output.stderr
    );
    let truth = target.finish();
    let top = pprof(newest(), &["-top", "-cum", "-unit=ms"], &file);
    assert!(
        top.contains("Type: cpu") && top.contains("Duration: "),
        "{top}"
    );
    let row = top.lines().find(|line| line.ends_with(" main.runCPU"));
    let words: Vec<&str> = row.unwrap().split_whitespace().collect();
    let seen: f64 = words[3].trim_end_matches("ms").parse().unwrap();
    // Stacks grow on other goroutines; the time between is its own too.
    let burned = truth["burned"].as_array().unwrap().iter();
    let burned = burned.filter(|it| it["name"] != "main.burnGrowth");
    let own: u64 = burned.map(|it| number(&it["ns"])).sum();
    let (own, all) = (own as f64 / 1e6, number(&truth["cpu_ns"]) as f64 / 1e6);
    assert!(
        seen > 0.8 * own && seen < 1.2 * all,
        "{seen} of {own} to {all}: {top}"
    );
}

#[test]
fn it_ends_with_the_process() {
    if !require_capabilities_or_skip() {
        return;
    }
    let program = fixture(newest(), Build::STRIPPED_PIE);
    let mut target = Fixture::start(&program, &["cpu", "-ms", "50", "-rounds", "1"]);
    let pid = target.pid_arg();
    let tool = Grtmon::start(&[
        "profile", "cpu", "--pid", &pid, "--hz", "997", "-d", "10m", "-o", "folded",
    ]);
    target.work();
    target.finish();
    let output = tool.end(Duration::from_secs(60)).success();
    assert!(
        output
            .stdout
            .contains("runtime.main;main.main;main.runCPU;main.burn"),
        "{}",
        output.stdout
    );
    assert!(output.stderr.contains("has ended"), "{}", output.stderr);
}

#[test]
fn a_thread_is_no_process() {
    let program = fixture(newest(), Build::STRIPPED_PIE);
    let target = Fixture::start(&program, &["cpu"]);
    let tasks = fs::read_dir(format!("/proc/{}/task", target.pid())).unwrap();
    let threads = tasks.map(|it| it.unwrap().file_name().into_string().unwrap());
    let thread = threads
        .into_iter()
        .find(|it| *it != target.pid_arg())
        .unwrap();
    let output = grtmon(&["dump", "--pid", &thread]);
    assert_eq!(output.status.code(), Some(1));
    let said = format!("is the number of a thread of process {}", target.pid());
    assert!(output.stderr.contains(&said), "{}", output.stderr);
}
