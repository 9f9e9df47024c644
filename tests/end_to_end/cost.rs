//! What an observation costs is told, and limited where that is asked for.

use std::{thread, time::Duration};

use nix::sys::signal::Signal;

use crate::{
    common::{Fixture, Grtmon, PATIENCE},
    subject::{number, observe, once},
};

#[test]
fn every_hit_is_in_the_account() {
    once(|subject| {
        let commands: [&[&str]; 2] = [&["gr"], &["gr", "seq"]];
        for command in commands {
            let mut arguments = command.to_vec();
            arguments.extend(["--output", "json"]);
            let observed = observe(&subject.program, &["churn", "-n", "10007"], &arguments);
            let end = observed.end();
            let cost = &end["cost"];
            // A start and an exit of each at least; for gr a creation too.
            let each = if command.len() == 1 { 3 } else { 2 };
            assert!(number(cost, "hits") >= each * 10_007, "{end}");
            assert!(cost["trap_ns"].as_f64().unwrap() > 0.0, "{end}");
            assert!(cost["program_ns"].as_f64().unwrap() > 0.0, "{end}");
            let share = cost["cpu_share"].as_f64();
            assert!(share.is_none_or(|it| (0.0..=1.0).contains(&it)), "{end}");
        }
    });
}

/// CPU time that a process has used, in ticks.
fn ticks(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split(' ').collect();
    // utime and stime (proc(5)), of which the first two fields are cut off.
    [12, 13]
        .map(|at| fields[at].parse::<u64>().unwrap())
        .iter()
        .sum()
}

#[test]
fn of_a_process_that_ended_the_share_is_a_bound() {
    once(|subject| {
        let mut target = Fixture::start(&subject.program, &["bench-spawn", "-n", "1000000000"]);
        let pid = target.pid();
        let tool = Grtmon::start(&[
            "gr",
            "seq",
            "--output",
            "json",
            "--max-overhead",
            "none",
            "--pid",
            &pid.to_string(),
        ]);
        // For so long that grtmon, which looks every second, has seen some of it.
        let processors = thread::available_parallelism().unwrap().get() as u64;
        let enough = ticks(pid) + 400 * processors;
        target.process.go();
        while ticks(pid) < enough {
            thread::sleep(Duration::from_millis(10));
        }
        target.process.signal(Signal::SIGKILL);
        // It ends after the process: what that used last was not seen.
        let output = tool.end(PATIENCE).success();
        let lines = output.json();
        let cost = &lines.last().unwrap()["cost"];
        assert!(cost["cpu_share"].is_null(), "{cost}");
        assert!(!output.stderr.contains(": about"), "{}", output.stderr);
        let bound = cost["cpu_share_at_most"].as_f64().unwrap();
        assert!(bound > 0.0 && bound <= 1.0, "{cost}");
    });
}

#[test]
fn it_ends_when_it_costs_more_than_allowed() {
    once(|subject| {
        let mut target = Fixture::start(&subject.program, &["bench-spawn", "-n", "1000000000"]);
        let pid = target.pid_arg();
        let tool = Grtmon::start(&["gr", "seq", "--max-overhead", "0.1%", "--pid", &pid]);
        target.process.go();
        let output = tool.end(PATIENCE).success();
        assert!(
            output.stderr.contains("--max-overhead"),
            "{}",
            output.stderr
        );
        assert!(target.process.is_running());

        // What is allowed goes on.
        let mut idle = Fixture::start(&subject.program, &["churn", "-n", "101"]);
        let pid = idle.pid_arg();
        let arguments = ["gr", "seq", "--max-overhead", "50%", "--pid", &pid];
        let tool = Grtmon::start(&arguments);
        idle.work();
        let output = tool.stop().success();
        assert!(!output.stderr.contains("detaching"), "{}", output.stderr);
        idle.finish();
    });
}
