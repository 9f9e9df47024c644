//! Goroutines of package testing/synctest's bubbles, as the runtime itself prints them.

use std::{collections::BTreeMap, process::Command};

use crate::common::{Build, Process, grtmon, program, toolchains};

const SOURCE: &str = r#"package main

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

//go:noinline
func receive(c chan int) { <-c }

//go:noinline
func wait(wg *sync.WaitGroup) { wg.Wait() }

//go:noinline
func sleep() { time.Sleep(time.Hour) }

func inside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := make(chan int)
		var wg sync.WaitGroup
		wg.Add(1)
		for i := 0; i < 7; i++ {
			go receive(c)
		}
		go wait(&wg)
		go sleep()
		synctest.Wait()
		buf := make([]byte, 1<<20)
		for _, line := range strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n") {
			if strings.HasPrefix(line, "goroutine ") {
				fmt.Println(line)
			}
		}
		fmt.Println("ready")
		var b [1]byte
		os.Stdin.Read(b[:]) // a system call: the bubble is not all blocked
		os.Exit(0)
	})
}

func main() {
	c := make(chan int)
	for i := 0; i < 5; i++ {
		go receive(c)
	}
	time.Sleep(10 * time.Millisecond)
	all := func(string, string) (bool, error) { return true, nil }
	testing.Main(all, []testing.InternalTest{{Name: "Inside", F: inside}}, nil, nil)
}
"#;

/// What stands in brackets, by goroutine.
fn states<'a>(lines: impl Iterator<Item = &'a str>) -> BTreeMap<u64, String> {
    let state = |line: &str| {
        let (goid, rest) = line.strip_prefix("goroutine ")?.split_once(" [")?;
        Some((goid.parse().ok()?, rest.strip_suffix("]:")?.to_owned()))
    };
    lines.filter_map(state).collect()
}

#[test]
fn bubbles_are_shown_as_go_shows_them() {
    for toolchain in toolchains().iter().filter(|it| it.minor() >= 25) {
        for build in [Build::DEFAULT, Build::STRIPPED_PIE] {
            let program = program(toolchain, build, "bubble", SOURCE);
            let mut command = Command::new(program);
            // As a module of Go 1.23 or later has it.
            command.env("GODEBUG", "asynctimerchan=0");
            let target = Process::start(command);
            let mut theirs = Vec::new();
            loop {
                match target.line().unwrap().as_str() {
                    "ready" => break,
                    line => theirs.push(line.to_owned()),
                }
            }
            let mut theirs = states(theirs.iter().map(String::as_str));
            let pid = target.pid_arg();
            let text = grtmon(&["dump", "--all", "--pid", &pid]).success().stdout;
            let mut ours = states(text.lines());
            // The one that printed has gone on to read.
            let printed = |states: &BTreeMap<u64, String>, word: &str| {
                let is_it = |state: &&String| state.starts_with(word);
                states.values().filter(is_it).count()
            };
            assert_eq!(printed(&theirs, "running"), 1, "{theirs:?}");
            theirs.retain(|_, state| !state.starts_with("running"));
            assert_eq!(printed(&ours, "syscall, synctest bubble 1"), 1, "{ours:?}");
            ours.retain(|_, state| !state.starts_with("syscall"));
            assert_eq!(ours, theirs, "go{}", toolchain.version);
            let bubbled = ours.values().filter(|it| it.contains("synctest bubble 1"));
            // Seven receive, one waits, one sleeps; the caller of Run, and the one that it parked: see the list.
            assert_eq!(bubbled.count(), 11, "{ours:?}");

            let all = grtmon(&["dump", "--all", "--output", "json", "--pid", &pid]).success();
            let receivers: Vec<_> = all
                .json()
                .into_iter()
                .filter(|one| {
                    let frames = one["stack"].as_array().into_iter().flatten();
                    frames
                        .into_iter()
                        .any(|frame| frame["function"] == "main.receive")
                })
                .map(|one| (one["synctest_bubble"].as_u64(), one["durable"] == true))
                .collect();
            let count = |wanted| receivers.iter().filter(|it| **it == wanted).count();
            assert_eq!(count((Some(1), true)), 7, "{receivers:?}");
            assert_eq!(count((None, false)), 5, "{receivers:?}");
            let groups = grtmon(&["dump", "--pid", &pid]).success().stdout;
            assert!(
                groups.contains("chan receive (durable), synctest bubble 1]"),
                "{groups}"
            );
        }
    }
}
