//! Profiles of goroutines' time, held against what the program says it was.

use std::thread;
use std::time::Duration;

use grtmon::model::profile::{Mapping, Profile, ValueType};
use grtmon::observe::wall_profile::WallProfile;
use grtmon::observe::{reader, wall_profile};
use serde_json::Value;

use crate::common::{
    Build, Fixture, Grtmon, fixture, grtmon, newest, require_root_or_skip, toolchains,
};

const SAMPLES: ValueType = ValueType {
    name: "samples",
    unit: "count",
};

fn number(value: &Value) -> f64 {
    value
        .as_f64()
        .unwrap_or_else(|| panic!("not a number: {value}"))
}

/// Values of the samples with this function on their stacks, and what they do.
fn of(profile: &Profile, function: &str) -> (Vec<String>, u64, u64) {
    let mut states = Vec::new();
    let (mut samples, mut ns) = (0, 0);
    for sample in profile.samples() {
        if profile
            .lines(&sample.stack)
            .any(|(_, it, _)| it.name == function)
        {
            samples += sample.values[0];
            ns += sample.values[1];
            states.push(format!("{:?}", sample.labels[0].value));
        }
    }
    (states, samples, ns)
}

fn check(what: &str, profile: &Profile, taken: &WallProfile, truth: &Value) {
    assert_eq!(taken.ended, None, "{what}");
    let (seen, elapsed) = (taken.seen as f64, taken.elapsed.as_nanos() as f64);
    assert_eq!(profile.total(0), taken.seen, "{what}");
    let dwellings = truth["dwellings"].as_array().unwrap();
    let of_program = number(&truth["elapsed_ns"]);
    for dwelling in dwellings {
        let name = dwelling["name"].as_str().unwrap();
        // Goroutines that were in it at a time, on average.
        let expected = number(&dwelling["ns"]) / of_program;
        let (states, samples, ns) = of(profile, name);
        let found = ns as f64 / elapsed;
        // Five standard deviations of as many samples; of as many looks where all of them come and go together.
        let independent = match name {
            "main.wallMoment" => taken.looks,
            _ => samples,
        };
        let chance = 5.0 * found / (independent as f64).max(1.0).sqrt();
        // Who moved while it was looked at has no stack, and is short of none but these.
        let moving = taken.missing.moving as f64 * found / (samples as f64).max(1.0);
        let least = found - chance - 0.05 * expected;
        let most = found + chance + 0.05 * expected + moving;
        assert!(
            least < expected && expected < most,
            "{what}, {name}: {found:.1} goroutines of {expected:.1}, {samples} samples of {seen}, \
             {} looks, {:?}: {states:?}",
            taken.looks,
            taken.missing
        );
        let state = match name {
            "main.wallReceive" => "chan receive",
            "main.wallSelect" => "select",
            "main.wallRead" => "syscall",
            "main.wallSleep" | "main.wallMoment" => "sleep",
            _ => continue,
        };
        assert!(
            states.iter().any(|it| it.contains(state)),
            "{what}, {name}: {states:?}"
        );
    }
}

#[test]
fn time_is_where_goroutines_are() {
    if !require_root_or_skip() {
        return;
    }
    for toolchain in toolchains() {
        let build = Build::STRIPPED_PIE;
        let what = format!("Go {}, {}", toolchain.version, build.name());
        let mut target = Fixture::start(&fixture(toolchain, build), &["wall"]);
        let found = reader::find(target.pid().cast_signed()).unwrap();
        let live = reader::open(&found).unwrap();
        let mapping = Mapping {
            file: String::new(),
            build_id: None,
            text: 0..0,
        };
        let mut profile = Profile::new("wall", vec![SAMPLES; 2], (SAMPLES, 1), mapping);
        let (end, stop) = crossbeam_channel::bounded(1);
        let (begin, begun) = crossbeam_channel::bounded(1);
        let taken = thread::scope(|scope| {
            let looker = scope.spawn(|| {
                let how = (200, Duration::from_secs(600));
                let begun = || begin.send(()).unwrap();
                wall_profile::take(&found, &live, how, &stop, &mut profile, begun).unwrap()
            });
            begun.recv().unwrap();
            target.work();
            end.send(()).unwrap();
            looker.join().unwrap()
        });
        check(&what, &profile, &taken, &target.finish());
    }
}

#[test]
fn it_is_shown_as_a_table() {
    if !require_root_or_skip() {
        return;
    }
    let program = fixture(newest(), Build::STRIPPED_PIE);
    let target = Fixture::start(&program, &["wall"]);
    let pid = target.pid_arg();
    // All wait until the program is told to go on: 300 of 458 and main.
    let output = grtmon(&["profile", "wall", "--pid", &pid, "-d", "500ms", "--cum"]).success();
    assert!(
        output.stdout.contains("main.wallReceive"),
        "{}",
        output.stdout
    );
    let said = output
        .stderr
        .split(" goroutines on average")
        .next()
        .unwrap();
    let average: f64 = said.split(' ').next_back().unwrap().parse().unwrap();
    assert!((430.0..490.0).contains(&average), "{}", output.stderr);
}

#[test]
fn it_says_once_that_the_process_has_ended() {
    if !require_root_or_skip() {
        return;
    }
    let program = fixture(newest(), Build::STRIPPED_PIE);
    let target = Fixture::start(&program, &["wall"]);
    let pid = target.pid_arg();
    let tool = Grtmon::start(&["profile", "wall", "--pid", &pid, "-d", "10m"]);
    drop(target);
    let output = tool.end(Duration::from_secs(60)).success();
    let said = output.stderr.matches("has ended").count();
    assert_eq!(said, 1, "{}", output.stderr);
}
