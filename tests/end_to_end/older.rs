//! What only other kernels show: tests/kernels runs these in virtual machines.

use std::{
    fs,
    os::unix::process::CommandExt,
    process::{Command, Output},
};

use nix::{
    libc,
    mount::{MsFlags, mount, umount},
    sys::{
        resource::{Resource, setrlimit},
        signal::Signal,
    },
};

use crate::{
    common::{Fixture, Grtmon, command, grtmon, require_root_or_skip},
    subject::once,
};

const TRACEFS: &str = "/sys/kernel/tracing";

/// The lines of tracefs that are ours.
fn our_events() -> usize {
    fs::read_to_string(format!("{TRACEFS}/uprobe_events"))
        .unwrap()
        .lines()
        .filter(|it| it.starts_with("p:grtmon_"))
        .count()
}

#[test]
fn what_needs_no_program_works() {
    if !require_root_or_skip() {
        return;
    }
    assert!(grtmon(&["version"]).success().stdout.contains("grtmon"));
    grtmon(&["ps"]).success();
    // It makes the maps of every command, and measures them.
    let doctor = grtmon(&["doctor", "--output", "json"]).success().json();
    let memory = doctor[0]["kernel_memory"].as_object().unwrap();
    assert!(memory.len() >= 5, "{memory:?}");
    assert!(memory.values().all(|it| it["fine"] == true), "{memory:?}");
}

#[test]
#[ignore = "needs tracefs: in the virtual machines of tests/kernels"]
fn events_of_a_grtmon_that_was_killed_are_removed_by_the_next() {
    once(|subject| {
        mount(
            Some("tracefs"),
            TRACEFS,
            Some("tracefs"),
            MsFlags::empty(),
            None::<&str>,
        )
        .unwrap();
        let mut target = Fixture::start(&subject.program, &["goroutines"]);
        let pid = target.pid_arg();
        let observe = ["gr", "--attach", "tracefs", "--pid", &pid];
        let mut first = Grtmon::start(&observe);
        let made = our_events();
        assert!(made > 0);
        first.process().signal(Signal::SIGKILL);
        first.process().wait();
        // The probes are gone, their names are not.
        assert_eq!(our_events(), made);

        let second = Grtmon::start(&observe);
        assert_eq!(our_events(), made);
        target.work();
        second.stop().success();
        assert_eq!(our_events(), 0);
        target.finish();
        umount(TRACEFS).unwrap();
    });
}

#[test]
#[ignore = "needs a kernel started with lockdown=confidentiality: in the virtual machines of tests/kernels"]
fn a_kernel_that_is_locked_down_is_said() {
    once(|subject| {
        let mut target = Fixture::start(&subject.program, &["churn", "-n", "1009"]);
        let pid = target.pid_arg();
        for command in ["gr", "gc"] {
            let output = grtmon(&[command, "--pid", &pid]);
            assert_eq!(output.status.code(), Some(1), "{output:?}");
            assert!(
                output.stderr.contains("lockdown=confidentiality"),
                "{output:?}"
            );
        }
        let doctor = grtmon(&["doctor"]).success();
        assert!(
            doctor.stdout.contains("lockdown=confidentiality"),
            "{}",
            doctor.stdout
        );
        // What reads memory needs no programs.
        let dump = grtmon(&["dump", "--pid", &pid]).success();
        assert!(dump.stdout.contains("main.await"), "{}", dump.stdout);
        target.work();
        target.finish();
    });
}

/// Runs grtmon with so many bytes of locked memory and without the right to raise that.
fn with_locked_memory(bytes: u64, arguments: &[&str]) -> Output {
    const CAP_SYS_RESOURCE: libc::c_ulong = 24;
    let mut command: Command = command();
    command.args(arguments);
    let limit = move || {
        setrlimit(Resource::RLIMIT_MEMLOCK, bytes, bytes)?;
        // SAFETY: takes no pointers.
        let dropped = unsafe { libc::prctl(libc::PR_CAPBSET_DROP, CAP_SYS_RESOURCE) };
        assert_eq!(dropped, 0);
        Ok(())
    };
    // SAFETY: both are system calls and nothing else.
    unsafe { command.pre_exec(limit) };
    command.output().unwrap()
}

#[test]
#[ignore = "needs a kernel older than 5.11: in the virtual machines of tests/kernels"]
fn too_little_locked_memory_is_said() {
    once(|subject| {
        let mut target = Fixture::start(&subject.program, &["churn", "-n", "1009"]);
        let pid = target.pid_arg();
        let observe = ["gr", "--duration", "100ms", "--pid", &pid];
        let refused = with_locked_memory(64 << 10, &observe);
        let said = String::from_utf8_lossy(&refused.stderr);
        assert_eq!(refused.status.code(), Some(1), "{said}");
        assert!(
            said.contains("may have 64 KiB") && said.contains("LimitMEMLOCK"),
            "{said}"
        );
        let enough = with_locked_memory(256 << 20, &observe);
        assert!(enough.status.success(), "{enough:?}");
        target.work();
        target.finish();
    });
}
