//! Builds the fixture, or any small Go program, and keeps what was built.

use std::{
    collections::hash_map::DefaultHasher,
    env, fs,
    hash::{Hash, Hasher},
    path::{Path, PathBuf},
    process::Command,
    sync::Mutex,
    sync::atomic::{AtomicU32, Ordering},
};

use grtmon::go::Binary;

use super::build::Build;
use super::embedded::Embedded;
use super::pgo;
use super::toolchain::{Toolchain, prebuilt};

/// The fixture `testgo` (see testgo/README.md).
pub(crate) fn fixture(toolchain: &Toolchain, build: Build) -> PathBuf {
    if let Some(prebuilt) = prebuilt() {
        return prebuilt.directory.join("testgo");
    }
    built(
        toolchain,
        build,
        "testgo",
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/testgo")),
    )
}

/// A program of one file, given as text.
pub(crate) fn program(toolchain: &Toolchain, build: Build, name: &str, main: &str) -> PathBuf {
    let mut hash = DefaultHasher::new();
    main.hash(&mut hash);
    let source = scratch().join(format!("source/{name}-{:016x}", hash.finish()));
    if !source.join("go.mod").is_file() {
        fs::create_dir_all(&source).unwrap();
        fs::write(source.join("main.go"), main).unwrap();
        fs::write(source.join("go.mod"), format!("module {name}\n\ngo 1.19\n")).unwrap();
    }
    built(toolchain, build, name, &source)
}

/// The module of its own in this directory of testgo.
pub(crate) fn module(toolchain: &Toolchain, build: Build, name: &str) -> PathBuf {
    let testgo = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/testgo"));
    built(toolchain, build, name, &testgo.join(name))
}

/// Copies a program. Not in this process: another test may start a process meanwhile, which inherits the
/// descriptor that is open for writing, and for as long the copy cannot be run (ETXTBSY).
pub(crate) fn copy_program(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg(from).arg(to).status();
    assert!(
        copied.is_ok_and(|it| it.success()),
        "cannot copy {} to {}",
        from.display(),
        to.display()
    );
}

/// Where cargo lets tests keep files: target/tmp.
fn scratch() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
}

/// The program in this directory, built unless it was before.
fn built(toolchain: &Toolchain, build: Build, name: &str, source: &Path) -> PathBuf {
    let profile = pgo::profile(toolchain, build);
    // One build at a time in this process; another process would do the same work, to no harm.
    static BUILDING: Mutex<()> = Mutex::new(());
    static UNIQUE: AtomicU32 = AtomicU32::new(0);
    let _guard = BUILDING.lock().unwrap_or_else(|it| it.into_inner());

    let mut hash = DefaultHasher::new();
    hash_directory(source, &mut hash);
    let mut build_name = build.name();
    if let Some(profile) = &profile {
        // Another profile is another build.
        let mut hash = DefaultHasher::new();
        fs::read(profile).unwrap().hash(&mut hash);
        build_name += &format!("-{:016x}", hash.finish());
    }
    let directory = scratch().join(format!(
        "{name}-{:016x}/go{}/{build_name}",
        hash.finish(),
        toolchain.version.replace(' ', "_"),
    ));
    let binary = directory.join(name);
    if binary.is_file() {
        return binary;
    }
    fs::create_dir_all(&directory).unwrap();
    let unfinished = directory.join(format!(
        ".{name}.{}.{}",
        std::process::id(),
        UNIQUE.fetch_add(1, Ordering::Relaxed)
    ));
    let mut command = toolchain.command();
    command
        .current_dir(source)
        .arg("build")
        .arg("-o")
        .arg(&unfinished);
    let mut link = Vec::new();
    if build.strip {
        link.push("-s -w".to_owned());
    }
    if !build.ldflags.is_empty() {
        link.push(build.ldflags.to_owned());
    }
    command.args(build.embedded.arguments());
    if build.race {
        command.arg("-race");
    }
    if !build.version.is_empty() {
        link.push(format!("-X 'runtime.buildVersion={}'", build.version));
    }
    if !link.is_empty() {
        command.arg(format!("-ldflags={}", link.join(" ")));
    }
    if !build.gcflags.is_empty() {
        command.arg(format!("-gcflags=all={}", build.gcflags));
    }
    if !build.vendor.is_empty() {
        command.arg("-overlay");
        command.arg(super::vendor::overlay(toolchain, build.vendor, &directory));
    }
    if build.pie {
        command.arg("-buildmode=pie");
    }
    if build.unoptimized {
        command.arg("-gcflags=all=-N -l");
    }
    if build.not_inlined {
        command.arg("-gcflags=all=-l");
    }
    if let Some(profile) = profile {
        command.arg("-pgo").arg(profile);
    }
    if !build.tags.is_empty() {
        command.args(["-tags", build.tags]);
    }
    if build.cgo || build.race || build.embedded != Embedded::No {
        command.env("CGO_ENABLED", "1");
    }
    for (name, value) in [("GOEXPERIMENT", build.experiment), ("GOARCH", build.arch)] {
        if !value.is_empty() {
            command.env(name, value);
        }
    }
    let output = command.arg(".").output().unwrap();
    assert!(
        output.status.success(),
        "cannot build {name} ({}) with Go {}:\n{}",
        build.name(),
        toolchain.version,
        String::from_utf8_lossy(&output.stderr)
    );
    build.embedded.link(&unfinished, build.strip);
    fs::rename(&unfinished, &binary).unwrap();
    binary
}

/// Hashes names and contents of all files that take part in a build.
fn hash_directory(directory: &Path, hash: &mut impl Hasher) {
    let mut entries: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|it| it.unwrap().path())
        .collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            hash_directory(&path, hash);
        } else if path
            .extension()
            .is_some_and(|it| it == "go" || it == "s" || it == "mod")
        {
            path.file_name().hash(hash);
            fs::read(&path).unwrap().hash(hash);
        }
    }
}

/// What is to be known of a program.
pub(crate) fn binary(program: &Path) -> Binary {
    let read = Binary::parse(fs::read(program).unwrap());
    read.unwrap_or_else(|why| panic!("{}: {why}", program.display()))
}
