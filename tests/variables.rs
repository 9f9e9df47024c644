//! Variables of the runtime in programs of all kinds: where one is found without symbols, it is where the symbol table says.
//! How many are found is pinned.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "test code"
)]

mod common;

use std::{fs, path::Path};

use common::{Build, Pgo, fixture, toolchains};
use grtmon::go::{Binary, globals::Globals, runtime::Runtime};

/// Makes the symbol table impossible to find, as if the binary had been stripped, and moves nothing.
fn without_symbols(path: &Path) -> Vec<u8> {
    let mut bytes = fs::read(path).unwrap();
    let name = b"\0.symtab\0";
    let places: Vec<usize> = memchr::memmem::find_iter(&bytes, name).collect();
    for at in places {
        bytes[at + 2] = b'x';
    }
    bytes
}

/// The variables that are not found without symbols, of those that the program has; fails where one is found elsewhere.
fn missing(path: &Path, what: &str) -> Vec<&'static str> {
    let whole = Binary::parse(fs::read(path).unwrap()).unwrap();
    let stripped = Binary::parse(without_symbols(path)).unwrap();
    assert!(whole.image().has_symbols() && !stripped.image().has_symbols());
    let found = Globals::of(&Runtime::of(&stripped));
    let strings = |table: Option<grtmon::go::string_table::StringTable>| table.map(|it| it.address);
    let mut missing = Vec::new();
    for (name, address) in [
        ("allgs", found.allgs),
        ("allm", found.allm),
        ("allp", found.allp),
        ("gcController", found.gc_controller),
        ("memstats", found.memstats),
        ("mheap_", found.mheap),
        ("runtimeInitTime", found.runtime_init_time),
        ("sched", found.sched),
        ("work", found.work),
        (
            "waitReasonStrings",
            strings(found.wait_reason_strings.clone()),
        ),
        (
            "stwReasonStrings",
            strings(found.stw_reason_strings.clone()),
        ),
    ] {
        let symbol = whole.image().symbol(&format!("runtime.{name}"));
        match address {
            Some(_) => assert_eq!(address, symbol, "{what}: {name}"),
            None if symbol.is_some() => missing.push(name),
            None => {}
        }
    }
    missing
}

fn report(build: Build, oldest: u32) {
    for toolchain in toolchains().iter().filter(|it| it.minor() >= oldest) {
        let what = format!("Go {}, {}", toolchain.version, build.name());
        println!(
            "{what}: not found {:?}",
            missing(&fixture(toolchain, build), &what)
        );
    }
}

const ARM64: Build = Build::ARM64;

#[test]
fn plain() {
    for build in [Build::DEFAULT, Build::PIE, ARM64] {
        report(build, 0);
    }
}

#[test]
fn inlining() {
    for arch in ["", "arm64"] {
        report(
            Build {
                not_inlined: true,
                arch,
                ..Build::DEFAULT
            },
            0,
        );
        for gcflags in ["-N -l", "-l=4"] {
            report(
                Build {
                    gcflags,
                    arch,
                    ..Build::DEFAULT
                },
                0,
            );
        }
    }
}

#[test]
fn pgo() {
    for pgo in [Pgo::Busy, Pgo::Everything] {
        for arch in ["", "arm64"] {
            report(
                Build {
                    pgo,
                    arch,
                    ..Build::DEFAULT
                },
                21,
            );
        }
    }
}
