//! Processes that come, go, change and suffer: each run ends as it should and harms nobody.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use grtmon::target::{Selection, resolve};
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::{
    attached::kinds,
    common::{
        Fixture, Grtmon, PATIENCE, Process, copy_program, full_matrix, grtmon, in_ci, newest,
        prebuilt,
    },
    subject::{each_toolchain, list, nothing_lost, number, observe, once},
};

pub(crate) fn counted(rows: &[Value], event: &str, function: &str) -> usize {
    rows.iter()
        .filter(|it| it["event"] == event && it["fn"] == function)
        .count()
}

/// A copy of the program that no other test runs.
pub(crate) struct OwnCopy(pub(crate) PathBuf);

impl OwnCopy {
    pub(crate) fn of(program: &Path, name: &str) -> Self {
        let path = program.with_file_name(format!("{name}.{}", std::process::id()));
        copy_program(program, &path);
        Self(path)
    }
}

impl Drop for OwnCopy {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

#[test]
fn attaching_and_detaching_again_and_again_harms_nobody() {
    each_toolchain(|subject| {
        // The fast slice is content with less, and so are all versions but one; an emulated machine has each kind once
        // or twice.
        let many = in_ci() && subject.toolchain.version == newest().version;
        let times = match (prebuilt().is_some(), many) {
            (true, _) if full_matrix() => 10,
            (true, _) => 5,
            (false, true) => 300,
            (false, false) => 40,
        };
        let mut target = Fixture::start(&subject.program, &["stacks"]);
        let pid = target.pid_arg();
        target.process.go();
        let framed = cfg!(target_arch = "x86_64") || subject.toolchain.minor() >= 21;
        let selection = Selection::Pids(vec![pid.parse().unwrap()]);
        let targets = resolve(&selection).unwrap().targets;
        let kinds = kinds(&targets[0], framed);
        let mut hits = 0;
        for (time, attach) in kinds.iter().cycle().take(times).enumerate() {
            let mut probes = attach();
            probes.open_gate(0).unwrap();
            thread::sleep(Duration::from_millis(10));
            probes.close().unwrap();
            hits += probes.overhead().unwrap().hits;
            assert!(target.process.is_running(), "died at attachment {time}");
        }
        assert!(hits > 0);
        // And as it is done.
        let commands: [&[&str]; 5] = [
            &["gr", "--queue"],
            &["gr", "seq", "--by", "fn"],
            &["gm", "--source", "probes"],
            &["gc"],
            if framed {
                &["sched", "--by", "fn", "--stacks"]
            } else {
                &["sched", "--by", "fn"] // stacks are refused
            },
        ];
        for command in commands {
            let mut arguments = command.to_vec();
            arguments.extend(["--output", "json", "--duration", "30ms", "--pid", &pid]);
            grtmon(&arguments).success();
            assert!(target.process.is_running(), "died under {arguments:?}");
        }
        target.work();
        let truth = target.finish();
        assert_eq!(truth["faults"], 0, "{truth}");
        assert!(number(&truth, "rounds") > 0);
    });
}

#[test]
fn killing_grtmon_leaves_nothing_behind() {
    once(|subject| {
        let mut target = Fixture::start(&subject.program, &["stacks"]);
        let pid = target.pid_arg();
        target.process.go();
        for _ in 0..10 {
            let mut tool = Grtmon::start(&["gr", "--pid", &pid]);
            tool.process().signal(Signal::SIGKILL);
            tool.process().wait();
        }
        target.work();
        assert_eq!(target.finish()["faults"], 0);
    });
}

#[test]
fn exec_keeps_the_pid_and_forgets_the_goroutines() {
    each_toolchain(|subject| {
        // Where others run the same file, the kernel keeps the probes to the process, and loses it at an exec by
        // a thread that is not the main one.
        let own = OwnCopy::of(&subject.program, "exec");
        let observed = observe(&own.0, &["exec"], &["gr", "--output", "json"]);
        nothing_lost(&observed.end());
        let rows = observed.rows();
        let lives = number(&observed.truth, "generations");
        let expected = usize::try_from(lives * number(&observed.truth, "each")).unwrap();
        assert!(rows.iter().all(|it| it["pid"] == observed.pid));
        assert_eq!(counted(&rows, "create", "main.generation"), expected);
        assert_eq!(counted(&rows, "exit", "main.generation"), expected);
        // The beginning of each life but the first was seen.
        let known = rows
            .iter()
            .filter(|it| it["fn"] == "main.generation" && it["event"] == "exit");
        assert!(known.clone().all(|it| it["running_ns"].is_u64()));
        let mains = u64::try_from(counted(&rows, "create", "runtime.main")).unwrap();
        assert_eq!(mains, lives - 1);
    });
}

#[test]
fn an_exec_that_may_hide_a_process_is_said() {
    once(|subject| {
        let own = OwnCopy::of(&subject.program, "hidden");
        // With others about that run the same file, the kernel keeps the probes to the process it is told.
        let mut other = Fixture::start(&own.0, &["churn"]);
        let mut target = Fixture::start(&own.0, &["exec"]);
        let pid = target.pid_arg();
        let mut tool = Grtmon::start(&["gr", "--pid", &pid]);
        target.work();
        tool.process().expect_stderr("has replaced itself by exec");
        target.finish();
        tool.end(PATIENCE).success();
        other.work();
        other.finish();
    });
}

#[test]
fn a_file_means_every_process_that_runs_it() {
    each_toolchain(|subject| {
        let own = OwnCopy::of(&subject.program, "file");
        let program = own.0.to_str().unwrap();
        let tool = Grtmon::start(&[
            "gr",
            "--output",
            "json",
            "--binpath",
            program,
            "--buffer",
            "16384",
        ]);
        // All of them begin after grtmon.
        let mut both = [
            Fixture::start(&own.0, &["exec"]),
            Fixture::start(&own.0, &["churn", "-n", "1009"]),
        ];
        both.iter_mut().for_each(Fixture::work);
        let output = tool.stop().success();
        let pids = both.each_ref().map(Fixture::pid);
        let truths = both.map(Fixture::finish);
        let lines = output.json();
        let (end, rows) = lines.split_last().unwrap();
        nothing_lost(end);

        let of = |pid: u64| {
            rows.iter()
                .filter(|it| it["pid"] == pid)
                .cloned()
                .collect::<Vec<_>>()
        };
        let each = usize::try_from(number(&truths[0], "each")).unwrap();
        let children = list(&truths[0], "children");
        assert_eq!(children.len(), 10);
        for child in children {
            let rows = of(child.as_u64().unwrap());
            assert_eq!(counted(&rows, "create", "main.generation"), each);
            assert_eq!(counted(&rows, "exit", "main.generation"), each);
        }
        assert_eq!(
            counted(&of(pids[0].into()), "create", "main.generation"),
            5 * each
        );
        assert_eq!(counted(&of(pids[1].into()), "exit", "main.churn"), 1009);
        assert_eq!(counted(rows, "create", "runtime.main"), 5 + 10 + 1);
    });
}

#[test]
fn several_processes_of_several_binaries() {
    once(|subject| {
        let other = crate::common::fixture(subject.toolchain, crate::common::Build::DEFAULT);
        let mut targets = [
            Fixture::start(&subject.program, &["churn", "-n", "1009"]),
            Fixture::start(&subject.program, &["churn", "-n", "2003"]),
            Fixture::start(&other, &["churn", "-n", "3001"]),
            Fixture::start(&other, &["churn", "-n", "4001"]), // not asked for
        ];
        let pids = targets.each_ref().map(Fixture::pid_arg);
        let tool = Grtmon::start(&[
            "gr", "--output", "json", "--buffer", "16384", "--pid", &pids[0], "--pid", &pids[1],
            "--pid", &pids[2],
        ]);
        targets.iter_mut().for_each(Fixture::work);
        let pids = targets.each_ref().map(Fixture::pid);
        for target in targets {
            target.finish();
        }
        // All three have exited: it ends by itself.
        let output = tool.end(PATIENCE).success();
        let lines = output.json();
        let (end, rows) = lines.split_last().unwrap();
        nothing_lost(end);
        for (pid, expected) in pids.into_iter().zip([1009, 2003, 3001, 0]) {
            let of: Vec<Value> = rows.iter().filter(|it| it["pid"] == pid).cloned().collect();
            assert_eq!(counted(&of, "create", "main.churn"), expected);
            assert_eq!(counted(&of, "exit", "main.churn"), expected);
        }
    });
}

#[test]
fn a_process_that_is_killed_ends_the_run() {
    each_toolchain(|subject| {
        let commands: [&[&str]; 4] = [
            &["gr"],
            &["gr", "seq"],
            &["gm", "--source", "probes"],
            &["gc"],
        ];
        for command in commands {
            let mut target = Fixture::start(&subject.program, &["die"]);
            let pid = target.pid_arg();
            let mut arguments = command.to_vec();
            arguments.extend(["--output", "json", "--pid", &pid]);
            let tool = Grtmon::start(&arguments);
            target.process.go();
            let output = tool.end(PATIENCE).success();
            assert_eq!(output.json().last().unwrap()["event"], "end");
            assert!(!target.process.wait().0.success());
        }
    });
}

#[test]
fn a_closed_pipe_is_a_normal_end() {
    once(|subject| {
        let mut target = Fixture::start(&subject.program, &["stacks"]);
        target.process.go();
        let script = format!(
            "'{}' gr --pid {} | head -n 3; echo ${{PIPESTATUS[0]}}",
            env!("CARGO_BIN_EXE_grtmon"),
            target.pid()
        );
        let mut command = Command::new("bash");
        command.args(["-c", &script]);
        let mut shell = Process::start(command);
        let (_, lines) = shell.wait_at_most(PATIENCE);
        assert_eq!(lines.len(), 4, "{lines:?}\n{}", shell.stderr());
        assert_eq!(lines[3], "0", "{}", shell.stderr());
        assert!(!shell.stderr().contains("panic"), "{}", shell.stderr());
        target.work();
        assert_eq!(target.finish()["faults"], 0);
    });
}

#[test]
fn a_replaced_binary_is_still_observed() {
    once(|subject| {
        let own = OwnCopy::of(&subject.program, "replaced");
        let copy = &own.0;
        let mut target = Fixture::start(copy, &["churn", "-n", "1009"]);
        // As a package upgrade does: another file under the same name.
        fs::remove_file(copy).unwrap();
        copy_program(Path::new("/bin/true"), copy);
        let pid = target.pid_arg();
        let tool = Grtmon::start(&["gr", "--output", "json", "--pid", &pid]);
        target.work();
        let output = tool.stop().success();
        target.finish();
        assert_eq!(counted(&output.json(), "exit", "main.churn"), 1009);
    });
}

#[test]
fn duration_ends_a_run() {
    once(|subject| {
        let mut target = Fixture::start(&subject.program, &["stacks"]);
        let pid = target.pid_arg();
        target.process.go();
        let duration = Duration::from_millis(300);
        for command in [&["gr"][..], &["gr", "seq"], &["gm"], &["gc"], &["sched"]] {
            let begun = Instant::now();
            let rest = ["--output", "json", "--pid", &pid, "--duration", "300ms"];
            let tool = Grtmon::start(&[command, &rest].concat());
            let output = tool.end(PATIENCE).success();
            assert!(begun.elapsed() >= duration, "{command:?} ended before");
            let lines = output.json();
            let (end, rows) = lines.split_last().expect("no output");
            assert_eq!(end["event"], "end", "{command:?}");
            nothing_lost(end);
            // What it saw in that time: the program was at work.
            let seen = match command {
                ["gr"] | ["gc"] => rows.len() as u64,
                ["gr", "seq"] => number(end, "count"),
                ["gm"] => number(end, "objects"),
                _ => number(&end["latency"], "count"),
            };
            assert!(seen > 0, "{command:?}: {end}");
            assert!(target.process.is_running());
        }
        target.work();
        target.finish();
    });
}
