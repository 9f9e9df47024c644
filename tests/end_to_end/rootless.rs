//! Without root: each command works with exactly what it needs and is as exact as ever; with less it says in one line
//! what is missing.

use std::process::Command;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::{
    common::{Fixture, Grtmon, Output, Process, require_root_or_skip, tool},
    goroutines::counts_agree,
    subject::{Observed, list, number},
    users::{NOBODY, Public, SOMEBODY, refused, run},
};

/// What a user may be given.
const SETS: [&[&str]; 6] = [
    &[],
    &["bpf"],
    &["perfmon"],
    &["bpf", "perfmon"],
    &["sys_ptrace"],
    &["bpf", "perfmon", "sys_ptrace"],
];

/// Commands that set probes, with what ends them soon.
const PROBING: [&[&str]; 7] = [
    &["profile", "cpu", "--duration", "1ms"],
    &["gr", "--duration", "1ms"],
    &["gr", "seq", "--duration", "1ms"],
    &["sched", "--duration", "1ms"],
    &["gc", "--duration", "1ms"],
    &["gc", "--cycles", "--duration", "1ms"],
    &["gm", "--source", "probes", "--duration", "1ms"],
];

/// Commands that only read.
const READING: [&[&str]; 5] = [
    &["dump"],
    &["top", "--once", "--interval", "100ms"],
    &["stat", "--count", "1"],
    &["stat", "--metrics"],
    &["gm", "--source", "counters", "--duration", "1ms"],
];

#[test]
fn each_command_needs_what_it_is_said_to_need_and_no_more() {
    if !require_root_or_skip() {
        return;
    }
    let public = Public::new("capabilities");
    for owner in [NOBODY, SOMEBODY] {
        let target = public.fixture(owner, &["goroutines"]);
        for set in SETS {
            let lacks = |capability: &str| !set.contains(&capability);
            let may_read = owner == NOBODY || !lacks("sys_ptrace");
            let may_probe = !lacks("bpf") && !lacks("perfmon");
            let mut unreadable = vec!["CAP_SYS_PTRACE"];
            let user = format!("belongs to user {owner}");
            unreadable.push(&user);
            let mut unprobed: Vec<&str> = Vec::new();
            for (capability, name) in [("bpf", "CAP_BPF"), ("perfmon", "CAP_PERFMON")] {
                if lacks(capability) {
                    unprobed.push(name);
                }
            }
            unprobed.extend(["setcap", "grtmon"]);
            for (commands, may) in [(&PROBING[..], may_probe), (&READING[..], true)] {
                for command in commands {
                    let mut arguments = command.to_vec();
                    let pid = target.pid_arg();
                    arguments.extend(["--pid", &pid]);
                    let output = run(public.with(set), &arguments);
                    let what = format!("{set:?} {command:?} of {owner}");
                    if may_read && may {
                        assert!(output.status.success(), "{what}: {}", output.stderr);
                    } else if !may_read {
                        refused(&output, &unreadable);
                    } else {
                        refused(&output, &unprobed);
                    }
                }
            }
            doctor_agrees(&run(public.with(set), &["doctor", "--output", "json"]), set);
            if may_read {
                let pid = target.pid_arg();
                let words = ["doctor", "--output", "json", "--pid", &pid];
                samples_agree(&run(public.with(set), &words), may_probe);
            }
            ps_agrees(
                &run(public.with(set), &["ps", "--output", "json"]),
                &target,
                may_read,
            );
        }
    }
}

/// `doctor` knows what there is, and whether it is enough.
fn doctor_agrees(output: &Output, set: &[&str]) {
    assert!(output.status.success(), "{}", output.stderr);
    let report: Value = serde_json::from_str(&output.stdout).unwrap();
    for capability in ["bpf", "perfmon", "sys_ptrace"] {
        let fine = &report["privileges"][format!("cap_{capability}")]["fine"];
        assert_eq!(*fine, set.contains(&capability), "{set:?} {report}");
    }
    let enough = set.contains(&"bpf") && set.contains(&"perfmon");
    assert_eq!(report["kernel"]["probes"]["fine"], enough, "{report}");
}

/// What it says of sampling is what has just been seen.
fn samples_agree(output: &Output, may_probe: bool) {
    assert!(output.status.success(), "{}", output.stderr);
    let report: Value = serde_json::from_str(&output.stdout).unwrap();
    let found = &report["commands"]["profile_cpu"]["found"];
    let found = found.as_str().unwrap();
    assert_eq!(
        !found.starts_with("refused: missing CAP_"),
        may_probe,
        "{found}"
    );
}

/// `ps` lists the process in any case, and knows of it what may be known.
fn ps_agrees(output: &Output, target: &Fixture, may_read: bool) {
    assert!(output.status.success(), "{}", output.stderr);
    let rows = output.json();
    let row = rows.iter().find(|it| it["pid"] == target.pid());
    let row = row.unwrap_or_else(|| panic!("no {} in {}", target.pid(), output.stdout));
    assert_eq!(row["goroutines"].is_number(), may_read, "{row}");
    assert_eq!(row["go_version"].is_string(), may_read, "{row}");
}

/// As `subject::observe`, with a grtmon that is started in another way.
fn observe(mut command: Command, target: Fixture, arguments: &[&str]) -> Observed {
    let mut target = target;
    let pid = target.pid();
    command.args(arguments);
    let mut process = Process::start(command);
    process.expect_stderr("Ctrl-C to end.");
    target.work();
    process.signal(Signal::SIGINT);
    let output = Grtmon::of(process).end(crate::common::PATIENCE).success();
    Observed {
        truth: target.finish(),
        output,
        pid,
    }
}

#[test]
fn what_is_seen_with_the_least_is_exact() {
    if !require_root_or_skip() {
        return;
    }
    let public = Public::new("least");
    for owner in [NOBODY, SOMEBODY] {
        let mut set = vec!["bpf", "perfmon"];
        if owner != NOBODY {
            set.push("sys_ptrace");
        }
        let target = public.fixture(owner, &["goroutines"]);
        let pid = target.pid_arg();
        let command = ["gr", "--output", "json", "--pid", &pid];
        let observed = observe(public.with(&set), target, &command);
        counts_agree(&observed);
        // Its own cost is measured too.
        assert!(observed.end()["cost"]["trap_ns"].is_number());
        assert!(number(&observed.end(), "alive_before") > 0);
    }
}

#[test]
fn a_file_is_observed_without_the_right_to_read_its_processes() {
    if !require_root_or_skip() {
        return;
    }
    let public = Public::new("file");
    let path = public.testgo.to_str().unwrap();
    let target = public.fixture(SOMEBODY, &["goroutines"]);
    let command = ["gr", "--output", "json", "--binpath", path];
    let observed = observe(public.with(&["bpf", "perfmon"]), target, &command);
    counts_agree(&observed);
    // What would have had to be read is not known, and said to be.
    let end = observed.end();
    assert!(end["alive_before"].is_null(), "{end}");
    assert!(end["cost"]["cpu_share"].is_null(), "{end}");

    let target = public.fixture(SOMEBODY, &["goroutines"]);
    let arguments = ["doctor", "--output", "json", "--binpath", path];
    let output = run(public.with(&["bpf", "perfmon"]), &arguments).success();
    let report: Value = serde_json::from_str(&output.stdout).unwrap();
    let processes = &report["binary"]["processes"];
    assert_eq!(processes["fine"], false, "{processes}");
    assert!(
        processes["found"]
            .as_str()
            .unwrap()
            .contains("CAP_SYS_PTRACE"),
        "{processes}"
    );
    drop(target);
}

#[test]
fn file_capabilities_are_enough() {
    if !require_root_or_skip() {
        return;
    }
    let Some(setcap) = tool("setcap") else { return };
    let public = Public::new("setcap");
    for (capabilities, owner) in [
        ("cap_bpf,cap_perfmon+ep", NOBODY),
        ("cap_bpf,cap_perfmon,cap_sys_ptrace+ep", SOMEBODY),
    ] {
        let set = Command::new(&setcap)
            .arg(capabilities)
            .arg(&public.grtmon)
            .status();
        assert!(set.unwrap().success());
        let target = public.fixture(owner, &["goroutines"]);
        let pid = target.pid_arg();
        let command = ["gr", "--output", "json", "--pid", &pid];
        let observed = observe(public.with(&[]), target, &command);
        counts_agree(&observed);
        // Such a program may not be looked into, not even by itself: it does what it needs all the same.
        assert!(observed.end()["cost"]["trap_ns"].is_number());

        for command in PROBING.iter().chain(&READING) {
            let target = public.fixture(owner, &["goroutines"]);
            let pid = target.pid_arg();
            let mut arguments = command.to_vec();
            arguments.extend(["--pid", &pid]);
            run(public.with(&[]), &arguments).success();
        }
        run(public.with(&[]), &["doctor"]).success();
        a_command_is_started(&public);
    }
}

/// The command is observed from its first instruction, and has not got grtmon's capabilities.
fn a_command_is_started(public: &Public) {
    let mut command = public.with(&[]);
    let testgo = public.testgo.to_str().unwrap();
    command
        .args(["gr", "--output", "json", "--", testgo, "goroutines"])
        .env("TESTGO_TALK", "stderr");
    let mut process = Process::start(command);
    process.expect_stderr("ready");
    process.go();
    process.expect_stderr("done");
    process.go();
    process.expect_stderr("\"mode\"");
    process.go();
    let output = Grtmon::of(process).end(crate::common::PATIENCE).success();
    let end = output.json().pop().unwrap();
    let truth = output
        .stderr
        .lines()
        .find(|line| line.contains("\"mode\""))
        .unwrap();
    let truth: Value = serde_json::from_str(truth).unwrap();
    let created: u64 = list(&truth, "functions")
        .iter()
        .map(|it| number(it, "created"))
        .sum();
    // The runtime's own goroutines come on top.
    let seen = number(&end, "created");
    assert!((created..created + 50).contains(&seen), "{seen} {created}");

    let grep = ["gr", "--", "grep", "CapEff", "/proc/self/status"];
    let output = run(public.with(&[]), &grep);
    // Not even begun by who may not follow it.
    let may_be = ["", "CapEff:\t0000000000000000\n"];
    assert!(may_be.contains(&&*output.stdout), "{}", output.stdout);
    assert_eq!(output.status.code(), Some(1), "{}", output.stderr);
    assert!(output.stderr.contains("Go"), "{}", output.stderr);
}
