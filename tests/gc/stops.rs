//! The rows of `gc`: stops of the world, and how the parts of a cycle fit together.

use std::collections::BTreeMap;
use std::process::Command;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::common::{
    Build, Grtmon, Process, fixture, newest, program, require_capabilities_or_skip,
};
use crate::support::{each, number, observe, of_kind};

#[test]
fn stops_are_those_that_the_runtime_counts() {
    each(|toolchain, program, what| {
        let (output, truth, _) = observe(&program, &["gc", "--output", "json"]);
        let lines = output.json();
        let stops = of_kind(&lines, "stw");
        for stop in &stops {
            assert!(number(&stop["duration_ns"]) > 0, "{what}: {stop}");
            assert_eq!(stop["pid"], truth["pid"], "{what}: {stop}");
        }
        let mut reasons: BTreeMap<&str, u64> = BTreeMap::new();
        for stop in &stops {
            let reason = stop["reason"].as_str();
            *reasons
                .entry(reason.unwrap_or_else(|| panic!("{what}: {stop}")))
                .or_default() += 1;
            let parts = number(&stop["stopping_ns"]) + number(&stop["stopped_ns"]);
            assert_eq!(parts, number(&stop["duration_ns"]), "{what}: {stop}");
        }
        let cycles = number(&truth["cycles"]);
        assert_eq!(
            reasons.get("GC sweep termination"),
            Some(&cycles),
            "{what}: {reasons:?}"
        );
        assert_eq!(
            reasons.get("GC mark termination"),
            Some(&cycles),
            "{what}: {reasons:?}"
        );
        for (reason, field) in [
            ("read mem stats", "read_mem_stats"),
            ("GOMAXPROCS", "set_procs"),
        ] {
            assert_eq!(
                reasons.get(reason).copied(),
                truth[field].as_u64(),
                "{what}: {reasons:?}"
            );
        }
        assert_eq!(of_kind(&lines, "mark").len() as u64, cycles, "{what}");
        // The last sweep goes on in the background, and may not be over when the observation ends.
        let swept: Vec<u64> = of_kind(&lines, "sweep")
            .iter()
            .map(|line| number(&line["cycle"]))
            .collect();
        let marked = of_kind(&lines, "mark");
        let mut marked: Vec<u64> = marked.iter().map(|line| number(&line["cycle"])).collect();
        if swept.len() + 1 == marked.len() {
            marked.pop();
        }
        assert_eq!(swept, marked, "{what}");
        if toolchain.minor() >= 22 {
            // A profile of goroutines stops the world twice: to begin and to clean up. Go 1.22 stops it once more, to
            // count them first.
            let each = if toolchain.minor() == 22 { 3 } else { 2 };
            let of_profiles = reasons
                .iter()
                .filter(|(reason, _)| reason.contains("profile"));
            let of_profiles: u64 = of_profiles.map(|(_, count)| count).sum();
            let profiles = number(&truth["goroutine_profiles"]);
            assert_eq!(of_profiles, each * profiles, "{what}: {reasons:?}");
            assert_eq!(number(&truth["gc_pauses"]), 2 * cycles, "{what}");
            let others = stops.len() as u64 - 2 * cycles;
            assert_eq!(
                number(&truth["other_pauses"]),
                others,
                "{what}: {reasons:?}"
            );
        }
        let end = lines.last().unwrap();
        assert_eq!(end["event"], "end", "{what}");
        assert_eq!(number(&end["stw"]["count"]), stops.len() as u64, "{what}");
        assert_eq!(number(&end["stops_passed"]), stops.len() as u64, "{what}");
        assert_eq!(end["lost"], Value::Array(Vec::new()), "{what}");
    });
}

/// Stops the world so often that the rows fill the ring buffer several times over while nobody takes them out.
const OFTEN: &str = r#"package main

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
)

func main() {
	in := bufio.NewReader(os.Stdin)
	fmt.Println("ready")
	in.ReadString('\n')
	var stats runtime.MemStats
	for i := 0; i < 20000; i++ {
		runtime.ReadMemStats(&stats)
	}
	fmt.Println("done")
	in.ReadString('\n')
}
"#;

#[test]
fn what_is_not_shown_is_counted_as_lost() {
    if !require_capabilities_or_skip() {
        return;
    }
    let path = program(newest(), Build::STRIPPED, "often", OFTEN);
    let mut target = Process::start(Command::new(path));
    target.expect("ready");
    let pid = target.pid_arg();
    let mut tool = Grtmon::start(&["gc", "--output", "json", "--pid", &pid]);
    tool.process().signal(Signal::SIGSTOP);
    target.go();
    target.expect("done");
    tool.process().signal(Signal::SIGCONT);
    let lines = tool.stop().success().json();
    target.go();
    target.wait();

    let shown = of_kind(&lines, "stw").len() as u64;
    let end = lines.last().unwrap();
    assert!(number(&end["stops_passed"]) >= 20000, "{end}");
    assert_eq!(number(&end["stw"]["count"]), shown, "{end}");
    let lost = end["lost"].as_array().unwrap().iter();
    let lost = lost.filter(|it| it["cause"] == "ring_full_stw");
    let lost: u64 = lost.map(|it| number(&it["events"])).sum();
    assert!(lost > 0, "nothing was lost, so nothing was tested: {end}");
    assert_eq!(shown + lost, number(&end["stops_passed"]), "{end}");
}

/// The parts of one cycle.
#[derive(Default)]
struct Parts<'v> {
    mark: Option<&'v Value>,
    sweep: Option<&'v Value>,
    first_stop: Option<&'v Value>,
    last_stop: Option<&'v Value>,
}

fn parts(lines: &[Value]) -> BTreeMap<u64, Parts<'_>> {
    let mut cycles: BTreeMap<u64, Parts<'_>> = BTreeMap::new();
    for line in lines {
        let Some(cycle) = line["cycle"].as_u64() else {
            continue;
        };
        let parts = cycles.entry(cycle).or_default();
        match (line["event"].as_str(), line["reason"].as_str()) {
            (Some("mark"), _) => parts.mark = Some(line),
            (Some("sweep"), _) => parts.sweep = Some(line),
            (Some("stw"), Some("GC sweep termination")) => parts.first_stop = Some(line),
            (Some("stw"), Some("GC mark termination")) => parts.last_stop = Some(line),
            other => panic!("{other:?} in a cycle"),
        }
    }
    cycles
}

#[test]
fn the_parts_of_a_cycle_fit_together() {
    each(|toolchain, program, what| {
        let (output, truth, _) = observe(&program, &["gc", "--output", "json"]);
        let lines = output.json();
        let cycles = parts(&lines);
        assert_eq!(cycles.len() as u64, number(&truth["cycles"]), "{what}");
        let mut forced = 0;
        let last = cycles.keys().last();
        for (cycle, parts) in &cycles {
            let what = format!("{what}, cycle {cycle}");
            if Some(cycle) == last && parts.sweep.is_none() {
                // It was not over when the observation ended.
                forced += parts
                    .mark
                    .map_or(0, |mark| u64::from(mark["trigger"] == "forced"));
                continue;
            }
            let Parts {
                mark: Some(mark),
                sweep: Some(sweep),
                first_stop: Some(first),
                last_stop: Some(last),
            } = parts
            else {
                panic!("{what}: something is missing")
            };
            let begin = |line: &Value| number(&line["time_unix_ns"]);
            let end = |line: &Value| begin(line) + number(&line["duration_ns"]);
            // The world runs a moment after the runtime has taken the time for its record.
            assert!(begin(first) <= begin(mark), "{what}");
            assert!(end(mark) <= begin(last), "{what}");
            assert!(
                begin(last) <= begin(sweep) && begin(sweep) <= end(last),
                "{what}"
            );
            let pauses = begin(mark) - begin(first) + begin(sweep) - begin(last);
            let pause = number(&mark["pause_ns"]);
            if toolchain.minor() >= 22 {
                assert_eq!(pauses, pause, "{what}");
            } else {
                // The runtime takes its time a little before it calls what we see.
                assert!(
                    pauses <= pause && pause - pauses < 10_000_000,
                    "{what}: {pauses} of {pause}"
                );
            }
            forced += u64::from(mark["trigger"] == "forced");
            assert_eq!(sweep["trigger"], mark["trigger"], "{what}");
            if let Some(next) = cycles.get(&(cycle + 1)) {
                let next = begin(next.first_stop.unwrap());
                assert!(
                    sweep["finished"] == false || end(sweep) <= next,
                    "{what}: {sweep}"
                );
            }
        }
        assert_eq!(forced, number(&truth["forced"]), "{what}");
    });
}

#[test]
fn a_table_for_people() {
    if !require_capabilities_or_skip() {
        return;
    }
    let (output, truth, _) = observe(&fixture(newest(), Build::STRIPPED), &["gc"]);
    let mut lines = output.stdout.lines();
    let heading = lines.next().unwrap();
    let words: Vec<&str> = heading.split_whitespace().collect();
    assert_eq!(words[..2], ["EVENT", "TIME(ns)"]);
    let rows: Vec<&str> = lines.by_ref().take_while(|line| !line.is_empty()).collect();
    for row in &rows {
        let mut words = row.split_whitespace();
        assert!(
            ["stw", "mark", "sweep"].contains(&words.next().unwrap()),
            "{row}"
        );
        assert!(words.next().unwrap().parse::<u64>().is_ok(), "{row}");
    }
    let summary: Vec<&str> = lines.collect();
    assert_eq!(summary.len(), 4, "{summary:?}");
    let marks: Vec<&str> = summary[2].split_whitespace().collect();
    assert_eq!(marks[..2], ["mark", &truth["cycles"].to_string()]);
}
