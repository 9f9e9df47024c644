//! What it takes to begin and to end on a large program: Debian's prometheus, if it is there.

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::{Value, json};

use crate::{common::prometheus_server, observer::peak_kib};

const COMMANDS: [&[&str]; 4] = [
    &["gr"],
    &["gr", "seq"],
    &["gc"],
    &["gm", "--source", "probes"],
];

/// One start and end.
struct Run {
    attached: Duration,
    peak_kib: u64,
    detached: Duration,
}

fn run(command: &[&str], pid: &str) -> Run {
    let begin = Instant::now();
    let mut child = Command::new(env!("CARGO_BIN_EXE_grtmon"))
        .args(command)
        .args(["--pid", pid])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("Ctrl-C to end.") {
        line.clear();
        assert!(lines.read_line(&mut line).unwrap() > 0, "{command:?} ended");
    }
    let attached = begin.elapsed();
    let peak_kib = peak_kib(child.id()).unwrap();
    let end = Instant::now();
    kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGINT).unwrap();
    lines.read_to_string(&mut line).unwrap();
    assert!(child.wait().unwrap().success());
    Run {
        attached,
        peak_kib,
        detached: end.elapsed(),
    }
}

/// Prints the table.
pub(crate) fn table(rounds: usize) -> Value {
    let Some(server) = prometheus_server() else {
        return Value::Null;
    };
    let pid = server.process.pid_arg();
    let file = fs::metadata(format!("/proc/{pid}/exe")).unwrap();
    println!(
        "\n| a program of {} MB | exec to attached | own memory | end to detached |",
        file.len() >> 20
    );
    println!("|---|---|---|---|");
    let mut all = Vec::new();
    for command in COMMANDS {
        let runs: Vec<Run> = (0..rounds).map(|_| run(command, &pid)).collect();
        let median = |figure: &dyn Fn(&Run) -> f64| {
            let mut figures: Vec<f64> = runs.iter().map(figure).collect();
            figures.sort_by(f64::total_cmp);
            figures[figures.len() / 2]
        };
        let attached = median(&|run| run.attached.as_secs_f64() * 1e3);
        let memory = median(&|run| run.peak_kib as f64 / 1024.0);
        let detached = median(&|run| run.detached.as_secs_f64() * 1e3);
        let name = command.join(" ");
        println!("| grtmon {name} | {attached:.0} ms | {memory:.1} MB | {detached:.0} ms |");
        all.push(json!({
            "command": name, "attached_ms": attached, "peak_mib": memory, "detached_ms": detached,
        }));
    }
    Value::Array(all)
}
