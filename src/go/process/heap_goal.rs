//! The size at which the heap is to be collected: `(*gcControllerState).heapGoal` (runtime/mgcpacer.go), recomputed.

use super::runtime_stats::RuntimeStats;
use crate::go::layout::Field;
use crate::go::versions::{self, Headroom};

impl RuntimeStats<'_> {
    /// The heap's size at which the next collection is to end, bytes.
    pub fn heap_goal(&self) -> Option<u64> {
        heap_goal(self)
    }
}

/// What the runtime would say now, in bytes; `None` if it cannot be known.
pub(in crate::go) fn heap_goal(runtime_stats: &RuntimeStats<'_>) -> Option<u64> {
    let percent_goal = runtime_stats.word(Field::GcControllerGcPercentHeapGoal)?;
    let limited = memory_limit_goal(runtime_stats, percent_goal)?;
    if limited < percent_goal {
        return Some(limited);
    }
    /// `minRunway`: the goal is at least so far from the trigger.
    const MIN_RUNWAY: u64 = 64 << 10;
    let mut goal = percent_goal.max(runtime_stats.word(Field::GcControllerSweepDistMinTrigger)?);
    let triggered = runtime_stats.word(Field::GcControllerTriggered)?;
    if triggered != u64::MAX {
        goal = goal.max(triggered.wrapping_add(MIN_RUNWAY));
    }
    Some(goal)
}

/// `memoryLimitHeapGoal`. The headroom is a constant in Go 1.19, and at least 3 % from Go 1.21 on; it is not known for
/// Go 1.20, which matters only where a limit is set.
fn memory_limit_goal(runtime_stats: &RuntimeStats<'_>, percent_goal: u64) -> Option<u64> {
    let limit = runtime_stats.word(Field::GcControllerMemoryLimit)?;
    /// No limit: the goal that follows from it is still larger than any that GOGC gives.
    const NONE: u64 = i64::MAX as u64;
    if limit >= NONE && percent_goal < NONE / 2 {
        return Some(u64::MAX);
    }
    let version = runtime_stats.view().runtime_info.minor;
    let word = |field| runtime_stats.word(field);
    let free = word(Field::GcControllerHeapFree)?;
    let allocated =
        word(Field::GcControllerTotalAlloc)?.wrapping_sub(word(Field::GcControllerTotalFree)?);
    let mapped = word(Field::GcControllerMappedReady)?;
    let marked = word(Field::GcControllerHeapMarked)?;
    // The runtime reads them again where they do not fit together.
    let other = mapped.checked_sub(free.checked_add(allocated)?)?;
    let taken = other.saturating_add(mapped.saturating_sub(limit));
    let Some(goal) = limit.checked_sub(taken).filter(|goal| *goal > 0) else {
        return Some(marked);
    };
    /// `memoryLimitMinHeapGoalHeadroom`, and `memoryLimitHeapGoalHeadroom` in Go 1.19.
    const HEADROOM: u64 = 1 << 20;
    let headroom = match versions::headroom(version?) {
        Headroom::Constant => HEADROOM,
        Headroom::Share => (goal / 100 * 3).max(HEADROOM),
        Headroom::Unknown => return None,
    };
    let goal = match goal.checked_sub(headroom) {
        Some(rest) if rest >= headroom => rest,
        _ => headroom,
    };
    Some(goal.max(marked))
}
