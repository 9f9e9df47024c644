//! A program that has loaded a plugin: goroutines in the plugin's code are read and named like all others; what it does
//! passes no probe, which is said.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

use crate::{
    bad_input::scratch,
    common::{self, Fixture, Toolchain, grtmon, require_root_or_skip},
};

/// Builds the program and its plugin, alike.
pub(crate) fn build(toolchain: &Toolchain, room: &Path, flags: &[&str]) -> (PathBuf, PathBuf) {
    fs::create_dir_all(room).unwrap();
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/testgo/plugins");
    let run = |output: &Path, mode: &[&str], package: &str| {
        let mut go = toolchain.command();
        go.env("CGO_ENABLED", "1").current_dir(source).arg("build");
        go.args(flags).args(mode).arg("-o").arg(output).arg(package);
        let built = go.output().unwrap();
        let said = String::from_utf8_lossy(&built.stderr);
        assert!(built.status.success(), "{go:?}: {said}");
    };
    let (program, plugin) = (room.join("plugged"), room.join("part.so"));
    run(&plugin, &["-buildmode=plugin"], "./part");
    run(&program, &[], ".");
    (program, plugin)
}

pub(crate) fn start(program: &Path, plugin: &Path) -> Fixture {
    let mut command = Command::new(program);
    command.arg(plugin);
    Fixture::start_command(command)
}

/// How many goroutines have a function on their stacks, by a dump of each.
fn at(dump: &[Value], function: &str) -> u64 {
    let is_there = |group: &&Value| {
        let frames = group["stack"].as_array();
        frames.is_some_and(|it| it.iter().any(|frame| frame["function"] == function))
    };
    let groups = dump.iter().filter(is_there);
    groups.filter_map(|group| group["count"].as_u64()).sum()
}

#[test]
fn goroutines_in_code_of_a_plugin_are_read_and_named() {
    if common::tool("cc").is_none() {
        return;
    }
    for (name, flags) in [
        ("plain", &[][..]),
        ("stripped", &["-trimpath", "-ldflags=-s -w"]),
    ] {
        let room = scratch(&format!("plugins-{name}"));
        let (program, plugin) = build(common::newest(), &room, flags);
        let target = start(&program, &plugin);
        let pid = target.pid_arg();
        // An upgrade takes it away; the process has it still.
        if nix::unistd::geteuid().is_root() {
            fs::remove_file(&plugin).unwrap();
        }
        let dump = grtmon(&["dump", "--output", "json", "--pid", &pid]).success();
        assert_eq!(dump.stderr, "", "{name}");
        let dump = dump.json();
        assert_eq!(at(&dump, "plugged/part.wait"), 23, "{name}: {dump:?}");
        assert_eq!(at(&dump, "main.own"), 7, "{name}");
        // From the program into the plugin and back.
        assert_eq!(at(&dump, "plugged/part.Call"), 1, "{name}");
        let both = dump
            .iter()
            .find(|it| at(std::slice::from_ref(it), "plugged/part.Call") > 0);
        let both = std::slice::from_ref(both.unwrap());
        assert_eq!(at(both, "main.main.func1"), 1, "{name}");
        let group = dump.iter().find(|it| it["count"] == 23).unwrap();
        assert_eq!(group["created_by"]["function"], "plugged/part.Begin");
        let start = group["start"].as_str().unwrap();
        assert!(start.starts_with("plugged/part.Begin."), "{start}");
        let top = grtmon(&["top", "--once", "--pid", &pid]).success();
        assert!(top.stdout.contains("part.Begin."), "{}", top.stdout);
        for command in [&["stat", "--count", "1"][..], &["gm", "--duration", "1s"]] {
            grtmon(&[command, &["--pid", &pid]].concat()).success();
        }
        fs::remove_dir_all(&room).unwrap();
    }
}

#[test]
fn what_a_plugin_does_passes_no_probe_and_that_is_said_alike_everywhere() {
    if !require_root_or_skip() || common::tool("cc").is_none() {
        return;
    }
    let room = scratch("plugins-probed");
    let (program, plugin) = build(common::newest(), &room, &[]);
    let target = start(&program, &plugin);
    let pid = target.pid_arg();
    let said = format!(
        "process {pid} has loaded the Go plugin {}",
        plugin.display()
    );
    let run = |words: &[&str]| grtmon(&[words, &["--pid", &pid]].concat());
    for words in [
        &["gr", "--alive", "--duration", "1s"][..],
        &["gr", "seq", "--duration", "1s"],
        &["gc", "--duration", "1s"],
        &["gm", "--source", "probes", "--duration", "1s"],
    ] {
        let output = run(words).success();
        assert_eq!(output.stderr.matches(&said).count(), 1, "{}", output.stderr);
        if words.contains(&"--alive") {
            let own = output
                .stdout
                .lines()
                .filter(|line| line.contains("main.own"));
            assert_eq!(own.count(), 7, "{}", output.stdout);
        }
    }
    let refused = run(&["sched", "--duration", "1s"]);
    assert_eq!(refused.status.code(), Some(1), "{}", refused.stdout);
    assert!(
        refused.stderr.contains(&said) && refused.stderr.lines().count() == 1,
        "{}",
        refused.stderr
    );
    run(&["sched", "--source", "counters", "--duration", "1s"]).success();
    let report = run(&["doctor", "--output", "json"]).success().json();
    let commands = &report.last().unwrap()["commands"];
    let told = |name: &str| commands[name]["found"].to_string();
    assert!(told("dump").contains("everything"), "{commands}");
    assert!(told("gr").contains(&said), "{commands}");
    assert!(
        told("sched").contains("refused") && told("sched").contains(&said),
        "{commands}"
    );
    fs::remove_dir_all(&room).unwrap();
}
