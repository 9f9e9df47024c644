//! Facts that are made up, with what is awkward about real ones: long names, long numbers, and what is not known.

use std::{sync::Arc, time::Duration};

use grtmon::model::{
    allocation::{Allocated, Allocations, Count, Counters, Report as Allocation},
    cost::Cost,
    dump::{Dump, Goroutine, Missing, SourcePlace, Stack, StackFrame, StackState, State},
    gc::{CycleRecord, Stw, Sweep, Trigger, durations::Summary},
    goroutine::{GoroutineEvent, Identity, Names, What},
    histogram::{Histogram, LifeTimes, OfProcess, Unseen},
    metric::{Distribution, Metric, Value},
    process::Named,
    ps::GoProcess,
    report::Section,
    run_queue::{Latencies, Queue, Scheduling},
    sched::{Blocking, Open, Report, Row, Times},
    stat::{Interval, Sample},
};

const LONG: &str =
    "github.com/prometheus/prometheus/discovery/legacymanager.(*Manager).startProvider.func1";

const MS: u64 = 1_000_000;

/// The events of a program, with what is called what.
pub(crate) fn goroutines() -> Vec<(GoroutineEvent, Names<'static>)> {
    let short = Names {
        function: Some("main.worker"),
        start: Some("main.main.gowrap1"),
        created_at: Some(("/src/server/main.go", 42)),
    };
    let long = Names {
        function: Some(LONG),
        start: Some(LONG),
        created_at: Some(("/src/discovery/legacymanager/manager_of_targets.go", 1234)),
    };
    let identity = |goid, creator| Identity {
        goid,
        start_pc: Some(0x40_1000),
        created_pc: Some(0x40_2000),
        creator,
    };
    let exit = |goroutine, started_ns: Option<u64>, begun_ns| What::Exit {
        goroutine,
        created_ns: started_ns.map(|ns| ns - 23_380),
        started_ns,
        begun_ns,
    };
    let unknown = Identity {
        goid: 7,
        start_pc: None,
        created_pc: None,
        creator: None,
    };
    let what = [
        (What::Create(identity(292_351, Some(1))), short),
        (
            exit(identity(292_351, Some(1)), Some(900 * MS), None),
            short,
        ),
        (What::Create(identity(12_345_678, Some(1_234_567))), long),
        (
            exit(identity(12_345_678, Some(1_234_567)), None, Some(5 * MS)),
            long,
        ),
        (exit(unknown, None, None), Names::default()),
        (
            What::PutGlobal {
                goroutine: identity(292_360, None),
                moved: 129,
            },
            short,
        ),
        (What::GetGlobal, Names::default()),
        (What::Steal { moved: 3 }, Names::default()),
    ];
    let events = what.into_iter().enumerate();
    events
        .map(|(index, (what, names))| {
            let event = GoroutineEvent {
                time_ns: (1_000 + index as u64 * 123) * MS,
                process: if index == 2 { 4_194_303 } else { 9993 },
                p: (index != 4).then_some(11),
                what,
            };
            (event, names)
        })
        .collect()
}

fn histogram() -> Histogram {
    let mut slots = vec![0; 336];
    (slots[24], slots[40], slots[96], slots[97]) = (3, 12, 185, 7);
    Histogram::from_parts(5_000 * MS, 4 * MS, &slots)
}

pub(crate) fn life_times() -> LifeTimes {
    LifeTimes {
        total: histogram(),
        unseen: Unseen {
            older: 2,
            unwatched: 1,
        },
        by_fn: Some(vec![(LONG.to_owned(), histogram())]),
        by_pid: None,
    }
}

/// The longest of everything, and one whose number is not known.
fn named() -> [Named; 2] {
    let named = |number, program: &str| Named {
        number,
        program: program.into(),
    };
    [
        named(
            4_194_303,
            "prometheus-node-exporter-of-the-second-rack-with-a-name-that-is-too-long",
        ),
        named(1 << 31 | 17, "server"),
    ]
}

pub(crate) fn life_times_by_pid() -> LifeTimes {
    let [first, second] = named();
    let own = OfProcess {
        total: histogram(),
        unseen: Unseen {
            older: 2,
            unwatched: 0,
        },
    };
    LifeTimes {
        by_fn: None,
        by_pid: Some(vec![(first, own), (second, OfProcess::default())]),
        ..life_times()
    }
}

pub(crate) fn stops() -> [Stw; 3] {
    let stop = Stw {
        process: 9993,
        begin_ns: 1_000 * MS,
        stopped_ns: Some(1_000 * MS + 43_391),
        end_ns: 1_000 * MS + 105_587,
        reason: Some("GC sweep termination".to_owned()),
        cycle: Some(123_456),
    };
    let longest = Stw {
        process: 4_194_303,
        end_ns: 101_000 * MS,
        reason: Some("all goroutines stack trace".to_owned()),
        cycle: None,
        ..stop.clone()
    };
    let unknown = Stw {
        stopped_ns: None,
        reason: None,
        ..stop.clone()
    };
    [stop, longest, unknown]
}

pub(crate) fn cycle() -> CycleRecord {
    CycleRecord {
        process: 9993,
        cycle: 123_456,
        trigger: Some(Trigger::Heap),
        stw_procs: 8,
        max_procs: 8,
        sweep_term_ns: 1_000 * MS,
        mark_ns: 1_000 * MS + 105_587,
        mark_term_ns: 1_562 * MS,
        end_ns: 1_562 * MS + 28_713,
        pause_ns: 134_300,
        heap_before: 998 << 20,
        heap_at_end: 1000 << 20,
        heap_after: 836 << 10,
        heap_goal: 4 << 20,
        ..CycleRecord::default()
    }
}

pub(crate) fn sweep() -> Sweep {
    Sweep {
        process: 9993,
        cycle: 123_456,
        begin_ns: 1_563 * MS,
        end_ns: 1_574 * MS,
        finished: true,
        exact: true,
    }
}

pub(crate) fn durations() -> [(&'static str, Summary); 2] {
    let some = Summary {
        count: 8,
        total_ns: 489_664,
        p50_ns: 39_244,
        p99_ns: 111_408,
        max_ns: 111_408,
    };
    [("stw", some), ("mark", Summary::default())]
}

fn allocations() -> Allocations {
    let count = |objects, bytes| Count { objects, bytes };
    Allocations {
        tiny: count(7651, 0),
        classes: vec![
            (8, count(3752, 3752 * 8)),
            (16, count(0, 0)),
            (24, count(16_345, 16_345 * 24)),
            (32_768, count(1, 32_768)),
        ],
        large: count(9_999_999_999, 1 << 62),
    }
}

pub(crate) fn allocation(is_by_pid: bool) -> Allocation {
    let own = Allocated {
        meanwhile: allocations(),
        counters: Some(Counters {
            processes: 1,
            since_start: allocations(),
            unseen: Duration::ZERO,
        }),
    };
    let [first, second] = named();
    let nothing = Allocated {
        counters: Some(Counters {
            processes: 1,
            ..Counters::default()
        }),
        ..Allocated::default()
    };
    let mut total = own.clone();
    if is_by_pid {
        total.merge(&nothing);
    }
    Allocation {
        total,
        by_pid: is_by_pid.then(|| vec![(first, own), (second, nothing)]),
    }
}

fn row(state: &str, waits: bool, system: bool, function: Option<&str>, open: Open) -> Row {
    Row {
        state: state.into(),
        waits,
        system,
        function: function.map(Arc::from),
        process: None,
        times: Times {
            whole: if open.count > 0 {
                Histogram::default()
            } else {
                histogram()
            },
            open,
            ..Times::default()
        },
    }
}

pub(crate) fn sched() -> Report {
    let open = Open {
        count: 2,
        sum_ns: 20_000 * MS,
        max_ns: 10_000 * MS,
    };
    let none = Open::default();
    let ended = Open {
        count: 1,
        sum_ns: 40 * MS,
        max_ns: 40 * MS,
    };
    Report {
        elapsed_ns: 5_012 * MS,
        sample: 16,
        rows: vec![
            row("running", false, false, Some("main.busy"), none),
            row("runnable", false, false, Some("main.busy"), none),
            row("chan receive (nil chan)", true, false, Some(LONG), open),
            row("GC sweep wait", true, true, None, none),
        ],
        by_fn: true,
        by_pid: false,
        blocking: Some(vec![Blocking {
            reason: "chan receive".into(),
            system: false,
            process: None,
            stack: Some(stack(LONG)),
            deeper: true,
            ended,
            open: none,
            unmoved: 0,
        }]),
        has_unmoved: false,
    }
}

pub(crate) fn sched_by_pid() -> Report {
    let mut report = sched();
    let [first, second] = named();
    for row in &mut report.rows {
        row.function = None;
        row.process = Some(if row.waits { &second } else { &first }.clone());
    }
    for place in report.blocking.iter_mut().flatten() {
        place.process = Some(first.clone());
    }
    Report {
        by_fn: false,
        by_pid: true,
        ..report
    }
}

fn distribution() -> Distribution {
    Distribution {
        bounds: vec![
            f64::NEG_INFINITY,
            0.0,
            64e-9,
            1024e-9,
            1280e-9,
            1e-3,
            f64::INFINITY,
        ],
        counts: vec![0, 3, 0, 2, 2, 1],
    }
}

pub(crate) fn scheduling() -> Scheduling {
    Scheduling {
        elapsed_ns: 5_012 * MS,
        latencies: Some(Latencies {
            zeros: Some(1),
            times: distribution(),
        }),
        gc_pauses: Some(distribution()),
        other_pauses: None,
        mutex_wait_ns: Some(55_500),
        queue: Queue {
            looks: 1,
            sum: 3,
            most: 3,
        },
    }
}

pub(crate) fn intervals() -> Vec<(Interval, Option<u64>)> {
    let count = |objects, bytes| Count { objects, bytes };
    let born = Sample {
        allocated: Some((Count::default(), 0)),
        ..Sample::default()
    };
    let first = Sample {
        time_ns: 2_000 * MS,
        goroutines: Some(100_003),
        runnable: Some(12),
        threads: Some(1234),
        processors: 8,
        allocated: Some((count(2_468_000, 3 << 30), 2_000 * MS)),
        heap_live: Some(45 << 20),
        heap_goal: Some(90 << 20),
        memory_limit: Some(1 << 30),
        gc_cycles: Some(700_000),
        mutex_wait_ns: Some(1_234_567),
        latencies: Some(distribution()),
        pauses: Some(distribution()),
        ..Sample::default()
    };
    let then = Sample {
        time_ns: 3_000 * MS,
        allocated: Some((count(2_468_007, 3 << 30), 3_000 * MS)),
        ..first.clone()
    };
    let unknown = Sample {
        time_ns: 4_000 * MS,
        ..Sample::default()
    };
    let at = |second: u64| Some(1_795_805_940_000_000_000 + second * 1_000 * MS);
    vec![
        (Interval::between(&born, first.clone()), at(2)),
        (Interval::between(&first, then.clone()), at(3)),
        (Interval::between(&then, unknown), None),
    ]
}

pub(crate) fn metrics() -> Vec<Metric> {
    vec![
        Metric {
            name: "/sched/goroutines:goroutines",
            value: Ok(Value::Count(22)),
        },
        Metric {
            name: "/sched/latencies:seconds",
            value: Ok(Value::Distribution(distribution())),
        },
        Metric {
            name: "/sched/pauses/stopping/gc:seconds",
            value: Ok(Value::Distribution(Distribution {
                bounds: vec![0.0, 1e-6, f64::INFINITY],
                counts: vec![1, 0],
            })),
        },
        Metric {
            name: "/cpu/classes/idle:cpu-seconds",
            value: Err("the runtime computes it when it is asked".to_owned()),
        },
    ]
}

pub(crate) fn processes() -> Vec<GoProcess> {
    vec![
        GoProcess {
            pid: 4_194_303,
            user: "prometheus-node-exporter".to_owned(),
            go_version: Some("go1.19.8".to_owned()),
            module: Some("github.com/prometheus/node_exporter".to_owned()),
            module_version: Some("(devel)".to_owned()),
            goroutines: Some(1_234_567),
            heap_bytes: Some(48 << 20),
            gc_cycles: Some(123_456),
            uptime: Some(Duration::from_secs(7300)),
            container: Some("0123456789abcdef".repeat(4)),
            command: "/usr/bin/prometheus-node-exporter --web.listen-address=:9100".to_owned(),
            fork_copy: false,
            unread: None,
        },
        GoProcess {
            pid: 1,
            user: "root".to_owned(),
            command: "/sbin/agent".to_owned(),
            ..GoProcess::default()
        },
    ]
}

fn place(function: &str, line: u32) -> Arc<SourcePlace> {
    Arc::new(SourcePlace {
        function: function.to_owned(),
        file: "/src/main.go".to_owned(),
        line,
        pc: 0x40_0000 + u64::from(line) * 16,
        offset: Some(16),
    })
}

fn stack(function: &str) -> Stack {
    let frame = |function, line, hidden| StackFrame {
        place: place(function, line),
        hidden,
    };
    Stack {
        frames: vec![frame("runtime.gopark", 1, true), frame(function, 10, false)],
        elided: None,
    }
}

/// So many goroutines that wait, and one that runs.
pub(crate) fn dump(waiting: u64) -> Dump {
    let minutes = |minutes: u64| Some(minutes * 60_000 * MS);
    let waits = |goid| Goroutine {
        goid,
        address: goid << 9,
        state: State::Waiting,
        wait_reason: Some("chan receive".into()),
        since_ns: minutes(goid),
        blocked_by_ns: None,
        bubble: None,
        durable: false,
        scanned: false,
        locked: Some(false),
        system: false,
        stack: StackState::Read(0),
        start: Some(place("main.worker", 1)),
        created: Some(place("main.main", 5)),
        creator: Some(1),
    };
    let runs = Goroutine {
        state: State::Running,
        wait_reason: None,
        since_ns: None,
        locked: Some(true),
        stack: StackState::Running,
        ..waits(7)
    };
    Dump {
        goroutines: (0..waiting)
            .map(|it| waits(18 + it))
            .chain([runs])
            .collect(),
        stacks: vec![stack("main.worker")],
        at_ns: minutes(60),
        missing: Missing {
            goroutines: 1,
            moving: 2,
            unwalkable: 1,
            cut_off: 3,
        },
    }
}

pub(crate) fn findings() -> Vec<Section> {
    let mut binary = Section::new("Binary");
    binary.fine("Go version", "go1.27.3, from the build information");
    binary.fine("function table", "12345 functions");
    let mut events = Section::new("Events");
    events.lacking(
        "stop of the world begins",
        "not available: this program has no function runtime.stopTheWorldWithSema, and nothing else says when it begins",
    );
    vec![binary, events]
}

pub(crate) fn costs() -> [Cost; 3] {
    let cost = Cost {
        hits: 200_006,
        trap_ns: Some(700.0),
        program_ns: Some(210.0),
        cpu_ns: 3_500 * MS,
        used_more: false,
    };
    [
        cost,
        Cost {
            hits: 1,
            used_more: true,
            ..cost
        },
        Cost {
            trap_ns: None,
            ..cost
        },
    ]
}
