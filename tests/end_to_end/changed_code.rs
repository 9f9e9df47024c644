//! Code in memory that is not, or not only, what the file has: changed by the program itself, moved to other memory, or
//! under a debugger's breakpoint. No probe goes where it could break something, and what is not seen is said.
#![cfg(target_arch = "x86_64")]

use std::{
    fs::{self, File},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::Duration,
};

use grtmon::{
    go::site::Site,
    probe::{Plan, gc, gr},
    target::{self, Selection, checked::Checked, code_in_memory::CodeFile},
};
use serde_json::Value;

use crate::{
    common::{
        Build, Fixture, Grtmon, Output, PATIENCE, Process, copy_program, grtmon, newest, program,
    },
    lifecycle::OwnCopy,
    subject::{nothing_lost, number, once},
};

/// What `patched` starts each time.
const EACH: usize = 101;

/// A look at the code under the probes has been taken when this is over.
const LOOKED: Duration = Duration::from_millis(2500);

/// A copy for one test alone: probes on a file concern all its processes.
fn patched(test: &str) -> OwnCopy {
    let text = include_str!("../../testgo/patched/main.go");
    let program = program(newest(), Build::DEFAULT, "patched", text);
    OwnCopy::of(&program, &format!("patched-{test}"))
}

fn moved() -> PathBuf {
    let text = include_str!("../../testgo/moved/main.go");
    program(newest(), Build::STRIPPED, "moved", text)
}

fn debugger() -> PathBuf {
    let text = include_str!("../../testgo/debugger/main.go");
    program(newest(), Build::DEFAULT, "debugger", text)
}

/// Lets `patched` run its goroutines once more.
fn run(target: &mut Fixture, ready: bool) {
    if !ready {
        target.go_until("ready");
    }
    target.go_until("done");
}

/// The target goes on and ends in good order.
fn unharmed(mut target: Fixture) {
    run(&mut target, false);
    target.process.close_stdin();
    let (status, _) = target.process.wait();
    assert!(status.success(), "{status}: {}", target.process.stderr());
}

fn exits<'a>(rows: &'a [Value], function: &str) -> Vec<&'a Value> {
    rows.iter()
        .filter(|it| it["event"] == "exit" && it["fn"] == function)
        .collect()
}

fn refused(output: &Output, why: &str) {
    assert_eq!(output.status.code(), Some(1), "{}", output.stderr);
    assert!(output.stderr.contains(why), "{}", output.stderr);
}

/// The site that `gr` or `gc` has in a function of a program at a fixed address.
fn site(program: &Path, function: &str) -> Site {
    let target = target::resolve(&Selection::File(program.to_owned()));
    let target = target.unwrap().targets.pop().unwrap();
    let checked = Checked::of(&target);
    let options = gr::Options::events(4, 1);
    let mut sites = gr::Plan::of(&checked, &options).unwrap().sites();
    sites.extend(
        gc::Plan::of(&target, gc::Wanted::Everything)
            .unwrap()
            .sites(),
    );
    let wanted = sites.into_iter().find(|it| it.function == function);
    wanted.unwrap_or_else(|| panic!("no site in {function}"))
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
fn a_start_function_that_was_patched_is_left_alone() {
    once(|_| {
        let own = patched("jump");
        let program = own.0.as_path();
        let mut target = Fixture::start(program, &["jump"]);
        let pid = target.pid_arg();
        let said = format!("the code of process {pid} at main.victim is not the file's");
        let mut ready = true;
        for file in [
            &["--pid", &pid][..],
            &["--binpath", program.to_str().unwrap()],
        ] {
            let tool = Grtmon::start(&[&["gr", "--output", "json"], file].concat());
            run(&mut target, ready);
            ready = false;
            let output = tool.stop().success();
            assert!(output.stderr.contains(&said), "{}", output.stderr);
            let rows = output.json();
            let exits = exits(&rows, "main.victim");
            assert_eq!(exits.len(), EACH);
            assert!(exits.iter().all(|it| it["running_ns"].is_null()));
        }
        // Why there are no times, and of what.
        let tool = Grtmon::start(&["gr", "--pid", &pid]);
        run(&mut target, false);
        let output = tool.stop().success();
        let untimed = format!(
            "{EACH} exits have ? for TIME: main.victim has other code in the process than in its file"
        );
        assert!(output.stderr.contains(&untimed), "{}", output.stderr);
        let others = output.stderr.matches("have ? for TIME").count();
        assert_eq!(others, 1, "{}", output.stderr);
        let tool = Grtmon::start(&["gr", "seq", "--output", "json", "--pid", &pid]);
        run(&mut target, false);
        let output = tool.stop().success();
        assert!(output.stderr.contains(&said), "{}", output.stderr);
        let report = grtmon(&["doctor", "--pid", &pid]).success();
        assert!(report.stdout.contains(&said), "{}", report.stdout);
        unharmed(target);
    });
}

/// As on a file system that tells nobody of a change: size and times are those of the file that was read.
#[test]
fn a_file_with_other_code_is_noticed_whatever_its_times() {
    once(|_| {
        let own = patched("rewritten");
        let site = site(&own.0, "runtime.gdestroy");
        let sites = [site.clone()];
        let mut resolved = target::resolve(&Selection::File(own.0.clone())).unwrap();
        let target = resolved.targets.pop().unwrap();
        let file = CodeFile::of(&target);
        assert!(file.changed(&sites).is_none());
        let there = File::options().write(true).open(&own.0).unwrap();
        let modified = there.metadata().unwrap().modified().unwrap();
        // The last byte of the function: not where the probe goes, but of what it relies on.
        let entry = site.file_offset - site.offset;
        let last = site.code.len() - 1;
        let other = [site.code[last] ^ 1];
        there.write_all_at(&other, entry + last as u64).unwrap();
        there.set_modified(modified).unwrap();
        assert!(
            file.changed(&sites)
                .is_some_and(|it| it.vaddr == site.vaddr)
        );
    });
}

#[test]
fn what_cannot_do_without_a_patched_function_is_refused() {
    once(|_| {
        let own = patched("branch");
        let program = own.0.as_path();
        let mut target = Fixture::start(program, &["branch", "runtime.gdestroy"]);
        let pid = target.pid_arg();
        let why = format!("the code of process {pid} at runtime.gdestroy is not the file's");
        refused(&grtmon(&["gr", "--pid", &pid]), &why);
        refused(&grtmon(&["gr", "seq", "--pid", &pid]), &why);
        // Another process of the same file would get the probes too: it is not broken either.
        let other = Fixture::start(program, &["nothing"]);
        let file = program.to_str().unwrap();
        refused(&grtmon(&["gr", "--binpath", file]), &why);
        // What does not need that function goes on.
        let arguments = ["gc", "--pid", &pid, "--duration", "100ms"];
        grtmon(&arguments).success();
        unharmed(other_ready(other));
        run(&mut target, true);
        unharmed(target);
    });
}

/// Runs once what was `ready`.
fn other_ready(mut target: Fixture) -> Fixture {
    run(&mut target, true);
    target
}

#[test]
fn code_that_does_not_come_from_the_file_is_said_to_be_unseen() {
    once(|_| {
        let own = OwnCopy::of(&moved(), "moved");
        let mut target = Fixture::start(&own.0, &[]);
        let pid = target.pid_arg();
        let prefix = format!("the code of process {pid} at ");
        let commands: [&[&str]; 5] = [
            &["gr"],
            &["gr", "seq"],
            &["gc"],
            &["sched"],
            &["gm", "--source", "probes"],
        ];
        for command in commands {
            let output = grtmon(&[command, &["--pid", &pid]].concat());
            refused(&output, &prefix);
            refused(
                &output,
                "does not come from its file: probes cannot be seen",
            );
            let file = own.0.to_str().unwrap();
            let arguments = ["--binpath", file, "--duration", "300ms"];
            let output = grtmon(&[command, &arguments].concat()).success();
            assert!(output.stderr.contains(&prefix), "{}", output.stderr);
        }
        let report = grtmon(&["doctor", "--output", "json", "--pid", &pid]).success();
        let code = &report.json()[0]["binary"]["code"];
        assert_eq!(code["fine"], false, "{code}");
        target.process.close_stdin();
        assert!(target.process.wait().0.success());
    });
}

#[test]
fn a_probe_that_was_overwritten_is_missed() {
    once(|_| {
        let own = patched("restore");
        let program = own.0.as_path();
        let mut target = Fixture::start(program, &["restore", "runtime.gdestroy"]);
        let pid = target.pid_arg();
        let mut tool = Grtmon::start(&["gr", "--output", "json", "--pid", &pid]);
        run(&mut target, true);
        let gone = format!("the probe at runtime.gdestroy is gone in process {pid}");
        tool.process().expect_stderr(&gone);
        tool.stop().success();
        unharmed(target);
    });
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
