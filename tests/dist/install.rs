//! The package in a fresh Debian: installed, run, purged.

use std::process::Command;

use super::{
    common::{Build, fixture, newest, require_root_or_skip},
    released::file,
    run::{checkout, have, output},
};

fn install(suite: &str) {
    if !require_root_or_skip() || !have("debootstrap") || !have("unshare") {
        return;
    }
    let deb = file(&format!("grtmon_{}_amd64.deb", env!("CARGO_PKG_VERSION")));
    let program = fixture(newest(), Build::STRIPPED);
    // Mounts of its own: they are gone when it ends, however it ends.
    let mut script = Command::new("unshare");
    script.args(["--mount", "--propagation", "private", "--"]);
    script.arg(checkout("tests/dist/install.sh")).args([suite]);
    eprintln!("{}", output(script.arg(deb).arg(program)));
}

#[test]
#[ignore = "after make dist: make test-dist"]
fn bookworm() {
    install("bookworm");
}

#[test]
#[ignore = "after make dist: make test-dist"]
fn trixie() {
    install("trixie");
}
