//! The same from a core dump.

use std::{fs, path::PathBuf, process::Command};

use nix::sys::signal::Signal;

use crate::{
    common::{self, Build, Fixture, grtmon, skip},
    text,
};

/// Where the kernel puts core dumps: beside the process, under this name.
pub(crate) fn kernel_writes_files() -> bool {
    let pattern = fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap_or_default();
    let plain = !pattern.trim().is_empty() && !pattern.contains(['|', '/', '%']);
    if !plain {
        skip("the kernel does not write core dumps beside the process (kernel.core_pattern)");
    }
    plain
}

#[test]
fn a_core_dump_shows_what_the_process_showed() {
    if !kernel_writes_files() {
        return;
    }
    for toolchain in common::toolchains() {
        for build in [Build::STRIPPED_PIE, Build::DEFAULT] {
            of_core(toolchain, build);
        }
    }
}

fn of_core(toolchain: &common::Toolchain, build: Build) {
    let program = common::fixture(toolchain, build);
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!(
        "core-{}-{}-{}",
        std::process::id(),
        toolchain.version,
        build.name()
    ));
    fs::create_dir_all(&directory).unwrap();
    let mut command = Command::new("sh");
    command
        .args(["-c", "ulimit -c unlimited; exec \"$0\" dump"])
        .arg(&program)
        .current_dir(&directory)
        .env("GOTRACEBACK", "crash");
    let mut target = Fixture::start_command(command);
    let live = grtmon(&["dump", "--all", "--pid", &target.pid_arg()]).success();
    target.process.signal(Signal::SIGQUIT);
    target.process.wait();
    let core = fs::read_dir(&directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| fs::metadata(path).is_ok_and(|it| it.len() > 0));
    let Some(core) = core else {
        skip("the kernel wrote no core dump (limit of its size?)");
        return;
    };
    let core = core.to_str().unwrap();
    let program = program.to_str().unwrap();
    let mut was = text::parse(&live.stdout);
    was.remove(&1);
    for arguments in [
        &["dump", "--all", "--core", core][..],
        &["dump", "--all", "--core", core, "--binpath", program],
    ] {
        let dead = grtmon(arguments).success();
        let (_, goroutines) = dead.stdout.split_once("\n\n").unwrap();
        let mut is = text::parse(goroutines);
        // The first goroutine was interrupted by the signal.
        assert!(is.remove(&1).is_some());
        assert_eq!(is, was);
    }
    let other = grtmon(&[
        "dump",
        "--core",
        core,
        "--binpath",
        env!("CARGO_BIN_EXE_grtmon"),
    ]);
    assert!(!other.status.success() && other.stderr.lines().count() == 1);
    fs::remove_dir_all(&directory).unwrap();
}
