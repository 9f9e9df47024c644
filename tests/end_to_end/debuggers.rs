//! Breakpoints, a debugger's and those of other probes, beside ours: none is broken, and what is not seen is said.
#![cfg(target_arch = "x86_64")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::Duration,
};

use crate::{
    changed_code::{EACH, exits, other_ready, patched, refused, run, site, unharmed},
    common::{Build, Fixture, Grtmon, PATIENCE, Process, copy_program, grtmon, newest, program},
    subject::{nothing_lost, number, once},
};

/// A look at the code under the probes has been taken when this is over.
const LOOKED: Duration = Duration::from_millis(2500);

fn debugger() -> PathBuf {
    let text = include_str!("../../testgo/debugger/main.go");
    program(newest(), Build::DEFAULT, "debugger", text)
}

/// Starts a debugger under this name, which is done with attaching.
fn debug(name: &Path, target: &Fixture, address: u64, mode: &str) -> Process {
    let mut command = Command::new(name);
    command.args([target.pid_arg(), format!("{address:x}")]);
    command.arg(mode);
    let process = Process::start(command);
    process.expect("attached");
    process
}

#[test]
fn two_at_once_do_not_mind_each_other() {
    once(|_| {
        let own = patched("two");
        let program = own.0.as_path();
        let mut target = Fixture::start(program, &["nothing"]);
        let pid = target.pid_arg();
        let arguments = ["gr", "--output", "json", "--pid", &pid];
        let tools = [Grtmon::start(&arguments), Grtmon::start(&arguments)];
        thread::sleep(LOOKED);
        run(&mut target, true);
        for tool in tools {
            let output = tool.stop().success();
            assert_eq!(
                output.stderr.matches("grtmon:").count(),
                0,
                "{}",
                output.stderr
            );
            let rows = output.json();
            assert_eq!(exits(&rows, "main.victim").len(), EACH);
            let end = rows.last().unwrap();
            nothing_lost(end);
            assert_eq!(number(end, "exited"), EACH as u64);
        }
        let report = grtmon(&["doctor", "--pid", &pid]).success();
        let code = format!("process {pid}: as in the file at all ");
        assert!(report.stdout.contains(&code), "{}", report.stdout);
        unharmed(target);
    });
}

#[test]
fn a_debuggers_breakpoint_is_left_alone() {
    once(|_| {
        let own = patched("breakpoint");
        let program = own.0.as_path();
        let mut target = Fixture::start(program, &["nothing"]);
        let pid = target.pid_arg();
        // Of a start function among others.
        let at = site(program, "main.rare").vaddr;
        let tracer = debug(&debugger(), &target, at, "");
        let why = format!(
            "process {pid} has a breakpoint at main.rare, of debugger (pid {})",
            tracer.pid()
        );
        let tool = Grtmon::start(&["gr", "--output", "json", "--pid", &pid]);
        run(&mut target, true);
        let output = tool.stop().success();
        assert!(output.stderr.contains(&why), "{}", output.stderr);
        assert_eq!(exits(&output.json(), "main.victim").len(), EACH);
        assert_eq!(memory(&pid, at), 0xcc);
        unharmed(target);
        drop(tracer);

        // Of what the command cannot do without. No collection takes place.
        let target = Fixture::start(program, &["nothing"]);
        let pid = target.pid_arg();
        let at = site(program, "runtime.freeStackSpans").vaddr;
        let tracer = debug(&debugger(), &target, at, "");
        let why = format!("process {pid} has a breakpoint at runtime.freeStackSpans");
        refused(&grtmon(&["gc", "--pid", &pid]), &why);
        assert_eq!(memory(&pid, at), 0xcc);
        unharmed(other_ready(target));
        drop(tracer);
    });
}

/// A byte of a process.
fn memory(pid: &str, at: u64) -> u8 {
    use std::os::unix::fs::FileExt;
    let mut byte = [0];
    let file = fs::File::open(format!("/proc/{pid}/mem")).unwrap();
    file.read_exact_at(&mut byte, at).unwrap();
    byte[0]
}

#[test]
fn probes_go_when_a_debugger_comes() {
    once(|_| {
        let own = patched("comes");
        let program = own.0.as_path();
        let at = site(program, "runtime.gdestroy").vaddr;
        let commands: [&[&str]; 3] = [&["gr"], &["gr", "seq"], &["gc"]];
        for command in commands {
            let mut target = Fixture::start(program, &["nothing"]);
            let pid = target.pid_arg();
            let before = memory(&pid, at);
            let tool = Grtmon::start(&[command, &["--output", "json", "--pid", &pid]].concat());
            run(&mut target, true);
            let tracer = debug(&debugger(), &target, 0, "");
            let output = tool.end(PATIENCE).success();
            let why = format!("debugger (pid {}) traces process {pid} now", tracer.pid());
            assert!(output.stderr.contains(&why), "{}", output.stderr);
            assert_eq!(output.json().last().unwrap()["event"], "end");
            assert_eq!(memory(&pid, at), before);
            unharmed(target);
        }
    });
}

#[test]
fn a_breakpoint_that_is_left_is_said() {
    once(|_| {
        let own = patched("left");
        let program = own.0.as_path();
        let mut target = Fixture::start(program, &["nothing"]);
        let pid = target.pid_arg();
        let at = site(program, "main.rare").vaddr;
        let tool = Grtmon::start(&["gr", "--output", "json", "--pid", &pid]);
        run(&mut target, true);
        let tracer = debug(&debugger(), &target, at, "again");
        let output = tool.end(PATIENCE).success();
        let why = format!("a breakpoint is left at {at:x} (main.rare) in process {pid}");
        assert!(output.stderr.contains(&why), "{}", output.stderr);
        drop(tracer);
        unharmed(target);
    });
}

#[test]
fn a_process_that_a_debugger_holds_is_refused() {
    once(|_| {
        let own = patched("held");
        let program = own.0.as_path();
        let target = Fixture::start(program, &["nothing"]);
        let pid = target.pid_arg();
        let tracer = debug(&debugger(), &target, 0, "hold");
        let why = format!("process {pid} is held by debugger (pid {})", tracer.pid());
        refused(&grtmon(&["gr", "--pid", &pid]), &why);
        drop(tracer);
        unharmed(other_ready(target));
    });
}

#[test]
fn who_traces_system_calls_is_harmless() {
    once(|_| {
        let own = patched("strace");
        let program = own.0.as_path();
        let directory = program.with_extension("bin");
        fs::create_dir_all(&directory).unwrap();
        let name = directory.join("strace");
        copy_program(&debugger(), &name);
        let mut target = Fixture::start(program, &["nothing"]);
        let pid = target.pid_arg();
        let tool = Grtmon::start(&["gr", "--output", "json", "--pid", &pid]);
        let tracer = debug(&name, &target, 0, "");
        thread::sleep(LOOKED);
        run(&mut target, true);
        let output = tool.stop().success();
        assert_eq!(
            output.stderr.matches("grtmon:").count(),
            0,
            "{}",
            output.stderr
        );
        assert_eq!(exits(&output.json(), "main.victim").len(), EACH);
        unharmed(target);
        drop(tracer);
        fs::remove_dir_all(&directory).unwrap();
    });
}
