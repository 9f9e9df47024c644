//! Functions of the runtime that are inlined into others, as the compiler does with a profile: each event still has sites
//! for all bodies, or is refused in words that say which function is inlined where.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "test code"
)]

mod common;

use std::collections::BTreeSet;

use common::{Build, Fixture, Toolchain, binary, fixture, toolchains};
use grtmon::go::{
    Binary,
    elf::image::Machine,
    isa::code::Code,
    isa::instruction::Instruction,
    site::allocators::{AllocKind, allocators},
    site::events::{Event, sites},
    site::runtime_functions::Runtime,
    site::state_changes::StateChanges,
    site::{Site, SiteKind},
};
use grtmon::target::{
    Selection, resolve,
    witness::{Counted, Witness},
};

/// The builds in which much is inlined, of the toolchains that can.
fn with_profile(check: impl Fn(&Toolchain, Build, &Binary)) {
    for toolchain in toolchains().iter().filter(|it| it.minor() >= 21) {
        for build in [
            Build::STRIPPED_LOAD,
            Build::STRIPPED_PGO,
            Build::STRIPPED_PGO_EVERYTHING,
        ] {
            check(toolchain, build, &binary(&fixture(toolchain, build)));
        }
    }
}

/// The instruction at a site, decoded with its function.
fn decoded<'b>(binary: &'b Binary, site: &Site) -> (Code<'b>, usize) {
    let function = binary.functions().at(site.vaddr).unwrap();
    let code = function.code(binary.image()).unwrap();
    let code = Code::decode(binary.image().machine(), code, function.entry);
    let index = code.index_of(site.vaddr).expect("no instruction");
    (code, index)
}

#[test]
fn copies_are_where_frames_say() {
    with_profile(|toolchain, build, binary| {
        // It takes long, and there are fewer in the other.
        if build != Build::STRIPPED_LOAD {
            copies_stand_where_frames_say(toolchain, build, binary);
        }
    });
}

fn copies_stand_where_frames_say(toolchain: &Toolchain, build: Build, binary: &Binary) {
    let what = format!("Go {}, {}", toolchain.version, build.name());
    let runtime = Runtime::of(binary);
    let copies = runtime.inlined().copies("runtime.casgstatus").unwrap();
    assert!(copies.len() >= 4, "{what}: {}", copies.len());
    for copy in &copies {
        let mut begin = copy.within.entry;
        for range in &copy.ranges {
            assert!(range.start < range.end && begin <= range.start, "{what}");
            begin = range.end;
            for pc in [range.start, range.end - 1] {
                let frames = binary.functions().frames(pc);
                let (outermost, inlined) = frames.split_last().unwrap();
                assert_eq!(outermost.function, copy.within.name);
                assert!(
                    inlined.iter().any(|it| it.function == "runtime.casgstatus"),
                    "{what}: {pc:x} {frames:?}"
                );
            }
        }
    }
    // And nothing is left over: each instruction of an inlined casgstatus is of one of these.
    for function in runtime.functions() {
        for pc in (function.entry..function.end).step_by(16) {
            let frames = binary.functions().frames(pc);
            let inlined = frames
                .iter()
                .any(|it| it.inlined && it.function == "runtime.casgstatus");
            let known = copies
                .iter()
                .any(|it| it.ranges.iter().any(|range| range.contains(&pc)));
            assert_eq!(inlined, known, "{what}: {pc:x} in {}", function.name);
        }
    }
}

/// What is refused with the profile of the fixture under load: of `newproc1` and `runqput`, one must be called.
fn refused(toolchain: &Toolchain, event: Event) -> Option<&'static str> {
    match (toolchain.minor(), event) {
        (25, Event::GoroutineCreate) => {
            Some("runtime.newproc1 is inlined into runtime.newproc.func1, where it cannot be seen")
        }
        _ => None,
    }
}

/// Every event has sites, or the words of its refusal name what is inlined and where.
#[test]
fn what_is_inlined_is_seen_or_refused_in_words() {
    with_profile(|toolchain, build, binary| {
        let runtime = Runtime::of(binary);
        for event in Event::ALL {
            let what = format!("{event}, Go {}, {}", toolchain.version, build.name());
            match sites(&runtime, event) {
                Ok(found) => {
                    for site in &found {
                        let (code, index) = decoded(binary, site);
                        assert_eq!(code.refused(index), None, "{what}: {site}");
                    }
                }
                Err(why) if build == Build::STRIPPED_LOAD => {
                    let why = why.to_string();
                    assert_eq!(Some(why.as_str()), refused(toolchain, event), "{what}");
                }
                Err(why) if build == Build::STRIPPED_PGO_EVERYTHING => {
                    println!("{what}: {why}");
                    let why = why.to_string();
                    let (function, place) = why.split_once(" is inlined into ").expect(&why);
                    let bodies = runtime.inlined().copies(function).unwrap();
                    let place = place.split([',', '+', ' ']).next().unwrap();
                    assert!(
                        bodies.iter().any(|it| it.within.name == place),
                        "{what}: {why}"
                    );
                }
                Err(why) => panic!("{what}: {why}"),
            }
        }
    });
}

/// A function that allocates and stands only in others, which have it inlined: what calls these is seen there. A profile as
/// people have one makes it so, up to Go 1.25.
#[test]
fn allocations_are_seen_in_functions_that_stand_only_in_others() {
    let allocates = |name: &str| {
        let rest = name.strip_prefix("runtime.mallocgc").unwrap_or_default();
        let is_one = ["Tiny", "Small", "Large"]
            .iter()
            .any(|it| rest.starts_with(it));
        is_one && !rest.ends_with("SlowPath")
    };
    with_profile(|toolchain, build, binary| {
        let runtime = Runtime::of(binary);
        let what = format!("Go {}, {}", toolchain.version, build.name());
        let known: BTreeSet<&str> = runtime.names().collect();
        let inlined = runtime.inlined().names(allocates).unwrap();
        let only_inlined: BTreeSet<&str> = inlined
            .into_iter()
            .filter(|name| !known.contains(name))
            .collect();
        let is_usual = build == Build::STRIPPED_LOAD && matches!(toolchain.minor(), 24..=25);
        assert!(!only_inlined.is_empty() || !is_usual, "{what}");
        let found = match allocators(&runtime) {
            Ok(found) => found,
            Err(why) => {
                assert_eq!(build, Build::STRIPPED_PGO_EVERYTHING, "{what}: {why}");
                return;
            }
        };
        for name in only_inlined {
            for copy in runtime.inlined().copies(name).unwrap() {
                let within = copy.within.entry..copy.within.end;
                let is_seen = found.iter().any(|it| {
                    within.contains(&it.site.vaddr) && matches!(it.kind, AllocKind::Generic { .. })
                });
                assert!(is_seen, "{what}: {name} in {}: {found:?}", copy.within.name);
            }
        }
    });
}

/// Where nothing is known of a copy, no site is given in the function's own code alone.
#[test]
fn a_function_with_copies_has_no_site_of_its_own() {
    with_profile(|toolchain, build, binary| {
        let runtime = Runtime::of(binary);
        let mut inlined = 0;
        for function in [
            "runtime.runqputslow",
            "runtime.ready",
            "runtime.wakep",
            "runtime.casgstatus",
        ] {
            let Ok(body) = runtime.body(function) else {
                continue;
            };
            let copies = runtime.inlined().copies(function).unwrap();
            inlined += usize::from(!copies.is_empty());
            let site = body.function_site();
            let what = format!("{function}, Go {}, {}", toolchain.version, build.name());
            assert_eq!(site.is_ok(), copies.is_empty(), "{what}: {site:?}");
        }
        assert!(inlined > 0, "Go {}, {}", toolchain.version, build.name());
    });
}

/// What `sched` and `gr` cannot do without is seen however much is inlined.
#[test]
fn the_essence_is_seen_everywhere() {
    with_profile(|toolchain, build, binary| {
        let runtime = Runtime::of(binary);
        let what = format!("Go {}, {}", toolchain.version, build.name());
        for event in [
            Event::GoroutineState,
            Event::GoroutineCreate,
            Event::GoroutineExit,
            Event::SyscallEnter,
            Event::SyscallExit,
            Event::QueueGetGlobal,
            Event::QueueSteal,
        ] {
            if build == Build::STRIPPED_LOAD && refused(toolchain, event).is_some() {
                continue;
            }
            let found =
                sites(&runtime, event).unwrap_or_else(|why| panic!("{what}: {event}: {why}"));
            assert!(!found.is_empty(), "{what}: {event}");
        }
        StateChanges::of(&runtime).unwrap_or_else(|why| panic!("{what}: {why}"));
    });
}

/// Each inlined change of state is at the branch behind its own compare-and-swap.
#[test]
fn changes_of_state_have_a_site_in_each_copy() {
    with_profile(|toolchain, build, binary| {
        let runtime = Runtime::of(binary);
        let what = format!("Go {}, {}", toolchain.version, build.name());
        let found = sites(&runtime, Event::GoroutineState).unwrap();
        let copies = runtime.inlined().copies("runtime.casgstatus").unwrap();
        for copy in copies {
            let inside = |site: &&Site| copy.ranges.iter().any(|it| it.contains(&site.vaddr));
            let of_copy: Vec<_> = found.iter().filter(inside).collect();
            // Where a goroutine only passes for a waiting one there is none.
            assert!(of_copy.len() <= 1, "{what}: {of_copy:?}");
            if of_copy.is_empty() {
                let kept = [
                    "coroswitch_m",
                    "casGToWaiting",
                    "Suspend",
                    "stopTheWorld",
                    "markroot",
                    "gc",
                    "scan",
                    "debugCall",
                    "forEachP",
                    "GC",
                ];
                assert!(
                    kept.iter().any(|it| copy.within.name.contains(it)),
                    "{what}: no site in {}",
                    copy.within.name
                );
            }
        }
        for site in found.iter().filter(|it| it.kind == SiteKind::CopyBranch) {
            let (code, branch) = decoded(binary, site);
            let exchange = (0..branch).rev().find(|it| {
                code.get(*it)
                    .is_some_and(|i| i.compare_and_exchange().is_some())
            });
            let between = exchange.expect("no exchange") + 1..branch;
            assert!(
                !between
                    .clone()
                    .any(|it| code.get(it).is_some_and(Instruction::is_branch))
            );
            assert!(code.jumped_to(between).is_empty(), "{what}: {site}");
        }
    });
}

/// ARM has no such sites yet: there the event is refused.
#[test]
fn inlined_changes_on_arm_are_refused() {
    for toolchain in toolchains().iter().filter(|it| it.minor() >= 21) {
        let build = Build {
            arch: "arm64",
            ..Build::STRIPPED_PGO
        };
        let binary = binary(&fixture(toolchain, build));
        assert_eq!(binary.image().machine(), Machine::Aarch64);
        let why = sites(&Runtime::of(&binary), Event::GoroutineState).unwrap_err();
        assert!(
            why.to_string()
                .starts_with("runtime.casgstatus is inlined into "),
            "{why}"
        );
    }
}

/// What the runtime counts convicts probes that saw nothing or half of it, and never those that saw all.
#[test]
fn counters_contradict_probes_that_miss_something() {
    for toolchain in toolchains() {
        let program = fixture(toolchain, Build::STRIPPED.or_prebuilt());
        let mut fixture = Fixture::start(&program, &["churn"]);
        let selection = Selection::Pids(vec![fixture.pid_arg().parse().unwrap()]);
        let targets = resolve(&selection).unwrap().targets;
        let begin = |counted| Witness::begin(&targets[0], counted);
        let mut created = begin(Counted::Created);
        let mut others = [Counted::Scheduled, Counted::Allocated].map(begin);
        fixture.work();
        created.look();
        others.iter_mut().for_each(Witness::look);
        let truth = fixture.finish();
        let what = format!("Go {}", toolchain.version);
        for other in &others {
            assert!(other.contradiction(0).is_some(), "{what}: {other:?}");
            assert!(other.contradiction(u64::MAX).is_none(), "{what}");
        }
        // Each goroutine allocates, if only its closure, and most wait in a queue.
        let functions = truth["functions"].as_array().unwrap();
        let all: u64 = functions
            .iter()
            .map(|it| it["created"].as_u64().unwrap())
            .sum();
        assert!(all > 200_000, "{what}: {truth}");
        for missing in [0, all / 2, all - 5_000] {
            let said = created.contradiction(missing).expect(&what);
            assert!(said.contains("goroutines created"), "{what}: {said}");
        }
        // The runtime's own are not in the fixture's account.
        assert_eq!(created.contradiction(all + 20), None, "{what}");
    }
}
