//! Code in memory that is not, or not only, what the file has: changed by the program itself, or moved to other memory. No
//! probe goes where it could break something, and what is not seen is said.
#![cfg(target_arch = "x86_64")]

use std::{
    fs::File,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use grtmon::{
    go::site::Site,
    probe::{Plan, gc, gr},
    target::{self, Selection, checked::Checked, code_in_memory::CodeFile},
};
use serde_json::Value;

use crate::{
    common::{Build, Fixture, Grtmon, Output, grtmon, newest, program},
    lifecycle::OwnCopy,
    subject::once,
};

/// What `patched` starts each time.
pub(crate) const EACH: usize = 101;

/// A copy for one test alone: probes on a file concern all its processes.
pub(crate) fn patched(test: &str) -> OwnCopy {
    let text = include_str!("../../testgo/patched/main.go");
    let program = program(newest(), Build::DEFAULT, "patched", text);
    OwnCopy::of(&program, &format!("patched-{test}"))
}

fn moved() -> PathBuf {
    let text = include_str!("../../testgo/moved/main.go");
    program(newest(), Build::STRIPPED, "moved", text)
}

/// Lets `patched` run its goroutines once more.
pub(crate) fn run(target: &mut Fixture, ready: bool) {
    if !ready {
        target.go_until("ready");
    }
    target.go_until("done");
}

/// The target goes on and ends in good order.
pub(crate) fn unharmed(mut target: Fixture) {
    run(&mut target, false);
    target.process.close_stdin();
    let (status, _) = target.process.wait();
    assert!(status.success(), "{status}: {}", target.process.stderr());
}

pub(crate) fn exits<'a>(rows: &'a [Value], function: &str) -> Vec<&'a Value> {
    rows.iter()
        .filter(|it| it["event"] == "exit" && it["fn"] == function)
        .collect()
}

pub(crate) fn refused(output: &Output, why: &str) {
    assert_eq!(output.status.code(), Some(1), "{}", output.stderr);
    assert!(output.stderr.contains(why), "{}", output.stderr);
}

/// The site that `gr` or `gc` has in a function of a program at a fixed address.
pub(crate) fn site(program: &Path, function: &str) -> Site {
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
pub(crate) fn other_ready(mut target: Fixture) -> Fixture {
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
