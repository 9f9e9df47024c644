//! `--source sampling`: looks at some goroutines, without a probe, against the times that the program knows.

use serde_json::Value;

use crate::{
    common::{Build, Fixture, Grtmon, fixture, grtmon, newest, require_root_or_skip},
    support::{each_toolchain, number},
};

/// Goroutines on average, by five deviations at the most of what is true, and how far that is.
fn average(row: &Value, elapsed_ns: f64) -> (f64, f64) {
    let error = row["error_ns"].as_u64().unwrap_or(u64::MAX) as f64;
    (
        number(&row["total_ns"]) as f64 / elapsed_ns,
        5.0 / 1.96 * error / elapsed_ns,
    )
}

fn is_in(row: &Value, state: &str) -> bool {
    row["reason"] == state || row["reason"].is_null() && row["state"] == state
}

#[test]
fn time_is_in_the_states_that_goroutines_are_in() {
    each_toolchain(|_, _, program, what| {
        let mut target = Fixture::start(program, &["wall"]);
        let pid = target.pid_arg();
        let arguments = [
            "sched",
            "--source",
            "sampling",
            "--by",
            "fn",
            "--output",
            "json",
            "--duration",
            "10m",
            "--pid",
            &pid,
        ];
        let tool = Grtmon::start(&arguments);
        target.work();
        let end = tool.stop().success().json().pop().unwrap();
        let truth = target.finish();
        assert_eq!(end["event"], "end", "{what}");
        assert_eq!(end["source"], "sampling", "{what}");
        assert!(end["cost"].is_null(), "{what}");
        let elapsed = number(&end["elapsed_ns"]) as f64;
        let of_program = number(&truth["elapsed_ns"]) as f64;
        let dwelled = |names: &[&str]| {
            let all = truth["dwellings"].as_array().unwrap().iter();
            let these = all.filter(|it| names.contains(&it["name"].as_str().unwrap()));
            let ns: u64 = these.map(|it| number(&it["ns"])).sum();
            ns as f64 / of_program
        };
        let states = end["states"].as_array().unwrap();
        let mut samples = 0;
        for row in states.iter().filter(|row| row["system"] == false) {
            samples += number(&row["samples"]);
        }
        assert_eq!(samples, number(&end["samples"]), "{what}");
        for (state, names) in [
            ("select", &["main.wallSelect"][..]),
            ("syscall", &["main.wallRead"]),
            ("chan receive", &["main.wallReceive", "main.wallTurn"]),
            ("sleep", &["main.wallSleep", "main.wallMoment"]),
        ] {
            let row = states
                .iter()
                .find(|row| is_in(row, state) && row["system"] == false)
                .unwrap_or_else(|| panic!("{what}: {state} in {end}"));
            let (found, chance) = average(row, elapsed);
            let expected = dwelled(names);
            // The program's main goroutine is somewhere too; and what moves has been asleep until just now.
            assert!(
                (found - expected).abs() <= chance + 0.1 * expected + 2.0,
                "{what}, {state}: {found:.1} goroutines of {expected:.1} ± {chance:.1}: {end}"
            );
        }
        let by_fn = end["by_fn"].as_array().unwrap();
        let of = |name: &str| by_fn.iter().find(|row| row["fn"] == name).unwrap();
        assert!(is_in(of("main.wallSelect"), "select"), "{what}");
        assert!(
            is_in(of("main.wallLock"), "sync.Mutex.Lock")
                || is_in(of("main.wallLock"), "semacquire"),
            "{what}"
        );
    });
}

/// Of several processes each has looks of its own, and those that end do not end the others.
#[test]
fn processes_are_told_apart_and_may_end() {
    if !require_root_or_skip() {
        return;
    }
    let program = fixture(newest(), Build::STRIPPED_PIE.or_prebuilt());
    let (mut first, second) = (
        Fixture::start(&program, &["wall"]),
        Fixture::start(&program, &["wall"]),
    );
    let (one, other) = (first.pid_arg(), second.pid_arg());
    let arguments = [
        "sched",
        "--source",
        "sampling",
        "--by",
        "pid",
        "--fn",
        "main.wallSelect",
        "--output",
        "json",
        "--duration",
        "10m",
        "--pid",
        &one,
        "--pid",
        &other,
    ];
    let tool = Grtmon::start(&arguments);
    first.work();
    first.finish();
    let mut second = second;
    second.work();
    let end = tool.stop().success().json().pop().unwrap();
    second.finish();
    let rows = end["by_pid"].as_array().unwrap();
    assert_eq!(rows.len(), 2, "{end}");
    for row in rows {
        assert!(is_in(row, "select"), "{end}");
        assert!(number(&row["samples"]) > 0, "{end}");
    }
    let sum: u64 = rows.iter().map(|row| number(&row["total_ns"])).sum();
    let total = number(&end["states"][0]["total_ns"]);
    assert!(sum.abs_diff(total) <= 2, "{end}");
    assert_eq!(end["states"].as_array().unwrap().len(), 1, "{end}");
}

#[test]
fn what_looks_cannot_tell_is_refused() {
    for (arguments, said) in [
        (&["--stacks", "--pid", "1"][..], "grtmon profile wall"),
        (&["--sample", "1/4", "--pid", "1"], "--sample is of probes"),
        (&["--binpath", "/bin/true"], "--pid"),
    ] {
        let output = grtmon(&[&["sched", "--source", "sampling"], arguments].concat());
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(output.stderr.contains(said), "{}", output.stderr);
    }
}
