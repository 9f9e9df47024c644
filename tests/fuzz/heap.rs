//! What the heap of a process is made of.

use grtmon::{
    go::{Binary, ProcessView, ReadError, ReadMemory, RuntimeInfo, process::heap},
    model::heap::Composition,
    target::{live::Live, process::ProcessId},
};

use crate::common::{Build, Fixture, fixture, newest};
use crate::fuzz;
use crate::recorded::{Liar, Pieces, Recorder};

/// Bytes that are taken for what is known of it.
const ROOM: u64 = 4 << 20;

/// A program, and all that was read of a process that ran it.
struct Recorded {
    binary: Binary,
    runtime_info: RuntimeInfo,
    bias: u64,
    pieces: Pieces,
    objects: u64,
}

fn read(recorded: &Recorded, memory: &dyn ReadMemory) -> Result<Composition, ReadError> {
    let view = ProcessView {
        memory,
        runtime_info: &recorded.runtime_info,
        bias: recorded.bias,
    };
    heap::read(&view, &recorded.binary, ROOM)
}

fn record() -> Recorded {
    let program = fixture(newest(), Build::STRIPPED_PIE);
    let binary = Binary::parse(std::fs::read(&program).unwrap()).unwrap();
    let target = Fixture::start(&program, &["types", "-n", "60"]);
    let process = ProcessId::of(target.pid().cast_signed()).unwrap();
    let live = Live::checked(&process, &RuntimeInfo::of(&binary)).unwrap();
    let recorder = Recorder::new(&live.memory);
    let view = ProcessView {
        memory: &recorder,
        runtime_info: &live.runtime_info,
        bias: live.bias,
    };
    let found = heap::read(&view, &binary, ROOM).unwrap();
    let (objects, _) = found.total(|_| true);
    assert!(objects > 1000, "{objects}");
    Recorded {
        bias: live.bias,
        runtime_info: live.runtime_info.clone(),
        pieces: recorder.pieces(),
        binary,
        objects,
    }
}

/// What is damaged is read or refused; and there are never more objects than there is room for.
#[test]
fn heap() {
    let recorded = record();
    let size = recorded.pieces.size();
    let mut whole = 0;
    let (tried, well) = fuzz("heap", 8 * size + (64 << 20), |random| {
        let memory = recorded.pieces.damaged(random);
        match read(&recorded, &memory) {
            Ok(found) => {
                let (objects, _) = found.total(|_| true);
                assert!(objects <= ROOM, "{objects}");
                whole += u32::from(objects == recorded.objects);
                true
            }
            Err(why) => {
                assert!(!why.to_string().contains('\n'));
                false
            }
        }
    });
    assert!(well > 0, "{well} of {tried} were read");
    assert!(whole > 0, "none of {tried} was read as it is");
}

#[test]
fn a_heap_of_lies_ends() {
    let recorded = record();
    for kind in 0..8 {
        crate::limits::begin();
        if let Ok(found) = read(&recorded, &Liar { kind }) {
            let (objects, _) = found.total(|_| true);
            assert!(objects <= ROOM, "kind {kind}: {objects}");
        }
        let taken = crate::limits::most_taken();
        assert!(taken < 64 << 20, "kind {kind}: {taken} bytes");
    }
}
