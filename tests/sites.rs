//! What `go` finds in real binaries: a probe site of the right kind for every event, the start functions of
//! goroutines, and the runtime's global variables, each held against what the same program says about itself.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "test code"
)]

mod common;

use std::{collections::BTreeSet, fs, path::Path};

use common::{
    Build, Fixture, Pgo, binary, builds, builds_of_all_machines, fixture, program, toolchains,
};
use grtmon::go::{
    Binary,
    elf::image::Machine,
    isa::code::Code,
    layout::globals::Globals,
    site::allocators::{AllocKind, Allocator, allocators, has_headers},
    site::events::{Event, RestartArguments, restart_arguments, sites, stop_has_reason},
    site::go_statements::{Starts, start_functions},
    site::runtime_functions::Runtime,
    site::{Cost, Site, SiteKind},
};

/// The kind of site that an event has in a version.
fn expected(event: Event, minor: u32, machine: Machine) -> SiteKind {
    match (event, machine) {
        (Event::GoroutineCreate | Event::StwEnd, _) => SiteKind::Call,
        (Event::CoroutineCreate | Event::QueueSteal, _) => SiteKind::BranchAfterCall,
        (Event::StwStopped, Machine::X86_64) => SiteKind::BeforeReturn,
        (Event::StwStopped, Machine::Aarch64) => SiteKind::Return,
        (Event::SweepDone, _) if minor >= 25 => SiteKind::Call,
        (Event::SweepDone, _) => SiteKind::Branch,
        (Event::GoroutineState, Machine::X86_64) if minor < 21 => SiteKind::Framed,
        // Not used there: system calls pass casgstatus.
        (Event::SyscallEnter | Event::SyscallExit, Machine::X86_64) if minor < 21 => {
            SiteKind::Entry
        }
        // None of these checks the stack.
        (Event::GoroutineState | Event::SyscallEnter | Event::SyscallExit, Machine::Aarch64) => {
            SiteKind::Entry
        }
        (_, Machine::X86_64) if minor >= 21 => SiteKind::PushRbp,
        _ => SiteKind::StackCheckBranch,
    }
}

/// The site is where it says it is: an instruction of the function, at that place of the file.
fn check_site(binary: &Binary, site: &Site) {
    let function = binary.functions().at(site.vaddr).unwrap();
    assert_eq!(function.name, site.function);
    assert_eq!(function.entry + site.offset, site.vaddr);
    let code = function.code(binary.image()).unwrap();
    let decoded = Code::decode(binary.image().machine(), code, function.entry);
    let index = decoded.index_of(site.vaddr).expect("no instruction");
    assert_eq!(decoded.refused(index), None, "{site}");
    assert_eq!(decoded.is_emulated(index), site.cost == Cost::OneTrap);
    let in_file = usize::try_from(site.file_offset).unwrap();
    let in_code = usize::try_from(site.offset).unwrap();
    assert_eq!(binary.image().bytes()[in_file], code[in_code], "{site}");
}

#[test]
fn every_event_has_a_site_of_the_expected_kind() {
    for toolchain in toolchains() {
        let minor = toolchain.minor();
        for build in builds_of_all_machines(toolchain) {
            let binary = binary(&fixture(toolchain, build));
            let runtime = Runtime::of(&binary);
            let machine = binary.image().machine();
            for event in Event::ALL {
                let what = format!("{event}, Go {}, {}", toolchain.version, build.name());
                let sites = sites(&runtime, event).unwrap_or_else(|e| panic!("{what}: {e}"));
                match event {
                    Event::CoroutineCreate | Event::CoroutineSwitch if minor < 23 => {
                        assert!(sites.is_empty(), "{what}")
                    }
                    Event::GoroutineStart | Event::Allocate => assert!(!sites.is_empty(), "{what}"),
                    // Inlined bodies have sites of their own.
                    _ if build.pgo != Pgo::None => assert!(!sites.is_empty(), "{what}"),
                    // On ARM every return is a site.
                    Event::StwStopped => assert!(!sites.is_empty(), "{what}"),
                    _ => assert_eq!(sites.len(), 1, "{what}"),
                }
                for site in sites {
                    // A start function may be tiny, or assembly: without stack check.
                    let tiny = event == Event::GoroutineStart
                        && matches!(site.kind, SiteKind::Early | SiteKind::Entry);
                    let dear = tiny || site.kind == SiteKind::Entry;
                    if build.pgo == Pgo::None {
                        assert!(
                            tiny || site.kind == expected(event, minor, machine),
                            "{what}: {site}"
                        );
                        assert!(dear || site.cost == Cost::OneTrap, "{what}: {site}");
                    }
                    check_site(&binary, &site);
                }
            }
        }
    }
}

#[test]
fn versions_differ_as_documented() {
    for toolchain in toolchains() {
        let minor = toolchain.minor();
        for build in builds_of_all_machines(toolchain) {
            let what = format!("Go {}, {}", toolchain.version, build.name());
            let binary = binary(&fixture(toolchain, build));
            let runtime = Runtime::of(&binary);
            let arguments = match minor {
                ..=21 => RestartArguments::None,
                22 => RestartArguments::Began,
                _ => RestartArguments::BeganAndStopped,
            };
            assert_eq!(restart_arguments(&runtime), Ok(arguments), "{what}");
            assert_eq!(stop_has_reason(&runtime), Ok(minor >= 21), "{what}");
            assert_eq!(has_headers(&runtime), minor >= 22, "{what}");
        }
    }
}

#[test]
fn allocators_are_leaves() {
    for toolchain in toolchains() {
        let found = |build| allocators(&Runtime::of(&binary(&fixture(toolchain, build)))).unwrap();
        let names = |found: &[Allocator]| -> BTreeSet<String> {
            found.iter().map(|a| a.site.function.clone()).collect()
        };
        let arm64 = found(Build::ARM64);
        let found = found(Build::DEFAULT);
        assert_eq!(names(&arm64), names(&found));
        let kinds: BTreeSet<String> = found.iter().map(|a| format!("{:?}", a.kind)).collect();
        if toolchain.minor() <= 23 {
            assert_eq!(found.len(), 1);
            assert_eq!(found[0].kind, AllocKind::Generic { from: 0 });
        } else {
            let all = ["Header", "Large", "NoHeader", "Tiny"];
            assert_eq!(kinds, all.map(str::to_owned).into());
            assert!(found.iter().all(|a| !a.site.function.contains("SlowPath")));
        }
        let many = toolchain.minor() >= 27;
        assert_eq!(found.len() > 5, many, "{found:?}");
    }
}

/// Makes the symbol table impossible to find, as if the binary had been stripped, and moves nothing.
fn without_symbols(path: &Path) -> Vec<u8> {
    let mut bytes = fs::read(path).unwrap();
    let name = b"\0.symtab\0";
    let places: Vec<usize> = (0..bytes.len() - name.len())
        .filter(|at| bytes[*at..].starts_with(name))
        .collect();
    for at in places {
        bytes[at + 2] = b'x';
    }
    bytes
}

#[test]
fn globals_are_found_without_symbols() {
    for toolchain in toolchains() {
        for build in builds_of_all_machines(toolchain) {
            let what = format!("Go {}, {}", toolchain.version, build.name());
            let path = fixture(toolchain, build);
            let image = binary(&path);
            let image = image.image();
            let stripped = Binary::parse(without_symbols(&path)).unwrap();
            assert!(!stripped.image().has_symbols());
            let found = Globals::of(&Runtime::of(&stripped));
            let strings = found.wait_reason_strings.unwrap();
            let stops = found.stw_reason_strings;
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
                ("waitReasonStrings", Some(strings.address)),
                ("stwReasonStrings", stops.map(|table| table.address)),
            ] {
                let symbol = image.symbol(&format!("runtime.{name}"));
                assert!(build.strip || symbol == address, "{what}: {name}");
                let expected = name != "stwReasonStrings" || toolchain.minor() >= 21;
                assert_eq!(address.is_some(), expected, "{what}: {name}");
            }
            let lock = found.sched_lock.unwrap() - found.sched.unwrap();
            assert!((1..64).contains(&lock), "{what}: {lock}");
            let sema = found.work_mark_done_sema.unwrap() - found.work.unwrap();
            assert!((64..1024).contains(&sema), "{what}: {sema}");

            let names = strings.names(stripped.image()).unwrap();
            for name in ["GC assist marking", "chan receive", "select", "sleep"] {
                assert!(names.iter().any(|it| it == name), "{what}: {names:?}");
            }
            if let Some(stops) = stops {
                let names = stops.names(stripped.image()).unwrap();
                let at = |number: usize| names.get(number).map(String::as_str);
                assert_eq!(at(1), Some("GC mark termination"), "{what}");
                assert_eq!(at(2), Some("GC sweep termination"), "{what}");
            }
        }
    }
}

/// The functions that the fixture's goroutines really began with, and where they were started.
fn started(path: &Path, mode: &str) -> Vec<(String, String)> {
    let mut target = Fixture::start(path, &[mode]);
    target.work();
    let truth = target.finish();
    let functions = truth["functions"].as_array().unwrap();
    let text = |it: &serde_json::Value, key: &str| it[key].as_str().map(str::to_owned);
    let both = |it| Some((text(it, "start")?, file_name(&text(it, "site")?)));
    functions.iter().filter_map(both).collect()
}

#[test]
fn start_functions_include_what_really_starts() {
    for toolchain in toolchains() {
        for build in builds(toolchain) {
            let path = fixture(toolchain, build);
            let binary = binary(&path);
            let found = start_functions(&Runtime::of(&binary)).unwrap();
            let names: BTreeSet<String> = found.functions.iter().map(|f| f.name.clone()).collect();
            let unknown = unknown_statements(&binary, &found);
            let mut modes = vec!["goroutines", "hot"];
            if toolchain.minor() >= 23 {
                modes.push("coroutines");
            }
            for mode in modes {
                for (start, site) in started(&path, mode) {
                    assert!(
                        names.contains(&start) || unknown.contains(&site),
                        "{start} at {site}, Go {}, {}, {mode}: {unknown:?}",
                        toolchain.version,
                        build.name()
                    );
                }
            }
            for own in ["runtime.main", "runtime.forcegchelper"] {
                assert!(names.contains(own), "{own}");
            }
        }
    }
}

/// What the code for x86-64 says of the same program, the code for ARM says too. (It may say more: where a value is kept
/// over a call is up to the compiler.)
#[test]
fn start_functions_are_the_same_on_all_machines() {
    for toolchain in toolchains() {
        let found =
            |build| start_functions(&Runtime::of(&binary(&fixture(toolchain, build)))).unwrap();
        let (here, arm64) = (found(Build::DEFAULT), found(Build::ARM64));
        let names = |found: &Starts| -> BTreeSet<String> {
            found.functions.iter().map(|f| f.name.clone()).collect()
        };
        let missing: Vec<String> = names(&here).difference(&names(&arm64)).cloned().collect();
        assert!(missing.is_empty(), "Go {}: {missing:?}", toolchain.version);
        assert_eq!(
            here.statements, arm64.statements,
            "Go {}",
            toolchain.version
        );
        assert!(arm64.resolved >= here.resolved, "Go {}", toolchain.version);
    }
}

/// One `go` statement a line; the mark says whether what it starts can be known.
const STATEMENTS: &str = r#"package main

import "sync"

var wg sync.WaitGroup
var hook func()

type T struct{ n int }

func (t *T) pointer() { wg.Done(); t.n++ }
func (t T) value()    { wg.Done() }

type I interface{ pointer() }

//go:noinline
func plain() { wg.Done() }

//go:noinline
func arguments(a int, b string) { wg.Done(); _ = b }

//go:noinline
func parameter(f func()) { go f() /* unknown */ }

//go:noinline
func method(i I) { go i.pointer() /* known */ }

//go:noinline
func captures(n int, s *string, t *T) *int {
	go func() { _ = *s; t.n += n; wg.Done() }() /* known */
	go func() { n++; wg.Done() }() /* known */
	return &n
}

func generic[K any](k K) { wg.Done(); _ = k }

//go:noinline
func choice(b bool, n *int) {
	f := plain
	if b {
		f = func() { *n = 1; wg.Done() }
	}
	go f() /* known */
}

func main() {
	wg.Add(18)
	t := &T{}
	s := "x"
	hook = plain
	go plain() /* known */
	go arguments(1, s) /* known */
	go t.pointer() /* known */
	go t.value() /* known */
	go T.value(*t) /* known */
	parameter(plain)
	method(t)
	captures(3, &s, t)
	go generic(3) /* known */
	go generic(s) /* known */
	go func() { wg.Done() }() /* known */
	for i := 0; i < 2; i++ {
		go func(i int) { wg.Done(); t.n += i }(i) /* known */
	}
	go hook() /* unknown */
	choice(t.n > 100, &t.n)
	wg.Wait()
	println("done")
}
"#;

#[test]
fn only_what_cannot_be_known_is_unknown() {
    for toolchain in toolchains() {
        for build in builds_of_all_machines(toolchain) {
            let path = program(toolchain, build, "statements", STATEMENTS);
            let binary = binary(&path);
            let found = start_functions(&Runtime::of(&binary)).unwrap();
            assert_eq!(
                found.statements,
                found.resolved + found.unknown.len(),
                "{found:?}"
            );
            let marked = |mark: &str| -> BTreeSet<String> {
                let lines = (1..).zip(STATEMENTS.lines());
                let marked = lines.filter(|(_, line)| line.contains(mark));
                marked
                    .map(|(number, _)| format!("main.go:{number}"))
                    .collect()
            };
            let mut unknown = unknown_statements(&binary, &found);
            unknown.retain(|place| place.starts_with("main.go:"));
            assert_eq!(
                unknown,
                marked("/* unknown */"),
                "Go {}, {}",
                toolchain.version,
                build.name()
            );
            let mine =
                |f: &&grtmon::go::site::go_statements::StartFunction| f.name.starts_with("main.");
            let functions = found.functions.iter().filter(mine).count();
            // One statement can start one of two functions; one function is started by two.
            assert_eq!(functions, marked("/* known */").len(), "{found:?}");
        }
    }
}

/// The last part of a path.
fn file_name(path: &str) -> String {
    path.rsplit('/').next().unwrap().to_owned()
}

/// The places of the `go` statements that start something unknown: `main.go:17`.
fn unknown_statements(binary: &Binary, found: &Starts) -> BTreeSet<String> {
    let line = |after: &u64| binary.functions().line(after - 1);
    let lines = found.unknown.iter().filter_map(line);
    lines
        .map(|at| format!("{}:{}", file_name(at.file), at.line))
        .collect()
}
