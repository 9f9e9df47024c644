//! Since when goroutines wait, of which the runtime notes only an earlier time.

use std::{process::Command, time::Instant};

use crate::common::{Build, Process, grtmon, program, toolchains};

const SOURCE: &str = r#"package main

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"time"
)

//go:noinline
func early() { select {} }

//go:noinline
func late() { select {} }

func main() {
	go early()
	time.Sleep(10 * time.Millisecond)
	runtime.GC()
	runtime.GC()
	in := bufio.NewReader(os.Stdin)
	fmt.Println("ready")
	in.ReadString('\n')
	go late()
	time.Sleep(10 * time.Millisecond)
	runtime.GC()
	fmt.Println("waiting")
	in.ReadString('\n')
}
"#;

#[test]
fn a_wait_is_not_longer_than_it_is_known_to_be() {
    for toolchain in toolchains() {
        let path = program(toolchain, Build::STRIPPED_PIE, "waits", SOURCE);
        let mut target = Process::start(Command::new(path));
        target.expect("ready");
        std::thread::sleep(std::time::Duration::from_secs(10));
        let begun = Instant::now();
        target.go();
        target.expect("waiting");
        let pid = target.pid_arg();
        let all = grtmon(&["dump", "--all", "--output", "json", "--pid", &pid]).success();
        let all = all.json();
        let of = |start: &str| all.iter().find(|it| it["start"] == start).unwrap();
        let ns = |start: &str, key: &str| of(start)[key].as_u64().unwrap();
        let (about, least) = ("waiting_about_ns", "waiting_at_least_ns");
        // The collector notes when the cycle before ended.
        let late = ns("main.late", about);
        assert!(late > 9_000_000_000, "{late}");
        assert!(ns("main.late", least) < begun.elapsed().as_nanos() as u64);
        assert!(ns("main.early", least) > 9_000_000_000, "{all:?}");
        assert!(
            ns("main.early", least) <= ns("main.early", about),
            "{all:?}"
        );

        // What has waited for a moment is not stuck for 9 s.
        let stuck = grtmon(&["dump", "--all", "--stuck", "9s", "--pid", &pid]).success();
        assert!(stuck.stdout.contains("main.early("), "{stuck:?}");
        if begun.elapsed().as_secs() < 9 {
            assert!(!stuck.stdout.contains("main.late("), "{stuck:?}");
            assert!(
                stuck.stderr.contains("may have been waiting that long"),
                "{stuck:?}"
            );
        }
    }
}
