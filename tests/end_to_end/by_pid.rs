//! `--by pid`: the figures of each process are those of its own account, and together they are those of all.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

use grtmon::{
    probe::{
        Probes,
        gm::{self, GmProbes},
        gr::{self, GrProbes},
        sched::{self, SchedProbes},
    },
    target::{Selection, Target, checked::Checked, clock, resolve},
};

use serde_json::Value;

use crate::{
    alloc::{counted, within},
    attached::place,
    common::{Fixture, Grtmon, PATIENCE, grtmon},
    subject::{list, nothing_lost, number, once, undisturbed},
};

/// Two processes with known and different work, under `grtmon ARGUMENTS`: the last line, and their accounts.
fn observe(mut of: [Fixture; 2], arguments: &[&str]) -> (Value, [(u32, Value); 2]) {
    let pids = of.each_ref().map(|one| one.pid_arg());
    let mut all = [arguments, &["--output", "json", "--interval", "10m"]].concat();
    if !arguments.contains(&"--binpath") {
        all.extend(["--pid", &pids[0], "--pid", &pids[1]]);
    }
    let tool = Grtmon::start(&all);
    of.iter_mut().for_each(Fixture::work);
    let output = tool.stop().success();
    let end = output.json().pop().expect("no output");
    assert_eq!(end["event"], "end", "{end}");
    nothing_lost(&end);
    (end, of.map(|one| (one.pid(), one.finish())))
}

/// What is said of a process: all of it.
fn of_process(end: &Value, pid: u32) -> Vec<&Value> {
    list(end, "by_pid")
        .iter()
        .filter(|own| own["pid"] == pid)
        .collect()
}

/// Of how many processes something is said.
fn processes(end: &Value) -> usize {
    let mut pids: Vec<&Value> = list(end, "by_pid").iter().map(|own| &own["pid"]).collect();
    pids.sort_by_key(|pid| pid.as_u64());
    pids.dedup();
    pids.len()
}

/// Exits that the account of a process has, and of which a report knows.
fn exits(truth: &Value) -> u64 {
    list(truth, "functions")
        .iter()
        .map(|it| number(it, "exited"))
        .sum()
}

/// Until so many goroutines of a process are parked: it has made them, and they may be yet to run.
fn until_they_wait(process: &Fixture, goroutines: u64) {
    let pid = process.pid_arg();
    let look = ["dump", "--fn", "main.park", "--state", "chan receive"];
    let look = [&look[..], &["--output", "json", "--pid", &pid]].concat();
    let waiting = || grtmon(&look).success().json().pop().unwrap()["shown"].as_u64();
    let begun = Instant::now();
    while waiting() != Some(goroutines) {
        assert!(begun.elapsed() < PATIENCE);
    }
}

/// A copy of a program, which nobody else runs.
fn copy_of(program: &Path) -> PathBuf {
    let name = format!("by-pid.{}", std::process::id());
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::create_dir_all(&directory).unwrap();
    let copy = directory.join("server");
    let _ = fs::remove_file(&copy);
    fs::copy(program, &copy).unwrap();
    copy
}

#[test]
fn running_times() {
    once(|subject| {
        let program = copy_of(&subject.program);
        let path = program.to_str().unwrap();
        let start = |n: &str| Fixture::start(&program, &["churn", "-n", n, "-creators", "3"]);
        for target in [&[][..], &["--binpath", path]] {
            undisturbed(|| {
                let arguments = [&["gr", "seq", "--by", "pid"], target].concat();
                let of = [start("2003"), start("5009")];
                let (end, truths) = observe(of, &arguments);
                assert_eq!(processes(&end), 2, "{end}");
                let mut sum = 0;
                for (pid, truth) in &truths {
                    let [own] = of_process(&end, *pid)[..] else {
                        panic!("not once: {pid} in {end}");
                    };
                    let count = number(own, "count");
                    let seen =
                        count + number(own, "unseen_older") + number(own, "unseen_unwatched");
                    assert_eq!(seen, exits(truth), "{pid}: {end}");
                    sum += count;
                }
                assert_eq!(number(&end, "count"), sum, "{end}");
            });
        }
        fs::remove_dir_all(program.parent().unwrap()).unwrap();
    });
}

#[test]
fn running_times_are_drawn_for_each() {
    once(|subject| {
        let mut of = [101, 211].map(|n| {
            let process = Fixture::start(&subject.program, &["churn", "-n", &n.to_string()]);
            (n, process)
        });
        let pids = of.each_ref().map(|(_, one)| one.pid_arg());
        let arguments = ["gr", "seq", "--by", "pid", "--interval", "10m"];
        let tool =
            Grtmon::start(&[&arguments[..], &["--pid", &pids[0], "--pid", &pids[1]]].concat());
        of.iter_mut().for_each(|(_, one)| one.work());
        let text = tool.stop().success().stdout;
        let mut blocks = text.split("\n\n");
        // Most exits first.
        for (n, one) in of.iter().rev() {
            let block = blocks.next().unwrap();
            let heading = format!("   process {} (testgo)\n", one.pid());
            assert!(block.contains(&heading), "{text}");
            assert!(block.contains(&format!("count {} ", n + 5)), "{text}");
        }
        let all = blocks.next().unwrap();
        assert!(all.starts_with("   all\n"), "{text}");
        assert!(
            all.contains(&format!("count {} ", 101 + 211 + 10)),
            "{text}"
        );
        for (_, one) in of {
            one.finish();
        }
    });
}

#[test]
fn allocations() {
    once(|subject| {
        for source in ["probes", "counters"] {
            undisturbed(|| {
                let start =
                    |rounds| Fixture::start(&subject.program, &["alloc", "-rounds", rounds]);
                let arguments = ["gm", "--by", "pid", "--source", source];
                let (end, truths) = observe([start("1"), start("2")], &arguments);
                assert_eq!(processes(&end), 2, "{end}");
                let mut sum = [0, 0];
                for (pid, truth) in &truths {
                    let [own] = of_process(&end, *pid)[..] else {
                        panic!("not once: {pid} in {end}");
                    };
                    within(&counted(own), truth);
                    sum[0] += number(own, "objects");
                    sum[1] += number(own, "bytes");
                    assert_eq!(
                        own.get("since_start").is_some(),
                        source == "counters",
                        "{own}"
                    );
                }
                assert_eq!(
                    sum,
                    ["objects", "bytes"].map(|it| number(&end, it)),
                    "{end}"
                );
            });
        }
    });
}

#[test]
fn what_goroutines_do() {
    once(|subject| {
        undisturbed(|| {
            let start = |n| Fixture::start(&subject.program, &["parked", "-n", n]);
            let arguments = [
                "sched",
                "--by",
                "pid",
                "--stacks",
                "--fn",
                "^main.park$",
                "--duration",
                "10m",
            ];
            let mut of = [start("7"), start("19")];
            let pids = of.each_ref().map(Fixture::pid);
            let args = of.each_ref().map(Fixture::pid_arg);
            let target = ["--output", "json", "--pid", &args[0], "--pid", &args[1]];
            let tool = Grtmon::start(&[&arguments[..], &target].concat());
            for (one, goroutines) in of.iter_mut().zip([7, 19]) {
                one.go_until("parked");
                until_they_wait(one, goroutines);
            }
            // One is through, the other waits still.
            of[0].go_until("done");
            let end = tool.stop().success().json().pop().unwrap();
            nothing_lost(&end);
            assert_eq!(processes(&end), 2, "{end}");
            let state = |rows: &[&Value], state: &str, of: &str| -> [u64; 2] {
                let row = rows.iter().find(|row| row["state"] == state);
                let row = row.unwrap_or_else(|| panic!("no {state} of {of} in {end}"));
                [number(row, "count"), number(&row["open"], "count")]
            };
            let mut sum = 0;
            for (pid, [ended, open]) in pids.into_iter().zip([[7, 0], [0, 19]]) {
                let rows = of_process(&end, pid);
                assert_eq!(state(&rows, "waiting", "one"), [ended, open], "{rows:?}");
                // Each ran once before it waited, and once after; more often where it was preempted.
                let [ran, runs] = state(&rows, "running", "one");
                assert!(ran >= 2 * ended + open && runs == 0, "{rows:?}");
                sum += ran;
                let places = list(&end, "blocking").iter();
                let waits = places
                    .filter(|it| it["pid"] == pid && it["reason"] == "chan receive")
                    .filter(|it| {
                        list(it, "stack")
                            .iter()
                            .any(|at| at["function"] == "main.park")
                    });
                let waits: Vec<[u64; 2]> = waits
                    .map(|it| [number(&it["ended"], "count"), number(&it["open"], "count")])
                    .collect();
                assert_eq!(waits, [[ended, open]]);
            }
            let all: Vec<&Value> = list(&end, "states").iter().collect();
            assert_eq!(state(&all, "waiting", "all"), [7, 19], "{all:?}");
            assert_eq!(state(&all, "running", "all"), [sum, 0], "{all:?}");
            let [first, mut second] = of;
            first.finish();
            second.go_until("done");
            second.finish();
        });
    });
}

#[test]
fn who_did_nothing_is_there_too() {
    once(|subject| {
        let start = |n| Fixture::start(&subject.program, &["parked", "-n", n]);
        let mut of = ["3", "5"].map(start);
        let pids = of.each_ref().map(Fixture::pid_arg);
        let target = [
            "--output",
            "json",
            "--duration",
            "50ms",
            "--pid",
            &pids[0],
            "--pid",
            &pids[1],
        ];
        for command in [&["gr", "seq"][..], &["gm", "--source", "probes"], &["gm"]] {
            let seen = Grtmon::start(&[command, &["--by", "pid"], &target].concat());
            let end = seen.end(PATIENCE).success().json().pop().unwrap();
            assert_eq!(processes(&end), 2, "{end}");
            for one in &of {
                assert_eq!(of_process(&end, one.pid()).len(), 1, "{end}");
            }
        }
        for one in &mut of {
            one.go_until("parked");
            one.go_until("done");
        }
        of.into_iter().for_each(|one| drop(one.finish()));
    });
}

#[test]
fn counters_know_no_start_functions() {
    once(|subject| {
        let process = Fixture::start(&subject.program, &["parked", "-n", "1"]);
        let pid = process.pid_arg();
        let sched = ["sched", "--source", "counters", "--by", "fn", "--pid", &pid];
        let refused = Grtmon::start_silent(&sched).end(PATIENCE);
        assert!(!refused.status.success());
        let gm = Grtmon::start_silent(&["gm", "--by", "fn", "--pid", &pid]).end(PATIENCE);
        assert_eq!(gm.status.code(), Some(2), "{}", gm.stderr);
        let mut process = process;
        process.go_until("parked");
        process.go_until("done");
        process.finish();
    });
}

/// What two processes did, of which there is room for one only: what that one did, what all did, and of how much it is
/// not known whose it was, as it was reported.
fn too_many<P: Probes>(
    program: &Path,
    mode: &[&str],
    attach: impl Fn(&Target) -> P,
    seen: impl Fn(&P) -> (u64, u64),
) {
    let mut of = [(); 2].map(|()| Fixture::start(program, mode));
    let pids = of.each_ref().map(|one| i32::try_from(one.pid()).unwrap());
    let target = resolve(&Selection::Pids(pids.to_vec())).unwrap();
    let [target] = &target.targets[..] else {
        panic!("one program");
    };
    let mut probes = attach(target);
    probes.open_gate(clock::monotonic_ns().unwrap()).unwrap();
    of.iter_mut().for_each(Fixture::work);
    probes.close().unwrap();
    let (apart, all) = seen(&probes);
    let lost = probes.losses().unwrap();
    let lost: Vec<_> = lost.iter().filter(|it| it.events > 0).collect();
    assert!(apart > 0 && apart < all, "{apart} of {all}");
    assert_eq!(lost.len(), 1, "{lost:?}");
    assert_eq!(lost[0].cause, "apart_full", "{lost:?}");
    assert_eq!(lost[0].events, all - apart, "{lost:?}");
    of.into_iter().for_each(|one| drop(one.finish()));
}

#[test]
fn what_there_is_no_room_for_is_in_the_total_and_said() {
    once(|subject| {
        let program = &subject.program;
        let churn = ["churn", "-n", "1009"];
        let of_gr = |target: &Target| {
            let options = gr::Options {
                by_process: true,
                max_apart: 1,
                ..gr::Options::histograms(false, 4096)
            };
            let plan = gr::Plan::of(&Checked::of(target), &options).unwrap();
            GrProbes::attach(target, &plan, &options, &place(target, &plan)).unwrap()
        };
        too_many(program, &churn, of_gr, |probes| {
            let apart = probes
                .apart()
                .unwrap()
                .iter()
                .map(|(_, times)| times.count)
                .sum();
            (apart, probes.total().unwrap().count)
        });
        let of_gm = |target: &Target| {
            let options = gm::Options {
                by_process: true,
                max_processes: 1,
            };
            let plan = gm::Plan::of(target).unwrap();
            GmProbes::attach(target, &plan, &options, &place(target, &plan)).unwrap()
        };
        too_many(program, &["alloc"], of_gm, |probes| {
            let apart = probes.by_process().unwrap();
            let apart = apart.iter().map(|(_, own)| own.total().objects).sum();
            (apart, probes.allocations().unwrap().total().objects)
        });
        let of_sched = |target: &Target| {
            let options = sched::Options {
                by_fn: false,
                by_process: true,
                stacks: false,
                sample: 1,
                max_goroutines: 4096,
                max_apart: 1,
                max_stacks: 1,
            };
            let plan = sched::Plan::of(&Checked::of(target), &options).unwrap();
            SchedProbes::attach(target, &plan, &options, &place(target, &plan)).unwrap()
        };
        too_many(program, &churn, of_sched, |probes| {
            let times = probes.times().unwrap();
            let ended = |is_apart: bool| {
                let of = times
                    .iter()
                    .filter(|(key, _)| key.process.is_some() || !is_apart);
                of.map(|(_, times)| times.ended()).sum()
            };
            (ended(true), ended(false))
        });
    });
}
