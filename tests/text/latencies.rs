//! Scheduling latencies from the runtime's counters: what some versions count that was no wait is left out, and said.

use std::process::Command;

use crate::common::{Build, Process, grtmon, program, toolchains};

const SOURCE: &str = r#"package main

import (
	"bufio"
	"fmt"
	"os"
)

func main() {
	f, err := os.Open("/dev/zero")
	if err != nil {
		panic(err)
	}
	go func() {
		for b := make([]byte, 1); ; {
			f.Read(b) // a system call
		}
	}()
	c := make(chan int)
	go func() {
		for range c {
		}
	}()
	go func() {
		for i := 0; ; i++ {
			c <- i
		}
	}()
	fmt.Println("ready")
	bufio.NewReader(os.Stdin).ReadString(0)
}
"#;

#[test]
fn returns_from_system_calls_are_no_waits() {
    for toolchain in toolchains() {
        let path = program(toolchain, Build::STRIPPED, "syscalls", SOURCE);
        let target = Process::start(Command::new(path));
        target.expect("ready");
        let pid = target.pid_arg();
        let counters = [
            "sched",
            "--source",
            "counters",
            "--duration",
            "1s",
            "--pid",
            &pid,
        ];
        let json = grtmon(&[&counters[..], &["--output", "json"]].concat()).success();
        let end = json.json().pop().unwrap();
        let raw = grtmon(&["stat", "--metrics", "--output", "json", "--pid", &pid]).success();
        let raw = raw.json();
        let raw = raw
            .iter()
            .find(|it| it["name"] == "/sched/latencies:seconds");
        let raw_zeros = raw.unwrap()["buckets"].as_array().unwrap().iter();
        let raw_zeros = raw_zeros.filter(|it| it["from"] == 0.0).count();
        let zeros = end["latency_zeros_left_out"].as_u64();
        let text = grtmon(&counters).success().stdout;
        assert!(text.contains("runtime's own included"), "{text}");
        if toolchain.minor() <= 25 {
            let shown = end["latency"]["buckets"].as_array().unwrap();
            assert!(shown.iter().all(|it| it["from_ns"] != 0), "{end}");
            assert!(zeros > Some(100), "{end}");
            assert_eq!(raw_zeros, 1, "raw metrics are the runtime's");
            assert!(text.contains("zeros: up to Go 1.25"), "{text}");
        } else {
            assert_eq!(zeros, None, "{end}");
            assert!(!text.contains("zeros"), "{text}");
        }
        let line = grtmon(&["stat", "--count", "1", "--output", "json", "--pid", &pid]).success();
        let p99 = line.json()[0]["latency_p99_ns"].as_u64();
        assert!(p99.is_some_and(|p99| p99 > 64), "{line:?}");
    }
}
