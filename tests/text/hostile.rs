//! A program whose names are escape sequences, newlines and marks of direction: nothing of it reaches a terminal as it
//! is, and all of it can be told from what it is not.

use std::{
    ffi::OsStr,
    fs,
    os::unix::{ffi::OsStrExt, fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::Command,
};

use grtmon::model::foreign::is_unseen;

use crate::common::{
    Build, Process, command, grtmon, newest, program, require_capabilities_or_skip,
};

const SOURCE: &str = r#"package main

import (
	"bufio"
	"fmt"
	"os"
	"time"
)

//go:noinline
func parkkkkkkkkkkkkkkkkkkkkkkkkkkk(c chan int) { <-c }

//go:noinline
func workkkkkkkkkkkkkkkkkkkkkkkkkkk() { time.Sleep(time.Microsecond) }

func main() {
	for i := 0; i < 3; i++ {
		go parkkkkkkkkkkkkkkkkkkkkkkkkkkk(make(chan int))
	}
	go func() {
		for {
			go workkkkkkkkkkkkkkkkkkkkkkkkkkk()
			time.Sleep(time.Millisecond)
		}
	}()
	fmt.Println("ready")
	bufio.NewReader(os.Stdin).ReadString(0)
}
"#;

/// What is replaced in the program, and by what: function names, file, wait reason, module.
const PATCHES: [(&[u8], &[u8]); 5] = [
    (
        b"parkkkkkkkkkkkkkkkkkkkkkkkkkkk",
        b"pa\x1b]52;c;aGk=\x07k\n\xe2\x80\xae\xc2\x9b2J\\x1brkk",
    ),
    (
        b"workkkkkkkkkkkkkkkkkkkkkkkkkkk",
        b"wo\x1b[2J\n\r\xe2\x80\x8b\xef\xbb\xbf\xe4\xb8\x96k\\x1b\x7frkkkkkk",
    ),
    (b"/main.go\0", b"/m\x1b\n\t.go\0"),
    (b"chan receive", b"chan\x1b[31mve\n"),
    (b"mod\thostile\t", b"mod\tho\x1b\xc2\x9b1\x07\t"),
];

/// The program, under a name that is none better.
fn hostile() -> PathBuf {
    let honest = program(newest(), Build::STRIPPED, "hostile", SOURCE);
    let mut bytes = fs::read(honest).unwrap();
    for (from, to) in PATCHES {
        assert_eq!(from.len(), to.len());
        let places: Vec<usize> = bytes
            .windows(from.len())
            .enumerate()
            .filter_map(|(at, window)| (window == from).then_some(at))
            .collect();
        assert!(!places.is_empty(), "no {:?}", String::from_utf8_lossy(from));
        for at in places {
            bytes[at..at + to.len()].copy_from_slice(to);
        }
    }
    let name = OsStr::from_bytes(b"ho\x1b]0;title\x07st\n\xe2\x80\xaeile\xff");
    let directory =
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("h-{}", std::process::id()));
    fs::create_dir_all(&directory).unwrap();
    let path = directory.join(name);
    // Another test may be starting a process: see copy_program.
    let made = directory.join("made");
    fs::write(&made, bytes).unwrap();
    crate::common::copy_program(&made, &path);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

/// Fails if there is anything in it that a terminal obeys, or that is not seen.
fn harmless(arguments: &[&OsStr], text: &str) {
    for line in text.lines() {
        // Stacks are indented by tabs.
        let line = line.trim_start_matches('\t');
        let bad = line.chars().find(|c| is_unseen(*c));
        assert_eq!(bad, None, "{arguments:?}: {line:?}");
    }
}

#[test]
fn no_foreign_text_is_obeyed() {
    if !require_capabilities_or_skip() {
        return;
    }
    let path = hostile();
    let mut start = Command::new(&path);
    start.arg0(OsStr::from_bytes(b"\x1b[31margv\n\xe2\x80\xae"));
    start.arg(OsStr::from_bytes(b"x\x1b]0;x\x07\r\n\xc2\x85"));
    let target = Process::start(start);
    target.expect("ready");
    let pid = target.pid_arg();
    let of_pid = |words: &str| {
        let words = words.split(' ').map(OsStr::new);
        let pid = ["--pid", &pid].map(OsStr::new);
        words.chain(pid).map(OsStr::to_owned).collect::<Vec<_>>()
    };
    let with_file = |words: &[&str], option: &str| {
        let words = words.iter().chain([&option]).map(OsStr::new);
        let file = [path.as_os_str()];
        words.chain(file).map(OsStr::to_owned).collect::<Vec<_>>()
    };
    let all = [
        of_pid("gr --duration 500ms"),
        of_pid("gr --human --queue --duration 500ms"),
        of_pid("gr --output json --duration 500ms"),
        of_pid("gr seq --by fn --duration 500ms"),
        of_pid("gr seq --by fn --output json --duration 500ms"),
        of_pid("gr seq --by pid --duration 500ms"),
        of_pid("sched --source probes --by fn --duration 500ms"),
        of_pid("sched --source probes --by pid --stacks --duration 500ms"),
        of_pid("sched --source probes --stacks --duration 500ms"),
        of_pid("sched --source probes --stacks --by fn --output json --duration 500ms"),
        of_pid("sched --source counters --duration 500ms"),
        of_pid("gc --duration 200ms"),
        of_pid("gm --duration 200ms"),
        of_pid("gm --by pid --duration 200ms"),
        of_pid("gm --by pid --output json --duration 200ms"),
        of_pid("dump"),
        of_pid("dump --all"),
        of_pid("dump --diff 100ms"),
        of_pid("dump --output json"),
        of_pid("dump --all --output json"),
        of_pid("stat --count 1"),
        of_pid("top --once"),
        of_pid("doctor"),
        of_pid("doctor --output json"),
        vec!["top".into(), "--once".into()],
        vec!["ps".into()],
        vec!["ps".into(), "--output".into(), "json".into()],
        with_file(&["gr", "--duration", "200ms"], "--binpath"),
        with_file(&["doctor"], "--binpath"),
        with_file(&["dump"], "--core"),
        with_file(&["gr", "--duration"], "--binpath"),
        with_file(&["gr", "--pid"], "--fn"),
        with_file(&["stat"], "--nonsense"),
        with_file(
            &["gr", "--duration", "1s", "--"],
            "no\x1b[2Jsuch\n\u{202e}program",
        ),
    ];
    let mut seen = String::new();
    for arguments in all {
        let mut run = command();
        run.args(&arguments);
        let output = run.output().unwrap();
        let names: Vec<&OsStr> = arguments.iter().map(|it| it.as_os_str()).collect();
        for bytes in [&output.stdout, &output.stderr] {
            let text = std::str::from_utf8(bytes).unwrap_or_else(|it| panic!("{names:?}: {it}"));
            harmless(&names, text);
            if names.contains(&OsStr::new("json")) {
                for line in text.lines().filter(|line| line.starts_with('{')) {
                    let read: Result<serde_json::Value, _> = serde_json::from_str(line);
                    assert!(read.is_ok(), "{names:?}: {line}");
                }
            }
            seen.push_str(text);
        }
        assert!(
            !output.stderr.is_empty() || output.status.success(),
            "{names:?}: it must say why"
        );
    }
    // It can be told from what it is not: a backslash in a name is two.
    for expected in [
        r"main.pa\x1b]52;c;aGk=\x07k\n\u{202e}\u{9b}2J\\x1brkk",
        r"main.wo\x1b[2J\n\r\u{200b}\u{feff}世k\\x1b\x7frkkkkkk",
        r"m\x1b\n\t.go:",
        r"chan\x1b[31mve\n",
        r"ho\x1b\u{9b}1\x07",
        r"\x1b[31margv\n\u{202e}",
    ] {
        assert!(seen.contains(expected), "{expected} is not in\n{seen}");
    }
    let json = grtmon(&["dump", "--output", "json", "--pid", &pid]).success();
    let parked = json.json();
    let name = std::str::from_utf8(PATCHES[0].1).unwrap();
    let function = format!("main.{name}");
    let frames = parked.iter().filter_map(|group| group["stack"].as_array());
    let found = frames.flatten().any(|frame| frame["function"] == function);
    assert!(found, "what JSON holds is the name itself: {parked:?}");
    drop(target);
    fs::remove_dir_all(path.parent().unwrap()).unwrap();
}
