//! What watching costs: the same work with nobody watching, with an empty program at the same sites (the floor), with
//! grtmon, with bpftrace at the functions' entries, and with the runtime's own means. `make bench` runs it; it needs
//! root, a quiet machine, and bpftrace for those rows.
//!
//! A subject does its work again and again, and is watched every second time: every ratio is taken within one process, of
//! what lies side by side, for no two processes and no two seconds are equally fast. The row "nobody" tells how far
//! chance goes. The rounds are interleaved. `GRTMON_BENCH_ROUNDS` (4), `GRTMON_BENCH_ONLY` (a part of a subject's name, `dump` or
//! `startup`) and `GRTMON_BENCH_WITHOUT` (parts of observers' names, separated by commas) change what is run.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a benchmark, not a part of grtmon"
)]

#[path = "../../tests/common/mod.rs"]
mod common;
mod dump;
mod observer;
mod startup;
mod table;

use std::{env, fs, path::Path, process::Command};

use common::{Build, Fixture, fixture, newest};
use observer::{Observer, Probes, observe};
use serde_json::Value;
use table::{Case, Run, Turn};

/// A subject, how much of its work is done, and who watches it.
struct ProcessView {
    name: &'static str,
    mode: &'static str,
    units: u64,
    /// In which field of its last line grtmon says how much of that work it has seen: the one of these that is there;
    /// none, where a unit is no event.
    counted: &'static [&'static str],
    /// How often it is watched in a round, each time between two times without.
    pairs: usize,
    observers: &'static [(&'static str, Observer)],
}

/// The runtime's tracer sees what all others see together.
const TRACER: (&str, Observer) = ("runtime/trace", Observer::Flag("-trace=2"));

const SUBJECTS: [ProcessView; 8] = [
    ProcessView {
        name: "spawn and exit",
        mode: "bench-spawn",
        units: 300_000,
        counted: &["exited", "count"],
        pairs: 1,
        observers: &[
            ("nobody", Observer::Nobody),
            ("empty at the sites of gr seq", Observer::Noop(Probes::GrSeq)),
            ("grtmon gr seq", Observer::Grtmon(&["gr", "seq"])),
            ("empty at the sites of gr", Observer::Noop(Probes::Gr)),
            ("grtmon gr", Observer::Grtmon(&["gr", "--buffer", "65536"])),
            (
                "bpftrace: newproc1, execute, exit",
                Observer::Bpftrace(
                    "uprobe:BIN:runtime.newproc1 { @created = count(); }
                     uprobe:BIN:runtime.execute { if (!@began[reg(\"ax\")]) { @began[reg(\"ax\")] = nsecs; } }
                     uprobe:BIN:runtime.gdestroy /@began[reg(\"ax\")]/ {
                         @us = hist((nsecs - @began[reg(\"ax\")]) / 1000); delete(@began[reg(\"ax\")]); }",
                ),
            ),
            TRACER,
        ],
    },
    // Nothing in it is probed: many short turns, for small differences. What is done once a second as a rule is done
    // in each turn here, which takes some 0.1 s.
    ProcessView {
        name: "channel ping-pong, unprobed",
        mode: "bench-pingpong",
        units: 400_000,
        counted: &[],
        pairs: 12,
        observers: &[
            ("nobody", Observer::Nobody),
            ("grtmon gr seq", Observer::Grtmon(&["gr", "seq"])),
            ("grtmon gr", Observer::Grtmon(&["gr"])),
            ("grtmon gc", Observer::Grtmon(&["gc"])),
            ("grtmon stat, ten times a second", Observer::Grtmon(&["stat", "--interval", "100ms"])),
            ("grtmon dump, once", Observer::Again(&["dump", "--pid", "PID"])),
        ],
    },
    ProcessView {
        name: "channel ping-pong",
        mode: "bench-pingpong",
        units: 300_000,
        counted: &[],
        pairs: 1,
        observers: &[
            ("nobody", Observer::Nobody),
            ("empty at the sites of sched", Observer::Noop(Probes::Sched)),
            ("grtmon sched", Observer::Grtmon(&["sched", "--duration", "10m"])),
            ("grtmon sched --by fn", Observer::Grtmon(&["sched", "--by", "fn", "--duration", "10m"])),
            ("grtmon sched --stacks", Observer::Grtmon(&["sched", "--stacks", "--duration", "10m"])),
            ("grtmon sched --sample 1/16", Observer::Grtmon(&["sched", "--sample", "1/16", "--duration", "10m"])),
            (
                "bpftrace: execute",
                Observer::Bpftrace("uprobe:BIN:runtime.execute { @ = count(); }"),
            ),
            TRACER,
        ],
    },
    ProcessView {
        name: "small objects",
        mode: "bench-alloc",
        units: 1_000_000,
        counted: &["objects"],
        pairs: 1,
        observers: &[
            ("nobody", Observer::Nobody),
            ("empty at the sites of gm", Observer::Noop(Probes::Gm)),
            ("grtmon gm --source probes", Observer::Grtmon(&["gm", "--source", "probes"])),
            (
                "bpftrace: mallocgc*",
                Observer::Bpftrace("uprobe:BIN:runtime.mallocgc* { @[reg(\"ax\")] = count(); }"),
            ),
        ],
    },
    ProcessView {
        name: "small objects, unprobed",
        mode: "bench-alloc",
        units: 3_000_000,
        counted: &[],
        pairs: 12,
        observers: &[
            ("nobody", Observer::Nobody),
            ("grtmon gm --source counters", Observer::Grtmon(&["gm", "--source", "counters", "--interval", "100ms"])),
            ("grtmon stat, ten times a second", Observer::Grtmon(&["stat", "--interval", "100ms"])),
            ("grtmon ps, once", Observer::Again(&["ps"])),
        ],
    },
    ProcessView {
        name: "garbage collection",
        mode: "bench-gc",
        units: 150,
        counted: &["cycles_passed"],
        pairs: 1,
        observers: &[
            ("nobody", Observer::Nobody),
            ("empty at the sites of gc", Observer::Noop(Probes::Gc)),
            ("grtmon gc", Observer::Grtmon(&["gc"])),
            (
                "bpftrace: stop, start, gcStart, gcMarkTermination",
                Observer::Bpftrace(
                    "uprobe:BIN:runtime.stopTheWorldWithSema { @stop = nsecs; }
                     uprobe:BIN:runtime.startTheWorldWithSema { @us = hist((nsecs - @stop) / 1000); }
                     uprobe:BIN:runtime.gcStart { @mark = nsecs; }
                     uprobe:BIN:runtime.gcMarkTermination { @mark_us = hist((nsecs - @mark) / 1000); }",
                ),
            ),
            ("GODEBUG=gctrace=1", Observer::Environment("GODEBUG", "gctrace=1")),
            TRACER,
        ],
    },
    // What a garbage collection does besides hides what its probes cost.
    ProcessView {
        name: "stops of the world",
        mode: "bench-stw",
        units: 5_000,
        counted: &["stops_passed"],
        pairs: 12,
        observers: &[
            ("nobody", Observer::Nobody),
            ("empty at the sites of gc", Observer::Noop(Probes::Gc)),
            ("grtmon gc", Observer::Grtmon(&["gc"])),
        ],
    },
    // No two requests take the same time: many short turns.
    ProcessView {
        name: "HTTP server",
        mode: "bench-http",
        units: 3_000,
        counted: &[],
        pairs: 6,
        observers: &[
            ("nobody", Observer::Nobody),
            ("empty at the sites of gr seq", Observer::Noop(Probes::GrSeq)),
            ("grtmon gr seq", Observer::Grtmon(&["gr", "seq"])),
            ("empty at the sites of gr", Observer::Noop(Probes::Gr)),
            ("grtmon gr", Observer::Grtmon(&["gr"])),
            ("empty at the sites of sched", Observer::Noop(Probes::Sched)),
            ("grtmon sched", Observer::Grtmon(&["sched", "--duration", "10m"])),
            ("grtmon gc", Observer::Grtmon(&["gc"])),
            ("empty at the sites of gm", Observer::Noop(Probes::Gm)),
            ("grtmon gm --source probes", Observer::Grtmon(&["gm", "--source", "probes"])),
            ("grtmon gm --source counters", Observer::Grtmon(&["gm", "--source", "counters", "--interval", "1s"])),
            ("grtmon stat", Observer::Grtmon(&["stat", "--interval", "1s"])),
            ("grtmon dump, every second", Observer::Again(&["dump", "--pid", "PID"])),
            ("grtmon profile cpu, 99 Hz", Observer::Grtmon(&["profile", "cpu", "--hz", "99", "-d", "10m"])),
            ("grtmon profile cpu, 999 Hz", Observer::Grtmon(&["profile", "cpu", "--hz", "999", "-d", "10m"])),
            ("net/http/pprof profile, 100 Hz", Observer::Flag("-profiled=2")),
            ("grtmon profile wall", Observer::Grtmon(&["profile", "wall", "-d", "10m"])),
            (
                "grtmon profile heap, every second",
                Observer::Again(&["profile", "heap", "--pid", "PID"]),
            ),
            (
                "bpftrace: newproc1, execute, exit",
                Observer::Bpftrace(
                    "uprobe:BIN:runtime.newproc1 { @created = count(); }
                     uprobe:BIN:runtime.execute { if (!@began[reg(\"ax\")]) { @began[reg(\"ax\")] = nsecs; } }
                     uprobe:BIN:runtime.gdestroy /@began[reg(\"ax\")]/ {
                         @us = hist((nsecs - @began[reg(\"ax\")]) / 1000); delete(@began[reg(\"ax\")]); }",
                ),
            ),
            (
                "bpftrace: mallocgc*",
                Observer::Bpftrace("uprobe:BIN:runtime.mallocgc* { @[reg(\"ax\")] = count(); }"),
            ),
            TRACER,
        ],
    },
];

fn number(value: &Value, field: &str) -> u64 {
    value[field]
        .as_u64()
        .unwrap_or_else(|| panic!("no {field} in {value}"))
}

/// What a subject says of its turns.
fn turns(truth: &Value) -> Vec<Turn> {
    let turn = |turn: &Value| Turn {
        cpu_ns: number(turn, "cpu_ns") as f64,
        wall_ns: number(turn, "wall_ns") as f64,
        work: number(turn, "work"),
    };
    truth["turns"]
        .as_array()
        .unwrap()
        .iter()
        .map(turn)
        .collect()
}

/// One round: a run for each time the subject was watched. It must have done all its work, and an observer that counts
/// must have seen all of it, once: what the program does besides is little. `nobody` is a run of this round that nobody watched.
fn round(
    subject: &ProcessView,
    name: &str,
    observer: Observer,
    program: &Path,
    nobody: Option<&Run>,
) -> Vec<Run> {
    let units = subject.units.to_string();
    let count = (2 * subject.pairs + 1).to_string();
    let mut arguments = vec![subject.mode, "-turns", &count, "-n", &units];
    if let Observer::Flag(flag) = observer {
        arguments.push(flag);
    }
    let mut command = Command::new(program);
    command.args(&arguments);
    if let Observer::Environment(name, value) = observer {
        command.env(name, value);
    }
    let mut target = Fixture::start_command(command);
    let pid = target.pid();
    let mut accounts = Vec::new();
    for _ in 0..subject.pairs {
        target.go_until("next");
        let work = || target.go_until("next");
        accounts.push(observe(observer, pid, program, subject.counted, work));
    }
    target.work();
    let turns = turns(&target.finish());
    let mut runs = Vec::new();
    for (account, turns) in accounts.into_iter().zip(turns.windows(3).step_by(2)) {
        let watched = turns[1];
        assert!(watched.work >= subject.units, "{name}: {watched:?}");
        if let Some(counted) = account.counted {
            let seen = counted + account.lost.unwrap_or(0);
            let most = watched.work + watched.work / 100 + 100;
            assert!(
                (watched.work..=most).contains(&seen),
                "{} under {name}: the program did {}; counted {counted}, lost {:?}",
                subject.name,
                watched.work,
                account.lost,
            );
        }
        let alone = match (observer, nobody) {
            // All turns are under it.
            (Observer::Environment(..), Some(nobody)) => nobody.alone,
            _ => [turns[0], turns[2]],
        };
        runs.push(Run {
            watched,
            alone,
            account,
        });
    }
    runs
}

fn main() {
    let rounds = env::var("GRTMON_BENCH_ROUNDS").ok();
    let rounds: usize = rounds.map_or(4, |it| it.parse().unwrap());
    let only = env::var("GRTMON_BENCH_ONLY").unwrap_or_default();
    let without = env::var("GRTMON_BENCH_WITHOUT").ok();
    let is_wanted = |name: &str| {
        let mut without = without.iter().flat_map(|it| it.split(','));
        !without.any(|it| name.contains(it))
    };
    let has_bpftrace = Command::new("bpftrace").arg("--version").output().is_ok();
    if !has_bpftrace {
        eprintln!("bpftrace is not installed: its rows are left out");
    }
    let program = fixture(
        newest(),
        Build {
            tags: "bench",
            ..Build::DEFAULT
        },
    );

    let mut all = Vec::new();
    for subject in SUBJECTS.iter().filter(|it| it.name.contains(&only)) {
        let mut cases: Vec<(Observer, Case)> = subject
            .observers
            .iter()
            .filter(|(name, _)| is_wanted(name))
            .filter(|(_, it)| has_bpftrace || !matches!(it, Observer::Bpftrace(_)))
            .map(|(name, observer)| {
                let case = Case {
                    subject: subject.name,
                    observer: name,
                    runs: Vec::new(),
                };
                (*observer, case)
            })
            .collect();
        for number in 1..=rounds {
            eprintln!("{}: round {number} of {rounds}", subject.name);
            let mut nobody = None;
            for (observer, case) in &mut cases {
                let runs = round(subject, case.observer, *observer, &program, nobody.as_ref());
                if *observer == Observer::Nobody {
                    nobody = runs.last().cloned();
                }
                case.runs.extend(runs);
            }
        }
        let cases: Vec<Case> = cases.into_iter().map(|(_, case)| case).collect();
        print!("{}", table::markdown(&cases, all.is_empty()));
        all.extend(cases);
    }
    let mut all = serde_json::json!({ "observers": table::json(&all) });
    if "dump".contains(&only) {
        all["dump"] = dump::run(&program, rounds);
        all["ps"] = dump::ps(&program, rounds);
    }
    if "startup".contains(&only) {
        all["startup"] = startup::table(rounds);
    }
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cost.json");
    fs::write(&file, format!("{all:#}\n")).unwrap();
    eprintln!("All figures: {}", file.display());
}
