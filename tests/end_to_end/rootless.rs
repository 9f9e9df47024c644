//! Without root: each command works with exactly what it needs and is as exact as ever; with less it says in one line
//! what is missing.

use std::{
    fs,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::Path,
    process::Command,
};

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::{
    common::{Fixture, Grtmon, Output, Process, copy_program, require_root_or_skip, tool},
    goroutines::counts_agree,
    subject::{Observed, list, number},
    users::{NOBODY, Public, SOMEBODY, refused, root_without, run, with},
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

#[test]
fn root_without_capabilities_is_told_so() {
    if !require_root_or_skip() {
        return;
    }
    let public = Public::new("bounded");
    let target = public.fixture(NOBODY, &["goroutines"]);
    let pid = target.pid_arg();
    let without = |capabilities: &[&str], arguments: &[&str]| {
        run(root_without(capabilities, &public.grtmon), arguments)
    };
    let gr = ["gr", "--duration", "1ms", "--pid", &pid];
    let dump = ["dump", "--pid", &pid];
    refused(
        &without(&["sys_ptrace"], &dump),
        &["root lacks CAP_SYS_PTRACE"],
    );
    refused(
        &without(&["sys_ptrace"], &gr),
        &["root lacks CAP_SYS_PTRACE"],
    );
    let all = ["bpf", "perfmon", "sys_admin"];
    refused(&without(&all, &gr), &["CAP_BPF and CAP_PERFMON"]);
    refused(
        &without(&["perfmon", "sys_admin"], &gr),
        &["missing CAP_PERFMON:"],
    );
    without(&["sys_admin"], &gr).success();
    without(&all, &dump).success();
}

#[test]
fn hidden_processes_are_not_said_to_be_missing() {
    if !require_root_or_skip() {
        return;
    }
    let public = Public::new("hidepid");
    let target = public.fixture(SOMEBODY, &["goroutines"]);
    let own = public.fixture(NOBODY, &["goroutines"]);
    let pid = target.pid_arg();
    let hidden = |user: &[&str], arguments: &[&str]| {
        let inner = with(NOBODY, user, &public.grtmon);
        let mut command = Command::new("unshare");
        command.args([
            "--mount",
            "sh",
            "-c",
            "mount -t proc -o hidepid=invisible proc /proc && exec \"$@\"",
            "sh",
        ]);
        command.arg(inner.get_program()).args(inner.get_args());
        run(command, arguments)
    };
    let refusal = hidden(&[], &["dump", "--pid", &pid]);
    refused(&refusal, &["no process", "hidepid", "CAP_SYS_PTRACE"]);
    hidden(&[], &["dump", "--pid", &own.pid_arg()]).success();
    hidden(&["sys_ptrace"], &["dump", "--pid", &pid]).success();
    let ps = hidden(&[], &["ps"]).success();
    assert!(ps.stderr.contains("hidepid"), "{}", ps.stderr);
    let ps = hidden(&["sys_ptrace"], &["ps", "--output", "json"]).success();
    assert!(!ps.stderr.contains("hidepid"), "{}", ps.stderr);
    assert!(ps.json().iter().any(|it| it["pid"] == target.pid()));
}

#[test]
fn the_old_way_of_attaching_needs_more_than_the_new_one() {
    if !require_root_or_skip() {
        return;
    }
    let public = Public::new("perf");
    let target = public.fixture(NOBODY, &["goroutines"]);
    let pid = target.pid_arg();
    let arguments = ["gc", "--attach", "perf", "--duration", "1ms", "--pid", &pid];
    let output = run(public.with(&["bpf", "perfmon"]), &arguments);
    if !output.status.success() {
        refused(&output, &["CAP_SYS_ADMIN"]);
    }
    let all = ["bpf", "perfmon", "sys_admin"];
    run(public.with(&all), &arguments).success();
}

#[test]
fn what_protects_a_process_of_ones_own_is_named() {
    if !require_root_or_skip() {
        return;
    }
    let Some(setcap) = tool("setcap") else { return };
    let public = Public::new("protected");
    let plain = public.fixture(NOBODY, &["goroutines"]);
    let mut other_group = Command::new(&public.testgo);
    other_group.arg("goroutines").uid(NOBODY).gid(SOMEBODY);
    let other_group = Fixture::start_command(other_group);
    let hidden = public.directory.join("hidden");
    copy_program(&public.testgo, &hidden);
    fs::set_permissions(&hidden, fs::Permissions::from_mode(0o711)).unwrap();
    let hidden = Fixture::start_command(as_nobody(&hidden));
    let capable = public.directory.join("capable");
    copy_program(&public.testgo, &capable);
    let set = Command::new(setcap)
        .arg("cap_net_bind_service+ep")
        .arg(&capable)
        .status();
    assert!(set.unwrap().success());
    let capable = Fixture::start_command(as_nobody(&capable));
    let group = format!("rights of group {SOMEBODY}");
    for (target, user_namespace, reason) in [
        (&other_group, None, &*group),
        (&capable, None, "capabilities of its own"),
        (&hidden, None, "made itself unreadable"),
        (&plain, Some("--user"), "grtmon runs in a user namespace"),
        (
            &plain,
            Some("--map-current-user"),
            "grtmon runs in a user namespace",
        ),
        (
            &plain,
            Some("--map-root-user"),
            "this container's user namespace",
        ),
    ] {
        let pid = target.pid_arg();
        for words in [
            &["dump"][..],
            &["stat"],
            &["top", "--once"],
            &["gr"],
            &["gm"],
            &["gm", "--source", "counters"],
            &["sched", "--source", "counters"],
            &["doctor"],
        ] {
            let mut command = with(NOBODY, &[], Path::new("env"));
            if let Some(how) = user_namespace {
                command.args(["unshare", how]);
            }
            command.arg(&public.grtmon);
            let output = run(command, &[words, &["--pid", &pid]].concat());
            refused(&output, &[&pid, reason]);
            // Nor would that do.
            assert!(!output.stderr.contains("--source"), "{}", output.stderr);
        }
    }
    // What does not stand in the way any more.
    let with_group = |group: u32| {
        let mut command = Command::new("setpriv");
        command.arg(format!("--reuid={NOBODY}"));
        command.arg(format!("--regid={group}"));
        command.args(["--clear-groups", "--inh-caps=-all"]);
        command.arg(&public.grtmon);
        command
    };
    let dump = ["dump", "--pid", &other_group.pid_arg()];
    run(with_group(SOMEBODY), &dump).success();
}

fn as_nobody(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.arg("goroutines").uid(NOBODY).gid(NOBODY);
    command
}
