//! How long one looks, and how often is reported.

use std::time::Duration;

use crate::cli;
use crate::cmd::session;
use crate::event_loop::Timing;

/// How long it runs if nothing is said.
const DURATION: Duration = Duration::from_secs(10);

pub(super) fn reports(args: &cli::Sched) -> Timing {
    let common = cli::Common {
        duration: Some(args.common.duration.unwrap_or(DURATION)),
        ..args.common.clone()
    };
    session::reports(args.interval, &common)
}
