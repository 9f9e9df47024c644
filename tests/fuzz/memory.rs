//! The memory of a process: its goroutines and their stacks.

use grtmon::{
    go::{
        Binary, ProcessView, ReadError, ReadMemory, RuntimeInfo,
        process::{goroutines::GoroutineReader, memory_profile},
    },
    model::dump::Dump,
    target::{live::Live, process::ProcessId},
};

use crate::common::{Build, Fixture, fixture, newest};
use crate::fuzz;
use crate::recorded::{Liar, Pieces, Recorder};

/// A program, and all that was read of a process that ran it.
struct Recorded {
    binary: Binary,
    runtime_info: RuntimeInfo,
    /// The same, of which nothing has been held against a process.
    unchecked: RuntimeInfo,
    bias: u64,
    pieces: Pieces,
    goroutines: usize,
}

fn read(
    binary: &Binary,
    runtime_info: &RuntimeInfo,
    bias: u64,
    memory: &dyn ReadMemory,
) -> Result<Dump, ReadError> {
    let view = ProcessView {
        memory,
        runtime_info,
        bias,
    };
    GoroutineReader::new(binary, &view)?.read(memory)
}

fn record() -> Recorded {
    let program = fixture(newest(), Build::STRIPPED_PIE);
    let binary = Binary::parse(std::fs::read(&program).unwrap()).unwrap();
    let target = Fixture::start(&program, &["dump"]);
    let process = ProcessId::of(target.pid().cast_signed()).unwrap();
    let Live {
        memory,
        runtime_info,
        bias,
        ..
    } = Live::checked(&process, &RuntimeInfo::of(&binary)).unwrap();
    let recorder = Recorder::new(&memory);
    let unchecked = RuntimeInfo::of(&binary);
    unchecked.clone().settle(&recorder, bias);
    let dump = read(&binary, &runtime_info, bias, &recorder).unwrap();
    let pieces = recorder.pieces();
    let goroutines = dump.goroutines.len();
    assert!(goroutines > 10, "{goroutines}");
    Recorded {
        binary,
        runtime_info,
        unchecked,
        bias,
        pieces,
        goroutines,
    }
}

#[test]
fn memory() {
    let recorded = record();
    let size = recorded.pieces.size();
    let (tried, well) = fuzz("memory", 8 * size + (64 << 20), |random| {
        let memory = recorded.pieces.damaged(random);
        let report = recorded.unchecked.clone().settle(&memory, recorded.bias);
        assert!(!report.to_string().contains('\n'));
        match read(
            &recorded.binary,
            &recorded.runtime_info,
            recorded.bias,
            &memory,
        ) {
            Ok(dump) => {
                assert!(dump.goroutines.len() <= 2 * recorded.goroutines + 64);
                true
            }
            Err(why) => {
                assert!(!why.to_string().contains('\n'));
                false
            }
        }
    });
    // A slow machine has no time but for the first ones, of which none is bad enough.
    let are_few = tried < 100;
    assert!(
        well > 0 && (are_few || well < tried),
        "{well} of {tried} were read"
    );
}

#[test]
fn memory_full_of_lies_is_refused() {
    let recorded = record();
    for kind in 0..8 {
        crate::limits::begin();
        let dump = read(
            &recorded.binary,
            &recorded.runtime_info,
            recorded.bias,
            &Liar { kind },
        );
        assert!(dump.is_err(), "kind {kind}: {dump:?}");
        let profile = memory_profile::read(&ProcessView {
            memory: &Liar { kind },
            runtime_info: &recorded.runtime_info,
            bias: recorded.bias,
        });
        let sites = profile.map_or(0, |it| it.sites.len());
        assert_eq!(sites, 0, "kind {kind}");
        let taken = crate::limits::most_taken();
        assert!(taken < 64 << 20, "kind {kind}: {taken} bytes");
    }
}
