//! Wires the layers together: one file per subcommand. Turns errors into one line and an exit code.
//!
//! Exit codes: 0 done (Ctrl-C and a closed pipe are a normal end), 1 failed, 2 wrong usage; with `-- COMMAND` that
//! command's own.

mod doctor;
mod doctor_commands;
mod doctor_fields;
mod dump;
mod dump_core;
mod dump_filter;
mod dump_show;
mod gc;
mod gm;
mod gm_counters;
mod gr;
mod gr_printer;
mod gr_seq;
mod incarnation;
mod output;
mod patience;
mod profile;
mod ps;
mod sched;
mod session;
mod stat;
mod top;
mod version;
mod voice;
mod writer;

use std::process::ExitCode;
use std::thread;

use anyhow::Result;
use anyhow::bail;
use clap::Parser;
use clap::error::ErrorKind;

use crate::cli::Cli;
use crate::cli::Command;
use crate::cli::GrSub;
use crate::observe::rows::is_closed_pipe;
use crate::target::child;
use crate::target::closed_output;
use crate::target::last_words;
pub use crate::target::last_words::out_of_memory;
use crate::target::limits;
use crate::target::signals;

/// Everything the `grtmon` command does.
pub fn main() -> ExitCode {
    last_words::remember_terminal();
    last_words::hear_of_threads();
    limits::survive_full_files();
    if limits::has_large_stack() {
        return work();
    }
    // However small this thread's stack is (`ulimit -s`), there is a larger one.
    let worker = thread::Builder::new().stack_size(limits::STACK);
    // This thread only waits; signals are for that one, which knows what is to be done.
    let mask = signals::leave_to_others();
    let worker = worker.spawn(move || {
        mask.back();
        work()
    });
    match worker.map(thread::JoinHandle::join) {
        Ok(Ok(code)) => code,
        // It has said why.
        Ok(Err(_)) => ExitCode::from(101),
        Err(why) => {
            output::warn(&format!("no room for a thread's stack: {why}"));
            ExitCode::FAILURE
        }
    }
}

fn work() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let code = usage(&error);
            output::finish_notes();
            return code;
        }
    };
    crate::probe::set_libbpf_log(cli.verbose);
    let code = match run(cli.command) {
        Ok(code) => code,
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            output::warn(&format!("{error:#}{}", limits::advice(&error)));
            ExitCode::FAILURE
        }
    };
    output::finish_notes();
    code
}

fn run(command: Command) -> Result<ExitCode> {
    if !matches!(command, Command::Start(_)) && closed_output::was_closed() {
        bail!("standard output is closed: there is nowhere to write to");
    }
    match command {
        Command::Gr(gr) => match gr.seq {
            Some(GrSub::Seq(seq)) => gr_seq::run(&seq),
            None => gr::run(&gr),
        },
        Command::Gc(gc) => gc::run(&gc),
        Command::Gm(gm) => gm::run(&gm),
        Command::Sched(sched) => sched::run(&sched),
        Command::Dump(dump) => dump::run(&dump),
        Command::Profile(profile) => profile::run(&profile),
        Command::Stat(stat) => stat::run(&stat),
        Command::Top(top) => top::run(&top),
        Command::Ps(ps) => ps::run(&ps),
        Command::Doctor(doctor) => doctor::run(&doctor),
        Command::Version => version::run(),
        Command::Start(start) => {
            child::become_command(start.pipe, &start.command)?;
            Ok(ExitCode::from(127))
        }
    }
}

/// Help goes to standard output as it is; a mistake is said in one line.
fn usage(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        let printed = error.print().map_err(output::cannot_write);
        return match printed {
            Err(why) if !is_closed_pipe(&why) => {
                output::warn(&format!("{why:#}"));
                ExitCode::FAILURE
            }
            _ => ExitCode::SUCCESS,
        };
    }
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        let _ = error.print();
        return ExitCode::from(2);
    }
    output::warn(&format!("{} (grtmon --help says more)", mistake(error)));
    ExitCode::from(2)
}

/// What is wrong, in one line.
fn mistake(error: &clap::Error) -> String {
    let text = error.to_string();
    let what: Vec<&str> = text
        .lines()
        .take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more"))
        .map(str::trim)
        // What would then be told of is a command of that name.
        .filter(|line| !line.is_empty() && !line.starts_with("tip: to pass '-"))
        .collect();
    let what = what.join(" ").replace(" tip: ", "; ");
    let what = match error.kind() {
        // All that is ever required is a target. Who takes only some kinds of it shows these.
        ErrorKind::MissingRequiredArgument if text.contains("--core") => {
            "no target: give --pid PID, or --core FILE"
        }
        ErrorKind::MissingRequiredArgument if !text.contains("--binpath") => {
            "no target: give --pid PID"
        }
        ErrorKind::MissingRequiredArgument => {
            "no target: give --pid PID, --binpath FILE, or -- COMMAND"
        }
        _ => what.strip_prefix("error: ").unwrap_or(&what),
    };
    what.to_owned()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_stub_finds_its_way() {
        assert!(Cli::command().find_subcommand(child::STUB).is_some());
    }

    #[test]
    fn mistakes_are_one_line_of_sense() {
        let said = |arguments: &[&str]| {
            let arguments = [&["grtmon"], arguments].concat();
            mistake(&Cli::try_parse_from(arguments).unwrap_err())
        };
        assert_eq!(
            said(&["gc", "--by", "pid", "--pid", "1"]),
            "unexpected argument '--by' found"
        );
        assert_eq!(
            said(&["gc"]),
            "no target: give --pid PID, --binpath FILE, or -- COMMAND"
        );
        assert_eq!(
            said(&["profile", "heap"]),
            "no target: give --pid PID, --binpath FILE, or -- COMMAND"
        );
        assert_eq!(said(&["dump"]), "no target: give --pid PID, or --core FILE");
        assert_eq!(
            said(&["gc", "--pidd", "1"]),
            "unexpected argument '--pidd' found; a similar argument exists: '--pid'"
        );
        assert_eq!(
            said(&["gm", "--by", "fn", "--pid", "1"]),
            "invalid value 'fn' for '--by <pid>' [possible values: pid]"
        );
    }
}
