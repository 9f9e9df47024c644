//! What it takes to begin and to end: little memory, few reads of the process, a thousand sites at a time; and nothing
//! is left behind, however grtmon ends.
#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

mod common;

use std::{
    cell::Cell,
    collections::BTreeMap,
    fmt::Write,
    fs, thread,
    time::{Duration, Instant},
};

use common::{
    Build, Fixture, Grtmon, PATIENCE, Process, fixture, newest, program, prometheus_server,
    require_capabilities_or_skip,
};
use grtmon::probe::Plan as _;
use grtmon::{
    go::{MemoryError, ReadMemory, RuntimeInfo, site::Site},
    probe::gr,
    target::{self, Selection, Target, checked::Checked, live::Live},
};
use nix::sys::signal::Signal;

/// What commands may have resident on a large program, in KiB: but for grtmon's own executable, of which a build without
/// optimisation has three times as much.
const MEMORY_KIB: [(&[&str], u64); 4] = [
    // 8 MiB of it are the buffer for events.
    (&["gr"], 18 << 10),
    (&["gr", "seq"], 10 << 10),
    (&["gc"], 10 << 10),
    (&["gm", "--source", "probes"], 10 << 10),
];

fn target(pid: u32) -> Target {
    let pids = Selection::Pids(vec![pid.cast_signed()]);
    target::resolve(&pids).unwrap().targets.pop().unwrap()
}

/// The greatest resident size of a process so far, in KiB.
fn peak_kib(process: &Process) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", process.pid())).unwrap();
    let line = status.lines().find_map(|it| it.strip_prefix("VmHWM:"));
    let number = line.unwrap().trim().trim_end_matches(" kB");
    number.parse().unwrap()
}

/// How much of its own executable a process has resident, in KiB.
fn own_kib(process: &Process) -> u64 {
    let of = |what| format!("/proc/{}/{what}", process.pid());
    let executable = fs::read_link(of("exe")).unwrap();
    let ending = format!(" {}", executable.display());
    let mut is_own = false;
    let mut sum = 0;
    for line in fs::read_to_string(of("smaps")).unwrap().lines() {
        if line.split(' ').next().is_some_and(|it| it.contains('-')) {
            is_own = line.ends_with(&ending);
        } else if let Some(number) = line.strip_prefix("Rss:").filter(|_| is_own) {
            let number = number.trim().trim_end_matches(" kB");
            sum += number.parse::<u64>().unwrap();
        }
    }
    assert!(sum > 0, "nothing of {} is resident", executable.display());
    sum
}

/// Debian's prometheus: 50 MB, 60,000 functions, neither symbols nor DWARF.
#[test]
fn a_large_program_takes_little_memory() {
    if !require_capabilities_or_skip() {
        return;
    }
    let Some(server) = prometheus_server() else {
        return;
    };
    let pid = server.process.pid_arg();
    for (command, most) in MEMORY_KIB {
        let mut tool = Grtmon::start(&[command, &["--pid", &pid]].concat());
        let peak = peak_kib(tool.process());
        let own = own_kib(tool.process());
        tool.stop().success();
        let taken = peak - own;
        eprintln!("{command:?}: {taken} KiB, and {own} KiB of itself");
        assert!(taken < most, "{command:?} takes {taken} KiB");
    }
}

/// Memory that counts how often it is asked.
struct Counted<'m> {
    memory: &'m dyn ReadMemory,
    reads: Cell<usize>,
}

impl ReadMemory for Counted<'_> {
    fn read(&self, addr: u64, buf: &mut [u8]) -> Result<(), MemoryError> {
        self.reads.set(self.reads.get() + 1);
        self.memory.read(addr, buf)
    }
}

#[test]
fn checking_a_layout_takes_few_reads() {
    let program = fixture(newest(), Build::STRIPPED);
    // Nothing moves: no check is repeated.
    let mut process = Fixture::start(&program, &["counters"]);
    process.go_until("quiet");
    let target = target(process.pid());
    let mut runtime_info = RuntimeInfo::clone(target.program.runtime_info());
    let live = Live::open(&target.running_process().unwrap(), &runtime_info).unwrap();
    let counted = Counted {
        memory: &live.memory,
        reads: Cell::new(0),
    };
    let report = runtime_info.settle(&counted, live.bias);
    assert!(report.failures().next().is_none(), "{report}");
    let votes: u32 = report.claims.iter().map(|claim| claim.yes + claim.no).sum();
    let reads = counted.reads.get();
    eprintln!("{reads} reads for {votes} answers");
    assert!(
        reads < 2 * votes as usize,
        "{reads} reads for {votes} answers"
    );
}

/// A program of `count` functions, each of which starts the next as a goroutine.
fn chain(count: usize) -> String {
    let mut text = String::from(
        "package main\n\nimport (\n\t\"bufio\"\n\t\"fmt\"\n\t\"os\"\n)\n\nvar last = make(chan bool)\n\n",
    );
    for number in 0..count {
        let next = match number + 1 {
            next if next == count => "last <- true".to_owned(),
            next => format!("go f{next}()"),
        };
        writeln!(text, "func f{number}() {{ {next} }}").unwrap();
    }
    text.push_str(
        "\nfunc main() {\n\tline := bufio.NewReader(os.Stdin)\n\tnext := func(word string) { fmt.Println(word); line.ReadString('\\n') }\n\
         \tnext(\"ready\")\n\tgo f0()\n\t<-last\n\tnext(\"done\")\n\tnext(\"{}\")\n}\n",
    );
    text
}

#[test]
fn a_thousand_sites() {
    const COUNT: usize = 1009;
    if !require_capabilities_or_skip() {
        return;
    }
    let program = program(newest(), Build::STRIPPED, "chain", &chain(COUNT));
    let mut process = Fixture::start(&program, &[]);
    let tool = Grtmon::start(&["gr", "--output", "json", "--pid", &process.pid_arg()]);
    process.work();
    let lines = tool.stop().success().json();
    process.finish();
    let (end, rows) = lines.split_last().unwrap();
    assert!(end["sites"].as_u64().unwrap() > COUNT as u64, "{end}");
    assert_eq!(end["lost"].as_array().unwrap().len(), 0, "{end}");
    let mut exits: BTreeMap<&str, usize> = BTreeMap::new();
    for row in rows.iter().filter(|it| it["event"] == "exit") {
        let name = row["fn"].as_str().unwrap();
        if name.starts_with("main.f") {
            assert!(row["running_ns"].is_u64(), "{row}");
            *exits.entry(name).or_default() += 1;
        }
    }
    assert_eq!(exits.len(), COUNT);
    assert!(exits.values().all(|it| *it == 1), "{exits:?}");
}

/// How many of these sites have another instruction in the process's memory than in its file: a breakpoint.
fn changed(target: &Target, sites: &[Site]) -> usize {
    let process = target.running_process().unwrap();
    let live = Live::open(&process, target.program.runtime_info()).unwrap();
    let file = target.program.binary.image().bytes();
    let is_changed = |site: &&Site| {
        let now = live.memory.u8(site.vaddr.wrapping_add(live.bias)).unwrap();
        now != file[usize::try_from(site.file_offset).unwrap()]
    };
    sites.iter().filter(is_changed).count()
}

#[test]
fn the_code_is_as_it_was_however_grtmon_ends() {
    if !require_capabilities_or_skip() {
        return;
    }
    let program = fixture(newest(), Build::STRIPPED_PIE);
    let mut process = Fixture::start(&program, &["churn"]);
    let target = target(process.pid());
    let options = gr::Options::events(4, 1);
    let sites = gr::Plan::of(&Checked::of(&target), &options)
        .unwrap()
        .sites();
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGKILL] {
        assert_eq!(changed(&target, &sites), 0);
        let mut tool = Grtmon::start(&["gr", "--pid", &process.pid_arg()]);
        assert_eq!(changed(&target, &sites), sites.len());
        tool.process().signal(signal);
        tool.process().wait();
        // The kernel may still be at it when the process is gone.
        let killed = Instant::now();
        while changed(&target, &sites) > 0 {
            assert!(
                killed.elapsed() < PATIENCE,
                "probes are left after {signal}"
            );
            thread::sleep(Duration::from_millis(5));
        }
    }
    process.work();
    process.finish();
}
