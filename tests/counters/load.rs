//! While a program allocates as fast as it can, no count ever goes down.

use grtmon::go::{
    binary::size_classes::CLASS_BYTES,
    process::heap_counters::{Allocated, HeapCounters},
};

use crate::{
    common::{Build, Fixture, fixture, toolchains},
    open, runtime_info,
};

#[test]
fn under_load_nothing_ever_goes_down() {
    for toolchain in toolchains() {
        let program = fixture(toolchain, Build::DEFAULT);
        let runtime_info = runtime_info(&program);
        let mut target = Fixture::start(&program, &["counters", "-load", "8"]);
        let live = open(&target, &runtime_info);
        target.work();
        let mut raw = Lows::default();
        let mut counters = HeapCounters::default();
        let (mut first, mut last): (Option<Allocated>, Option<Allocated>) = (None, None);
        let (mut readings, mut restless, mut new) = (0, 0, 0);
        while readings < 3000 {
            // A new reader each time has nothing to fall back on: it must be right by itself.
            if let Ok(now) = HeapCounters::default().read(&live.view()) {
                raw.see(now);
            }
            match counters.read(&live.view()) {
                Ok(now) => {
                    first.get_or_insert(now);
                    new += usize::from(last.is_some_and(|last| last != now));
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
        // The program allocates of every class all the time: each count moves on, and often some did between two readings.
        let (first, last) = (first.unwrap(), last.unwrap());
        let still: Vec<usize> = (1..CLASS_BYTES.len())
            .filter(|class| first.small[*class] == last.small[*class])
            .collect();
        assert!(still.is_empty(), "classes {still:?} stand still");
        assert!(last.tiny > first.tiny && last.large > first.large);
        assert!(last.large_bytes > first.large_bytes);
        assert!(new > 100, "{new} of {readings} readings are new");
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
