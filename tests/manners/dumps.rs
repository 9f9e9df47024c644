//! What a dump says, and to whom it says no.

use std::{io::Read, process::Command};

use crate::{
    busy,
    common::{Build, Fixture, command, fixture, grtmon, newest, require_root_or_skip, toolchains},
};

#[test]
fn a_state_that_there_is_not_is_refused_with_those_that_there_are() {
    if !require_root_or_skip() {
        return;
    }
    let target = busy();
    let pid = target.pid_arg();
    let seen = grtmon(&["dump", "--state", "foo", "--pid", &pid]);
    assert_eq!(seen.status.code(), Some(1));
    assert_eq!((seen.stdout.as_str(), seen.stderr.lines().count()), ("", 1));
    for word in ["\"foo\"", "runnable", "leaked", "chan receive", "select"] {
        assert!(seen.stderr.contains(word), "{}", seen.stderr);
    }
    // A part of what somebody could wait for, be there nobody who does.
    for known in ["running", "Chan Rec", "select"] {
        grtmon(&["dump", "--state", known, "--pid", &pid]).success();
    }
}

#[test]
fn goroutines_by_number() {
    if !require_root_or_skip() {
        return;
    }
    let target = busy();
    let pid = target.pid_arg();
    let of = |goids: &[&str]| {
        let mut all = vec!["dump", "--pid", &pid];
        goids.iter().for_each(|goid| all.extend(["--goid", goid]));
        grtmon(&all)
    };
    // The program's first, and one of the runtime's own, whatever its number.
    let all = [
        "dump", "--all", "--system", "--output", "json", "--pid", &pid,
    ];
    let all = grtmon(&all).success().json();
    let helper = all.iter().find(|it| it["start"] == "runtime.forcegchelper");
    let helper = helper.unwrap_or_else(|| panic!("{all:?}"))["goid"].to_string();
    let seen = of(&["1", &helper]).success().stdout;
    let heads: Vec<&str> = seen
        .lines()
        .filter(|it| it.starts_with("goroutine "))
        .collect();
    let second = format!("goroutine {helper} ");
    assert!(
        heads.len() == 2 && heads[0].starts_with("goroutine 1 ") && heads[1].starts_with(&second),
        "{seen}"
    );
    // All of its stack.
    let second = seen.split(&second).nth(1).unwrap();
    assert!(second.contains("runtime.gopark(...)"), "{seen}");

    let seen = of(&["1", "999999999"]);
    assert_eq!(seen.status.code(), Some(1));
    assert!(seen.stdout.starts_with("goroutine 1 "), "{}", seen.stdout);
    let said = "grtmon: there is no goroutine 999999999 in busy\n";
    assert_eq!(seen.stderr, said);
}

/// `main.stays`, not what the compiler made of `go stays(never, n)`.
#[test]
fn start_functions_are_those_of_the_go_statement() {
    if !require_root_or_skip() {
        return;
    }
    let target = busy();
    let pid = target.pid_arg();
    let frame = grtmon(&["top", "--once", "--interval", "200ms", "--pid", &pid]).success();
    assert!(frame.stdout.contains("main.stays"), "{}", frame.stdout);
    assert!(!frame.stdout.contains("gowrap"), "{}", frame.stdout);
    let dump = ["dump", "--all", "--output", "json", "--fn", "main.stays"];
    let seen = grtmon(&[&dump[..], &["--pid", &pid]].concat())
        .success()
        .json();
    let stay: Vec<&serde_json::Value> = seen
        .iter()
        .filter(|it| it["start"] == "main.stays")
        .collect();
    assert_eq!(stay.len(), 3, "{seen:?}");
}

/// The one by which `pprof` finds the program again.
#[test]
fn profiles_have_the_build_id() {
    for toolchain in toolchains() {
        let program = fixture(toolchain, Build::STRIPPED);
        let target = crate::common::Fixture::start(&program, &["dump"]);
        let output = command()
            .args(["dump", "--output", "pprof", "--pid", &target.pid_arg()])
            .output()
            .unwrap();
        let mut profile = Vec::new();
        flate2::read::GzDecoder::new(&*output.stdout)
            .read_to_end(&mut profile)
            .unwrap();
        let of_go = toolchain
            .command()
            .args(["tool", "buildid"])
            .arg(&program)
            .output();
        let of_go = String::from_utf8(of_go.unwrap().stdout).unwrap();
        let notes = Command::new("readelf")
            .arg("-n")
            .arg(&program)
            .output()
            .unwrap();
        let notes = String::from_utf8(notes.stdout).unwrap();
        let of_gnu = notes
            .split("Build ID: ")
            .nth(1)
            .map(|it| it.lines().next().unwrap());
        let expected = of_gnu.unwrap_or(of_go.trim());
        assert!(!expected.is_empty());
        let has = profile
            .windows(expected.len())
            .any(|it| it == expected.as_bytes());
        assert!(has, "Go {}: no {expected}", toolchain.version);
    }
}

/// Of several processes one that has the goroutine is enough.
#[test]
fn a_goroutine_that_one_of_several_has() {
    if !require_root_or_skip() {
        return;
    }
    let program = fixture(newest(), Build::STRIPPED.or_prebuilt());
    let park = |n: &str| {
        let mut process = Fixture::start(&program, &["parked", "-n", n]);
        process.go_until("parked");
        process
    };
    let (few, many) = (park("3"), park("997"));
    let of = |goids: &[&str]| {
        let mut arguments = vec!["dump".to_owned()];
        for process in [&few, &many] {
            arguments.extend(["--pid".to_owned(), process.pid_arg()]);
        }
        for goid in goids {
            arguments.extend(["--goid".to_owned(), (*goid).to_owned()]);
        }
        grtmon(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
    };
    // Numbers are given in the order of creation, 16 to a P at a time: the other has none as high as this.
    let dump = grtmon(&[
        "dump",
        "--all",
        "--fn",
        "main.park",
        "--pid",
        &many.pid_arg(),
    ])
    .success();
    let goids = dump.stdout.lines().filter_map(|line| {
        let rest = line.strip_prefix("goroutine ")?;
        rest.split(' ').next()?.parse::<u64>().ok()
    });
    let last = goids.max().unwrap().to_string();
    let seen = of(&[&last]).success();
    let heading = |process: &Fixture| format!("== process {} (", process.pid());
    assert!(seen.stdout.contains(&heading(&many)), "{}", seen.stdout);
    assert!(!seen.stdout.contains(&heading(&few)), "{}", seen.stdout);
    assert_eq!(seen.stderr, "");
    let none = of(&[&last, "999999999"]);
    assert_eq!(none.status.code(), Some(1));
    assert!(none.stdout.contains(&format!("goroutine {last} ")));
    let said = "grtmon: there is no goroutine 999999999 in any of these processes\n";
    assert_eq!(none.stderr, said);
    for mut process in [few, many] {
        process.go_until("done");
        process.finish();
    }
}
