//! Pictures of states.

use std::fs;
use std::path::Path;
use std::time::Duration;

use super::*;
use crate::model::cost::Cost;
use crate::model::gc::CycleRecord;
use crate::model::gc::GcEvent;
use crate::model::gc::Stw;
use crate::model::gc::Sweep;
use crate::model::gc::Trigger;
use crate::model::ps::GoProcess;
use crate::model::top::FunctionTimes;
use crate::model::top::Lifetimes;
use crate::model::top::Listed;
use crate::model::top::News;
use crate::model::top::Probes;
use crate::model::top::RunCost;
use crate::tui::choices::End;
use crate::tui::choices::Page;
use crate::tui::choices::Panel;
use crate::tui::choices::Tab;
use crate::tui::draw::once;
use crate::tui::look::Look;
use crate::tui::process::ProcessScreen;

fn expect(name: &str, picture: &str) {
    let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src/tui/tests"));
    let path = path.join(name).with_extension("txt");
    if std::env::var_os("GRTMON_BLESS").is_some() {
        fs::write(&path, picture).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        expected == picture,
        "{name} is another picture now:\n{picture}\ninstead of:\n{expected}"
    );
}

fn view(state: &mut State) -> &mut ProcessScreen {
    state.process.as_mut().unwrap()
}

fn running(hits: u64) -> RunCost {
    let cost = Cost {
        hits,
        trap_ns: Some(1150.0),
        program_ns: Some(780.0),
        cpu_ns: 1_370_000_000,
        used_more: false,
    };
    RunCost {
        whole: Cost {
            hits: 40 * hits,
            cpu_ns: 40 * cost.cpu_ns,
            ..cost
        },
        last_second: Some(cost),
    }
}

#[test]
fn a_process_of_which_nothing_is_known_yet() {
    expect("nothing-yet", &picture(&opened(), 80, 24));
}

#[test]
fn a_process_on_an_ordinary_terminal() {
    expect("ordinary", &picture(&watched(40), 80, 24));
}

#[test]
fn a_process_on_a_wide_terminal() {
    expect("wide", &picture(&watched(90), 140, 45));
}

#[test]
fn a_longer_time_on_the_same_axis() {
    let mut state = watched(90);
    view(&mut state).zoom(true);
    view(&mut state).zoom(true);
    expect("zoomed", &picture(&state, 80, 24));
}

#[test]
fn without_colours_nothing_is_lost() {
    let mut state = watched(40);
    state.look = Look { colour: false };
    expect("no-colour", &picture(&state, 80, 24));
}

#[test]
fn what_is_not_known_is_a_question_mark() {
    let mut state = opened();
    for second in 0..3 {
        let nothing = Point::default();
        view(&mut state).push(second, second as f64, Some(nothing), None);
    }
    expect("unknown", &picture(&state, 80, 24));
}

#[test]
fn huge_values_fit() {
    let mut state = opened();
    view(&mut state).who.name = "a-name-that-is-much-too-long-for-any-terminal".repeat(3);
    let huge = Point {
        goroutines: Some(u64::MAX / 2),
        runnable: Some(u64::MAX),
        threads: Some(u64::MAX),
        processors: u64::MAX,
        heap_live: Some(u64::MAX),
        heap_goal: Some(u64::MAX),
        memory_limit: Some(u64::MAX),
        bytes_per_second: Some(f64::MAX),
        objects_per_second: Some(f64::INFINITY),
        gc_in_all: Some(u64::MAX),
        gc_cycles: Some(u64::MAX),
        pauses_known: true,
        pause_max_ns: Some(u64::MAX),
        gc_cpu: Some(f64::MAX),
        latencies_known: true,
        latency_p50_ns: Some(u64::MAX),
        latency_p99_ns: Some(u64::MAX),
        cpu: Some(f64::MAX),
    };
    for second in 0..3 {
        let up = Some(Duration::MAX);
        view(&mut state).push(second, second as f64, Some(huge.clone()), up);
    }
    let function = "f".repeat(500);
    let mut census = census(0);
    census.sites = vec![site(
        &function,
        Some(&function),
        &function,
        u32::MAX,
        u64::MAX / 2,
    )];
    census.activities = vec![(Arc::from(function.as_str()), u64::MAX / 2)];
    census.missing = u64::MAX;
    view(&mut state).count(2.0, Some(u64::MAX), census);
    expect("huge", &picture(&state, 80, 24));
}

#[test]
fn every_size_can_be_drawn() {
    let mut state = watched(40);
    for (width, height) in [
        (1, 1),
        (59, 16),
        (60, 15),
        (60, 16),
        (119, 17),
        (120, 16),
        (300, 100),
    ] {
        for tab in Tab::ALL {
            view(&mut state).show(tab);
            picture(&state, width, height);
            state.help = true;
            picture(&state, width, height);
            state.help = false;
        }
    }
    expect("too-small", &picture(&state, 40, 10));
    view(&mut state).show(Tab::Sites);
    expect("least", &picture(&state, 60, 16));
}

#[test]
fn a_process_that_has_gone_is_still_shown() {
    let mut state = watched(40);
    view(&mut state).ended(40.0, End::Gone);
    view(&mut state).pass(52.0);
    expect("gone", &picture(&state, 80, 24));
    let mut state = watched(40);
    view(&mut state).ended(40.0, End::Replaced);
    let text = picture(&state, 80, 24);
    assert!(text.contains("has replaced itself by exec 0s ago: o looks at what it is now"));
    let mut state = watched(40);
    view(&mut state).ended(
        40.0,
        End::Unreadable("may not read process 4242: Yama".to_owned()),
    );
    assert!(picture(&state, 80, 24).contains("may not read process 4242: Yama"));
}

#[test]
fn a_paused_picture_stands_still() {
    let mut state = watched(30);
    view(&mut state).toggle_pause();
    let paused = picture(&state, 80, 24);
    assert!(paused.contains("paused: space goes on"));
    for second in 30..40 {
        view(&mut state).push(second, second as f64, Some(point(second)), None);
    }
    assert_eq!(picture(&state, 80, 24), paused);
    view(&mut state).toggle_pause();
    assert!(picture(&state, 80, 24).contains("1156 +156"));
}

#[test]
fn a_reading_that_failed_is_said() {
    let mut state = watched(13);
    assert!(picture(&state, 80, 24).contains("it did not hold still"));
    view(&mut state).push(13, 17.0, Some(point(13)), None);
    assert!(picture(&state, 80, 24).contains("goroutines were last listed 5 s ago"));
}

#[test]
fn a_filter_is_shown_while_it_is_typed() {
    let mut state = watched(40);
    let filter = &mut view(&mut state).filter;
    filter.begin();
    "net/(".chars().for_each(|character| filter.add(character));
    expect("filter-typed", &picture(&state, 80, 24));
    view(&mut state).filter.take_back();
    view(&mut state).filter.accept();
    expect("filtered", &picture(&state, 80, 24));
}

#[test]
fn help_is_shown_over_everything() {
    let mut state = watched(40);
    state.help = true;
    expect("help", &picture(&state, 80, 24));
}

#[test]
fn goroutines_by_function() {
    let mut state = watched(2);
    let mut twice = census(5);
    twice
        .sites
        .push(site("main.tick", Some("main.other"), "/src/x.go", 7, 30));
    view(&mut state).count(2.0, Some(121_000_000_000), twice);
    view(&mut state).show(Tab::Functions);
    expect("functions", &picture(&state, 80, 24));
}

#[test]
fn probes_are_offered_and_their_cost_is_shown() {
    let mut state = watched(40);
    view(&mut state).show(Tab::Lifetimes);
    expect("lifetimes-off", &picture(&state, 80, 24));
    view(&mut state).set_panel(Probes::Lifetimes, Panel::Starting);
    assert!(picture(&state, 80, 24).contains("setting probes…"));
    view(&mut state).tell(Probes::Lifetimes, News::Started);
    view(&mut state).tell(Probes::Lifetimes, News::Cost(running(2200)));
    let function = |name: &str, ended| FunctionTimes {
        name: name.to_owned(),
        ended,
        p50_ns: Some(1_500),
        p99_ns: Some(2_250_000),
        max_ns: 3_000_000_000,
    };
    let lifetimes = Lifetimes {
        functions: vec![
            function("net/http.(*conn).serve", 40_000),
            function("example.com/shop/orders.(*Queue).handle.func1", 12),
        ],
        unseen: 3,
        lost: 2,
        elapsed: Duration::from_secs(40),
    };
    view(&mut state).tell(Probes::Lifetimes, News::Lifetimes(lifetimes));
    expect("lifetimes", &picture(&state, 80, 24));
    let why = "taken away: this costs about 7.3 % of the CPU time of the observed".to_owned();
    view(&mut state).tell(Probes::Lifetimes, News::Ended(Some(why)));
    let text = picture(&state, 80, 24);
    assert!(
        text.contains("taken away: this costs about 7.3 %"),
        "{text}"
    );
    assert!(text.contains("no probe set"), "{text}");
    assert!(text.contains("http.(*conn).serve"), "{text}");
}

#[test]
fn the_collectors_events_are_shown_latest_first() {
    let mut state = watched(40);
    view(&mut state).tell(Probes::Collector, News::Started);
    view(&mut state).tell(Probes::Collector, News::Cost(running(70)));
    let stw = Stw {
        process: 4242,
        begin_ns: 1_000,
        stopped_ns: Some(44_391),
        end_ns: 106_587,
        reason: Some("GC sweep termination".to_owned()),
        cycle: Some(9),
    };
    let cycle = CycleRecord {
        process: 4242,
        cycle: 9,
        trigger: Some(Trigger::Heap),
        mark_ns: 106_587,
        mark_term_ns: 668_855,
        heap_before: 84 << 20,
        heap_after: 42 << 20,
        ..CycleRecord::default()
    };
    let sweep = Sweep {
        process: 4242,
        cycle: 9,
        begin_ns: 700_000,
        end_ns: 9_000_000,
        finished: false,
        exact: true,
    };
    let events = vec![
        GcEvent::Stw(stw),
        GcEvent::Cycle(Box::new(cycle)),
        GcEvent::Sweep(sweep),
    ];
    view(&mut state).tell(Probes::Collector, News::Collector(events));
    view(&mut state).show(Tab::Collector);
    expect("collector", &picture(&state, 80, 24));
}

#[test]
fn stacks_can_be_read() {
    let mut state = watched(40);
    let lines = (0..40).map(|line| match line % 3 {
        0 => format!("{line} goroutines [select]:"),
        1 => "main.worker(...)".to_owned(),
        _ => "\t/src/main.go:58 +0x1d".to_owned(),
    });
    state.show_page(Page {
        title: "main.worker: 40 goroutines on 3 stacks".to_owned(),
        lines: lines.collect(),
        top: 38,
    });
    expect("stacks", &picture(&state, 80, 24));
}

#[test]
fn one_frame_as_text() {
    expect("once", &once(&watched(2), 80));
    expect("once-plots", &once(&watched(40), 80));
}

#[test]
fn all_processes() {
    let mut state = State::default();
    expect("list-empty", &picture(&state, 80, 24));
    let process = |pid: i32, goroutines, command: &str| Listed {
        process: GoProcess {
            pid,
            user: "prometheus".to_owned(),
            go_version: Some("go1.19.8".to_owned()),
            goroutines,
            heap_bytes: goroutines.map(|_| 48 << 20),
            gc_cycles: goroutines.map(|number| number / 7),
            uptime: Some(Duration::from_secs(7300)),
            command: command.to_owned(),
            ..GoProcess::default()
        },
        cpu: goroutines.map(|_| 0.123),
    };
    let list = vec![
        process(
            7,
            Some(37),
            "/usr/bin/prometheus --web.listen-address=:9090",
        ),
        process(4_194_304, None, "/sbin/agent"),
        process(812, Some(1_234_567), "./a"),
    ];
    state.list.set(0.0, list, 3);
    expect("list", &picture(&state, 80, 24));
    (state.list.closed, state.list.hidden) = (0, true);
    let first = picture(&state, 80, 24);
    let first = first.lines().next().unwrap_or_default();
    assert!(first.contains("hidepid: those of other users"), "{first}");
}
