//! Programs made in ways that few take: with the race detector, linked by gcc, without a dynamic loader, inside programs in C.

use crate::Still;
use crate::common::{Build, Embedded, Fixture, fixture, grtmon, newest, toolchains};

#[test]
fn the_race_detector() {
    // Debian's Go 1.19 has it in a package of its own.
    for toolchain in toolchains().iter().filter(|it| it.minor() >= 21) {
        for strip in [false, true] {
            let build = Build {
                strip,
                ..Build::RACE
            };
            Still::start(toolchain, build, "rest").check(true);
        }
    }
}

#[test]
fn linked_by_gcc() {
    let external = Build {
        ldflags: "-linkmode=external",
        cgo: true,
        ..Build::STRIPPED
    };
    for toolchain in toolchains() {
        Still::start(toolchain, external, "rest").check(true);
    }
    // Programs of Go 1.19 do not run when they are linked so.
    Still::start(newest(), Build::STATIC_PIE, "rest").check(true);
}

/// Go in a library is refused by every command, with the library's name.
#[test]
fn a_library() {
    let build = Build {
        embedded: Embedded::Shared,
        ..Build::DEFAULT
    };
    let program = fixture(newest(), build);
    let target = Fixture::start(&program, &["churn"]);
    let pid = target.pid_arg();
    for command in [
        "doctor",
        "dump",
        "stat",
        "top --once",
        "gm",
        "gm --source probes",
        "gr",
        "gr seq",
        "gc",
        "gc --cycles",
        "sched",
    ] {
        let mut arguments: Vec<&str> = command.split(' ').collect();
        arguments.extend(["--pid", &pid]);
        let output = grtmon(&arguments);
        assert!(
            !output.status.success() && output.stdout.is_empty(),
            "{command}: {output:?}"
        );
        let said = &output.stderr;
        assert!(
            said.contains("has loaded the Go library"),
            "{command}: {said}"
        );
    }
    let rows = grtmon(&["ps", "--output", "json"]).success().json();
    assert!(rows.iter().all(|row| row["pid"] != target.process.pid()));
}
