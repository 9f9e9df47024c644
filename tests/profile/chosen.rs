//! Only what bears certain labels, and what each goroutine has done.

use crate::{
    common::{Fixture, Grtmon, require_capabilities_or_skip},
    several::{agrees, number, program},
};

#[test]
fn only_what_is_labelled_so() {
    if !require_capabilities_or_skip() {
        return;
    }
    let mut target = Fixture::start(&program(), &["labels", "-collect=false"]);
    let pid = target.pid_arg();
    let words = [
        "profile", "cpu", "--pid", &pid, "--hz", "997", "-d", "10m", "-o", "json", "--labels",
    ];
    let start = |labels: &[&str]| Grtmon::start(&[&words[..], labels].concat());
    let tools = [
        start(&["route=/a"]),
        start(&["route=/a", "--labels", "user=1"]),
        start(&["route=/a", "--labels", "user=2"]),
        start(&["route=/ä\n\u{1b}[2J"]),
    ];
    target.work();
    let outputs = tools.map(|it| it.stop().success());
    let truth = target.finish();
    let expected = |route: &str| {
        let mut all = truth["labelled"].as_array().unwrap().iter();
        number(&all.find(|it| it["labels"]["route"] == route).unwrap()["ns"])
    };
    for (output, route) in outputs.iter().zip(["/a", "/a", "", "/ä\n\u{1b}[2J"]) {
        let lines = output.json();
        let samples = lines.iter().filter(|it| it["event"] == "sample");
        let sum: u64 = samples
            .inspect(|it| assert_eq!(it["labels"]["route"], route))
            .map(|it| number(&it["values"]["samples"]))
            .sum();
        match route {
            "" => assert_eq!(sum, 0),
            _ => agrees(route, sum, expected(route)),
        }
        assert!(!output.stderr.contains('\u{1b}'), "{}", output.stderr);
    }
}

/// What could not be read in time may be what is asked for.
#[test]
fn what_is_not_known_is_counted() {
    if !require_capabilities_or_skip() {
        return;
    }
    let mut target = Fixture::start(&program(), &["labels"]);
    let pid = target.pid_arg();
    let tool = Grtmon::start(&[
        "profile", "cpu", "--pid", &pid, "--hz", "997", "-d", "10m", "-o", "json", "--labels",
        "route=/a",
    ]);
    target.work();
    let output = tool.stop().success();
    target.finish();
    let lines = output.json();
    let unknown = number(&lines.last().unwrap()["sampling"]["labels_unknown"]);
    let said = format!("not in it: {unknown} samples whose labels are not known");
    assert!(
        unknown == 0 || output.stderr.contains(&said),
        "{unknown}: {}",
        output.stderr
    );
}

#[test]
fn by_goroutine() {
    if !require_capabilities_or_skip() {
        return;
    }
    let mut target = Fixture::start(&program(), &["labels", "-collect=false"]);
    let pid = target.pid_arg();
    let words = ["profile", "cpu", "--pid", &pid, "--hz", "997", "-d", "10m"];
    let tool = Grtmon::start(&[&words[..], &["--by", "goroutine", "-o", "json"]].concat());
    let waiting = ["profile", "wall", "--pid", &pid, "--by", "goroutine"];
    let wall = Grtmon::start(&[&waiting[..], &["-d", "10m"]].concat());
    target.work();
    let lines = tool.stop().success().json();
    let table = wall.stop().success().stdout;
    let truth = target.finish();
    // The main goroutine does it all.
    let samples = lines.iter().filter(|it| {
        let mut stack = it["stack"].as_array().into_iter().flatten();
        stack.any(|it| it["function"] == "main.burnLabelled")
    });
    let mut sum = 0;
    for sample in samples {
        assert_eq!(sample["labels"]["goroutine"], 1, "{sample}");
        sum += number(&sample["values"]["samples"]);
    }
    let labelled = truth["labelled"].as_array().unwrap().iter();
    let ns: u64 = labelled.map(|it| number(&it["ns"])).sum();
    agrees("main", sum, ns + number(&truth["turn_ns"]));
    let first = table.lines().nth(1).unwrap();
    assert!(first.ends_with(" 1"), "{table}");
}
