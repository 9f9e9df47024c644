//! Plain data and pure calculations that every layer may use. Nothing here knows of Go binaries, processes, BPF or
//! terminals.

pub mod account;
pub mod allocation;
pub mod census;
pub mod cost;
pub mod cpu;
pub mod dump;
pub mod foreign;
pub mod gc;
pub mod goroutine;
pub mod groups;
pub mod heap;
pub mod histogram;
pub mod human;
pub mod loss;
pub mod metric;
pub mod package_path;
pub mod process;
pub mod profile;
pub mod ps;
pub mod quantile;
pub mod report;
pub mod run_queue;
pub mod sampled;
pub mod sched;
pub mod stat;
pub mod top;
