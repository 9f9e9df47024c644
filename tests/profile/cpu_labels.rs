//! Labels of goroutines in CPU profiles, held against what the program says it did under which.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{
    common::{Build, Fixture, Grtmon, fixture, grtmon, require_capabilities_or_skip, toolchains},
    files::pprof,
    scratch::Scratch,
};

const HZ: u64 = 997;

type Set = BTreeMap<String, String>;

fn set(value: &Value) -> Set {
    serde_json::from_value(value.clone()).unwrap()
}

#[test]
fn every_sample_has_the_labels_of_its_goroutine() {
    if !require_capabilities_or_skip() {
        return;
    }
    for toolchain in toolchains() {
        let program = fixture(toolchain, Build::STRIPPED_PIE);
        for collects in [true, false] {
            let flag = format!("-collect={collects}");
            let mut target = Fixture::start(&program, &["labels", &flag]);
            let pid = target.pid_arg();
            let tool = Grtmon::start(&[
                "profile", "cpu", "--pid", &pid, "--hz", "997", "-d", "10m", "-o", "json",
            ]);
            target.work();
            let lines = tool.stop().success().json();
            let what = format!("Go {}, collects: {collects}", toolchain.version);
            check(&what, collects, &lines, &target.finish());
        }
    }
}

fn check(what: &str, collects: bool, lines: &[Value], truth: &Value) {
    let mut seen: BTreeMap<Set, u64> = BTreeMap::new();
    for line in lines.iter().filter(|line| line["event"] == "sample") {
        // Only what is burned under labels, and not what prepares them.
        let stack = line["stack"].as_array().unwrap();
        if stack.iter().any(|it| it["function"] == "main.burnLabelled") {
            *seen.entry(set(&line["labels"])).or_default() +=
                line["values"]["samples"].as_u64().unwrap();
        }
    }
    let unknown = seen.remove(&Set::from([(
        "labels".to_owned(),
        "[not known]".to_owned(),
    )]));
    let unknown = unknown.unwrap_or(0);
    let all: u64 = seen.values().sum::<u64>() + unknown;
    let end = &lines[lines.len() - 1]["sampling"];
    assert!(
        unknown <= end["labels_unknown"].as_u64().unwrap(),
        "{what}: {end}"
    );
    if !collects {
        assert_eq!(unknown, 0, "{what}");
    }
    // What could not be read in time is missing from these, and nothing else is.
    let mut turns = 0;
    let mut expected: BTreeMap<Set, u64> = BTreeMap::new();
    for one in truth["labelled"].as_array().unwrap() {
        expected.insert(set(&one["labels"]), one["ns"].as_u64().unwrap());
    }
    for (set, count) in &seen {
        if set.get("route").is_some_and(|route| route == "/turn") {
            let turn: u64 = set["turn"].parse().unwrap();
            assert!(
                turn < truth["turns"].as_u64().unwrap() && set.len() == 2,
                "{what}: {set:?}"
            );
            turns += count;
        } else {
            assert!(expected.contains_key(set), "{what}: nobody has set {set:?}");
        }
    }
    let agree = |name: &str, count: u64, ns: u64| {
        let ticks = (ns * HZ) as f64 / 1e9;
        let chance = 5.0 * ticks.sqrt() + 0.1 * ticks;
        let most = ticks + chance;
        let least = ticks - chance - unknown as f64;
        let count = count as f64;
        assert!(
            count >= least && count <= most,
            "{what}: {count} samples of {ticks} under {name}, {unknown} of {all} not known"
        );
    };
    for (set, ns) in &expected {
        agree(
            &format!("{set:?}"),
            seen.get(set).copied().unwrap_or(0),
            *ns,
        );
    }
    agree("/turn", turns, truth["turn_ns"].as_u64().unwrap());
}

#[test]
fn rows_are_by_label() {
    if !require_capabilities_or_skip() {
        return;
    }
    let toolchain = crate::common::newest();
    let program = fixture(toolchain, Build::STRIPPED_PIE);
    let mut target = Fixture::start(&program, &["labels", "-collect=false"]);
    let scratch = Scratch::new();
    let (file, pid) = (scratch.file("a.pb.gz"), target.pid_arg());
    let words = ["profile", "cpu", "--pid", &pid, "--hz", "997", "-d", "10m"];
    let table = Grtmon::start(&[&words[..], &["--by", "label:route"]].concat());
    let tool = Grtmon::start(&[&words[..], &["-w", &file]].concat());
    target.work();
    tool.stop().success();
    let table = table.stop().success().stdout;
    target.finish();
    for name in ["/a", "/b", "/turn", "[no label route]"] {
        let end = format!(" {name}");
        assert!(table.lines().any(|row| row.ends_with(&end)), "{table}");
    }
    let tags = pprof(toolchain, &["-tags"], &file);
    assert!(
        tags.contains("route: Total") && tags.contains("/turn"),
        "{tags}"
    );
    let focus = pprof(toolchain, &["-top", "-tagfocus=route=^/a$"], &file);
    assert!(focus.contains(" main.burnLabelled"), "{focus}");
    let refused = grtmon(&[&words[..], &["--by", "label:"]].concat());
    assert_eq!(refused.status.code(), Some(2));
}
