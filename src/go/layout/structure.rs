//! The structures of the runtime that code is known to point to, as fields name them.

use super::Field;

/// Those that a collection writes, or that count from one to the next.
const OF_HEAP: [&str; 8] = [
    "workType",
    "gcControllerState",
    "mstats",
    "consistentHeapStats",
    "heapStatsDelta",
    "mcache",
    "mspan",
    "mheap",
];

const OTHERS: [&str; 8] = [
    "g",
    "m",
    "p",
    "schedt",
    "timeHistogram",
    "hchan",
    "sudog",
    "coro",
];

/// All of them.
pub fn structures() -> impl Iterator<Item = &'static str> {
    OTHERS.into_iter().chain(OF_HEAP)
}

/// The one of that name.
pub fn structure_named(name: &str) -> Option<&'static str> {
    structures().find(|known| *known == name)
}

impl Field {
    /// Whether it is a member of what a collection writes.
    pub(super) fn is_of_heap(self) -> bool {
        OF_HEAP.contains(&self.structure())
    }
}
