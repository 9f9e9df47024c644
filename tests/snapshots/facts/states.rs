//! What states goroutines were in, and how long they had to wait for a processor.

use std::sync::Arc;

use grtmon::model::{
    histogram::Histogram,
    run_queue::{Latencies, Queue, Scheduling},
    sched::{Blocking, Open, Report, Row, Times},
};

use super::{LONG, MS, distribution, histogram, named, stacks::stack};

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
