//! Waits for others, as the program notes them, and as they are seen where it does not.

use std::path::Path;

use crate::{
    common::{Build, Fixture, builds, fixture, grtmon, newest, toolchains},
    files::pprof,
    parsed::{Profile, Sample},
    scratch::Scratch,
};

const KINDS: [&str; 2] = ["block", "mutex"];

/// What grtmon reads of a process before it writes its own profiles, and what those are.
fn both(program: &Path, arguments: &[&str]) -> [(Profile, Profile, String); 2] {
    let scratch = Scratch::new();
    let dir = scratch.file("");
    let mut target = Fixture::start(program, &[&["waits", "-dir", &dir], arguments].concat());
    let read = KINDS.map(|kind| {
        let file = scratch.file(&format!("ours-{kind}.pb.gz"));
        let output = grtmon(&["profile", kind, "--pid", &target.pid_arg(), "-w", &file]).success();
        let top = pprof(newest(), &["-top"], &file);
        assert!(top.contains("Type: delay"), "{top}");
        (Profile::read(file.as_ref()), output.stderr)
    });
    target.work();
    let all = std::array::from_fn(|index| {
        let file = format!("{}.pb.gz", KINDS[index]);
        Profile::read(&scratch.path(&file))
    });
    target.finish();
    let [a, b] = read;
    let [c, d]: [Profile; 2] = all;
    [(a.0, c, a.1), (b.0, d, b.1)]
}

/// Functions of a stack; what is deeper Go itself shows only in part where functions are inlined (`profstackdepth`), or has
/// not noted at all before 1.23.
const DEEP: usize = 120;

/// The samples, in some order.
fn sorted(profile: &Profile) -> Vec<Sample> {
    let mut samples = profile.sorted();
    for sample in &mut samples {
        sample.stack.truncate(DEEP);
    }
    samples.sort();
    samples
}

fn compare(ours: &Profile, theirs: &Profile, what: &str) {
    assert_eq!(ours.types, theirs.types, "{what}");
    assert_eq!(ours.period_type, theirs.period_type, "{what}");
    assert_eq!(ours.period, theirs.period, "{what}");
    assert_eq!(ours.default, theirs.default, "{what}");
    let (ours, theirs) = (sorted(ours), sorted(theirs));
    let only = |these: &[Sample], those: &[Sample]| {
        let only = these.iter().filter(|it| those.binary_search(it).is_err());
        only.map(|it| format!("{it:?}"))
            .collect::<Vec<_>>()
            .join("\n")
    };
    assert!(
        ours == theirs,
        "{what}: {} and {} stacks\nours only:\n{}\ntheirs only:\n{}",
        ours.len(),
        theirs.len(),
        only(&ours, &theirs),
        only(&theirs, &ours)
    );
}

#[test]
fn as_the_program_says() {
    for toolchain in toolchains() {
        for build in builds(toolchain) {
            let program = fixture(toolchain, build);
            for arguments in [
                &["-block", "1", "-mutex", "1"][..],
                &["-block", "20000", "-mutex", "2"],
            ] {
                let what = format!("Go {}, {}, {arguments:?}", toolchain.version, build.name());
                // Locks of the runtime are noted too, from Go 1.22 on: nothing shall come between. Before Go 1.20 what has
                // been noted counts nothing where it is switched off.
                let is_off = toolchain.minor() >= 22;
                let off: &[&str] = if is_off { &["-off"] } else { &[] };
                let [block, mutex] = both(&program, &[arguments, &["-asked"], off].concat());
                assert!(
                    block.0.samples.len() > 8,
                    "{what}: {}",
                    block.0.samples.len()
                );
                assert!(
                    !mutex.0.samples.is_empty(),
                    "{what}: {}",
                    mutex.0.samples.len()
                );
                assert!(block.2.contains("waits for channels"), "{}", block.2);
                let says_so = mutex.2.contains("switched this profile off");
                assert_eq!(says_so, is_off, "{}", mutex.2);
                let estimated = mutex.2.contains("estimated from one in 2");
                assert_eq!(estimated, !is_off && arguments[3] == "2", "{}", mutex.2);
                for ((ours, theirs, _), kind) in [block, mutex].iter().zip(KINDS) {
                    compare(ours, theirs, &format!("{what}, {kind}"));
                }
            }
        }
    }
}

/// Where the program has not yet measured how many ticks a second has, it is measured for it.
#[test]
fn time_is_right_before_the_program_knows() {
    let program = fixture(newest(), Build::STRIPPED_PIE);
    let [(ours, theirs, _), _] = both(&program, &["-block", "1"]);
    let total = |profile: &Profile| profile.samples.iter().map(|it| it.values[1]).sum::<u64>();
    let (ours, theirs) = (total(&ours) as f64, total(&theirs) as f64);
    assert!((ours / theirs - 1.0).abs() < 0.02, "{ours} {theirs}");
}

/// Nothing is noted: who waits is looked at, and that is said.
#[test]
fn seen_where_nothing_is_noted() {
    for toolchain in toolchains() {
        let program = fixture(toolchain, Build::STRIPPED_PIE);
        let mut target = Fixture::start(&program, &["waits", "-parked", "50"]);
        let pid = target.pid_arg();
        for (kind, switch, expected, other) in [
            (
                "block",
                "SetBlockProfileRate",
                &["main.parkForProfile", "main.lockForProfile"][..],
                "main.waitForAll",
            ),
            (
                "mutex",
                "SetMutexProfileFraction",
                &["main.lockForProfile"],
                "main.parkForProfile",
            ),
        ] {
            let scratch = Scratch::new();
            let file = scratch.file("seen.pb.gz");
            let arguments = ["profile", kind, "--pid", &pid, "-d", "1s", "-w", &file];
            let output = grtmon(&arguments).success();
            let what = format!("Go {}, {kind}: {}", toolchain.version, output.stderr);
            assert!(output.stderr.contains(switch), "{what}");
            assert!(output.stderr.contains("not noted by the program"), "{what}");
            let profile = Profile::read(file.as_ref());
            let has = |sample: &Sample, name: &str| sample.stack.iter().any(|it| it.0 == name);
            let of = |name: &str| -> u64 {
                let samples = profile.samples.iter().filter(|it| has(it, name));
                samples.map(|it| it.values[1]).sum()
            };
            for name in expected {
                assert!(of(name) > 0, "{what}: {name}");
            }
            assert_eq!(of(other), 0, "{what}");
            // All that there is waits in one of these all the time.
            let all: u64 = profile.samples.iter().map(|it| it.values[1]).sum();
            let known: u64 = expected.iter().map(|name| of(name)).sum();
            assert!(known * 100 >= all * 95, "{what}: {known} of {all}");
        }
        target.work();
        target.finish();
    }
}
