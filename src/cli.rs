//! The command line, as clap reads it. Types only; what they mean is decided in `cmd`.

mod value;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::ArgGroup;
use clap::Args;
use clap::Parser;
use clap::Subcommand;
use clap::ValueEnum;
use regex::Regex;

pub use self::value::Overhead;
use self::value::duration;
use self::value::overhead;
use self::value::regex;
use self::value::ring_size;
use self::value::sample;

/// See what the Go runtime inside a running process is doing: no code change, no restart, no pause
#[derive(Debug, Parser)]
#[command(
    name = "grtmon",
    version,
    max_term_width = 80,
    disable_help_subcommand = true
)]
#[command(after_help = "Examples:
  grtmon gr --pid 4242                 goroutines as they come and go
  grtmon gr seq --pid 4242 -d 10s      how long they run, as a histogram
  grtmon gc --cycles --binpath ./server
  grtmon gm -- ./server --port 8080    start it and count its allocations
  grtmon top --pid 4242                watch it
  grtmon dump --pid 4242               what all its goroutines are doing
  grtmon doctor --pid 4242             what can be seen of it, and what not")]
pub struct Cli {
    /// Print libbpf's own messages too
    #[arg(long, global = true, hide = true)]
    pub verbose: bool,
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Goroutines: created, exited, with their running times
    Gr(Gr),
    /// Garbage collection: stops of the world, marks, sweeps
    Gc(Gc),
    /// Allocations: objects and bytes by size class
    Gm(Gm),
    /// Where the time of goroutines goes: running, in the run queue, blocked
    Sched(Sched),
    /// All goroutines as they are now: states, stacks, who created them
    Dump(Dump),
    /// Goroutines, allocation, heap, collections: a line per second
    Stat(Stat),
    /// A live view: goroutines, heap, collections, latency, as they change
    Top(Top),
    /// Every Go process on this machine
    Ps(Ps),
    /// What can be seen here, by which means, and what is missing
    Doctor(Doctor),
    /// Version of grtmon and what it was built with
    Version,
    #[command(name = "__start", hide = true)]
    /// Becomes a command when told to (see `target::child`)
    Start(Start),
}

/// Exactly one of these says what to observe.
#[derive(Debug, Clone, Args)]
#[command(group = ArgGroup::new("target").required(true).multiple(false).args(["pid", "binpath", "command"]))]
pub struct TargetArgs {
    /// A running process (repeatable)
    #[arg(short, long, value_name = "PID", value_parser = clap::value_parser!(i32).range(1..))]
    pub pid: Vec<i32>,
    /// Every process that runs this file, now and later
    #[arg(short, long, value_name = "FILE")]
    pub binpath: Option<PathBuf>,
    /// Start this command and observe it from its first instruction
    #[arg(last = true, value_name = "COMMAND", hide = true)]
    pub command: Vec<OsString>,
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

/// `gr`
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
#[command(
    override_usage = "grtmon gr [OPTIONS] <--pid PID | --binpath FILE | -- COMMAND…>
       grtmon gr seq [OPTIONS] <--pid PID | --binpath FILE | -- COMMAND…>"
)]
pub struct Gr {
    /// Histograms instead of rows
    #[command(subcommand)]
    pub seq: Option<GrSub>,
    /// What to observe
    #[command(flatten)]
    pub target: Option<TargetArgs>,
    /// Rows and their form
    #[command(flatten)]
    pub rows: GrRows,
    /// How long
    #[command(flatten)]
    pub common: Common,
    /// Memory
    #[command(flatten)]
    pub memory: GrMemory,
}

/// What `--buffer` is by default.
pub const BUFFER_KIB: u32 = 4096;
/// What `--max-goroutines` is by default.
pub const MAX_GOROUTINES: u32 = 1 << 17;

/// Which rows `gr` shows.
#[derive(Debug, Args)]
pub struct GrRows {
    /// Only goroutines whose start function matches
    #[arg(long, value_name = "REGEX", value_parser = regex)]
    pub r#fn: Option<Regex>,
    /// Only exits after at least this running time
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub min_time: Option<Duration>,
    /// First a row for each goroutine that is there already
    #[arg(long)]
    pub alive: bool,
    /// Also movements between run queues: put global, get global, steal
    #[arg(long)]
    pub queue: bool,
    /// Stop after this many rows
    #[arg(short, long, value_name = "N")]
    pub count: Option<u64>,
    /// Times as 1.2ms instead of ns
    #[arg(long)]
    pub human: bool,
    /// FN with its address
    #[arg(long)]
    pub addresses: bool,
    /// Ring buffer between kernel and grtmon, in KiB (a power of two)
    #[arg(long, value_name = "KIB", default_value_t = BUFFER_KIB, value_parser = ring_size)]
    pub buffer: u32,
}

/// Kernel memory of the goroutine commands.
#[derive(Debug, Clone, Args)]
pub struct GrMemory {
    /// Goroutines alive at one time that can be remembered (170 bytes of kernel memory each)
    #[arg(long, value_name = "N", default_value_t = MAX_GOROUTINES, value_parser = clap::value_parser!(u32).range(1..))]
    pub max_goroutines: u32,
}

/// Below `gr`.
#[derive(Debug, Subcommand)]
pub enum GrSub {
    /// Histogram of running times (first execution to exit)
    Seq(GrSeq),
}

/// `gr seq`
#[derive(Debug, Args)]
#[command(override_usage = "grtmon gr seq [OPTIONS] <--pid PID | --binpath FILE | -- COMMAND…>")]
pub struct GrSeq {
    /// What to observe
    #[command(flatten)]
    pub target: TargetArgs,
    /// One histogram per start function, largest first
    #[arg(long, value_enum)]
    pub by: Option<By>,
    /// Time between reports
    #[arg(short, long, value_name = "TIME", value_parser = duration, default_value = "5s")]
    pub interval: Duration,
    /// How long
    #[command(flatten)]
    pub common: Common,
    /// Memory
    #[command(flatten)]
    pub memory: GrMemory,
}

/// `gc`
#[derive(Debug, Args)]
#[command(override_usage = "grtmon gc [OPTIONS] <--pid PID | --binpath FILE | -- COMMAND…>")]
pub struct Gc {
    /// What to observe
    #[command(flatten)]
    pub target: TargetArgs,
    /// One line per cycle, as GODEBUG=gctrace=1 prints it
    #[arg(long)]
    pub cycles: bool,
    /// Stop after this many rows
    #[arg(short, long, value_name = "N")]
    pub count: Option<u64>,
    /// Times as 1.2ms instead of ns
    #[arg(long)]
    pub human: bool,
    /// How long
    #[command(flatten)]
    pub common: Common,
}

/// `gm`
#[derive(Debug, Args)]
#[command(override_usage = "grtmon gm [OPTIONS] <--pid PID | --binpath FILE | -- COMMAND…>")]
pub struct Gm {
    /// What to observe
    #[command(flatten)]
    pub target: TargetArgs,
    /// Time between reports
    #[arg(short, long, value_name = "TIME", value_parser = duration, default_value = "5s")]
    pub interval: Duration,
    /// Where counts come from: the runtime's own counters, or probes
    #[arg(long, value_name = "auto|counters|probes", value_enum, default_value_t = Source::Auto, hide_possible_values = true)]
    pub source: Source,
    /// Size classes in which nothing was allocated too
    #[arg(long)]
    pub all: bool,
    /// How long
    #[command(flatten)]
    pub common: Common,
}

/// Where `gm` and `sched` get their counts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Source {
    /// `gm`: the counters where they can be read, else probes; `sched`: probes
    Auto,
    /// The runtime's own counters, read from outside: free, and of `gm` exact, with totals since the process began
    Counters,
    /// Probes on the runtime's functions
    Probes,
}

/// `sched`
#[derive(Debug, Args)]
#[command(
    override_usage = "grtmon sched [OPTIONS] <--pid PID | --binpath FILE | -- COMMAND…>",
    after_help = "Columns:
  SHARE    part of the time of all goroutines; TOTAL: that time
  COUNT    how often a goroutine left the state
  P50 P99  of the times that were seen from beginning to end (upper bounds)
  MAX      >: it was longer, but only this much lies within the observation
  NOW      goroutines in that state at the end
This is the dearest command: each change of a goroutine's state is a probe hit. It counts them for 100 ms first and says
what to expect. A sample saves a part of the cost of a hit, not the trap."
)]
pub struct Sched {
    /// What to observe
    #[command(flatten)]
    pub target: TargetArgs,
    /// Where the answer comes from: probes, or what the runtime counts anyway
    #[arg(long, value_name = "auto|counters|probes", value_enum, default_value_t = Source::Auto, hide_possible_values = true)]
    pub source: Source,
    /// The times of each start function, those with most time first
    #[arg(long, value_enum)]
    pub by: Option<By>,
    /// Only goroutines whose start function matches
    #[arg(long, value_name = "REGEX", value_parser = regex)]
    pub r#fn: Option<Regex>,
    /// Also where goroutines block: the stacks with most time
    #[arg(long)]
    pub stacks: bool,
    /// Also the runtime's own goroutines
    #[arg(long)]
    pub system: bool,
    /// Look at one of so many goroutines only (1/16)
    #[arg(long, value_name = "1/N", default_value = "1/1", hide_default_value = true, value_parser = sample)]
    pub sample: u32,
    /// Time between reports; one at the end if not given
    #[arg(short, long, value_name = "TIME", value_parser = duration)]
    pub interval: Option<Duration>,
    /// How long; 10s if not given
    #[command(flatten)]
    pub common: Common,
    /// Memory
    #[command(flatten)]
    pub memory: GrMemory,
}

/// `stat`
#[derive(Debug, Args)]
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
    /// A running process
    #[arg(short, long, value_name = "PID", value_parser = clap::value_parser!(i32).range(1..))]
    pub pid: i32,
    /// Time between lines
    #[arg(short, long, value_name = "TIME", value_parser = duration, default_value = "1s")]
    pub interval: Duration,
    /// Stop after this many lines
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,
    /// Stop after this time
    #[arg(short, long, value_name = "TIME", value_parser = duration)]
    pub duration: Option<Duration>,
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
    /// A running process; without it all Go processes are listed, to choose from
    #[arg(short, long, value_name = "PID", value_parser = clap::value_parser!(i32).range(1..))]
    pub pid: Option<i32>,
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
    /// Form of the output
    #[arg(short, long, value_name = "text|json", value_enum, default_value_t = Output::Text, hide_possible_values = true)]
    pub output: Output,
}

/// What histograms are kept by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum By {
    /// The start function
    Fn,
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
    /// A running process
    #[arg(short, long, value_name = "PID", value_parser = clap::value_parser!(i32).range(1..))]
    pub pid: Option<i32>,
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

/// The stub's arguments.
#[derive(Debug, Args)]
pub struct Start {
    /// Descriptor of the pipe to wait on
    pub pipe: i32,
    /// What to become
    #[arg(last = true)]
    pub command: Vec<OsString>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn exactly_one_target() {
        assert!(Cli::try_parse_from(["grtmon", "gr"]).is_err());
        assert!(Cli::try_parse_from(["grtmon", "gr", "--pid", "1", "--binpath", "x"]).is_err());
        assert!(Cli::try_parse_from(["grtmon", "gr", "--pid", "1", "--pid", "2"]).is_ok());
        assert!(Cli::try_parse_from(["grtmon", "gr", "--", "x", "--pid"]).is_ok());
        assert!(Cli::try_parse_from(["grtmon", "gr", "seq", "--pid", "1"]).is_ok());
        assert!(Cli::try_parse_from(["grtmon", "gr", "seq"]).is_err());
        assert!(Cli::try_parse_from(["grtmon", "gr", "--pid", "0"]).is_err());
    }
}
