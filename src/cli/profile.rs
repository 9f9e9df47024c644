//! `profile`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::ArgGroup;
use clap::Args;
use clap::Subcommand;
use clap::ValueEnum;
use regex::Regex;

use super::target::TargetArgs;
use super::value::bytes;
use super::value::duration;
use super::value::regex;

/// `profile`
#[derive(Debug, Args)]
#[command(
    after_help = "cpu samples the processors; the others read the process's memory: no probe, no pause. -w heap.pb.gz is for `go tool pprof`."
)]
pub struct Profile {
    /// The kind
    #[command(subcommand)]
    pub kind: ProfileKind,
}

/// Kinds of profiles.
#[derive(Debug, Subcommand)]
pub enum ProfileKind {
    /// CPU time, by where it is spent
    #[command(
        override_usage = "grtmon profile cpu [OPTIONS] <--pid PID | --binpath FILE | -- COMMAND…>"
    )]
    Cpu(CpuArgs),
    /// Memory in use, and all that was ever allocated, by what allocated it
    #[command(override_usage = "grtmon profile heap [OPTIONS] <--pid PID | --binpath FILE>")]
    Heap(HeapArgs),
    /// All goroutines, by what they do and where
    #[command(override_usage = "grtmon profile goroutine [OPTIONS] <--pid PID | --binpath FILE>")]
    Goroutine(ProfileArgs),
    /// Threads, by what created them
    #[command(
        override_usage = "grtmon profile threadcreate [OPTIONS] <--pid PID | --binpath FILE>"
    )]
    Threadcreate(ProfileArgs),
    /// Time of goroutines, by what they do and where: running, waiting, in system calls
    #[command(
        override_usage = "grtmon profile wall [OPTIONS] <--pid PID | --binpath FILE | -- COMMAND…>"
    )]
    Wall(WallArgs),
    /// Waits for channels, locks and groups, by who has waited: as noted by the program, else seen from now on
    #[command(override_usage = "grtmon profile block [OPTIONS] <--pid PID | --binpath FILE>")]
    Block(WaitArgs),
    /// Waits for locks, by who held them: as noted by the program; else by who waits, seen from now on
    #[command(override_usage = "grtmon profile mutex [OPTIONS] <--pid PID | --binpath FILE>")]
    Mutex(WaitArgs),
}

/// How long and how often.
#[derive(Debug, Args)]
pub struct CpuArgs {
    /// What it is of, and how it looks
    #[command(flatten)]
    pub profile: ProfileArgs,
    /// How long to sample
    #[arg(short, long, value_name = "TIME", value_parser = duration, default_value = "10s")]
    pub duration: Duration,
    /// How often to look at each processor, a second
    #[arg(long, value_name = "N", default_value_t = 99, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub hz: u32,
}

/// What of a heap.
#[derive(Debug, Args)]
pub struct HeapArgs {
    /// What it is of, and how it looks
    #[command(flatten)]
    pub profile: ProfileArgs,
    /// By the type of objects instead, of what is in the heap now: needs no profile kept by the program
    #[arg(long, conflicts_with_all = ["by", "cum"])]
    pub types: bool,
    /// With --types: memory that grtmon may take for it; a tenth of what the process holds, at least 256 MiB, if not given
    #[arg(long, value_name = "BYTES", value_parser = bytes, requires = "types")]
    pub max_memory: Option<u64>,
}

/// How long and how often.
#[derive(Debug, Args)]
pub struct WallArgs {
    /// What it is of, and how it looks
    #[command(flatten)]
    pub profile: ProfileArgs,
    /// How long to look
    #[arg(short, long, value_name = "TIME", value_parser = duration, default_value = "10s")]
    pub duration: Duration,
    /// How often to look at 64 goroutines picked at random, a second on average
    #[arg(long, value_name = "N", default_value_t = 49, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub hz: u32,
}

/// Exactly one of these says what to look at.
#[derive(Debug, Clone, Args)]
#[command(group = ArgGroup::new("target").required(true).multiple(false).args(["pid", "binpath", "command"]))]
pub struct Profiled {
    /// A running process (repeatable: one profile of all of them)
    #[arg(short, long, value_name = "PID", value_parser = clap::value_parser!(i32).range(1..))]
    pub pid: Vec<i32>,
    /// With --pid: also what that process has started, as the server below `sh -c`; Go programs only
    #[arg(long, requires = "pid")]
    pub children: bool,
    /// Every process that runs this file now
    #[arg(short, long, value_name = "FILE")]
    pub binpath: Option<PathBuf>,
    /// Start this command and profile it from its first instruction: cpu and wall
    #[arg(last = true, value_name = "COMMAND", hide = true)]
    pub command: Vec<OsString>,
}

impl Profiled {
    /// As other commands have them.
    pub fn targets(&self) -> TargetArgs {
        TargetArgs {
            pid: self.pid.clone(),
            children: self.children,
            binpath: self.binpath.clone(),
            command: self.command.clone(),
        }
    }
}

/// How long to look where nothing is noted.
#[derive(Debug, Args)]
pub struct WaitArgs {
    /// What it is of, and how it looks
    #[command(flatten)]
    pub profile: ProfileArgs,
    /// Where the program notes none: how long to look at goroutines that wait, as `profile wall`, instead
    #[arg(short, long, value_name = "TIME", value_parser = duration, default_value = "10s")]
    pub duration: Duration,
}

/// What it is of, and how it looks.
#[derive(Debug, Args)]
pub struct ProfileArgs {
    /// What to look at
    #[command(flatten)]
    pub of: Profiled,
    /// Write it to this file, whose ending says in which form: .pb.gz (pprof), .html (flame graph), .folded, .json, .txt
    #[arg(short, long, value_name = "FILE")]
    pub write: Option<PathBuf>,
    /// Form of the output; pprof is for `go tool pprof`, html a flame graph in a file, folded for others that draw them
    #[arg(
        short,
        long,
        value_name = "text|json|pprof|folded|html",
        value_enum,
        hide_possible_values = true
    )]
    pub output: Option<ProfileOutput>,
    /// What the table and the folded stacks count, as inuse_objects of a heap
    #[arg(long, value_name = "TYPE")]
    pub count: Option<String>,
    /// Only what has changed since this file was written: a .pb.gz of the same kind, by grtmon or net/http/pprof
    #[arg(long, value_name = "BASE")]
    pub diff: Option<PathBuf>,
    /// Rows of the table
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..))]
    pub top: u32,
    /// What the rows are; goroutine: of cpu and wall
    #[arg(long, value_name = "fn|line|package|pid|goroutine|label:KEY", value_parser = by, default_value = "fn")]
    pub by: ProfileBy,
    /// Only what bears this label of the program (repeatable: all of them)
    #[arg(long, value_name = "KEY=VALUE", value_parser = label)]
    pub labels: Vec<(String, String)>,
    /// Only stacks with a matching function
    #[arg(long, value_name = "REGEX", value_parser = regex)]
    pub r#fn: Option<Regex>,
    /// Sort by what functions count with all that they call
    #[arg(long)]
    pub cum: bool,
    /// Every column, and nothing cut, however narrow the terminal is
    #[arg(long)]
    pub wide: bool,
}

/// Forms of output of `profile`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ProfileOutput {
    /// A table
    Text,
    /// One JSON object per line
    Json,
    /// What `go tool pprof` reads
    Pprof,
    /// What flame graphs are drawn from
    Folded,
    /// A flame graph: one file, for a browser
    Html,
}

fn by(text: &str) -> Result<ProfileBy, String> {
    match (text, text.strip_prefix("label:")) {
        ("fn", _) => Ok(ProfileBy::Fn),
        ("line", _) => Ok(ProfileBy::Line),
        ("package", _) => Ok(ProfileBy::Package),
        ("pid", _) => Ok(ProfileBy::Pid),
        ("goroutine", _) => Ok(ProfileBy::Goroutine),
        (_, Some(key)) if !key.is_empty() => Ok(ProfileBy::Label(key.to_owned())),
        _ => Err("expected fn, line, package, pid, goroutine, or label:KEY".to_owned()),
    }
}

fn label(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("expected KEY=VALUE".to_owned()),
    }
}

/// What the rows of its table are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProfileBy {
    /// Functions
    Fn,
    /// Lines
    Line,
    /// Packages
    Package,
    /// Processes
    Pid,
    /// Goroutines
    Goroutine,
    /// Values of the label with this key
    Label(String),
}
