//! The structures that code is known to point to, and which of their members lead to others.

use crate::go::layout::Field;

/// The structures, as fields name them.
pub const STRUCTURES: [&str; 16] = [
    "g",
    "m",
    "p",
    "schedt",
    "workType",
    "gcControllerState",
    "mstats",
    "consistentHeapStats",
    "heapStatsDelta",
    "mcache",
    "mspan",
    "mheap",
    "timeHistogram",
    "hchan",
    "sudog",
    "coro",
];

/// The structure that a field is a member of: `g` of `g.sched.sp`.
pub fn structure(field: Field) -> &'static str {
    field.name().split('.').next().unwrap_or_default()
}

/// What a member points to. Of `mcache.alloc` these are the elements.
pub(super) fn pointee(field: Field) -> Option<&'static str> {
    use Field as F;
    Some(match field {
        F::GM | F::GLockedm | F::MAlllink | F::PM | F::SchedMidle => "m",
        F::MG0 | F::MGsignal | F::MCurg | F::MLockedg | F::PRunnext => "g",
        F::GSchedlink | F::SchedRunqHead | F::SchedRunqTail | F::SudogG | F::CoroGp => "g",
        F::MP | F::MNextp | F::MOldp | F::PLink | F::SchedPidle => "p",
        F::PMcache => "mcache",
        F::McacheAlloc => "mspan",
        F::GWaiting | F::SudogNext | F::SudogWaitlink => "sudog",
        F::HchanRecvqFirst | F::HchanSendqFirst => "sudog",
        F::SudogC => "hchan",
        F::GCoroarg => "coro",
        _ => return None,
    })
}
