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

use common::{Build, Pgo, binary, full_matrix, newest, program, toolchains};
use grtmon::go::{
    Binary,
    layout::{
        Field, Layout,
        globals::{Globals, contention::ContentionGlobals},
        string_table::StringTable,
    },
    site::runtime_functions::Runtime,
};

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
    let whole = binary(path);
    let stripped = Binary::parse(without_symbols(path)).unwrap();
    assert!(whole.image().has_symbols() && !stripped.image().has_symbols());
    let found = Globals::of(&Runtime::of(&stripped));
    let strings = |table: Option<StringTable>| table.map(|it| it.address);
    let mut missing = Vec::new();
    for (name, address) in [
        ("MemProfileRate", found.mem_profile_rate),
        ("allgs", found.allgs),
        ("allm", found.allm),
        ("allp", found.allp),
        ("gcController", found.gc_controller),
        ("memstats", found.memstats),
        ("mProfCycle", found.mprof_cycle),
        ("mbuckets", found.mbuckets),
        ("mheap_", found.mheap),
        ("runtimeInitTime", found.runtime_init_time),
        ("sched", found.sched),
        ("work", found.work),
        ("waitReasonStrings", strings(found.wait_reason_strings)),
        ("stwReasonStrings", strings(found.stw_reason_strings)),
    ] {
        let symbol = whole.image().symbol(&format!("runtime.{name}"));
        match address {
            Some(_) => assert_eq!(address, symbol, "{what}: {name}"),
            None if symbol.is_some() => missing.push(name),
            None => {}
        }
    }
    missing.extend(missing_of_waits(&whole, &stripped, what));
    // Members of these, where DWARF says that they are.
    let layout = Layout::of(&whole);
    for (name, member, of, field) in [
        ("sched.lock", found.sched_lock, "sched", Field::SchedLock),
        (
            "work.markDoneSema",
            found.work_mark_done_sema,
            "work",
            Field::WorkMarkDoneSema,
        ),
    ] {
        let whole = whole.image().symbol(&format!("runtime.{of}")).unwrap();
        let truth = whole + u64::from(layout.offset(field).unwrap());
        match member {
            Some(_) => assert_eq!(member, Some(truth), "{what}: {name}"),
            None => missing.push(name),
        }
    }
    missing
}

/// The same of those that tell of waits.
fn missing_of_waits(whole: &Binary, stripped: &Binary, what: &str) -> Vec<&'static str> {
    let found = ContentionGlobals::of(&Runtime::of(stripped));
    let symbol = |name: &str| whole.image().symbol(&format!("runtime.{name}"));
    let mut missing = Vec::new();
    for (name, address) in [
        ("blockprofilerate", found.block_rate),
        ("mutexprofilerate", found.mutex_rate),
    ] {
        match address {
            Some(_) => assert_eq!(address, symbol(name), "{what}: {name}"),
            None => missing.push(name),
        }
    }
    for name in ["bbuckets", "xbuckets"] {
        let symbol = symbol(name).unwrap_or_else(|| panic!("{what}: no {name}"));
        if !found.lists.contains(&symbol) {
            missing.push(name);
        }
    }
    // A member: not the first one.
    if let Some(address) = found.ticks_per_second {
        let ticks = symbol("ticks").unwrap();
        assert!((ticks + 8..ticks + 64).contains(&address), "{what}: ticks");
    }
    missing
}

/// All variables are found in a small program, with every toolchain that can build it so, but for these.
fn all_but(build: Build, oldest: u32, lacking: &[(u32, &[&str])]) {
    for toolchain in toolchains().iter().filter(|it| it.minor() >= oldest) {
        let what = format!("Go {}, {}", toolchain.version, build.name());
        let program = program(
            toolchain,
            build,
            "foreign",
            include_str!("foreign/program.go"),
        );
        let lacking = lacking
            .iter()
            .find(|(minor, _)| *minor == toolchain.minor());
        let lacking = lacking.map_or(&[][..], |(_, names)| names);
        assert_eq!(missing(&program, &what), lacking, "{what}");
    }
}

/// Nothing in the program uses the names of reasons for which the world is stopped.
const NEVER_STOPS: [(u32, &[&str]); 1] = [(21, &["stwReasonStrings"])];

/// A build for either machine; but for the other one only with the newest toolchain, unless this is the full matrix.
fn on_both(build: Build, oldest: u32, lacking: &[(u32, &[&str])]) {
    all_but(build, oldest, lacking);
    let oldest_other = if full_matrix() {
        oldest
    } else {
        newest().minor()
    };
    let arm64 = Build {
        arch: "arm64",
        ..build
    };
    all_but(arm64, oldest_other, lacking);
}

#[test]
fn as_go_builds_it() {
    all_but(Build::DEFAULT, 0, &[]);
    all_but(Build::ARM64, 0, &[]);
    on_both(Build::PIE, 0, &[]);
}

#[test]
fn with_other_inlining() {
    let gcflags = |gcflags| Build {
        gcflags,
        ..Build::DEFAULT
    };
    on_both(gcflags("-l"), 0, &[]);
    on_both(gcflags("-N -l"), 0, &[]);
    on_both(gcflags("-l=4"), 0, &NEVER_STOPS);
}

#[test]
fn with_the_race_detector() {
    let race = Build {
        race: true,
        ..Build::DEFAULT
    };
    // Debian's Go 1.19 has it in a package of its own.
    all_but(race, 21, &[]);
}

#[test]
fn with_a_profile() {
    let pgo = |pgo| Build {
        pgo,
        ..Build::DEFAULT
    };
    on_both(pgo(Pgo::Load), 21, &[]);
    on_both(pgo(Pgo::Busy), 21, &[]);
    // What is hardest: for both machines with every toolchain.
    let everything = pgo(Pgo::Everything);
    all_but(everything, 21, &[]);
    let arm64 = Build {
        arch: "arm64",
        ..everything
    };
    all_but(arm64, 21, &[]);
}
