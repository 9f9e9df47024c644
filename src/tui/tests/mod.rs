//! What is shown, as text; and what keys do. The expected pictures lie beside this file: `GRTMON_BLESS=1` writes them anew,
//! to be looked at before they are committed.

mod keys;
mod pictures;

use std::sync::Arc;
use std::time::Duration;

use ratatui::Terminal;
use ratatui::backend::TestBackend;

use crate::model::census::Census;
use crate::model::census::Origin;
use crate::model::census::SiteCount;
use crate::model::top::Point;
use crate::model::top::Who;

use super::draw::draw;
use super::draw::plain;
use super::state::State;

/// The picture of a state on a terminal of this size.
fn picture(state: &State, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal
        .draw(|frame| draw(state, frame.area(), frame.buffer_mut()))
        .unwrap();
    plain(terminal.backend().buffer())
}

/// A state with a process of which nothing was read yet.
fn opened() -> State {
    let mut state = State {
        interval: Duration::from_secs(1),
        ..State::default()
    };
    state.open(Who {
        pid: 4242,
        name: "server".to_owned(),
        go_version: Some("go1.27.3".to_owned()),
    });
    state
}

/// A reading in the middle of a busy day.
fn point(second: u64) -> Point {
    Point {
        goroutines: Some(1000 + 4 * second),
        runnable: Some(3),
        threads: Some(11),
        processors: 4,
        heap_live: Some((40 + second % 20 * 2) << 20),
        heap_goal: Some(84 << 20),
        memory_limit: Some(1 << 30),
        bytes_per_second: Some(12.5 * 1_048_576.0),
        objects_per_second: Some(123_456.0),
        gc_in_all: Some(second / 20),
        gc_cycles: Some(u64::from(second.is_multiple_of(20))),
        pauses_known: true,
        pause_max_ns: second.is_multiple_of(20).then_some(104_000 + second * 1000),
        gc_cpu: second.is_multiple_of(20).then_some(0.013),
        latencies_known: true,
        latency_p50_ns: Some(2_000),
        latency_p99_ns: Some(80_000 * (1 + second % 7)),
        cpu: Some(1.37),
    }
}

fn site(start: &str, creator: Option<&str>, file: &str, line: u32, count: u64) -> SiteCount {
    SiteCount {
        origin: Origin {
            start: Some(Arc::from(start)),
            creator: creator.map(Arc::from),
            file: Arc::from(file),
            line,
        },
        count,
        activity: Arc::from("chan receive"),
        active: count - count / 10,
        since_ns: (line == 142).then_some(1_000_000_000),
    }
}

fn census(second: u64) -> Census {
    let sites = vec![
        site(
            "example.com/shop/orders.(*Queue).worker",
            Some("example.com/shop/orders.NewQueue"),
            "/src/orders/queue.go",
            142,
            900 + 4 * second,
        ),
        site(
            "net/http.(*conn).serve",
            Some("net/http.(*Server).Serve"),
            "/go/src/net/http/server.go",
            3454,
            97,
        ),
        site("main.tick", Some("main.main"), "/src/main.go", 58, 2),
        site("runtime.main", None, "", 0, 1),
    ];
    Census {
        total: sites.iter().map(|site| site.count).sum(),
        system: 7,
        missing: 0,
        activities: vec![
            (Arc::from("chan receive"), 800 + 4 * second),
            (Arc::from("IO wait"), 100),
            (Arc::from("select"), 80),
            (Arc::from("sync.Mutex.Lock"), 17),
            (Arc::from("running"), 3),
        ],
        sites,
    }
}

/// The same process, watched for so many seconds.
fn watched(seconds: u64) -> State {
    let mut state = opened();
    let view = state.process.as_mut().unwrap();
    for second in 0..seconds {
        let at = second as f64;
        // Once it did not hold still.
        let read = (second != 12).then(|| point(second));
        view.push(second, at, read, Some(Duration::from_secs(7300 + second)));
        view.count(at, Some(121_000_000_000), census(second));
    }
    state
}
