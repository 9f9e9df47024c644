//! Options of the commands that read.

use std::path::PathBuf;
use std::time::Duration;

use clap::ArgGroup;
use clap::Args;
use clap::ValueEnum;
use regex::Regex;

use super::target::Attach;
use super::target::Output;
use super::target::Overhead;
use super::target::Processes;
use super::target::Rows;
use super::value::duration;
use super::value::overhead;
use super::value::regex;

/// `stat`
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("read").required(true).args(["pid"]))]
#[command(
    after_help = "Columns (the first line is about all the time since the process began):
  GOROS    goroutines                RUN    those waiting for a processor
  THR      threads of the process
  OBJ/S    objects allocated per second, and their bytes (B/S)
  LIVE     heap, live or unswept; GOAL: where the next collection ends
  GC       collections               STW99  99th percentile of their pauses
  GC%      share of the CPU time they took, as of the last one
  LAT99    99th percentile of the time from runnable to running, of all
           goroutines, the runtime's own included: its sweeper is most of
           them after a collection (grtmon sched: those of the program)
  MUTEX    time that goroutines waited for mutexes
  LIMIT    GOMEMLIMIT
Percentiles are upper bounds. -: there was none; ?: not known."
)]
pub struct Stat {
    /// What to read
    #[command(flatten)]
    pub of: Processes,
    /// Time between lines
    #[arg(short, long, value_name = "TIME", value_parser = duration, default_value = "1s")]
    pub interval: Duration,
    /// Stop after this many lines
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,
    /// Stop after this time
    #[arg(short, long, value_name = "TIME", value_parser = duration)]
    pub duration: Option<Duration>,
    /// How rows look
    #[command(flatten)]
    pub look: Rows,
    /// Every metric of Go's package runtime/metrics, once
    #[arg(long, conflicts_with_all = ["interval", "count", "duration"])]
    pub metrics: bool,
    /// Form of the output
    #[arg(short, long, value_name = "text|json", value_enum, default_value_t = Output::Text, hide_possible_values = true)]
    pub output: Output,
}

/// `top`
#[derive(Debug, Args)]
#[command(
    after_help = "All of it is read from the memory of the process, which costs it nothing. The keys l and g set probes, \
                  whose cost is shown; ? explains keys and figures. --once --duration 1m prints the plots of a minute."
)]
pub struct Top {
    /// What to look at; without it, or with several, processes are listed to choose from
    #[command(flatten)]
    pub of: Processes,
    /// Time between refreshes
    #[arg(short, long, value_name = "TIME", value_parser = duration, default_value = "1s")]
    pub interval: Duration,
    /// Print one frame as plain text, after one interval
    #[arg(long)]
    pub once: bool,
    /// End after this time
    #[arg(short, long, value_name = "TIME", value_parser = duration)]
    pub duration: Option<Duration>,
    /// Take probes away when they cost more than this part of the CPU time of the observed, for two seconds in a row; 25%
    /// if not given, none: never
    #[arg(long, value_name = "PERCENT|none", value_parser = overhead)]
    pub max_overhead: Option<Overhead>,
    /// How probes are attached
    #[arg(long, value_enum, default_value_t = Attach::Auto, env = "GRTMON_ATTACH", hide_env = true, hide_possible_values = true, value_name = "auto|multi|perf|tracefs")]
    pub attach: Attach,
}

/// `ps`
#[derive(Debug, Args)]
pub struct Ps {
    /// Every column, and nothing cut, however narrow the terminal is
    #[arg(long)]
    pub wide: bool,
    /// Form of the output
    #[arg(short, long, value_name = "text|json", value_enum, default_value_t = Output::Text, hide_possible_values = true)]
    pub output: Output,
}

/// `doctor`
#[derive(Debug, Args)]
pub struct Doctor {
    /// A running process (repeatable)
    #[arg(short, long, value_name = "PID", value_parser = clap::value_parser!(i32).range(1..), conflicts_with = "binpath")]
    pub pid: Vec<i32>,
    /// A Go program
    #[arg(short, long, value_name = "FILE")]
    pub binpath: Option<PathBuf>,
    /// Each field of the runtime that a command needs: where it is, who says so, and what confirms it
    #[arg(long)]
    pub fields: bool,
    /// Form of the output
    #[arg(short, long, value_name = "text|json", value_enum, default_value_t = Output::Text, hide_possible_values = true)]
    pub output: Output,
}

/// `dump`
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("source").required(true).multiple(false).args(["pid", "core"]))]
#[command(
    override_usage = "grtmon dump [OPTIONS] <--pid PID | --core FILE>",
    after_help = "Reads the process's memory: no probe, no pause. Times are approximate: only a garbage collection notes since when a \
                  goroutine waits, and may say too early; before the second one nothing is known."
)]
pub struct Dump {
    /// What to read
    #[command(flatten)]
    pub of: Processes,
    /// A core dump instead
    #[arg(long, value_name = "FILE")]
    pub core: Option<PathBuf>,
    /// The program that dumped core, if it is no longer where it was
    #[arg(
        short,
        long,
        value_name = "FILE",
        requires = "core",
        conflicts_with = "pid"
    )]
    pub binpath: Option<PathBuf>,
    /// Each goroutine, instead of one entry for all that do the same
    #[arg(long)]
    pub all: bool,
    /// What became more within this time: the leaks
    #[arg(long, value_name = "TIME", value_parser = duration, conflicts_with_all = ["core", "all"])]
    pub diff: Option<Duration>,
    /// Only this goroutine, with its whole stack (repeatable)
    #[arg(long, value_name = "N", conflicts_with_all = ["diff", "stuck", "state", "fn", "created_by"])]
    pub goid: Vec<u64>,
    /// Only goroutines that have been waiting for about this time or longer
    #[arg(long, value_name = "TIME", value_parser = duration, conflicts_with = "core")]
    pub stuck: Option<Duration>,
    /// Only goroutines in this state: running, runnable, syscall, waiting, or a part of what they wait for, as in "chan
    /// receive" (repeatable)
    #[arg(long, value_name = "STATE")]
    pub state: Vec<String>,
    /// Only goroutines with a matching function on their stack
    #[arg(long, value_name = "REGEX", value_parser = regex)]
    pub r#fn: Option<Regex>,
    /// Only goroutines created by a matching function
    #[arg(long, value_name = "REGEX", value_parser = regex)]
    pub created_by: Option<Regex>,
    /// Also the runtime's own goroutines and frames
    #[arg(long)]
    pub system: bool,
    /// Form of the output; pprof is for `go tool pprof`
    #[arg(short, long, value_name = "text|json|pprof", value_enum, default_value_t = DumpOutput::Text, hide_possible_values = true)]
    pub output: DumpOutput,
}

/// Forms of output of `dump`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DumpOutput {
    /// As Go prints goroutines
    Text,
    /// One JSON object per line
    Json,
    /// A profile
    Pprof,
}
