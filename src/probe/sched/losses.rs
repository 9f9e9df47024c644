//! What the programs of `sched` may lose, and in which words that is told.

use crate::bpf::sched::types::sched_counter;
use crate::probe::session::Cause;

pub(super) const LOSSES: [Cause; 9] = [
    (
        sched_counter::SCHED_N_MAP_FULL.0,
        "map_full",
        "changes of state not counted, as the goroutine could not be remembered (raise --max-goroutines)",
    ),
    (
        sched_counter::SCHED_N_APART_FULL.0,
        "apart_full",
        "times in the total only: too many start functions, or processes, to tell apart",
    ),
    (
        sched_counter::SCHED_N_UNREADABLE.0,
        "unreadable",
        "goroutines whose start function or wait reason could not be read",
    ),
    (
        sched_counter::SCHED_N_STACK_FULL.0,
        "stack_full",
        "waits without their stack: too many different ones",
    ),
    (
        sched_counter::SCHED_N_STACK_CLASH.0,
        "stack_clash",
        "waits without their stack: it has the hash of another one",
    ),
    (
        sched_counter::SCHED_N_STACK_UNREADABLE.0,
        "stack_unreadable",
        "waits without their stack: it could not be read",
    ),
    (
        sched_counter::SCHED_N_BLOCK_FULL.0,
        "block_full",
        "waits that are in no stack's count: too many different ones",
    ),
    (
        sched_counter::SCHED_N_IMAGE_FULL.0,
        "image_full",
        "programs that began and were not noticed, so that goroutines of before may count: too many processes",
    ),
    (
        sched_counter::SCHED_N_CALLER_UNREADABLE.0,
        "caller_unreadable",
        "changes of state that may be missing or wrong: who made them could not be read",
    ),
];
