//! Whom the arguments mean.

use crate::cli;

/// The one process that is meant, if it is one.
pub(super) fn only(args: &cli::Top) -> Option<i32> {
    match args.of.pid[..] {
        [pid] if !args.of.children => Some(pid),
        _ => None,
    }
}
