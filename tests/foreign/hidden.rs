//! Programs that hide their version, or name one that nobody knows: every command shows of them what it shows of the same
//! program that says which it is.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use grtmon::go::{Binary, VersionRange, versions::NEWEST_TESTED};
use serde_json::Value;

use crate::{
    STRIPPED, Still,
    common::{
        Build, Fixture, Grtmon, Toolchain, fixture, program, require_capabilities_or_skip,
        toolchains,
    },
};

/// What programs say of their version.
fn said(toolchain: &Toolchain) -> Vec<String> {
    let (minor, version) = (toolchain.minor(), &toolchain.version);
    let version = version.split(' ').next().unwrap();
    let mut all = vec![
        "unknown".to_owned(),
        "devel go1.28-abcdef".to_owned(),
        format!("go1.{minor}.99"),
        "go1.99.0".to_owned(),
    ];
    for experiment in [
        "systemcrypto",
        "opensslcrypto",
        "strictfipsruntime",
        "nocoverageredesign",
        "boringcrypto",
    ] {
        all.push(format!("go{version} X:{experiment}"));
    }
    all
}

fn hidden(version: String) -> Build {
    Build {
        version: version.leak(),
        ..STRIPPED
    }
}

/// What no code tells and every process need not show: where the runtime notes who created a thread. It is refused then.
const UNTOLD: &str = "profile_threadcreate";

/// What is comparable of a program that stands still: what `stat`, `ps` and `dump` say, and what `doctor` says of commands.
fn shown(still: &Still) -> Value {
    let stat = still.stat();
    let known = |value: &Value| -> BTreeSet<String> {
        let fields = value.as_object().unwrap().iter();
        let known = fields.filter(|it| !it.1.is_null());
        known.map(|it| it.0.clone()).collect()
    };
    let figures: BTreeMap<&str, &Value> = ["goroutines", "processors", "runnable"]
        .map(|key| (key, &stat[key]))
        .into();
    let doctor = still.line(&["doctor"]);
    let lacking: Vec<String> = doctor["commands"]
        .as_object()
        .unwrap()
        .iter()
        .filter(|it| it.1["fine"] != true && it.0 != UNTOLD && !is_unconfirmed(it.0, it.1))
        // How many fields something confirms is another matter: where the program keeps no profile, nothing can.
        .map(|it| {
            let found = it.1["found"].as_str().unwrap();
            format!("{}: {}", it.0, found.lines().next().unwrap())
        })
        .collect();
    serde_json::json!({
        "stat": known(&stat),
        "figures": figures,
        "dump": still.goroutines(),
        "lacking": lacking,
    })
}

/// Lists of waits are made of what lists of memory are made of. Where the program keeps no profile of memory nothing confirms
/// how: where there is a list that might be one of them, the field is named that is not known.
fn is_unconfirmed(command: &str, told: &Value) -> bool {
    let found = told["found"].as_str().unwrap();
    ["profile_block", "profile_mutex"].contains(&command)
        && found.starts_with("refused: ")
        && found.contains("bucket")
}

#[test]
fn what_is_read_is_the_same() {
    let mut wrong = Vec::new();
    for toolchain in toolchains() {
        let plain = shown(&Still::start(toolchain, STRIPPED, "rest"));
        for version in said(toolchain) {
            let still = Still::start(toolchain, hidden(version), "rest");
            still.check(true);
            let seen = shown(&still);
            if seen != plain {
                wrong.push(format!("{}: {seen}\nnot {plain}", still.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What depends on the version and is no offset: it is known as which version the program is to be taken.
#[test]
fn the_version_follows_from_the_functions() {
    let text = include_str!("program.go");
    for toolchain in toolchains() {
        for version in said(toolchain) {
            let path = program(toolchain, hidden(version.clone()), "foreign", text);
            let binary = Binary::parse(fs::read(path).unwrap()).unwrap();
            let range = binary.version_range();
            // What has all that the newest has may be newer still.
            let may_be_newer = toolchain.minor() == u32::from(NEWEST_TESTED);
            let is_newer = range.newest.is_none() || range.oldest > NEWEST_TESTED;
            assert!(
                range == VersionRange::only(toolchain.minor() as u16) || may_be_newer && is_newer,
                "Go {} as {version}: {range}",
                toolchain.version
            );
        }
    }
}

/// Also of a program that never stands still and has little code that speaks of counters, all is known at every look.
#[test]
fn a_program_that_asks_nothing_of_itself_is_known() {
    for toolchain in toolchains() {
        for version in ["unknown", "go1.99.0"] {
            let still = Still::start(toolchain, hidden(version.to_owned()), "quiet");
            for _ in 0..5 {
                let doctor = still.line(&["doctor"]);
                // The linker left profiles of memory out of it: it asks for none.
                let commands = doctor["commands"].as_object().unwrap().iter();
                let told =
                    commands.filter(|(name, _)| !["profile_heap", UNTOLD].contains(&name.as_str()));
                for (command, what) in told.filter(|it| !is_unconfirmed(it.0, it.1)) {
                    assert_eq!(what["fine"], true, "{}: {command}: {what}", still.name);
                }
            }
        }
    }
}

/// A process that has not collected its garbage yet.
#[test]
fn allocations_of_a_young_process_are_known() {
    for toolchain in toolchains() {
        for version in ["unknown", "go1.99.0"] {
            let still = Still::start(toolchain, hidden(version.to_owned()), "pile");
            let stat = still.stat();
            assert!(stat["objects"].is_u64(), "{}: {stat}", still.name);
        }
    }
}

/// What was ever said, by what was told: `create goid`; and how many goroutines of the program itself were made.
#[derive(Default, PartialEq, Debug)]
struct Told {
    known: BTreeSet<String>,
    created: usize,
}

fn told(toolchain: &Toolchain, build: Build, command: &[&str]) -> Told {
    let mut target = Fixture::start(&fixture(toolchain, build), &["goroutines"]);
    let pid = target.pid_arg();
    let tool = Grtmon::start(&[command, &["--output", "json", "--pid", &pid]].concat());
    target.work();
    let lines = tool.stop().success().json();
    target.finish();
    let mut told = Told::default();
    for line in &lines {
        let what = line["event"].as_str().unwrap_or("line");
        let fields = line.as_object().unwrap().iter();
        let known = fields.filter(|it| !it.1.is_null());
        told.known
            .extend(known.map(|it| format!("{what} {}", it.0)));
        let is_own = line["fn"]
            .as_str()
            .is_some_and(|it| it.starts_with("main."));
        told.created += usize::from(what == "create" && is_own);
    }
    told
}

/// Of `gc` and `gm` nothing need happen at all; what happens is told with the same words.
#[test]
fn what_is_probed_is_the_same() {
    if !require_capabilities_or_skip() {
        return;
    }
    for toolchain in toolchains() {
        for command in [
            &["gr"][..],
            &["gr", "seq"],
            &["sched"],
            &["gc", "--cycles"],
            &["gm"],
        ] {
            let plain = told(toolchain, STRIPPED, command);
            for version in ["unknown", "devel go1.28-abcdef", "go1.99.0"] {
                let seen = told(toolchain, hidden(version.to_owned()), command);
                let name = format!("Go {} as {version}: {command:?}", toolchain.version);
                assert_eq!(seen.created, plain.created, "{name}");
                let lost: Vec<&String> = plain.known.difference(&seen.known).collect();
                assert!(lost.is_empty(), "{name}: {lost:?}");
            }
        }
    }
}

/// Experiments that toolchains really have.
#[test]
fn experiments_that_are_built() {
    for toolchain in toolchains() {
        for experiment in ["nocoverageredesign", "noaliastypeparams", "fieldtrack"] {
            let since = match experiment {
                "noaliastypeparams" => 24..=25,
                "nocoverageredesign" => 20..=24,
                _ => 19..=99,
            };
            if since.contains(&toolchain.minor()) {
                let build = Build {
                    experiment,
                    ..STRIPPED
                };
                Still::start(toolchain, build, "rest").check(true);
            }
        }
    }
}
