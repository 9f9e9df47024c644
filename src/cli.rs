//! The command line, as clap reads it. Types only; what they mean is decided in `cmd`.

mod probing;
mod profile;
mod reading;
mod target;
mod value;

use std::ffi::OsString;

use clap::Args;
use clap::Parser;
use clap::Subcommand;

pub use self::probing::*;
pub use self::profile::*;
pub use self::reading::*;
pub use self::target::*;

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
    /// Where CPU time, memory, goroutines and threads are, by function, and as `go tool pprof` takes it
    Profile(Profile),
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
