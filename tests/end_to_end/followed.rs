//! `-- COMMAND` where the command is not the Go program: what becomes of it is observed from its first instruction.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, process::Command};

use serde_json::Value;

use crate::common::{self, Build, Output, command, grtmon, require_root_or_skip};

/// Starts seven goroutines at once and ends with code 3.
const PROGRAM: &str = r#"package main

import (
	"fmt"
	"os"
	"sync"
)

func work(wait *sync.WaitGroup) { wait.Done() }

func main() {
	var wait sync.WaitGroup
	wait.Add(7)
	for i := 0; i < 7; i++ {
		go work(&wait)
	}
	wait.Wait()
	fmt.Println(os.Args[1:], os.Getenv("GIVEN"))
	os.Exit(3)
}
"#;

fn script(directory: &Path, name: &str, text: &str) -> String {
    let path = directory.join(name);
    fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path.to_str().unwrap().to_owned()
}

fn observe(words: &[&str]) -> Output {
    let options = ["gr", "--fn", "main.work", "--output", "json", "--"];
    grtmon(&[&options, words].concat())
}

fn works(output: &Output) -> (usize, usize) {
    let lines = output.stdout.lines().filter(|line| line.starts_with('{'));
    let events: Vec<Value> = lines.map(|it| serde_json::from_str(it).unwrap()).collect();
    let count = |kind: &str| events.iter().filter(|it| it["event"] == kind).count();
    (count("create"), count("exit"))
}

#[test]
fn the_go_program_that_comes_of_a_command_is_observed_from_its_first_instruction() {
    if !require_root_or_skip() {
        return;
    }
    let program = common::program(common::newest(), Build::DEFAULT, "followed", PROGRAM);
    let program = program.to_str().unwrap();
    let directory =
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("followed-{}", std::process::id()));
    fs::create_dir_all(&directory).unwrap();
    let becomes = script(&directory, "becomes", &format!("exec {program} \"$@\""));
    let starts = script(
        &directory,
        "starts",
        &format!("true; {program} \"$@\"; exit 5"),
    );
    let nested = script(
        &directory,
        "nested",
        &format!("(nice {starts} \"$@\") || exit 6"),
    );
    for (words, code, said) in [
        (&[becomes.as_str(), "a"][..], 3, "[a] "),
        (&[&starts, "a", "b"], 5, "[a b] "),
        (&[&nested, "c"], 6, "[c] "),
        (&["env", "GIVEN=x", program], 3, "[] x"),
        (&["env", "-i", program, "d"], 3, "[d] "),
        (&["timeout", "60", program, "e"], 3, "[e] "),
        (&["setsid", "-w", program, "f"], 3, "[f] "),
        (&["sh", "-c", &format!("{program} g | cat")], 0, "[g] "),
    ] {
        let seen = observe(words);
        assert_eq!(seen.status.code(), Some(code), "{words:?}: {}", seen.stderr);
        assert_eq!(works(&seen), (7, 7), "{words:?}: {}", seen.stderr);
        assert!(
            seen.stdout.lines().any(|line| line == said),
            "{}",
            seen.stdout
        );
        assert!(!seen.stderr.contains("not known:"), "{}", seen.stderr);
    }
    let nothing = script(&directory, "nothing", "exit 4");
    let seen = observe(&[&nothing]);
    assert_eq!(seen.status.code(), Some(1));
    assert!(
        seen.stderr.contains("no Go program to observe came of")
            && seen.stderr.contains("exit code 4"),
        "{}",
        seen.stderr
    );
    fs::remove_dir_all(&directory).unwrap();
}

/// Through sudo, where it is installed, also with a terminal of its own between.
#[test]
fn what_sudo_starts_is_observed() {
    if !require_root_or_skip() {
        return;
    }
    if !Path::new("/usr/bin/sudo").exists() {
        println!("no sudo");
        return;
    }
    let program = common::program(common::newest(), Build::DEFAULT, "followed", PROGRAM);
    let seen = observe(&["sudo", program.to_str().unwrap(), "a"]);
    assert_eq!(seen.status.code(), Some(3), "{}", seen.stderr);
    assert_eq!(works(&seen), (7, 7), "{}", seen.stderr);
}

#[test]
fn a_daemon_is_observed_though_the_command_has_ended() {
    if !require_root_or_skip() {
        return;
    }
    let program = common::program(common::newest(), Build::DEFAULT, "followed", PROGRAM);
    let directory =
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("daemon-{}", std::process::id()));
    fs::create_dir_all(&directory).unwrap();
    let late = script(
        &directory,
        "late",
        &format!(
            "(setsid sh -c 'sleep 1; exec {} >/dev/null 2>&1' &)\nexit 0",
            program.display()
        ),
    );
    let seen = observe(&[&late]);
    assert_eq!(seen.status.code(), Some(0), "{}", seen.stderr);
    assert_eq!(works(&seen), (7, 7), "{}", seen.stderr);
    assert!(
        seen.stderr.contains("is not the Go program to observe"),
        "{}",
        seen.stderr
    );

    // One that stays: nobody but grtmon itself is left to be told to stop.
    let stays = "package main\n\nimport \"time\"\n\nfunc main() { time.Sleep(time.Hour) }\n";
    let stays = common::program(common::newest(), Build::DEFAULT, "stays", stays);
    let pid = directory.join("pid");
    let begins = script(
        &directory,
        "begins",
        &format!(
            "setsid {} >/dev/null 2>&1 </dev/null & echo $! > {}",
            stays.display(),
            pid.display()
        ),
    );
    let tool = common::Grtmon::start(&["gr", "--", &begins]);
    let seen = tool.stop();
    let pid = fs::read_to_string(pid).unwrap();
    assert!(Path::new("/proc").join(pid.trim()).exists());
    let killed = Command::new("kill").arg(pid.trim()).status().unwrap();
    assert!(killed.success() && seen.status.success(), "{}", seen.stderr);
    fs::remove_dir_all(&directory).unwrap();
}

#[test]
fn of_go_run_the_program_is_observed_and_not_the_tool() {
    if !require_root_or_skip() {
        return;
    }
    let toolchain = common::newest();
    // Its directory is that of the source.
    common::program(toolchain, Build::DEFAULT, "followed", PROGRAM);
    let directory =
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("run-{}", std::process::id()));
    fs::create_dir_all(&directory).unwrap();
    fs::write(directory.join("main.go"), PROGRAM).unwrap();
    let go = toolchain.command();
    let mut tool = command();
    tool.args(["gr", "--fn", "main.work", "--output", "json", "--"])
        .arg(go.get_program())
        .args(["run", "main.go"])
        .current_dir(&directory);
    for (name, value) in go.get_envs() {
        match value {
            Some(value) => tool.env(name, value),
            None => tool.env_remove(name),
        };
    }
    let output = tool.output().unwrap();
    let seen = Output {
        status: output.status,
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    };
    assert_eq!(works(&seen), (7, 7), "{}", seen.stderr);
    fs::remove_dir_all(&directory).unwrap();
}

/// Whether a C compiler is there.
pub(crate) fn linked_by_c(program: &Path) -> Option<String> {
    let output = Command::new("readelf")
        .arg("-lW")
        .arg(program)
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let (_, rest) = text.split_once("interpreter: ")?;
    Some(rest.split(']').next()?.to_owned())
}

#[test]
fn a_program_that_a_loader_runs_is_named() {
    let toolchain = common::newest();
    let program = common::fixture(toolchain, Build::STRIPPED_PIE_CGO);
    let Some(loader) = linked_by_c(&program) else {
        common::skip("no readelf, or the program needs no loader");
        return;
    };
    let refused = grtmon(&["gr", "--", &loader, program.to_str().unwrap(), "dump"]);
    assert!(!refused.status.success());
    let said = format!("start {} without it", program.display());
    assert!(
        refused.stderr.contains("dynamic loader") && refused.stderr.contains(&said),
        "{}",
        refused.stderr
    );
    let mut command = Command::new(loader);
    command.arg(&program).arg("dump");
    let target = common::Fixture::start_command(command);
    let refused = grtmon(&["dump", "--pid", &target.pid_arg()]);
    assert!(!refused.status.success());
    let said = format!("the Go program is {}", program.display());
    assert!(
        refused.stderr.contains("runs through the dynamic loader")
            && refused.stderr.contains(&said)
            && refused.stderr.lines().count() == 1,
        "{}",
        refused.stderr
    );
}
