//! What a CPU profile says of itself: how it was taken, why it ended, what is missing.

use std::time::Duration;

use serde_json::Value;

use crate::{
    common::{
        Build, Fixture, Grtmon, Output, fixture, grtmon, newest, require_capabilities_or_skip,
    },
    parsed::Profile,
    scratch::Scratch,
};

/// Begins to profile a mode of the fixture.
fn begin(mode: &[&str], more: &[&str]) -> (Fixture, Grtmon) {
    let program = fixture(newest(), Build::STRIPPED_PIE);
    let target = Fixture::start(&program, mode);
    let pid = target.pid_arg();
    let words = ["profile", "cpu", "--hz", "997", "--pid", &pid];
    let tool = Grtmon::start(&[&words, more].concat());
    (target, tool)
}

/// Its last line.
fn end(output: Output) -> Value {
    output.success().json().pop().unwrap()
}

fn number(value: &Value) -> u64 {
    value
        .as_u64()
        .unwrap_or_else(|| panic!("not a number: {value}"))
}

#[test]
fn json_says_all_that_is_known() {
    if !require_capabilities_or_skip() {
        return;
    }
    let (mut target, tool) = begin(&["cpu"], &["-d", "10m", "-o", "json"]);
    target.work();
    let lines = tool.stop().success().json();
    let truth = target.finish();
    let (first, last) = (&lines[0], &lines[lines.len() - 1]);
    let of = |name: &str| number(&last["sampling"][name]);
    assert_eq!(last["sampling"]["ended"], "interrupted", "{last}");
    assert_eq!(of("hz"), 997);
    assert_eq!(of("elapsed_ns"), number(&first["duration_ns"]));
    // Every sample once: in the lines, by what is known of its stack, and in all.
    let in_lines = lines.iter().filter(|it| it["event"] == "sample");
    let in_lines: u64 = in_lines.map(|it| number(&it["values"]["samples"])).sum();
    let kinds = ["proved", "cut", "chained", "bare"].map(of);
    assert_eq!(in_lines, kinds.iter().sum::<u64>(), "{last}");
    assert_eq!(in_lines, of("samples"), "{last}");
    assert_eq!(last["totals"]["samples"], in_lines);
    assert!(kinds[0] * 100 > in_lines * 90, "{last}");
    assert_eq!(last["sampling"]["lost"], serde_json::json!([]), "{last}");
    // The kernel's account holds all that the program used, and what it did around that.
    let (used, burned) = (of("cpu_ns"), number(&truth["cpu_ns"]));
    assert!(
        used >= burned && used < burned + burned / 5 + 200_000_000,
        "{used} of {burned}"
    );
    let seen = last["sampling"]["seen"].as_f64().unwrap();
    let expected = (in_lines * number(&first["period"])) as f64 / used as f64;
    assert!((seen - expected).abs() < 1e-6, "{seen}, {expected}");
    assert!(
        last["notes"][0]["text"]
            .as_str()
            .unwrap()
            .contains("of CPU time in")
    );
}

#[test]
fn it_says_why_it_has_ended() {
    if !require_capabilities_or_skip() {
        return;
    }
    let limit = Duration::from_secs(60);
    let (_target, tool) = begin(&["cpu"], &["-d", "100ms", "-o", "json"]);
    let over = end(tool.end(limit));
    assert_eq!(over["sampling"]["ended"], "time_over", "{over}");
    let elapsed = number(&over["sampling"]["elapsed_ns"]);
    assert!(elapsed >= 100_000_000, "{elapsed}");

    let (mut target, tool) = begin(
        &["cpu", "-ms", "50", "-rounds", "1"],
        &["-d", "10m", "-o", "json"],
    );
    target.work();
    target.finish();
    let ended = end(tool.end(limit));
    assert_eq!(ended["sampling"]["ended"], "process_ended", "{ended}");

    // What it runs then is not what was asked for, however long that lasts.
    let (mut target, tool) = begin(
        &["leave", "/bin/sleep", "600"],
        &["-d", "10m", "-o", "json"],
    );
    target.process.go();
    let left = end(tool.end(limit));
    assert_eq!(left["sampling"]["ended"], "process_exec", "{left}");
    let said = left["notes"].to_string();
    assert!(said.contains("replaced itself by exec"), "{said}");
}

#[test]
fn files_say_it_too() {
    if !require_capabilities_or_skip() {
        return;
    }
    let scratch = Scratch::new();
    let file = scratch.file("a.pb.gz");
    let more = ["-d", "10m", "-w", &file, "--fn", "burnLeaf"];
    let (mut target, tool) = begin(&["cpu", "-ms", "50", "-rounds", "1"], &more);
    target.work();
    tool.stop().success();
    target.finish();
    let profile = Profile::read(&scratch.path("a.pb.gz"));
    assert_eq!(profile.default, "cpu");
    let said = profile.comments.join("\n");
    assert!(
        said.contains("matches burnLeaf") && said.contains("% of the stacks proved"),
        "{said}"
    );
    let (samples, cpu) = (0, 1);
    assert_eq!(profile.types[samples].0, "samples");
    assert_eq!(profile.types[cpu].0, "cpu");
}

#[test]
fn nobody_waits_for_a_refusal() {
    let target = Fixture::start(&fixture(newest(), Build::STRIPPED_PIE), &["cpu"]);
    let pid = target.pid_arg();
    let words = ["profile", "cpu", "-d", "1h", "--pid", &pid];
    let output = grtmon(&[&words[..], &["--count", "inuse_space"]].concat());
    assert_eq!(output.status.code(), Some(1));
    let said = "it counts samples, cpu";
    assert!(output.stderr.contains(said), "{}", output.stderr);
}

#[test]
fn of_an_idle_process_it_says_so() {
    if !require_capabilities_or_skip() {
        return;
    }
    let (_target, tool) = begin(&["cpu"], &["-d", "200ms"]);
    let output = tool.end(Duration::from_secs(60)).success();
    assert!(output.stderr.contains("no sample in"), "{}", output.stderr);
    assert_eq!(output.stdout, "", "no heading of nothing");
    let (mut target, tool) = begin(&["cpu", "-ms", "50"], &["-d", "10m", "--fn", "no.such"]);
    target.work();
    let output = tool.stop().success();
    assert_eq!(output.stdout, "", "no heading of nothing");
    let said = "no stack has a function that matches no.such";
    assert!(output.stderr.contains(said), "{}", output.stderr);
}
