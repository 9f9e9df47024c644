//! What people see: columns on a terminal and in a pipe, times of day, of which time a report is about, what a dump says to
//! a question that it cannot answer.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "test code"
)]

#[path = "../common/mod.rs"]
mod common;
#[path = "../top/emulator.rs"]
#[allow(dead_code, reason = "top's tests use the rest")]
mod emulator;
#[path = "../top/screen.rs"]
mod screen;

mod dumps;
mod pipes;
mod terminals;

use crate::common::{Build, Process, newest, program};

/// A name that no column has room for.
const LONG: &str = "main.aFunctionWithANameThatIsLongerThanAnyColumnForNamesIsWide";

/// Creates goroutines, collects garbage, and has some that stay, with and without wrappers around what they call.
const BUSY: &str = r#"package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"time"
)

func aFunctionWithANameThatIsLongerThanAnyColumnForNamesIsWide(n int) { time.Sleep(time.Millisecond) }

func stays(never chan int, n int) { <-never }

func worker() { time.Sleep(time.Millisecond) }

func main() {
	never := make(chan int)
	for n := 0; n < 3; n++ {
		go stays(never, n)
	}
	go func() {
		io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	fmt.Println("ready")
	for n := 0; ; n++ {
		go aFunctionWithANameThatIsLongerThanAnyColumnForNamesIsWide(n)
		go worker()
		time.Sleep(5 * time.Millisecond)
		if n%10 == 0 {
			runtime.GC()
		}
	}
}
"#;

fn busy() -> Process {
    let path = program(newest(), Build::STRIPPED, "busy", BUSY);
    let process = Process::start(std::process::Command::new(path));
    process.expect("ready");
    process
}
