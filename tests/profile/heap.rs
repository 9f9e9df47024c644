//! Memory.

use std::{path::Path, process::Command};

use crate::{
    common::{Build, Fixture, builds, fixture, grtmon, newest, program, toolchains},
    files::pprof,
    parsed::{Profile, Sample},
    scratch::Scratch,
};

/// The fixture, which notes one object in so many bytes, or in as many as it does by itself.
fn start(program: &Path, arguments: &[&str], rate: &str) -> Fixture {
    let mut command = Command::new(program);
    command.args(arguments);
    if !rate.is_empty() {
        command.args(["-rate", rate]);
    }
    Fixture::start_command(command)
}

/// What grtmon reads of a process before it writes its own profile of memory, and what that is.
fn both(program: &Path, arguments: &[&str], rate: &str) -> (Profile, Profile) {
    let scratch = Scratch::new();
    let dir = scratch.file("");
    let all = [&["profiles", "-dir", &dir], arguments].concat();
    let mut target = start(program, &all, rate);
    let file = scratch.file("ours.pb.gz");
    let output = grtmon(&["profile", "heap", "--pid", &target.pid_arg(), "-w", &file]).success();
    assert!(
        output.stderr.contains("garbage collection"),
        "{}",
        output.stderr
    );
    target.work();
    let theirs = Profile::read(&scratch.path("heap.pb.gz"));
    let top = pprof(newest(), &["-top"], &file);
    assert!(top.contains("Type: inuse_space"), "{top}");
    target.finish();
    (Profile::read(file.as_ref()), theirs)
}

/// The samples, in some order. The initialisation of a package is in several files; a profile of Go's own names one of them
/// for all.
fn sorted(profile: &Profile) -> Vec<Sample> {
    let mut samples = profile.sorted();
    for sample in &mut samples {
        for (function, file, _) in &mut sample.stack {
            if function.ends_with(".init") {
                file.clear();
            }
        }
    }
    samples.sort();
    samples
}

fn compare(ours: &Profile, theirs: &Profile, what: &str) {
    assert_eq!(ours.types, theirs.types, "{what}");
    assert_eq!(ours.period_type, theirs.period_type, "{what}");
    assert_eq!(ours.period, theirs.period, "{what}");
    assert_eq!(ours.default, theirs.default, "{what}");
    let (ours, theirs) = (sorted(ours), sorted(theirs));
    let only = |these: &[Sample], those: &[Sample]| {
        let only = these.iter().filter(|it| those.binary_search(it).is_err());
        only.map(|it| format!("{it:?}"))
            .collect::<Vec<_>>()
            .join("\n")
    };
    assert!(ours.len() > 20, "{what}: {} sites", ours.len());
    assert!(
        ours == theirs,
        "{what}: {} and {} sites\nours only:\n{}\ntheirs only:\n{}",
        ours.len(),
        theirs.len(),
        only(&ours, &theirs),
        only(&theirs, &ours)
    );
}

#[test]
fn as_the_program_says() {
    for toolchain in toolchains() {
        for build in builds(toolchain) {
            let program = fixture(toolchain, build);
            for (rate, arguments) in [
                ("1", &["-n", "1009"][..]),
                ("4099", &[]),
                ("4099", &["-gc=false"]),
                ("", &["-n", "200003"]),
            ] {
                let what = format!(
                    "Go {}, {}, {arguments:?}, one in {rate} bytes",
                    toolchain.version,
                    build.name()
                );
                let (ours, theirs) = both(&program, arguments, rate);
                compare(&ours, &theirs, &what);
            }
        }
    }
}

/// While garbage is collected all the time, no reading is of two collections, and none of them lacks anything.
#[test]
fn of_a_busy_program() {
    let program = fixture(newest(), Build::STRIPPED_PIE);
    let mut target = start(&program, &["profiles", "-busy"], "1");
    let pid = target.pid_arg();
    let mut last = 0;
    for _ in 0..20 {
        let output = grtmon(&["profile", "heap", "--pid", &pid, "--output", "json"]).success();
        let lines = output.json();
        let totals = &lines.last().unwrap()["totals"];
        let number = |name: &str| totals[name].as_u64().unwrap();
        assert!(number("alloc_objects") >= last, "{totals}");
        assert!(
            number("inuse_objects") < number("alloc_objects"),
            "{totals}"
        );
        last = number("alloc_objects");
    }
    target.work();
    target.finish();
}

#[test]
fn a_program_without_one_says_so() {
    let toolchain = newest();
    for (name, source, reason) in [
        ("without-profile", include_str!("without.go"), "the linker"),
        (
            "rate-of-none",
            include_str!("rate.go"),
            "MemProfileRate is 0",
        ),
    ] {
        let program = program(toolchain, Build::STRIPPED, name, source);
        let mut command = Command::new(program);
        command.env("GODEBUG", "memprofilerate=0");
        let mut target = crate::common::Process::start(command);
        target.expect("ready");
        let output = grtmon(&["profile", "heap", "--pid", &target.pid_arg()]);
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(output.stdout, "");
        assert_eq!(output.stderr.lines().count(), 1, "{}", output.stderr);
        assert!(output.stderr.contains(reason), "{}", output.stderr);
        target.close_stdin();
        target.wait();
    }
}
