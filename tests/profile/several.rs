//! Several processes in one profile: of each what it did, and nothing of another.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use serde_json::Value;

use crate::{
    common::{
        Build, Fixture, Grtmon, Output, fixture, grtmon, newest, require_capabilities_or_skip,
        require_root_or_skip,
    },
    files::pprof,
    scratch::Scratch,
};

const HZ: f64 = 997.0;

pub(crate) fn program() -> PathBuf {
    fixture(newest(), Build::STRIPPED_PIE)
}

/// The same program by another name: a file of its own.
fn other(scratch: &Scratch) -> PathBuf {
    let path = scratch.path("other");
    fs::copy(program(), &path).unwrap();
    path
}

fn parked(program: &Path, count: &str) -> Fixture {
    let mut target = Fixture::start(program, &["parked", "-n", count]);
    target.go_until("parked");
    target
}

pub(crate) fn number(value: &Value) -> u64 {
    value
        .as_u64()
        .unwrap_or_else(|| panic!("not a number: {value}"))
}

/// What is said at the end of each process.
fn processes(lines: &[Value]) -> BTreeMap<u64, Value> {
    let end = lines.last().unwrap();
    let all = end["processes"].as_array().unwrap().iter();
    all.map(|it| (number(&it["pid"]), it.clone())).collect()
}

/// How often this function is on a stack of the process.
fn seen(lines: &[Value], pid: u32, function: &str) -> u64 {
    let samples = lines.iter().filter(|line| line["event"] == "sample");
    let of_it = samples.filter(|line| line["pid"] == pid);
    let with = of_it.filter(|line| {
        let mut stack = line["stack"].as_array().unwrap().iter();
        stack.any(|it| it["function"] == function)
    });
    with.map(|line| number(&line["values"]["samples"])).sum()
}

#[track_caller]
pub(crate) fn agrees(what: &str, samples: u64, ns: u64) {
    let expected = ns as f64 * HZ / 1e9;
    let chance = 5.0 * expected.sqrt() + 0.1 * expected;
    assert!(
        (samples as f64 - expected).abs() < chance,
        "{what}: {samples} samples of {expected}"
    );
}

/// Two programs, of which one runs twice; one of them is given twice.
#[test]
fn each_has_its_own_time() {
    if !require_capabilities_or_skip() {
        return;
    }
    let scratch = Scratch::new();
    let file = other(&scratch);
    let mut targets = [("300", program()), ("150", program()), ("200", file)]
        .map(|(ms, program)| Fixture::start(&program, &["cpu", "-ms", ms]));
    let pids = targets.each_ref().map(|it| it.pid_arg());
    let [a, b, c] = pids.each_ref();
    let words = [
        "profile", "cpu", "--pid", a, "--pid", b, "--pid", c, "--pid", a, "--hz", "997", "-d",
        "10m",
    ];
    let written = scratch.file("a.pb.gz");
    let tool = Grtmon::start(&[&words[..], &["-o", "json"]].concat());
    let by_pid = Grtmon::start(&[&words[..], &["--by", "pid"]].concat());
    let writer = Grtmon::start(&[&words[..], &["-w", &written]].concat());
    targets.iter_mut().for_each(|it| it.process.go());
    targets.iter().for_each(|it| it.process.expect("done"));
    let lines = tool.stop().success().json();
    let table = by_pid.stop().success().stdout;
    writer.stop().success();
    let [x, y, z] = targets.each_ref().map(Fixture::pid);
    let truths = targets.map(Fixture::finish);
    assert_eq!(lines[0]["pid"], Value::Null);
    assert_eq!(lines[0]["processes"].as_array().unwrap().len(), 3);
    let of = processes(&lines);
    for (pid, truth) in [x, y, z].into_iter().zip(&truths) {
        let process = &of[&pid.into()];
        let used = number(&truth["cpu_ns"]);
        agrees("all", number(&process["totals"]["samples"]), used);
        // By the kernel's account, and by its own.
        let cpu_ns = number(&process["sampling"]["cpu_ns"]) as f64;
        assert!((cpu_ns / used as f64 - 1.0).abs() < 0.1, "{process}");
        let proved = number(&process["sampling"]["proved"]);
        assert!(
            proved * 100 >= number(&process["sampling"]["samples"]) * 97,
            "{process}"
        );
        for burned in truth["burned"].as_array().unwrap() {
            let name = burned["name"].as_str().unwrap();
            // What the runtime does for it on other threads is not in the truth.
            if name != "main.burnGrowth" {
                agrees(name, seen(&lines, pid, name), number(&burned["ns"]));
            }
        }
    }
    let end = lines.last().unwrap();
    let sum = |key: &str| -> u64 { of.values().map(|it| number(&it["sampling"][key])).sum() };
    for key in ["samples", "proved", "cpu_ns"] {
        assert_eq!(number(&end["sampling"][key]), sum(key), "{key}");
    }
    for (name, pid) in [("testgo", x), ("testgo", y), ("other", z)] {
        let row = format!(" {name} (pid {pid})");
        assert!(table.lines().any(|it| it.ends_with(&row)), "{table}");
    }
    // For others the process is a label, and each program a mapping.
    let raw = pprof(newest(), &["-raw"], &written);
    let mappings = raw.split("Mappings\n").nth(1).unwrap();
    assert_eq!(mappings.lines().count(), 2, "{mappings}");
    let focus = format!("-tagfocus=pid=^{z}$");
    let top = pprof(newest(), &["-top", "-cum", "-unit=ns", &focus], &written);
    let row = top.lines().find(|it| it.ends_with(" main.burnLeaf"));
    let words: Vec<&str> = row.unwrap().split_whitespace().collect();
    let ns: f64 = words[3].trim_end_matches("ns").parse().unwrap();
    let own = number(&truths[2]["burned"][0]["ns"]);
    agrees("leaf", (ns * HZ / 1e9) as u64, own);
}

#[test]
fn one_that_ends_leaves_what_there_was() {
    if !require_capabilities_or_skip() {
        return;
    }
    let [mut a, mut b] = ["600", "100"].map(|ms| Fixture::start(&program(), &["cpu", "-ms", ms]));
    let (x, y) = (a.pid_arg(), b.pid_arg());
    let tool = Grtmon::start(&[
        "profile", "cpu", "--pid", &x, "--pid", &y, "--hz", "997", "-d", "10m", "-o", "json",
    ]);
    a.process.go();
    b.work();
    let (pid, other) = (a.pid(), b.pid());
    let truth = b.finish();
    a.process.expect("done");
    let output = tool.stop().success();
    let said = format!("process {y} has ended");
    assert_eq!(output.stderr.matches(&said).count(), 1, "{}", output.stderr);
    assert_eq!(output.stderr.matches("has ended").count(), 1);
    let lines = output.json();
    let burned = &truth["burned"][0];
    agrees(
        "ended",
        seen(&lines, other, "main.burnLeaf"),
        number(&burned["ns"]),
    );
    let of = processes(&lines);
    assert_eq!(of[&other.into()]["sampling"]["ended"], "process_ended");
    assert_eq!(of[&pid.into()]["sampling"]["ended"], "interrupted");
    let truth = a.finish();
    let burned = &truth["burned"][0];
    agrees(
        "other",
        seen(&lines, pid, "main.burnLeaf"),
        number(&burned["ns"]),
    );
}

/// Goroutines that all wait are as many as there are, at any time.
#[test]
fn goroutines_of_each_weigh_what_they_do() {
    if !require_root_or_skip() {
        return;
    }
    let scratch = Scratch::new();
    let file = other(&scratch);
    let targets = [
        parked(&program(), "300"),
        parked(&program(), "40"),
        parked(&file, "7"),
    ];
    let pids = targets.each_ref().map(Fixture::pid_arg);
    let [a, b, c] = pids.each_ref();
    let words = ["profile", "wall", "--pid", a, "--pid", b, "--pid", c];
    let lines = grtmon(&[&words[..], &["-d", "1s", "-o", "json"]].concat()).success();
    let lines = lines.json();
    let elapsed = number(&lines[0]["duration_ns"]) as f64;
    let of = processes(&lines);
    for (target, count) in targets.iter().zip([301.0, 41.0, 8.0]) {
        let ns = number(&of[&target.pid().into()]["totals"]["wall"]) as f64;
        let found = ns / elapsed;
        // One's last look may be a little before another's.
        assert!((found / count - 1.0).abs() < 0.15, "{found} of {count}");
    }
    // All that run a file.
    let file = file.to_str().unwrap();
    let output = grtmon(&["profile", "goroutine", "--binpath", file, "-o", "json"]).success();
    assert_eq!(output.json()[0]["pid"], targets[2].pid());
    let table = |more: &[&str]| {
        let all = [&["profile", "goroutine", "--by", "pid"], more].concat();
        grtmon(&all).success().stdout
    };
    let text = table(&["--pid", a, "--pid", b, "--pid", c]);
    let rows: Vec<Vec<&str>> = text
        .lines()
        .map(|it| it.split_whitespace().collect())
        .collect();
    assert_eq!(rows[0].last(), Some(&"PROCESS"), "{text}");
    let counts: Vec<&str> = rows[1..].iter().map(|it| it[0]).collect();
    assert_eq!(counts, ["301", "41", "8"], "{text}");
    for mut target in targets {
        target.go_until("done");
        target.finish();
    }
}

/// Runs a command that waits for nothing.
fn run(words: &[&str]) -> Output {
    let mut tool = Grtmon::start(words);
    tool.process().close_stdin();
    tool.end(Duration::from_secs(120))
}

#[test]
fn a_command_is_profiled_from_its_start() {
    if !require_capabilities_or_skip() {
        return;
    }
    let program = program();
    let path = program.to_str().unwrap();
    let scratch = Scratch::new();
    let (cpu, wall) = (scratch.file("cpu.json"), scratch.file("wall.json"));
    let words = ["profile", "cpu", "--hz", "997", "-d", "10m", "-w", &cpu];
    let output = run(&[&words[..], &["--", path, "cpu", "-ms", "100"]].concat()).success();
    // All of it is there: what is before main too.
    let truth: Value = serde_json::from_str(output.stdout.lines().last().unwrap()).unwrap();
    let lines = fs::read_to_string(&cpu).unwrap();
    let lines = lines.lines().map(|it| serde_json::from_str(it).unwrap());
    let lines: Vec<Value> = lines.collect();
    let sampling = &lines.last().unwrap()["sampling"];
    let used = number(&truth["cpu_ns"]);
    // As of the last look at it.
    let known = number(&sampling["cpu_ns"]) + 100_000_000;
    assert!(known >= used, "{sampling} of {used}");
    assert_eq!(sampling["ended"], "process_ended");
    assert!(number(&sampling["proved"]) * 100 >= number(&sampling["samples"]) * 90);
    let samples = lines.iter().filter(|it| it["event"] == "sample");
    let of_leaf = samples.filter(|line| {
        let stack = line["stack"].as_array().unwrap();
        stack.iter().any(|it| it["function"] == "main.burnLeaf")
    });
    let of_leaf = of_leaf.map(|it| number(&it["values"]["samples"])).sum();
    agrees("leaf", of_leaf, number(&truth["burned"][0]["ns"]));
    assert!(!output.stderr.contains("not known"), "{}", output.stderr);
    let words = ["profile", "wall", "-d", "10m", "-w", &wall];
    run(&[&words[..], &["--", path, "wall"]].concat()).success();
    let lines = fs::read_to_string(&wall).unwrap();
    assert!(lines.contains("main.wallReceive"), "{lines}");
    // Its exit status is passed on, whether or not it is seen.
    let output = run(&["profile", "cpu", "-d", "10m", "--", path, "no such mode"]);
    let own = Command::new(&program).arg("no such mode").status().unwrap();
    assert_eq!(output.status.code(), own.code(), "{}", output.stderr);
    assert_ne!(own.code(), Some(0));
}

#[test]
fn what_makes_no_sense_is_refused() {
    let scratch = Scratch::new();
    let none = other(&scratch);
    let (none, path) = (none.to_str().unwrap(), program());
    let path = path.to_str().unwrap();
    let target = parked(&program(), "3");
    let pid = target.pid_arg();
    let base = scratch.file("base.pb.gz");
    grtmon(&["profile", "goroutine", "--pid", &pid, "-w", &base]).success();
    for (words, why) in [
        (&["heap", "--", path][..], "a command that has not begun"),
        (&["goroutine", "--", path], "a command that has not begun"),
        (&["cpu", "--binpath", none], "no process runs"),
        (
            &["heap", "--pid", &pid, "--by", "goroutine"],
            "for cpu and wall",
        ),
        (
            &["goroutine", "--pid", &pid, "--diff", &base, "--by", "pid"],
            "others than they were",
        ),
    ] {
        let output = grtmon(&[&["profile"], words].concat());
        assert_eq!(output.status.code(), Some(1), "{words:?}");
        assert_eq!(output.stderr.lines().count(), 1, "{}", output.stderr);
        assert!(output.stderr.contains(why), "{}", output.stderr);
    }
    let output = grtmon(&["profile", "cpu", "--pid", &pid, "--labels", "route"]);
    assert_eq!(output.status.code(), Some(2), "{}", output.stderr);
}

/// A process that ends before it is looked at costs the others nothing.
#[test]
fn one_that_is_gone_is_told() {
    if !require_root_or_skip() {
        return;
    }
    let [a, b] = ["30", "3"].map(|count| parked(&program(), count));
    let (x, y) = (a.pid_arg(), b.pid_arg());
    let tool = Grtmon::start(&[
        "profile", "wall", "--pid", &x, "--pid", &y, "-d", "10m", "-o", "json",
    ]);
    drop(b);
    std::thread::sleep(Duration::from_millis(300));
    let output = tool.stop().success();
    assert_eq!(
        output.stderr.matches("has ended").count(),
        1,
        "{}",
        output.stderr
    );
    let of = processes(&output.json());
    assert_eq!(of.len(), 2);
    drop(a);
}
