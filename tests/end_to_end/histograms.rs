//! `gr seq`: the histograms hold every exit whose beginning was seen, and say of the others.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::subject::{UNNAMED, each, list, nothing_lost, number, observe, once, text};

/// The sum of a histogram's buckets, which is its count.
fn bucket_sum(histogram: &Value) -> u64 {
    let sum = list(histogram, "buckets")
        .iter()
        .map(|it| number(it, "count"))
        .sum();
    assert_eq!(number(histogram, "count"), sum, "{histogram}");
    sum
}

#[test]
fn every_exit_is_in_the_histogram_or_accounted_for() {
    each(|subject| {
        for method in subject.methods() {
            let command = [
                "gr", "seq", "--by", "fn", "--output", "json", "--attach", method,
            ];
            let observed = observe(&subject.program, &["goroutines"], &command);
            let end = observed.end();
            nothing_lost(&end);

            let mut counted: BTreeMap<&str, u64> = BTreeMap::new();
            for function in list(&end, "by_fn") {
                counted.insert(text(function, "fn"), bucket_sum(function));
                if text(function, "fn") == "main.sleeper" {
                    // They slept 20 ms: the median's upper bound is not below that.
                    assert!(number(function, "p50_ns") >= 20_000_000, "{function}");
                }
            }
            let (mut elder, mut missed) = (0, 0);
            for function in list(&observed.truth, "functions") {
                let exited = number(function, "exited");
                if function["elder"] == true {
                    elder += exited;
                    continue;
                }
                let start = text(function, "calls");
                let seen = counted.remove(start).unwrap_or(0);
                if UNNAMED.contains(&start) {
                    missed += exited - seen;
                } else {
                    assert_eq!(seen, exited, "{start}");
                }
            }
            assert!(
                counted.keys().all(|it| it.starts_with("runtime.")),
                "{counted:?}"
            );
            let all: u64 = list(&end, "by_fn")
                .iter()
                .map(|it| number(it, "count"))
                .sum();
            assert_eq!(bucket_sum(&end), all);
            assert_eq!(number(&end, "unseen_older"), elder, "{end}");
            assert_eq!(number(&end, "unseen_unwatched"), missed, "{end}");
        }
    });
}

#[test]
fn the_drawing_is_that_of_the_original() {
    once(|subject| {
        let observed = observe(&subject.program, &["goroutines"], &["gr", "seq"]);
        let text = observed.output.stdout;
        assert!(text.contains(" : count    distribution"), "{text}");
        assert!(text.contains("0 -> 1 "), "{text}");
        let summary = text.lines().rfind(|it| it.contains("p50")).unwrap();
        for word in ["count", "p50", "p90", "p99", "max"] {
            assert!(summary.contains(word), "{summary}");
        }
    });
}

#[test]
fn histograms_come_at_every_interval() {
    once(|subject| {
        let mut target = crate::common::Fixture::start(&subject.program, &["stacks"]);
        let pid = target.pid_arg();
        let command = [
            "gr",
            "seq",
            "--output",
            "json",
            "--interval",
            "200ms",
            "--duration",
            "1.1s",
            "--pid",
            &pid,
        ];
        let tool = crate::common::Grtmon::start(&command);
        target.process.go();
        let output = tool.end(crate::common::PATIENCE).success();
        target.work();
        assert_eq!(target.finish()["faults"], 0);
        let lines = output.json();
        assert!((4..=7).contains(&lines.len()), "{}", output.stdout);
        let counts: Vec<u64> = lines.iter().map(|it| number(it, "count")).collect();
        assert!(
            counts.is_sorted() && counts[0] < counts[counts.len() - 1],
            "{counts:?}"
        );
    });
}
