//! The human side: text for people, JSON for programs. Writes to byte buffers; knows nothing of where they go.

pub mod account;
pub mod allocation;
pub mod cost;
pub mod dump;
pub mod dump_end;
pub mod dump_json;
mod dump_stack;
pub mod gc;
pub mod goroutine;
pub mod histogram;
pub mod json;
pub mod metric;
pub mod pprof;
pub mod process;
pub mod profile;
mod protobuf;
pub mod ps;
pub mod report;
pub mod sched;
pub mod stat;
pub mod style;
pub mod table;
pub mod time_of_day;
pub mod within;
pub mod wrap;
