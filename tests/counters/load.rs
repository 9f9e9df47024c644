//! While a program allocates as fast as it can, no count ever goes down.

use grtmon::go::{
    binary::size_classes::CLASS_BYTES,
    process::heap_counters::{Allocated, HeapCounters},
};

use crate::{
    anatomy,
    common::{Build, Fixture, fixture, toolchains},
    open,
};

#[test]
fn under_load_nothing_ever_goes_down() {
    for toolchain in toolchains() {
        let program = fixture(toolchain, Build::DEFAULT);
        let anatomy = anatomy(&program);
        let mut target = Fixture::start(&program, &["counters", "-load", "8"]);
        let live = open(&target, &anatomy);
        target.work();
        let mut raw = Lows::default();
        let mut counters = HeapCounters::default();
        let mut last: Option<Allocated> = None;
        let (mut readings, mut restless) = (0, 0);
        while readings < 3000 {
            // A new reader each time has nothing to fall back on: it must be right by itself.
            if let Ok(now) = HeapCounters::default().read(&live.subject()) {
                raw.see(now);
            }
            match counters.read(&live.subject()) {
                Ok(now) => {
                    if let Some(last) = last {
                        assert!(
                            now.small.iter().zip(&last.small).all(|(a, b)| a >= b)
                                && now.tiny >= last.tiny
                        );
                    }
                    last = Some(now);
                    readings += 1;
                }
                // On a slow machine everything can have moved, each time that it was read.
                Err(why) => {
                    assert!(!why.is_final(), "{why}");
                    restless += 1;
                    assert!(restless < 3000, "{why}");
                }
            }
        }
        eprintln!(
            "Go {}: {} fresh readings, {restless} of nothing, {} of {} values kept",
            toolchain.version,
            raw.readings,
            counters.kept_in_all(),
            readings * (CLASS_BYTES.len() + 2),
        );
        assert!(raw.readings > 100, "hardly anything held still");
        target.finish();
    }
}

/// Fails when a count is less than it was.
#[derive(Default)]
struct Lows {
    last: Option<Allocated>,
    readings: usize,
}

impl Lows {
    fn see(&mut self, now: Allocated) {
        if let Some(last) = self.last {
            for (class, (now, last)) in now.small.iter().zip(&last.small).enumerate() {
                assert!(now >= last, "class {class} went from {last} to {now}");
            }
            assert!(now.tiny >= last.tiny, "tiny objects");
            assert!(now.large >= last.large, "large objects");
        }
        self.last = Some(now);
        self.readings += 1;
    }
}
