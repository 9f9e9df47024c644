//! What stands in the way is named: missing capabilities, and all that keeps a process from being looked at.

use std::{
    fs,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::Path,
    process::Command,
};

use crate::{
    common::{Fixture, copy_program, require_root_or_skip, tool},
    users::{NOBODY, Public, SOMEBODY, refused, root_without, run, with},
};

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
