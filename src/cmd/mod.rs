//! Wires the layers together: one file per subcommand. Turns errors into one line and an exit code.
//!
//! Exit codes: 0 done (Ctrl-C and a closed pipe are a normal end), 1 failed, 2 wrong usage; with `-- COMMAND` that
//! command's own.

mod doctor;
mod gc;
mod gm;
mod gr;
mod gr_seq;
mod names;
mod output;
mod session;
mod version;

use std::io::Write;
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

use crate::cli::Cli;
use crate::cli::Command;
use crate::cli::GrSub;
use crate::target::child;

/// Everything the `grtmon` command does.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    crate::probe::set_libbpf_log(cli.verbose);
    match run(cli.command) {
        Ok(code) => code,
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing better can be done when standard error is closed.
            let _ = writeln!(std::io::stderr(), "grtmon: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Gr(gr) => match gr.seq {
            Some(GrSub::Seq(seq)) => gr_seq::run(&seq),
            None => gr::run(&gr),
        },
        Command::Gc(gc) => gc::run(&gc),
        Command::Gm(gm) => gm::run(&gm),
        Command::Doctor(doctor) => doctor::run(&doctor),
        Command::Version => version::run(),
        Command::Start(start) => {
            child::become_command(start.pipe, &start.command)?;
            Ok(ExitCode::from(127))
        }
    }
}

fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<std::io::Error>())
        .any(|cause| cause.kind() == std::io::ErrorKind::BrokenPipe)
}
