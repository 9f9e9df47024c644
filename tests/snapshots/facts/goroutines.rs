//! Goroutines that come and go, and how long they lived.

use grtmon::model::{
    goroutine::{GoroutineEvent, Identity, Names, What},
    histogram::{LifeTimes, OfProcess, Unseen},
};

use super::{LONG, MS, histogram, named};

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
