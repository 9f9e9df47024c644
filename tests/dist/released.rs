//! What `make dist` has put into target/dist. Part of `make test-dist`, which runs that first.

use std::{fs, path::PathBuf, process::Command};

use super::run::{Scratch, checkout, output};

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

#[test]
#[ignore = "after make dist: make test-dist"]
fn the_executables_need_nothing_of_the_machine() {
    for arch in architectures() {
        let executable = file(&format!("grtmon-linux-{arch}"));
        let headers = output(Command::new("readelf").args(["-Wld"]).arg(&executable));
        assert!(!headers.contains("INTERP"), "{headers}");
        assert!(!headers.contains("(NEEDED)"), "{headers}");
        let bytes = fs::read(&executable).unwrap();
        let home = std::env::var("CARGO_HOME").or_else(|_| std::env::var("HOME"));
        for path in [env!("CARGO_MANIFEST_DIR").to_owned(), home.unwrap() + "/"] {
            let found = bytes
                .windows(path.len())
                .position(|it| it == path.as_bytes());
            assert_eq!(found, None, "{path} in {}", executable.display());
        }
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

/// Another checkout of the same revision, elsewhere.
#[test]
#[ignore = "minutes: make test-dist"]
fn another_build_makes_the_same_bytes() {
    let git = |arguments: &[&str]| {
        output(
            Command::new("git")
                .arg("-C")
                .arg(checkout(""))
                .args(arguments),
        )
    };
    assert_eq!(git(&["status", "--porcelain"]), "", "commit first");
    let scratch = Scratch::new();
    let clone = scratch.0.join("another/place");
    git(&["clone", "--quiet", ".", clone.to_str().unwrap()]);
    let mut dist = Command::new(clone.join("packaging/dist.sh"));
    dist.args(architectures())
        .env("CARGO_TARGET_DIR", scratch.0.join("built"));
    output(&mut dist);
    let name = "SHA256SUMS";
    let other = fs::read_to_string(clone.join("target/dist").join(name)).unwrap();
    assert_eq!(fs::read_to_string(file(name)).unwrap(), other);
}
