//! Start functions: probes on their first instruction tell when a goroutine began to run.

use std::collections::BTreeMap;

use crate::go::site::Site;
use crate::probe::held::Attached;

/// Start functions that can be learned and looked after while observing.
pub(super) const LEARNED: u32 = 4096;

/// Name of the program for start functions.
pub(super) const START: &str = "gr_start";

/// The start functions under observation.
#[derive(Default)]
pub(super) struct Starts {
    /// Entry of the function → its site.
    pub(super) sites: BTreeMap<u64, Site>,
    /// Entries that cannot be probed or were called too often directly, and which of these; not to be tried again.
    pub(super) given_up: BTreeMap<u64, &'static str>,
    /// Direct calls by site at the last look.
    pub(super) direct: BTreeMap<u64, u64>,
    /// They detach when dropped.
    pub(super) links: Vec<Attached>,
}
