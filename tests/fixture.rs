//! The fixture itself: each mode, with each toolchain, gives a true account of its own work when
//! nobody observes it. What a test compares grtmon with is checked here first.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "test code"
)]

mod common;

use common::{Build, Fixture, fixture, toolchains};
use serde_json::Value;

fn number(value: &Value) -> u64 {
    value
        .as_u64()
        .unwrap_or_else(|| panic!("not a number: {value}"))
}

/// Runs a mode with every toolchain of this run.
fn each(arguments: &[&str], check: impl Fn(u32, &Value)) {
    for toolchain in toolchains() {
        let mut target = Fixture::start(&fixture(toolchain, Build::DEFAULT), arguments);
        target.work();
        let truth = target.finish();
        assert_eq!(
            truth["go"].as_str(),
            Some(&*format!("go{}", toolchain.version))
        );
        check(toolchain.minor(), &truth);
    }
}

#[test]
fn goroutines_know_their_start_functions() {
    each(&["goroutines"], |minor, truth| {
        let functions = truth["functions"].as_array().unwrap();
        let of = |calls: &str| {
            functions
                .iter()
                .find(|it| it["calls"] == calls)
                .unwrap_or_else(|| panic!("no {calls}"))
        };
        assert_eq!(of("main.named")["start"], "main.named");
        assert_eq!(of("main.named")["created"], 101);
        assert_eq!(of("main.survivor")["exited"], 0);
        assert_eq!(of("main.elder")["created"], 0);
        assert_eq!(of("main.elder")["exited"], 19);
        assert_eq!(of("main.inner")["created"], 143);
        let wrapper = if minor >= 22 {
            "main.startArguments.gowrap1"
        } else {
            "main.startArguments.func1"
        };
        assert_eq!(of("main.arguments")["start"], wrapper);
        for function in functions {
            let site = function["site"].as_str().unwrap();
            assert!(site.contains(".go:"), "{function}");
            let goroutines = function["goroutines"].as_array().unwrap();
            assert!(goroutines.iter().all(|it| number(&it["goid"]) > 0));
        }
        let sleeper = of("main.sleeper")["goroutines"].as_array().unwrap();
        assert!(
            sleeper
                .iter()
                .all(|it| number(&it["inner_ns"]) >= 20_000_000)
        );
    });
}

#[test]
fn allocations_are_as_many_as_meant() {
    each(&["alloc"], |_, truth| {
        let meant: u64 = truth["intents"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| number(&it["count"]))
            .sum();
        let counted = &truth["inside"];
        let classes: u64 = counted["classes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| number(&it["count"]))
            .sum();
        // The runtime may start a thread in between, which takes a few objects.
        let mallocs = number(&counted["mallocs"]);
        assert!(
            (meant..meant + 50).contains(&mallocs),
            "{mallocs} for {meant}"
        );
        assert_eq!(classes + number(&counted["tiny"]), mallocs);
    });
}

#[test]
fn collections_are_traced() {
    each(&["gc"], |minor, truth| {
        assert_eq!(truth["forced"], 8);
        assert!(number(&truth["cycles"]) >= 19);
        if minor >= 22 {
            assert_eq!(number(&truth["gc_pauses"]), 2 * number(&truth["cycles"]));
        }
    });
}

#[test]
fn stacks_are_right_when_nobody_looks() {
    for toolchain in toolchains() {
        let mut target = Fixture::start(&fixture(toolchain, Build::DEFAULT), &["stacks"]);
        target.process.go();
        std::thread::sleep(std::time::Duration::from_millis(300));
        target.work();
        let truth = target.finish();
        assert_eq!(truth["faults"], 0);
        assert!(number(&truth["rounds"]) > 100, "{truth}");
    }
}

#[test]
fn the_other_modes_end_well() {
    for mode in ["hot", "churn", "queue", "exec", "cgo"] {
        each(&[mode], |_, truth| assert_eq!(truth["mode"], *mode));
    }
    for toolchain in toolchains() {
        let program = fixture(toolchain, Build::DEFAULT);
        let mut target = Fixture::start(&program, &["parked"]);
        target.go_until("parked");
        target.work();
        target.finish();
        let mut target = Fixture::start(&program, &["die"]);
        target.process.go();
        assert!(!target.process.wait().0.success());
        if toolchain.minor() >= 23 {
            let mut target = Fixture::start(&program, &["coroutines"]);
            target.work();
            assert_eq!(target.finish()["pulled"], 692);
        }
    }
}

#[test]
fn the_fixture_passes_vet() {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/testgo");
    let all = toolchains();
    for toolchain in [&all[0], &all[all.len() - 1]] {
        let mut vet = toolchain.command();
        let output = vet
            .current_dir(source)
            .args(["vet", ".", "./clib"])
            .output()
            .unwrap();
        let messages = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            output.status.success(),
            "Go {}:\n{messages}",
            toolchain.version
        );
    }
}
