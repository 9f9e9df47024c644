//! What the memory of a process says, whoever reads it: a live process's, a core file's, a test's.

mod block;
mod bubbles;
pub mod build_id;
mod copies;
pub mod core_file;
mod core_notes;
pub mod g;
pub mod gc_record;
pub mod goroutines;
pub mod halted;
pub mod heap_counters;
mod heap_goal;
pub mod heap_stats;
mod left_over;
pub mod metrics;
mod processors;
pub mod runtime_info;
pub mod runtime_stats;
pub mod sampled_stack;
pub mod stack_copy;
pub mod threads;
mod time_histogram;
pub mod trace_table;
pub mod unwind;
pub mod verify;
mod wait_marks;
