//! Writing the rows of `gr` allocates nothing: at a million a second it would be the larger part of the work. A test of
//! its own, because it counts the allocations of this process.

#![allow(unsafe_code, reason = "an allocator")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::hint::black_box;

use grtmon::model::dump::State;
use grtmon::model::goroutine::{GoroutineEvent, Identity, Names, What};
use grtmon::render::goroutine::{self, Table};
use grtmon::render::style::Style;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

/// The system's, counted by thread.
struct Counting;

// SAFETY: all is done by the system's allocator. A cell of a constant and without a destructor allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: as the caller promised.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as the caller promised.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: as the caller promised.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

fn allocations(work: impl FnOnce()) -> u64 {
    let before = ALLOCATIONS.get();
    work();
    ALLOCATIONS.get() - before
}

/// Each kind of event, with everything known and with nothing known.
fn events() -> Vec<(GoroutineEvent, Names<'static>)> {
    let known = Identity {
        goid: 1_234_567,
        start_pc: Some(0x40_1000),
        created_pc: Some(0x40_2000),
        creator: Some(1),
    };
    let unknown = Identity {
        goid: 7,
        start_pc: None,
        created_pc: None,
        creator: None,
    };
    let names = Names {
        function: Some("github.com/prometheus/prometheus/scrape.(*scrapePool).sync.gowrap1"),
        start: Some("net/http.\"quoted\"\\and\ncontrolled"),
        created_at: Some(("/build/prometheus/scrape/scrape.go", 588)),
    };
    let mut events = Vec::new();
    for (goroutine, names, seen) in [
        (known, names, Some(5_000)),
        (unknown, Names::default(), None),
    ] {
        for what in [
            What::Create(goroutine),
            What::Exit {
                goroutine,
                created_ns: seen,
                started_ns: seen,
                begun_ns: Some(4_000),
            },
            What::Alive {
                goroutine,
                state: State::Running,
            },
            What::PutGlobal {
                goroutine,
                moved: 129,
            },
            What::GetGlobal,
            What::Steal { moved: 3 },
        ] {
            let event = GoroutineEvent {
                time_ns: 1_000_000_000,
                process: 4_194_303,
                p: seen.map(|_| 11),
                what,
            };
            events.push((event, names));
        }
    }
    events
}

#[test]
fn the_count_is_one() {
    assert_eq!(allocations(|| drop(black_box(Box::new(1)))), 1);
}

#[test]
fn rows_allocate_nothing() {
    let events = events();
    let coloured = Style {
        colour: true,
        human: true,
        width: Some(80),
    };
    let tables = [
        Table::new(Style::PLAIN, false),
        Table::new(coloured, false),
        Table::new(coloured, true),
    ];
    let mut out = Vec::new();
    let mut place = String::new();
    let mut write = || {
        out.clear();
        for (event, names) in &events {
            goroutine::json::event(&mut out, event, *names, 1_700_000_000_000_000_000);
            for table in tables {
                table.row(&mut out, event, *names, &mut place);
            }
        }
        out.len()
    };
    // The first time the buffers grow.
    let bytes = write();
    assert!(bytes > 40 * events.len());
    let again = allocations(|| assert_eq!(write(), bytes));
    assert_eq!(again, 0);
}
