//! The memory of a process: the runtime's counters, on every Go version.

use std::cell::Cell;

use grtmon::{
    go::{
        Binary, MemoryError, ProcessView, ReadMemory, RuntimeInfo,
        process::heap_counters::HeapCounters, process::metrics::metrics,
        process::runtime_stats::RuntimeStats,
    },
    target::{live::Live, process::ProcessId},
};

use crate::common::{Build, Fixture, fixture, toolchains};
use crate::fuzz;
use crate::recorded::{Liar, Pieces, Recorder};

/// Bytes that all readings of one process may take together, a thousand times what they take of a real one.
const MOST_BYTES: usize = 1 << 28;

/// Memory that counts what is read of it.
struct Meter<'m> {
    memory: &'m dyn ReadMemory,
    bytes: Cell<usize>,
}

impl ReadMemory for Meter<'_> {
    fn read(&self, addr: u64, buf: &mut [u8]) -> Result<(), MemoryError> {
        self.bytes.set(self.bytes.get() + buf.len().max(8));
        assert!(self.bytes.get() < MOST_BYTES, "reads without end");
        self.memory.read(addr, buf)
    }
}

/// Whether everything could be read; what could not has a reason.
fn is_readable(runtime_info: &RuntimeInfo, bias: u64, memory: &dyn ReadMemory) -> bool {
    let bytes = Cell::new(0);
    let meter = Meter { memory, bytes };
    let view = ProcessView {
        memory: &meter,
        runtime_info,
        bias,
    };
    let counted = HeapCounters::default().read(&view);
    // Also where the other reader refuses.
    let read = RuntimeStats::read(view).and_then(|runtime_stats| {
        let all = metrics(&runtime_stats);
        let unread = all.iter().filter_map(|it| it.value.as_ref().err());
        unread.for_each(|why| assert!(!why.is_empty()));
        let _ = (
            runtime_stats.goroutines(false),
            runtime_stats.pauses(),
            runtime_stats.latencies(),
        );
        counted
    });
    if let Err(why) = &read {
        let why = why.to_string();
        assert!(!why.is_empty() && !why.contains('\n'), "{why:?}");
    }
    read.is_ok()
}

/// A process of each Go version.
fn record() -> Vec<(RuntimeInfo, u64, Pieces)> {
    let record = |program: std::path::PathBuf| {
        let binary = Binary::parse(std::fs::read(&program).unwrap()).unwrap();
        let mut target = Fixture::start(&program, &["counters"]);
        target.go_until("quiet");
        let process = ProcessId::of(target.pid().cast_signed()).unwrap();
        let live = Live::checked(&process, &RuntimeInfo::of(&binary)).unwrap();
        let recorder = Recorder::new(&live.memory);
        assert!(is_readable(&live.runtime_info, live.bias, &recorder));
        (live.runtime_info.clone(), live.bias, recorder.pieces())
    };
    let toolchains = toolchains().iter();
    toolchains
        .map(|toolchain| record(fixture(toolchain, Build::DEFAULT)))
        .collect()
}

#[test]
fn counters() {
    let recorded = record();
    let size = recorded.iter().map(|(_, _, pieces)| pieces.size()).max();
    let (tried, well) = fuzz("counters", 8 * size.unwrap() + (64 << 20), |random| {
        let (runtime_info, bias, pieces) = random.of(&recorded);
        is_readable(runtime_info, *bias, &pieces.damaged(random))
    });
    assert!(well > 0 && well < tried, "{well} of {tried} were read");
}

#[test]
fn counters_full_of_lies_are_refused() {
    for toolchain in toolchains() {
        let program = fixture(toolchain, Build::DEFAULT);
        let runtime_info =
            RuntimeInfo::of(&Binary::parse(std::fs::read(program).unwrap()).unwrap());
        for kind in 0..8 {
            let is_believed = is_readable(&runtime_info, 0, &Liar { kind });
            assert!(!is_believed, "kind {kind}");
        }
    }
}
