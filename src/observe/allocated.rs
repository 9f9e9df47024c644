//! Reading allocation counters of a process that does not stop allocating.

use std::thread;
use std::time::Duration;

use crate::go::ProcessView;
use crate::go::ReadError;
use crate::go::process::heap_counters::Allocated;
use crate::go::process::heap_counters::HeapCounters;

/// Between attempts: a thread of the process that lost its processor in the middle of giving back a span gets it again.
const PAUSE: Duration = Duration::from_millis(1);

/// Reads until every count has held still once, at most `tries` times. What then has not is as [`HeapCounters::kept`] says.
///
/// # Errors
/// As [`HeapCounters::read`], of the last attempt.
pub fn read(
    counters: &mut HeapCounters,
    view: &ProcessView<'_>,
    tries: u32,
) -> Result<Allocated, ReadError> {
    for _ in 1..tries {
        match counters.read(view) {
            Ok(allocated) if counters.kept() == 0 => return Ok(allocated),
            Err(why) if why.is_final() => return Err(why),
            _ => thread::sleep(PAUSE),
        }
    }
    counters.read(view)
}
