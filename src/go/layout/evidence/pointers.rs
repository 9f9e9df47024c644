//! Which members of structures lead to others.

use crate::go::layout::Field;

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
