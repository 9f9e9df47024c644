//! What was allocated.

use std::time::Duration;

use grtmon::model::allocation::{Allocated, Allocations, Count, Counters, Report};

use super::named;

fn allocations() -> Allocations {
    let count = |objects, bytes| Count { objects, bytes };
    Allocations {
        tiny: count(7651, 0),
        classes: vec![
            (8, count(3752, 3752 * 8)),
            (16, count(0, 0)),
            (24, count(16_345, 16_345 * 24)),
            (32_768, count(1, 32_768)),
        ],
        large: count(9_999_999_999, 1 << 62),
    }
}

pub(crate) fn allocation(is_by_pid: bool) -> Report {
    let own = Allocated {
        meanwhile: allocations(),
        counters: Some(Counters {
            processes: 1,
            since_start: allocations(),
            unseen: Duration::ZERO,
        }),
    };
    let [first, second] = named();
    let nothing = Allocated {
        counters: Some(Counters {
            processes: 1,
            ..Counters::default()
        }),
        ..Allocated::default()
    };
    let mut total = own.clone();
    if is_by_pid {
        total.merge(&nothing);
    }
    Report {
        total,
        by_pid: is_by_pid.then(|| vec![(first, own), (second, nothing)]),
    }
}
