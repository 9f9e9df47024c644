//! What `make dist` has put into target/dist. Part of `make test-dist`, which runs that first.

use std::{env, fs, os::unix::fs::symlink, path::PathBuf, process::Command};

use serde_json::Value;

use super::{
    common::{Build, Fixture, fixture, newest, tool},
    run::{Scratch, checkout, output},
};

/// A file in target/dist.
pub(crate) fn file(name: &str) -> PathBuf {
    let path = checkout("target/dist").join(name);
    assert!(path.exists(), "no {}: make dist", path.display());
    path
}

/// The architectures that were built.
fn architectures() -> Vec<&'static str> {
    let all = ["x86_64", "aarch64"];
    let built = |it: &&str| checkout(&format!("target/dist/grtmon-linux-{it}")).exists();
    let found: Vec<&str> = all.into_iter().filter(built).collect();
    assert!(!found.is_empty(), "nothing in target/dist: make dist");
    found
}

/// The Debian packages that were built.
pub(crate) fn packages() -> Vec<PathBuf> {
    let debian = |arch: &str| if arch == "x86_64" { "amd64" } else { "arm64" };
    let version = env!("CARGO_PKG_VERSION");
    let names = architectures().into_iter().map(debian);
    names
        .map(|it| file(&format!("grtmon_{version}_{it}.deb")))
        .collect()
}

#[test]
#[ignore = "after make dist: make test-dist"]
fn the_executables_need_nothing_of_the_machine() {
    for arch in architectures() {
        let executable = file(&format!("grtmon-linux-{arch}"));
        let headers = output(Command::new("readelf").args(["-Wld"]).arg(&executable));
        assert!(!headers.contains("INTERP"), "{headers}");
        assert!(!headers.contains("(NEEDED)"), "{headers}");
        let bytes = fs::read(&executable).unwrap();
        for path in places() {
            let found = bytes
                .windows(path.len())
                .position(|it| it == path.as_bytes());
            assert_eq!(found, None, "{path} in {}", executable.display());
        }
    }
}

/// Where things are on this machine: the checkout, what is built, the user's home, and cargo's.
fn places() -> Vec<String> {
    let target = env::var("CARGO_TARGET_DIR").unwrap_or_else(|_| "target".to_owned());
    let target = checkout(&target).canonicalize().unwrap();
    vec![
        env!("CARGO_MANIFEST_DIR").to_owned(),
        target.to_str().unwrap().to_owned(),
        env::var("HOME").unwrap() + "/",
        cargo_home(),
    ]
}

/// Where cargo keeps its downloads.
fn cargo_home() -> String {
    env::var("CARGO_HOME").unwrap_or_else(|_| env::var("HOME").unwrap() + "/.cargo")
}

/// A command that runs one of the executables: as it is, or emulated by QEMU where this is another machine. That passes
/// system calls on to this kernel, and knows nothing of bpf(2).
fn runner(arch: &str) -> Option<Command> {
    let executable = file(&format!("grtmon-linux-{arch}"));
    if arch == env::consts::ARCH {
        return Some(Command::new(executable));
    }
    let mut command = Command::new(tool(&format!("qemu-{arch}-static"))?);
    command.arg(executable);
    Some(command)
}

#[test]
#[ignore = "after make dist: make test-dist"]
fn the_executables_run_and_say_what_they_were_built_from() {
    let head = output(&mut git(&["rev-parse", "--short=12", "HEAD"]));
    for arch in architectures() {
        let Some(mut version) = runner(arch) else {
            continue;
        };
        let said = output(version.arg("version"));
        for line in [
            format!("grtmon {}", env!("CARGO_PKG_VERSION")),
            format!("target    {arch}-unknown-linux-gnu"),
            format!("revision  {}", head.trim()),
            "linked    static".to_owned(),
        ] {
            assert!(said.lines().any(|it| it == line), "no {line:?} in\n{said}");
        }
    }
}

/// A program of the same architecture is read to the last of its probe sites; /proc and the processes there too.
#[test]
#[ignore = "after make dist: make test-dist"]
fn the_executables_read_programs_and_processes() {
    let target = Fixture::start(&fixture(newest(), Build::STRIPPED), &["goroutines"]);
    for (arch, goarch) in [("x86_64", "amd64"), ("aarch64", "arm64")] {
        let own = Build {
            arch: goarch,
            ..Build::STRIPPED_PIE
        };
        let program = fixture(newest(), own);
        let Some(mut doctor) = runner(arch) else {
            continue;
        };
        let said = output(doctor.args(["doctor", "--binpath"]).arg(program));
        assert!(said.contains("runtime.gdestroy+0x"), "{arch}\n{said}");

        let mut ps = runner(arch).unwrap();
        let said = output(ps.args(["ps", "--output", "json"]));
        let mut rows = said
            .lines()
            .map(|it| serde_json::from_str::<Value>(it).unwrap());
        let row = rows.find(|it| it["pid"] == target.pid());
        assert!(row.is_some(), "{arch}\n{said}");
    }
}

#[test]
#[ignore = "after make dist: make test-dist"]
fn the_checksums_are_right() {
    let sums = file("SHA256SUMS");
    let mut check = Command::new("sha256sum");
    check.args(["--check", "--strict", "SHA256SUMS"]);
    let checked = output(check.current_dir(sums.parent().unwrap()));
    assert_eq!(
        checked.lines().count(),
        3 * architectures().len(),
        "{checked}"
    );
}

/// Another checkout of the same revision, elsewhere, with a target directory and a cargo home that are called otherwise.
#[test]
#[ignore = "minutes: make test-dist"]
fn another_build_makes_the_same_bytes() {
    let changes = output(&mut git(&["status", "--porcelain"]));
    assert_eq!(changes, "", "commit first");
    let scratch = Scratch::new();
    let clone = scratch.0.join("another/place");
    output(git(&["clone", "--quiet", "."]).arg(&clone));
    // The same downloads by another name.
    let home = scratch.0.join("cargo-home");
    symlink(cargo_home(), &home).unwrap();
    let mut dist = Command::new(clone.join("packaging/dist.sh"));
    dist.args(architectures())
        .env("CARGO_HOME", home)
        .env("CARGO_TARGET_DIR", scratch.0.join("built"));
    output(&mut dist);
    let name = "SHA256SUMS";
    let other = fs::read_to_string(clone.join("target/dist").join(name)).unwrap();
    assert_eq!(fs::read_to_string(file(name)).unwrap(), other);
}

/// git in the checkout.
fn git(arguments: &[&str]) -> Command {
    let mut command = Command::new("git");
    command.arg("-C").arg(checkout("")).args(arguments);
    command
}
