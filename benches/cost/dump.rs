//! What `dump` costs beside the runtime's own profile: how long each takes, and for how long the program stands still.

use std::{
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{
    common::{Fixture, Process},
    number,
};

const COUNTS: [u64; 2] = [10_000, 100_000];

fn ms(ns: u64) -> f64 {
    ns as f64 / 1e6
}

/// One line of the table, and all figures.
fn of(program: &Path, goroutines: u64, rounds: usize) -> (String, Value) {
    let mut runs = Vec::new();
    for _ in 0..rounds {
        let count = goroutines.to_string();
        let mut target = Fixture::start(program, &["bench-parked", "-n", &count]);
        target.go_until("parked");
        let begin = Instant::now();
        let mut command = Command::new(env!("CARGO_BIN_EXE_grtmon"));
        command.args(["dump", "--pid", &target.pid_arg()]);
        let mut tool = Process::start(command);
        let (status, lines) = tool.wait();
        let took = begin.elapsed();
        assert!(status.success(), "{status}");
        let said = format!("{} goroutines", goroutines + 2);
        assert!(lines[0].starts_with(&said), "{}", lines[0]);
        target.work();
        runs.push((took, target.finish()));
    }
    let median = |figure: &dyn Fn(&(Duration, Value)) -> f64| {
        let mut all: Vec<f64> = runs.iter().map(figure).collect();
        all.sort_by(f64::total_cmp);
        all[all.len() / 2]
    };
    let dump_ms = median(&|run| run.0.as_secs_f64() * 1e3);
    let profile_ms = median(&|run| ms(number(&run.1, "profile_ns")));
    let gap = |field: &'static str| median(&|run| ms(number(&run.1, field)));
    let (still_dump, still_profile) = (gap("observed_gap"), gap("profile_gap"));
    let quiet = gap("quiet_gap");
    let row = format!(
        "| {goroutines} | {dump_ms:.0} ms | {still_dump:.1} ms | {profile_ms:.0} ms | {still_profile:.1} ms | {quiet:.1} ms |"
    );
    let figures = json!({
        "goroutines": goroutines, "dump_ms": dump_ms, "dump_gap_ms": still_dump, "profile_ms": profile_ms,
        "profile_gap_ms": still_profile, "quiet_gap_ms": quiet,
    });
    (row, figures)
}

/// Prints the table.
pub(crate) fn run(program: &Path, rounds: usize) -> Value {
    println!();
    println!(
        "| goroutines | grtmon dump | longest pause in it | pprof/goroutine?debug=2 | longest pause in it | longest pause otherwise |"
    );
    println!("|---|---|---|---|---|---|");
    let mut all = Vec::new();
    for goroutines in COUNTS {
        let (row, figures) = of(program, goroutines, rounds);
        println!("{row}");
        all.push(figures);
    }
    Value::Array(all)
}

/// How long `ps` takes with so many Go processes about.
pub(crate) fn ps(program: &Path, rounds: usize) -> Value {
    const PROCESSES: usize = 50;
    let targets: Vec<Fixture> = (0..PROCESSES)
        .map(|_| Fixture::start(program, &["churn"]))
        .collect();
    let mut took: Vec<f64> = (0..rounds)
        .map(|_| {
            let begin = Instant::now();
            let output = Command::new(env!("CARGO_BIN_EXE_grtmon"))
                .args(["ps", "--output", "json"])
                .stderr(Stdio::null())
                .output()
                .unwrap();
            assert!(output.status.success());
            let lines = output.stdout.split(|byte| *byte == b'\n').count();
            assert!(lines > PROCESSES);
            begin.elapsed().as_secs_f64()
        })
        .collect();
    took.sort_by(f64::total_cmp);
    let median = took[took.len() / 2];
    println!(
        "\n`grtmon ps` with {PROCESSES} Go processes: {:.0} ms",
        median * 1e3
    );
    drop(targets);
    json!({ "processes": PROCESSES, "seconds": median })
}
