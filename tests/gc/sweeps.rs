//! The end of each sweep as `grtmon gc` shows it, against the runtime's own count of sweepers, read from outside as
//! fast as it goes while the program runs.

use std::collections::BTreeMap;
use std::fs;
use std::io::IoSliceMut;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

use crate::common::{Build, Fixture, Grtmon, fixture, require_capabilities_or_skip, toolchains};
use grtmon::go::Binary;
use grtmon::go::site::gc::sweepers;
use grtmon::go::site::runtime_functions::Runtime;
use nix::sys::uio::{RemoteIoVec, process_vm_readv};
use nix::unistd::Pid;
use serde_json::Value;

use crate::common::program;
use crate::support::{FORCED, gctrace, of_kind, run};

/// `sweepDrainedMask`, runtime/mgcsweep.go: no span is left; the other bits count sweepers.
const DONE: u32 = 1 << 31;

/// The sweep was seen going on and then done: it ended in between. Nanoseconds since 1970.
#[derive(Clone, Copy, Debug)]
struct Bracket {
    after: u64,
    before: u64,
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    u64::try_from(since.as_nanos()).unwrap()
}

fn address(program: &Path) -> usize {
    let binary = Binary::parse(fs::read(program).unwrap()).unwrap();
    let address = sweepers(&Runtime::of(&binary)).expect("the count of sweepers is not found");
    usize::try_from(address).unwrap()
}

/// Watches the count of sweepers until told to stop.
fn watch(pid: u32, address: usize, stop: &AtomicBool) -> Vec<Bracket> {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap());
    let mut brackets = Vec::new();
    let mut going_on = None;
    while !stop.load(Ordering::Relaxed) {
        let mut word = [0; 4];
        let asked = now();
        let remote = [RemoteIoVec {
            base: address,
            len: word.len(),
        }];
        process_vm_readv(pid, &mut [IoSliceMut::new(&mut word)], &remote).unwrap();
        if u32::from_ne_bytes(word) != DONE {
            going_on = Some(asked);
        } else if let Some(after) = going_on.take() {
            let before = now();
            brackets.push(Bracket { after, before });
        }
    }
    brackets
}

/// How much later than it happened an end may be said to be: grtmon takes its time after the fact, on a thread that the
/// kernel may set aside in between.
const LATE: u64 = 100_000_000;
/// The two clocks are compared once, by each of us.
const CLOCKS: u64 = 200_000;

/// Sweeps of one run of the fixture, and how many of them the watcher saw.
fn compare(program: &Path, version: &str) -> usize {
    let mut target = Fixture::start(program, &["gc", "--forced", "50"]);
    let tool = Grtmon::start(&["gc", "--output", "json", "--pid", &target.pid_arg()]);
    let stop = Arc::new(AtomicBool::new(false));
    let watcher = {
        let (stop, pid, address) = (Arc::clone(&stop), target.pid(), address(program));
        thread::spawn(move || watch(pid, address, &stop))
    };
    target.work();
    stop.store(true, Ordering::Relaxed);
    let brackets = watcher.join().unwrap();
    let lines = tool.stop().success().json();
    target.finish();

    let begins: BTreeMap<u64, u64> = lines
        .iter()
        .filter(|it| it["reason"] == "GC sweep termination")
        .filter_map(|it| Some((it["cycle"].as_u64()?, it["time_unix_ns"].as_u64()?)))
        .collect();
    let sweeps: Vec<&Value> = lines.iter().filter(|it| it["event"] == "sweep").collect();
    let (mut compared, mut close) = (0, 0);
    for sweep in &sweeps {
        let begin = sweep["time_unix_ns"].as_u64().unwrap();
        let end = begin + sweep["duration_ns"].as_u64().unwrap();
        let next = begins.get(&(sweep["cycle"].as_u64().unwrap() + 1));
        let next = next.copied().unwrap_or(u64::MAX);
        // The watcher may not have been there to see it.
        let seen = |it: &&Bracket| it.after >= begin && it.before <= next;
        let Some(truth) = brackets.iter().find(seen) else {
            continue;
        };
        if sweep["finished"] == false {
            continue;
        }
        let what = format!("Go {version}: {sweep} {truth:?}");
        assert!(end + CLOCKS >= truth.after, "too early: {what}");
        assert!(end <= truth.before + LATE, "too late: {what}");
        compared += 1;
        close += usize::from(end <= truth.before + 2 * CLOCKS);
    }
    let exact = sweeps.iter().filter(|it| it["exact"] == true).count();
    eprintln!(
        "Go {version}: {} sweeps, {exact} exact, {compared} compared, {close} within 0.4 ms",
        sweeps.len()
    );
    // Whoever asks for a cycle sweeps what it left: nobody else is at it, and the number of sweepers says so.
    assert!(2 * exact > sweeps.len(), "Go {version}: {exact} exact");
    compared
}

#[test]
fn sweeps_end_when_the_last_sweeper_leaves() {
    if !require_capabilities_or_skip() {
        return;
    }
    for toolchain in toolchains() {
        let program = fixture(toolchain, Build::DEFAULT);
        // On a busy machine the watcher misses most of them.
        let runs = (0..20).map(|_| compare(&program, &toolchain.version));
        let mut compared = 0;
        let enough = runs.into_iter().any(|more| {
            compared += more;
            compared >= 20
        });
        assert!(enough, "Go {}: {compared} compared", toolchain.version);
    }
}

#[test]
fn a_sweep_inside_the_pause_is_none_of_its_own() {
    if !require_capabilities_or_skip() {
        return;
    }
    for toolchain in toolchains().iter().filter(|it| it.minor() >= 22) {
        let path = program(toolchain, Build::DEFAULT, "forced", FORCED);
        let arguments = ["gc", "--output", "json"];
        let (stdout, stderr) = run(&arguments, &path, "gctrace=1,gcstoptheworld=2");
        let cycles = gctrace(&stderr).len();
        let lines: Vec<Value> = stdout
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let what = format!("Go {}", toolchain.version);
        let sweeps = of_kind(&lines, "sweep");
        assert!(cycles >= 5 && sweeps.len() == cycles, "{what}: {stdout}");
        assert!(
            sweeps.iter().all(|it| it["duration_ns"] == 0),
            "{what}: {stdout}"
        );
    }
}
