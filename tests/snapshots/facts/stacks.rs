//! Goroutines with their stacks.

use std::sync::Arc;

use grtmon::model::dump::{
    Dump, Goroutine, Labels, Missing, SourcePlace, Stack, StackFrame, StackState, State,
};

use super::MS;

fn place(function: &str, line: u32) -> Arc<SourcePlace> {
    Arc::new(SourcePlace {
        function: function.to_owned(),
        file: "/src/main.go".to_owned(),
        line,
        pc: 0x40_0000 + u64::from(line) * 16,
        offset: Some(16),
    })
}

pub(crate) fn stack(function: &str) -> Stack {
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
        labels: Labels::None,
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
