//! What is observed, for how long, how, and in what form: options that commands share.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::ArgGroup;
use clap::Args;
use clap::ValueEnum;

pub use super::value::Overhead;
use super::value::duration;
use super::value::overhead;

/// Exactly one of these says what to observe.
#[derive(Debug, Clone, Args)]
#[command(group = ArgGroup::new("target").required(true).multiple(false).args(["pid", "binpath", "command"]))]
pub struct TargetArgs {
    /// A running process (repeatable)
    #[arg(short, long, value_name = "PID", value_parser = clap::value_parser!(i32).range(1..))]
    pub pid: Vec<i32>,
    /// With --pid: also what that process has started, as the server below `sh -c`; Go programs only
    #[arg(long, requires = "pid")]
    pub children: bool,
    /// Every process that runs this file, now and later
    #[arg(short, long, value_name = "FILE")]
    pub binpath: Option<PathBuf>,
    /// Start this command and observe it from its first instruction
    #[arg(last = true, value_name = "COMMAND", hide = true)]
    pub command: Vec<OsString>,
}

/// Processes that are read.
#[derive(Debug, Clone, Args)]
pub struct Processes {
    /// A running process (repeatable)
    #[arg(short, long, value_name = "PID", value_parser = clap::value_parser!(i32).range(1..))]
    pub pid: Vec<i32>,
    /// Also what that process has started, as the server below `sh -c`; Go programs only
    #[arg(long, requires = "pid")]
    pub children: bool,
}

/// How long, and in what form.
#[derive(Debug, Clone, Args)]
pub struct Common {
    /// End after this time (10s, 500ms, 2m, 1h)
    #[arg(short, long, value_name = "TIME", value_parser = duration)]
    pub duration: Option<Duration>,
    /// Form of the output
    #[arg(short, long, value_name = "text|json", value_enum, default_value_t = Output::Text, hide_possible_values = true)]
    pub output: Output,
    /// Detach when the probes cost more than this part of the CPU time of the observed, for two seconds in a row; 25% if
    /// not given, none: never
    #[arg(long, value_name = "PERCENT|none", value_parser = overhead)]
    pub max_overhead: Option<Overhead>,
    /// How probes are attached
    #[arg(long, value_enum, default_value_t = Attach::Auto, env = "GRTMON_ATTACH", hide_env = true, hide_possible_values = true, value_name = "auto|multi|perf|tracefs")]
    pub attach: Attach,
}

/// How rows look.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct Rows {
    /// Every column, and nothing cut, however narrow the terminal is
    #[arg(long)]
    pub wide: bool,
    /// The time of day (UTC) first
    #[arg(short = 'T', long)]
    pub timestamps: bool,
}

/// Forms of output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// A table for people
    Text,
    /// One JSON object per line
    Json,
}

/// Ways of attaching.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Attach {
    /// uprobe.multi where the kernel has it (6.6 and later), else tracefs for many sites and perf for few
    Auto,
    /// One uprobe.multi link for many sites
    Multi,
    /// One perf event per site: slow to detach, needs CAP_SYS_ADMIN
    Perf,
    /// One tracefs event for many sites: needs CAP_SYS_ADMIN
    Tracefs,
}
