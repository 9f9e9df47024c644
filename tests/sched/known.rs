//! Goroutines that wait known numbers of times, for reasons that the runtime itself told, and not shorter than a known
//! time.

use std::{
    path::Path,
    process::{Command, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use serde_json::Value;

use crate::{
    common::{
        Build, Fixture, Grtmon, fixture, grtmon, methods, newest, require_capabilities_or_skip,
    },
    support::{Observed, by_fn, count, each, each_toolchain, number, observe},
};

fn list<'v>(value: &'v Value, field: &str) -> &'v [Value] {
    value[field].as_array().expect("no list")
}

fn check(observed: &Observed, what: &str) {
    let Observed { truth, end } = observed;
    assert_eq!(end["lost"], Value::Array(Vec::new()), "{what}: {end}");
    assert_eq!(end["has_unmoved"], true, "{what}");
    let all = by_fn(end);
    for waiting in list(truth, "waits") {
        let function = waiting["function"].as_str().unwrap();
        let done = all
            .get(function)
            .unwrap_or_else(|| panic!("{what}: nothing of {function}"));
        let what = format!("{what}: {function} {done:#?}");
        for row in done.values() {
            assert_eq!(number(&row["cut"]["count"]), 0, "{what}");
            assert_eq!(number(&row["open"]["count"]), 0, "{what}");
        }
        let (goroutines, rounds) = (number(&waiting["goroutines"]), number(&waiting["rounds"]));
        let running = count(done, "running", "");
        let runnable = count(done, "runnable", "");
        let state = match (function, waiting["state"].as_str().unwrap()) {
            ("main.waitsSleep", _) => "sleep",
            ("main.yieldsOften", _) => {
                assert!(runnable >= goroutines * (rounds + 1), "{what}");
                assert_eq!(running, runnable, "{what}");
                continue;
            }
            (_, state) => state,
        };
        let (state, reason) = match state {
            "syscall" => ("syscall", ""),
            reason => ("waiting", reason),
        };
        let waits = goroutines * rounds;
        let row = done
            .get(&(state, reason))
            .unwrap_or_else(|| panic!("{what}: no {reason}"));
        assert_eq!(number(&row["count"]), waits, "{what}");
        let reasons = done.keys().filter(|(state, _)| *state == "waiting").count();
        assert_eq!(reasons, usize::from(state == "waiting"), "{what}");
        // Each wait took as long as nobody was released, and no longer than all the work.
        let sum = number(&row["sum_ns"]);
        assert!(sum >= waits * number(&waiting["least_ns"]), "{what}");
        assert!(sum <= goroutines * number(&truth["work_ns"]), "{what}");
        assert!(
            number(&row["p50_ns"]) >= number(&waiting["least_ns"]),
            "{what}"
        );
        // What does not wait in the run queue comes back from a system call.
        let syscalls = count(done, "syscall", "");
        let entered = if state == "waiting" { waits } else { 0 };
        assert!(runnable >= goroutines + entered, "{what}");
        assert!(
            running >= runnable && running <= runnable + syscalls,
            "{what}"
        );
    }
    for (function, many, state) in [
        ("main.staysBehind", "elders", "elder_state"),
        ("main.isLeft", "left", "left_state"),
    ] {
        let reason = truth[state].as_str().unwrap();
        let row = all[function]
            .get(&("waiting", reason))
            .unwrap_or_else(|| panic!("{what}: no {function} in {reason}"));
        let open = &row["open"];
        assert_eq!(open["count"], truth[many], "{what}: {row}");
        assert!(number(&open["max_ns"]) <= number(&end["elapsed_ns"]));
        if many == "elders" {
            // They were there all the time.
            let all_the_time = number(&truth[many]) * number(&end["elapsed_ns"]);
            assert_eq!(number(&open["sum_ns"]), all_the_time, "{what}: {row}");
        }
    }
    let pulled = number(&truth["pulled"]);
    if pulled > 0 {
        let coroutines = &all["runtime.corostart"];
        assert_eq!(count(coroutines, "waiting", "coroutine"), pulled, "{what}");
        // One that is preempted, as on a slow machine, runs once more for that, and is runnable in between.
        let preempted = count(coroutines, "runnable", "");
        assert_eq!(
            count(coroutines, "running", ""),
            pulled + preempted,
            "{what}"
        );
    }
}

#[test]
fn every_wait_is_counted_once_for_its_reason() {
    each(|_, build, program, what| {
        for method in methods(build) {
            let arguments = ["--by", "fn", "--attach", method];
            let what = format!("{what}, {method}");
            check(&observe(program, &[], &arguments), &what);
        }
    });
}

#[test]
fn inside_a_program_in_c() {
    if require_capabilities_or_skip() {
        let program = fixture(newest(), Build::ARCHIVE);
        check(&observe(&program, &[], &["--by", "fn"]), "c-archive");
    }
}

/// The sum over all start functions is the total, and without start functions it is the same.
#[test]
fn totals_are_of_the_same_waits() {
    each_toolchain(|_, _, program, what| {
        let Observed { truth, end } = observe(program, &[], &[]);
        assert_eq!(end["lost"], Value::Array(Vec::new()), "{what}: {end}");
        for waiting in list(&truth, "waits") {
            let reason = waiting["state"].as_str().unwrap();
            // The main goroutine waits for none of these.
            if !["chan send", "select", "IO wait", "sync.Cond.Wait"].contains(&reason) {
                continue;
            }
            let rows = list(&end, "states");
            let row = rows
                .iter()
                .find(|row| row["reason"] == reason && row["system"] == false)
                .unwrap_or_else(|| panic!("{what}: no {reason} in {end}"));
            let waits = number(&waiting["goroutines"]) * number(&waiting["rounds"]);
            assert_eq!(number(&row["count"]), waits, "{what}: {row}");
        }
    });
}

#[test]
fn a_sample_has_whole_goroutines() {
    each_toolchain(|toolchain, _, program, what| {
        if toolchain.version != newest().version {
            return;
        }
        let observed = observe(program, &[], &["--by", "fn", "--sample", "1/3"]);
        let all = by_fn(&observed.end);
        assert_eq!(observed.end["sample"], 3);
        let mut seen = 0;
        let mut there = 0;
        for waiting in list(&observed.truth, "waits") {
            let (function, state) = (&waiting["function"], &waiting["state"]);
            let (function, state) = (function.as_str().unwrap(), state.as_str().unwrap());
            let (goroutines, rounds) = (number(&waiting["goroutines"]), number(&waiting["rounds"]));
            if state.is_empty() || state == "syscall" {
                continue;
            }
            let none = Default::default();
            let done = all.get(function).unwrap_or(&none);
            let waits = count(done, "waiting", state);
            assert_eq!(waits % rounds, 0, "{what}: {function}");
            seen += waits / rounds;
            there += goroutines;
        }
        assert!(seen < there, "{what}: {seen} of {there}");
    });
}

#[test]
fn stacks_say_where_goroutines_block() {
    each_toolchain(|toolchain, _, program, what| {
        if cfg!(target_arch = "aarch64") && toolchain.minor() < 21 {
            return stacks_are_refused(program);
        }
        let Observed { truth, end } = observe(program, &[], &["--stacks"]);
        assert_eq!(end["lost"], Value::Array(Vec::new()), "{what}: {end}");
        let places = list(&end, "blocking");
        let blocked = |function: &str, reason: &str, part: &str| -> u64 {
            let in_function = |place: &&Value| {
                let mut frames = list(place, "stack").iter();
                place["reason"] == reason && frames.any(|frame| frame["function"] == function)
            };
            places
                .iter()
                .filter(in_function)
                .map(|place| number(&place[part]["count"]))
                .sum()
        };
        for waiting in list(&truth, "waits") {
            let (function, state) = (&waiting["function"], &waiting["state"]);
            let (function, state) = (function.as_str().unwrap(), state.as_str().unwrap());
            if state.is_empty() || state == "syscall" {
                continue;
            }
            let waits = number(&waiting["goroutines"]) * number(&waiting["rounds"]);
            assert_eq!(
                blocked(function, state, "ended"),
                waits,
                "{what}: {function}"
            );
        }
        for (function, many, state) in [
            ("main.staysBehind", "elders", "elder_state"),
            ("main.isLeft", "left", "left_state"),
        ] {
            let still = blocked(function, truth[state].as_str().unwrap(), "open");
            assert_eq!(still, number(&truth[many]), "{what}: {function}");
        }
    });
}

/// Where frame pointers do not lead to callers.
fn stacks_are_refused(program: &Path) {
    let target = Fixture::start(program, &["sched"]);
    let output = grtmon(&["sched", "--stacks", "--pid", &target.pid_arg()]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert_eq!(output.stdout, "");
    assert!(
        output.stderr.contains("no stacks can be shown"),
        "{}",
        output.stderr
    );
}

#[test]
fn what_goroutines_do_when_their_process_ends_is_counted() {
    each_toolchain(|_, _, program, what| {
        let mut target = Fixture::start(program, &["sched"]);
        let pid = target.pid_arg();
        let arguments = ["sched", "--by", "fn", "--output", "json", "--pid", &pid];
        let tool = Grtmon::start(&[&arguments[..], &["--duration", "10m"]].concat());
        target.work();
        let truth = target.finish();
        let output = tool.end(Duration::from_secs(60)).success();
        let end = output.json().pop().expect("no output");
        let all = by_fn(&end);
        for (function, many, state) in [
            ("main.staysBehind", "elders", "elder_state"),
            ("main.isLeft", "left", "left_state"),
        ] {
            let reason = truth[state].as_str().unwrap();
            let row = all
                .get(function)
                .and_then(|done| done.get(&("waiting", reason)))
                .unwrap_or_else(|| panic!("{what}: no {function} in {reason}: {end}"));
            assert_eq!(row["open"]["count"], truth[many], "{what}: {row}");
        }
    });
}

/// Whoever ends, at whatever moment, is in no state any more: a program is started and killed again and again, also while
/// the observation begins.
#[test]
fn nobody_is_in_a_state_who_has_ended() {
    if !require_capabilities_or_skip() {
        return;
    }
    let program = fixture(newest(), Build::STRIPPED_PIE);
    let path = program.to_str().unwrap();
    let one = || {
        let mut command = Command::new(&program);
        command.args(["parked", "-n", "7"]).stdin(Stdio::piped());
        let mut child = command.stdout(Stdio::null()).spawn().unwrap();
        thread::sleep(Duration::from_millis(120));
        child.kill().unwrap();
        child.wait().unwrap();
    };
    let killing = AtomicBool::new(true);
    let output = thread::scope(|scope| {
        scope.spawn(|| {
            while killing.load(Ordering::Relaxed) {
                one();
            }
        });
        let tool = Grtmon::start(&[
            "sched",
            "--by",
            "pid",
            "--binpath",
            path,
            "--output",
            "json",
            "--duration",
            "10m",
        ]);
        (0..5).for_each(|_| thread::sleep(Duration::from_millis(100)));
        killing.store(false, Ordering::Relaxed);
        // Once all are gone, and everybody has looked round.
        thread::sleep(Duration::from_secs(4));
        tool.stop().success()
    });
    let end = output.json().pop().expect("no output");
    // Of the last four seconds nobody was there, but for the time in which the last one is killed and that is noticed.
    let most = number(&end["elapsed_ns"]) - 2_500_000_000;
    for row in list(&end, "by_pid") {
        assert!(number(&row["open"]["max_ns"]) < most, "{most}: {row}");
    }
}
