//! Options of the commands that set probes.

use std::time::Duration;

use clap::Args;
use clap::Subcommand;
use clap::ValueEnum;
use regex::Regex;

use super::target::Common;
use super::target::Rows;
use super::target::TargetArgs;
use super::value::duration;
use super::value::regex;
use super::value::ring_size;
use super::value::sample;

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
    /// How they look
    #[command(flatten)]
    pub look: Rows,
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
    /// One histogram per start function, or per process, largest first
    #[arg(long, value_name = "fn|pid", value_enum, hide_possible_values = true)]
    pub by: Option<By>,
    /// Time between reports
    #[arg(short, long, value_name = "TIME", value_parser = duration, default_value = "5s")]
    pub interval: Duration,
    /// When each report was made, as the time of day (UTC)
    #[arg(short = 'T', long)]
    pub timestamps: bool,
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
    /// How rows look
    #[command(flatten)]
    pub look: Rows,
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
    /// When each report was made, as the time of day (UTC)
    #[arg(short = 'T', long)]
    pub timestamps: bool,
    /// Where counts come from: the runtime's own counters, or probes
    #[arg(long, value_name = "auto|counters|probes", value_enum, default_value_t = Source::Auto, hide_possible_values = true)]
    pub source: Source,
    /// What each process allocated, those with most bytes first
    #[arg(long, value_name = "pid", value_enum, hide_possible_values = true)]
    pub by: Option<ByProcess>,
    /// Size classes in which nothing was allocated too
    #[arg(long)]
    pub all: bool,
    /// How long
    #[command(flatten)]
    pub common: Common,
}

/// Where `gm` gets its counts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Source {
    /// The counters where they can be read, else probes
    Auto,
    /// The runtime's own counters, read from outside: free and exact, with totals since the process began
    Counters,
    /// Probes on the runtime's functions
    Probes,
}

/// Where `sched` has its answer from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SchedSource {
    /// Probes
    Auto,
    /// What the runtime counts anyway, read from outside: free
    Counters,
    /// Looks at some goroutines at random moments: free, estimated with an error that is said
    Sampling,
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
With --source sampling:
  ±        SHARE is within so much of the truth, 19 times of 20
  AVERAGE  goroutines in that state, on average
This is the dearest command: each change of a goroutine's state is a probe hit. It counts them for 100 ms first and says
what to expect. A sample saves a part of the cost of a hit, not the trap. --source sampling and counters cost nothing."
)]
pub struct Sched {
    /// What to observe
    #[command(flatten)]
    pub target: TargetArgs,
    /// Where the answer comes from: probes, what the runtime counts anyway, or looks at some goroutines again and again
    #[arg(long, value_name = "auto|counters|sampling|probes", value_enum, default_value_t = SchedSource::Auto, hide_possible_values = true)]
    pub source: SchedSource,
    /// The times of each start function, or of each process, those with most time first
    #[arg(long, value_name = "fn|pid", value_enum, hide_possible_values = true)]
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
    /// How tables look
    #[command(flatten)]
    pub look: Rows,
    /// How long; 10s if not given
    #[command(flatten)]
    pub common: Common,
    /// Memory
    #[command(flatten)]
    pub memory: GrMemory,
}

/// What figures are kept by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum By {
    /// The start function
    Fn,
    /// The process
    Pid,
}

/// The same where start functions are not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ByProcess {
    /// The process
    Pid,
}
