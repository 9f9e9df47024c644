//! What the tests of `sched` share.

use std::{collections::BTreeMap, path::Path};

use serde_json::Value;

use crate::common::{
    Build, Fixture, Grtmon, Toolchain, builds, fixture, require_capabilities_or_skip, toolchains,
};

pub(crate) fn number(value: &Value) -> u64 {
    value
        .as_u64()
        .unwrap_or_else(|| panic!("not a number: {value}"))
}

/// Each toolchain in each build.
pub(crate) fn each(check: impl Fn(&Toolchain, Build, &Path, &str)) {
    over(builds, check);
}

/// Each toolchain in one build: for what does not depend on how a program was linked.
pub(crate) fn each_toolchain(check: impl Fn(&Toolchain, Build, &Path, &str)) {
    over(|_| vec![Build::STRIPPED_PIE.or_prebuilt()], check);
}

fn over(builds: impl Fn(&Toolchain) -> Vec<Build>, check: impl Fn(&Toolchain, Build, &Path, &str)) {
    if !require_capabilities_or_skip() {
        return;
    }
    for toolchain in toolchains() {
        for build in builds(toolchain) {
            let what = format!("Go {}, {}", toolchain.version, build.name());
            check(toolchain, build, &fixture(toolchain, build), &what);
        }
    }
}

/// What came of a run of the fixture's mode `sched` from beginning to end.
#[derive(Debug)]
pub(crate) struct Observed {
    /// The fixture's own account.
    pub(crate) truth: Value,
    /// grtmon's last line.
    pub(crate) end: Value,
}

/// Runs it under `grtmon sched ARGUMENTS`.
pub(crate) fn observe(program: &Path, mode: &[&str], arguments: &[&str]) -> Observed {
    let mut target = Fixture::start(program, &[&["sched"], mode].concat());
    let pid = target.pid_arg();
    let base = ["sched", "--output", "json", "--duration", "10m"];
    let all = [&base[..], arguments, &["--pid", &pid]].concat();
    let tool = Grtmon::start(&all);
    target.work();
    let output = tool.stop().success();
    let end = output.json().pop().expect("no output");
    assert_eq!(end["event"], "end", "{end}");
    Observed {
        truth: target.finish(),
        end,
    }
}

/// What goroutines with one start function did: the state, for waiting the reason.
pub(crate) type Done<'v> = BTreeMap<(&'v str, &'v str), &'v Value>;

/// What was done, by start function.
pub(crate) fn by_fn(end: &Value) -> BTreeMap<&str, Done<'_>> {
    let mut all: BTreeMap<&str, Done<'_>> = BTreeMap::new();
    for row in end["by_fn"].as_array().expect("no list by_fn") {
        let function = row["fn"].as_str().unwrap_or("?");
        let state = row["state"].as_str().unwrap();
        let reason = row["reason"].as_str().unwrap_or("");
        let done = all.entry(function).or_default();
        assert!(done.insert((state, reason), row).is_none(), "twice: {row}");
    }
    all
}

/// How many intervals of a state were seen from beginning to end.
pub(crate) fn count(done: &Done<'_>, state: &str, reason: &str) -> u64 {
    done.get(&(state, reason))
        .map_or(0, |row| number(&row["count"]))
}
