//! Heap goals at the ends of the range: no collection at all, and a memory limit of nothing.

use std::process::Command;

use crate::common::{Build, Process, grtmon, newest, program};

const SOURCE: &str = r#"package main

import (
	"bufio"
	"fmt"
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

func main() {
	debug.SetGCPercent(-1)
	debug.SetMemoryLimit(math.MaxInt64)
	if len(os.Args) > 1 {
		debug.SetGCPercent(1000)
		debug.SetMemoryLimit(0)
	}
	runtime.GC()
	runtime.GC()
	in := bufio.NewReader(os.Stdin)
	for {
		s := []metrics.Sample{{Name: "/gc/heap/goal:bytes"}, {Name: "/gc/gomemlimit:bytes"}}
		metrics.Read(s)
		fmt.Println(s[0].Value.Uint64(), s[1].Value.Uint64())
		if _, err := in.ReadString('\n'); err != nil {
			return
		}
	}
}
"#;

#[test]
fn goals_are_the_programs_own() {
    for build in [Build::DEFAULT, Build::STRIPPED_PIE] {
        let path = program(newest(), build, "goal", SOURCE);
        for zero in [false, true] {
            let mut command = Command::new(&path);
            command.args(zero.then_some("zero"));
            let target = Process::start(command);
            let own = target.line().unwrap();
            let (goal, limit) = own.split_once(' ').unwrap();
            let goal: u64 = goal.parse().unwrap();
            let pid = target.pid_arg();
            let metrics = grtmon(&["stat", "--metrics", "--output", "json", "--pid", &pid]);
            let metrics = metrics.success().json();
            let value = |name: &str| {
                let metric = metrics.iter().find(|it| it["name"] == name).unwrap();
                metric["value"]
                    .as_u64()
                    .unwrap_or_else(|| panic!("{metric}"))
            };
            let seen = value("/gc/heap/goal:bytes");
            // What is mapped moves a little.
            assert!(
                seen.abs_diff(goal) < 64 << 20,
                "inside {own}, outside {seen}"
            );
            assert_eq!(value("/gc/gomemlimit:bytes").to_string(), limit);

            let line = grtmon(&["stat", "--count", "1", "--pid", &pid]).success();
            let words = |number: usize| -> Vec<String> {
                let line = line_of(&line.stdout, number);
                line.split_whitespace().map(str::to_owned).collect()
            };
            let (heading, row) = (words(0), words(1));
            let cell = |name: &str| {
                let at = heading.iter().position(|it| it == name).unwrap();
                row[at].as_str()
            };
            if zero {
                assert_eq!(cell("LIMIT"), "0", "{row:?}");
                assert!(cell("GOAL").ends_with(['K', 'M']), "{row:?}");
            } else {
                assert!(goal > 1 << 62, "{own}");
                assert_eq!((cell("LIMIT"), cell("GOAL")), ("-", "-"), "{row:?}");
            }
        }
    }
}

fn line_of(text: &str, number: usize) -> &str {
    text.lines().nth(number).unwrap()
}
