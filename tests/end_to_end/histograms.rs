//! `gr seq`: the histograms hold every exit whose beginning was seen, and say of the others.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::subject::{
    UNNAMED, each, list, nothing_lost, number, observe, once, text, text as text_of,
};

/// The sum of a histogram's buckets, which is its count. What is kept besides the buckets, exactly, agrees with them: the
/// sum and the longest; and so do the quantiles.
fn bucket_sum(histogram: &Value) -> u64 {
    let buckets = list(histogram, "buckets");
    let count = |it: &Value| number(it, "count");
    let low = |it: &Value| number(it, "low_us") * 1000;
    let end = |it: &Value| {
        it["high_us"]
            .as_u64()
            .map_or(u64::MAX, |us| (us + 1) * 1000)
    };
    let sum = buckets.iter().map(count).sum();
    assert_eq!(number(histogram, "count"), sum, "{histogram}");
    let Some(last) = buckets.last() else {
        return 0;
    };
    let max = number(histogram, "max_ns");
    assert!((low(last)..end(last)).contains(&max), "{histogram}");
    let total = number(histogram, "sum_ns");
    let least: u64 = buckets.iter().map(|it| low(it) * count(it)).sum();
    let most = buckets.iter().fold(0, |most: u64, it| {
        most.saturating_add(end(it).saturating_mul(count(it)))
    });
    assert!((least..=most).contains(&total), "{histogram}");
    for (key, percent) in [("p50_ns", 50), ("p90_ns", 90), ("p99_ns", 99)] {
        let quantile = number(histogram, key);
        let up_to = |bound: &dyn Fn(&Value) -> bool| -> u64 {
            buckets.iter().filter(|it| bound(it)).map(count).sum()
        };
        // Whole buckets up to it are not enough, or just enough; with the one that it lies in they are.
        let below = up_to(&|it| end(it) <= quantile);
        let there = up_to(&|it| low(it) <= quantile);
        let is_it = below * 100 < sum * percent && there * 100 >= sum * percent;
        assert!(quantile <= max && is_it, "{key}: {histogram}");
    }
    sum
}

/// The bars of the first histogram in a text: where each begins, its count, its stars; and the summary below.
fn drawn(text: &str) -> (Vec<(u64, u64, usize)>, &str) {
    let mut bars: Vec<(u64, u64, usize)> = Vec::new();
    let mut next = None;
    for line in text.lines() {
        let Some((range, rest)) = line.split_once(" : ").filter(|it| it.0.contains("->")) else {
            if bars.is_empty() {
                continue;
            }
            return (bars, line);
        };
        let (low, high) = range.split_once("->").unwrap();
        let low = low.trim().parse().unwrap();
        assert!(next.is_none_or(|next| next == low), "a gap:\n{text}");
        next = high.trim().parse::<u64>().ok().map(|high| high + 1);
        let parts: Vec<&str> = rest.split('|').collect();
        let stars = parts[1].trim_end();
        assert!(stars.chars().all(|it| it == '*'), "{line}");
        bars.push((low, parts[0].trim().parse().unwrap(), stars.len()));
    }
    panic!("no summary:\n{text}");
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
        let (bars, summary) = drawn(&text);
        let most = bars.iter().map(|(_, count, _)| *count).max().unwrap();
        for (low, count, stars) in &bars {
            let share = usize::try_from(count * 60 / most).unwrap();
            let expected = share.max(usize::from(*count > 0));
            assert_eq!(*stars, expected, "at {low}:\n{text}");
        }
        let count: u64 = bars.iter().map(|(_, count, _)| count).sum();
        let said = format!("count {count} ");
        assert!(summary.contains(&said), "no {said} in {summary}");
        // Those whose beginning was seen, by the program's own account.
        let named = list(&observed.truth, "functions")
            .iter()
            .filter(|it| it["elder"] != true && !UNNAMED.contains(&text_of(it, "calls")));
        let exited: u64 = named.map(|it| number(it, "exited")).sum();
        assert!(count >= exited, "{count} of {exited}:\n{text}");
        // Who sleeps 20 ms is in the bar of 16 ms or in a longer one; nobody else takes as long by himself.
        let functions = list(&observed.truth, "functions");
        let sleepers = functions.iter().find(|it| it["calls"] == "main.sleeper");
        let sleepers = number(sleepers.unwrap(), "exited");
        let long = bars.iter().filter(|(low, ..)| *low >= 16384);
        let long: u64 = long.map(|(_, count, _)| count).sum();
        assert!(long >= sleepers && long < count, "{text}");
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
