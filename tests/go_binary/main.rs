//! What `grtmon::go` reads from files, against what Go itself says: the functions against `go tool nm`, source lines
//! and inlining against the program's own runtime, build information against `go version -m`; and the same without
//! symbols, sections or build information.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "test code"
)]

#[path = "../common/mod.rs"]
mod common;

mod bare;
mod build_information;
mod edit;
mod functions;

use std::{
    fs,
    path::{Path, PathBuf},
};

use common::{Build, Toolchain, builds, builds_of_all_machines, program, toolchains};
use grtmon::go::Binary;

const ORACLE: &str = include_str!("oracle.go");

/// The oracle in every build of this run, with and without C code of its own (only that makes gcc link it).
fn oracles() -> Vec<(&'static Toolchain, Build, PathBuf)> {
    let mut all = Vec::new();
    for toolchain in toolchains() {
        for build in builds(toolchain) {
            all.push((
                toolchain,
                build,
                program(toolchain, build, "oracle", ORACLE),
            ));
            if build.cgo {
                let text = ORACLE.replacen(
                    "import (",
                    "// static int one(void) { return 1; }\nimport \"C\"\n\nimport (",
                    1,
                );
                let text = text.replacen("work()\n", "work()\n\t_ = C.one()\n", 1);
                all.push((
                    toolchain,
                    build,
                    program(toolchain, build, "coracle", &text),
                ));
            }
        }
    }
    all
}

/// Besides, the oracle for the other machine, which can be read here but not be run.
fn oracles_of_all_machines() -> Vec<(&'static Toolchain, Build, PathBuf)> {
    let mut all = oracles();
    for toolchain in toolchains() {
        for build in builds_of_all_machines(toolchain) {
            if !build.arch.is_empty() {
                all.push((
                    toolchain,
                    build,
                    program(toolchain, build, "oracle", ORACLE),
                ));
            }
        }
    }
    all
}

fn parse(path: &Path) -> Binary {
    Binary::parse(fs::read(path).unwrap()).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}
