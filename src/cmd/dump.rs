//! `grtmon dump`: all goroutines of a process, or what became more of them.

use std::process::ExitCode;
use std::time::Duration;
use std::time::Instant;

use anyhow::Result;
use anyhow::anyhow;
use anyhow::bail;

use crate::cli;
use crate::cli::DumpOutput;
use crate::go::ReadError;
use crate::go::layout::Layout;
use crate::go::process::g;
use crate::go::process::goroutines::GoroutineReader;
use crate::model::dump::Dump;
use crate::target::Target;
use crate::target::refusal;

use super::dump_core;
use super::dump_filter::require_states;
use super::dump_show::Show;
use super::dump_show::require_none;
use super::incarnation::Incarnation;
use super::output;
use super::session;
use crate::observe::reader;
use crate::observe::rows::is_closed_pipe;
use crate::observe::stop;

pub(super) fn run(args: &cli::Dump) -> Result<ExitCode> {
    if args.output == DumpOutput::Pprof && output::is_terminal() {
        bail!("a profile is not for terminals: redirect it into a file, for go tool pprof");
    }
    if let Some(path) = &args.core {
        dump_core::run(args, path)?;
        return Ok(ExitCode::SUCCESS);
    }
    let found = reader::find_all(&session::processes(&args.of.pid, args.of.children))?;
    let are_several = found.len() > 1;
    if are_several && args.output == DumpOutput::Pprof {
        bail!("a profile is of one process: give one --pid");
    }
    let mut first = None;
    let mut absent = args.goid.clone();
    for (target, process) in &found {
        let done = of_process(args, target, process.pid, are_several);
        match done {
            Ok(lacks) => absent.retain(|goid| lacks.contains(goid)),
            // Of several the others are shown all the same.
            Err(why) if are_several && !is_closed_pipe(&why) => {
                output::warn(&format!("{why:#}"));
                first.get_or_insert(ExitCode::FAILURE);
            }
            Err(why) => return Err(why),
        }
    }
    match &found[..] {
        [(target, _)] => require_none(&absent, &target.name)?,
        _ => require_none(&absent, "any of these processes")?,
    }
    Ok(first.unwrap_or(ExitCode::SUCCESS))
}

/// Shows one process. Returns which goroutines that were asked for are not there.
fn of_process(args: &cli::Dump, target: &Target, pid: i32, are_several: bool) -> Result<Vec<u64>> {
    let live = reader::open(target)?;
    if let Some(note) = live.copy_note() {
        output::warn(&note);
    }
    let program = Incarnation::of(&live)?;
    let explain = |error: ReadError| match error {
        ReadError::Memory(why) => refusal::explain(pid, &why),
        // What was read may be of a process that was just replacing or ending itself.
        _ if target.has_ended() => anyhow!("process {pid} has ended"),
        other => anyhow!("cannot read the goroutines of process {pid}: {other}"),
    };
    let mut reader = GoroutineReader::new(&target.program.binary, &live.view()).map_err(explain)?;
    require_states(&args.state, reader.wait_reasons())?;
    warn_of_unknown(&live.runtime_info.layout);
    let mut take = || -> Result<Dump> {
        let dump = reader.read(&live.memory);
        // Whatever was read of another program is nothing, an error too.
        program.check(&live)?;
        let mut dump = dump.map_err(explain)?;
        dump.at_ns = live.now_ns().ok();
        Ok(dump)
    };
    let first = take()?;
    target.program.require_unchanged()?;
    let mut show = Show::new(args, &target.program.binary, &target.name);
    show.of = are_several.then_some(pid);
    show.unix_offset_ns = live.unix_offset_ns().ok();
    match args.diff {
        None => show.dump(&first),
        Some(time) => {
            let begun = Instant::now();
            let stop = stop::on_signals()?;
            let was_ended = stop::wait_until(begun + time, &stop);
            let second = take()?;
            // One that was ended before is of the time that there was.
            let time = match was_ended {
                true => Duration::from_millis(begun.elapsed().as_millis() as u64),
                false => time,
            };
            show.growth(&first, &second, time)?;
            Ok(Vec::new())
        }
    }
}

/// Says what will be missing of every goroutine.
pub(super) fn warn_of_unknown(layout: &Layout) {
    for what in g::shortcomings(layout) {
        output::warn(&what);
    }
}
