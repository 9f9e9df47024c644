//! What `doctor` says of the commands is what they do: where it says that a command works, it does, and shows all; where it
//! names something unknown, that and nothing else is; where it says that one refuses, it does, for that reason.

use std::{fs, process::Command};

use serde_json::Value;

use crate::{
    bad_input::scratch,
    common::{
        self, Build, Output, Pgo, Process, full_matrix, grtmon, program, require_root_or_skip,
        toolchains,
    },
    plugins,
};

/// Each command, with what ends it soon.
const COMMANDS: [(&str, &[&str]); 17] = [
    ("gr", &["gr", "--duration", "100ms"]),
    ("gr_seq", &["gr", "seq", "--duration", "100ms"]),
    ("sched", &["sched", "--duration", "100ms"]),
    ("gc", &["gc", "--duration", "100ms"]),
    ("gc___cycles", &["gc", "--cycles", "--duration", "100ms"]),
    ("dump", &["dump", "--output", "json"]),
    ("profile_goroutine", &["profile", "goroutine"]),
    (
        "profile_block",
        &["profile", "block", "--duration", "100ms"],
    ),
    (
        "profile_mutex",
        &["profile", "mutex", "--duration", "100ms"],
    ),
    ("profile_cpu", &["profile", "cpu", "--duration", "100ms"]),
    ("profile_heap", &["profile", "heap"]),
    ("profile_threadcreate", &["profile", "threadcreate"]),
    ("profile_wall", &["profile", "wall", "--duration", "100ms"]),
    ("stat", &["stat", "--count", "1", "--output", "json"]),
    ("top", &["top", "--once", "--interval", "100ms"]),
    ("ps", &["ps", "--output", "json"]),
    ("gm", &["gm", "--source", "counters", "--duration", "100ms"]),
];

/// What `doctor` calls unknown, and the member that then is null, and only then.
const OF_STAT: [(&str, &str); 10] = [
    ("goroutines", "goroutines"),
    ("runnable", "runnable"),
    ("allocations", "objects"),
    ("heap in use", "heap_live_bytes"),
    ("heap goal", "heap_goal_bytes"),
    ("collections", "gc_cycles_in_all"),
    ("pauses", "pause_p99_ns"),
    ("CPU time of collections", "gc_cpu"),
    ("latencies", "latency_p99_ns"),
    ("waits for locks", "mutex_wait_ns"),
];
const OF_PS: [(&str, &str); 3] = [
    ("goroutines", "goroutines"),
    ("heap", "heap_bytes"),
    ("collections", "gc_cycles"),
];

/// Runs a command on the process; of `ps`, only the row of it.
fn run(words: &[&str], pid: &str) -> Output {
    if words.first() != Some(&"ps") {
        return grtmon(&[words, &["--pid", pid]].concat());
    }
    let mut output = grtmon(words);
    // It gives each process only so much time, by the clock: on a busy machine that may be too little.
    for _ in 0..50 {
        if !output.stdout.contains("more time to read than any should") {
            break;
        }
        output = grtmon(words);
    }
    let member = format!("\"pid\":{pid},");
    let rows = output.stdout.lines().filter(|row| row.contains(&member));
    Output {
        stdout: rows.collect(),
        stderr: String::new(),
        ..output
    }
}

/// Asserts that `doctor` and the commands agree about a process.
pub(crate) fn agree(name: &str, pid: &str, minor: u32) {
    let report = grtmon(&["doctor", "--output", "json", "--pid", pid]).success();
    let report = report.json().pop().unwrap();
    let told = report["commands"].as_object().unwrap();
    let keys = COMMANDS.map(|(key, _)| key);
    assert!(told.keys().all(|key| keys.contains(&key.as_str())));
    for (key, words) in COMMANDS {
        let fact = &told[key];
        let found = fact["found"].as_str().unwrap();
        let output = run(words, pid);
        let what = format!(
            "{name}, {words:?}, {found}: {}{}",
            output.stdout, output.stderr
        );
        if let Some(refusal) = found.strip_prefix("refused") {
            let refusal = refusal.lines().next().unwrap();
            let (other, why) = refusal.split_once(": ").unwrap();
            assert_eq!(output.status.code(), Some(1), "{what}");
            assert!(output.stderr.contains(why), "{what}");
            if let Some(other) = other.strip_prefix(", but for ") {
                let source: Vec<&str> = other.split(' ').collect();
                let end = ["--duration", "100ms"];
                run(&[&[words[0]][..], &source, &end].concat(), pid).success();
            }
            continue;
        }
        assert!(output.status.success(), "{what}");
        let is_unknown = |word: &str| {
            let begin = format!("?: {word} (");
            let all = "?: goroutines, heap and collections (";
            found
                .lines()
                .any(|line| line.starts_with(&begin) || line.starts_with(all))
        };
        let members: &[(&str, &str)] = match key {
            "stat" => &OF_STAT,
            "ps" => &OF_PS,
            _ => &[],
        };
        for (word, member) in members {
            let row: Value = serde_json::from_str(&output.stdout).unwrap();
            let has_none = match *member {
                "mutex_wait_ns" => minor < 20,
                // Of no collection there are none.
                "pause_p99_ns" | "gc_cpu" => row["gc_cycles_in_all"] == 0,
                _ => false,
            };
            assert_eq!(
                row[member].is_null(),
                is_unknown(word) || has_none,
                "{member}: {what}"
            );
        }
        if found.starts_with("everything") {
            assert_eq!(fact["fine"], true, "{what}");
            // Chance decides what a sample hits.
            let complains = match key {
                "profile_cpu" => output.stderr.contains("not known:"),
                _ => output.stderr.contains("grtmon:"),
            };
            assert!(!complains, "{what}");
        } else if !["stat", "ps", "top"].contains(&key) {
            for unknown in found.lines().filter_map(|it| it.strip_prefix("?: ")) {
                // Of plugins the commands say it in words of their own.
                let said = unknown.strip_prefix("what plugins do (").unwrap_or(unknown);
                let said = said.trim_end_matches(')');
                assert!(output.stderr.contains(said), "{what}");
            }
        }
    }
}

#[test]
fn doctor_says_what_the_commands_do() {
    if !require_root_or_skip() {
        return;
    }
    let text = include_str!("../foreign/program.go");
    let stripped = Build::STRIPPED;
    let version = |version| Build {
        version,
        ..stripped
    };
    let vendor = |vendor| Build { vendor, ..stripped };
    let builds = [
        (Build::DEFAULT, "rest"),
        (Build::STRIPPED_PIE, "rest"),
        (Build::STRIPPED_PGO_EVERYTHING, "rest"),
        (stripped, "ended"),
        (version("devel"), "rest"),
        (version("go1.99.0"), "rest"),
        (vendor("wider"), "rest"),
        (vendor("wider-p"), "rest"),
    ];
    for (version, toolchain) in toolchains().iter().enumerate() {
        for (number, (build, mode)) in builds.into_iter().enumerate() {
            // Each version as it comes, and half of the others: the next version has the other half.
            let is_turn = number == 0 || number % 2 == version % 2;
            if !is_turn && build.version.is_empty() && !full_matrix() && toolchains().len() > 1 {
                continue;
            }
            if build.pgo != Pgo::None && toolchain.minor() < 21 {
                continue;
            }
            let mut command = Command::new(program(toolchain, build, "foreign", text));
            command.arg(mode);
            let process = Process::start(command);
            process.line().expect("the program says nothing");
            let name = format!("Go {} {} {mode}", toolchain.version, build.name());
            agree(&name, &process.pid_arg(), toolchain.minor());
        }
    }
}

#[test]
fn doctor_says_what_the_commands_do_where_there_are_plugins() {
    if !require_root_or_skip() || common::tool("cc").is_none() {
        return;
    }
    let room = scratch("plugins-agreed");
    let (program, plugin) = plugins::build(common::newest(), &room, &[]);
    let target = plugins::start(&program, &plugin);
    agree("plugins", &target.pid_arg(), common::newest().minor());
    fs::remove_dir_all(&room).unwrap();
}
