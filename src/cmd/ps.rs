//! `grtmon ps`: every Go process on the machine.

use std::process::ExitCode;

use anyhow::Result;
use anyhow::anyhow;

use crate::cli;
use crate::go::ReadError;
use crate::go::layout::Field;
use crate::go::process::runtime_stats::Vitals;
use crate::model::ps::GoProcess;
use crate::render::ps;
use crate::target::limits;
use crate::target::live;
use crate::target::live::Live;
use crate::target::survey;
use crate::target::survey::Found;
use crate::target::survey::Program;
use crate::target::survey::Survey;

use super::output;
use super::output::Output;

/// Reasons why a process was not read that are told on standard error. JSON has all of them.
const TOLD: usize = 3;

pub(super) fn run(args: &cli::Ps) -> Result<ExitCode> {
    let survey = survey::survey()?;
    let rows = rows(&survey);
    let mut output = Output::new();
    match args.output {
        cli::Output::Text => ps::text(&mut output.text, &rows, output::style(true)),
        cli::Output::Json => ps::json(&mut output.text, &rows),
    }
    output.flush()?;
    let unread: Vec<&String> = rows.iter().filter_map(|row| row.unread.as_ref()).collect();
    for why in unread.iter().take(TOLD) {
        output::warn(why);
    }
    if let Some(more @ 1..) = unread.len().checked_sub(TOLD) {
        output::warn(&format!(
            "nor could {more} more be read (--output json says why)"
        ));
    }
    if let Some(first) = survey.closed.first() {
        output::warn(&closed(*first, survey.closed.len()));
    }
    match survey.silent {
        0 => {}
        1 => output::warn(
            "what 1 process runs cannot be looked at, Go or not: its file system does not answer",
        ),
        many => output::warn(&format!(
            "what {many} processes run cannot be looked at, Go or not: their file systems do not answer"
        )),
    }
    if let Some(first) = survey.failed.first() {
        let advice = limits::advice(first);
        output::warn(&match survey.failed.len() {
            1 => format!("whether one more process is of Go is not known: {first:#}{advice}"),
            many => format!(
                "whether {many} more processes are of Go is not known: {first:#}, for one{advice}"
            ),
        });
    }
    if survey.hidden {
        output::warn(
            "/proc is mounted with hidepid: processes of other users are not listed; run as root or with CAP_SYS_PTRACE",
        );
    }
    Ok(ExitCode::SUCCESS)
}

/// What is said of processes that may not be looked at: why not, of the first.
fn closed(first: i32, count: usize) -> String {
    let why = live::refusal(first);
    match count {
        1 => format!("whether one more process is of Go is not known: {why:#}"),
        many => format!("whether {many} more processes are of Go is not known: {why:#}, for one"),
    }
}

/// What is to be known of each process that was found, and still is there.
pub(super) fn rows(survey: &Survey) -> Vec<GoProcess> {
    let found = survey.processes.iter();
    let rows = found.zip(survey.each(row)).filter_map(|(found, row)| {
        let row = row.unwrap_or_else(|| too_dear(found));
        let has_ended = row.unread.is_some() && !found.process.is_alive();
        (!has_ended).then_some(row)
    });
    rows.collect()
}

fn too_dear(found: &Found) -> GoProcess {
    let pid = found.process.pid;
    let why = format!(
        "cannot read process {pid}: it takes more time to read than any should (grtmon doctor --pid {pid} says more)"
    );
    GoProcess {
        unread: Some(why),
        ..begin(found)
    }
}

fn begin(found: &Found) -> GoProcess {
    GoProcess {
        pid: found.process.pid,
        user: found.user.clone(),
        uptime: found.uptime,
        container: found.container.clone(),
        command: found.command.clone(),
        ..GoProcess::default()
    }
}

/// What is to be known of a process that was found.
fn row(found: &Found, program: Option<&Program>) -> GoProcess {
    let mut row = begin(found);
    let Some(program) = program else {
        row.unread.clone_from(&found.unread);
        return row;
    };
    let info = program.binary.build_info();
    let stated = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    row.go_version = program.binary.version().map(ToString::to_string);
    row.module = info.and_then(|info| stated(&info.main_module));
    row.module_version = info.and_then(|info| stated(&info.main_version));
    if let Err(why) = read(&mut row, found, program) {
        row.unread = Some(format!("{why:#}{}", limits::advice(&why)));
    }
    row
}

fn read(row: &mut GoProcess, found: &Found, program: &Program) -> Result<()> {
    let pid = row.pid;
    let live = open(found, program)?;
    live.require_begun()?;
    row.fork_copy = live.is_fork_copy() == Some(true);
    let vitals = Vitals::read(live.subject()).map_err(|why| match why {
        ReadError::Memory(why) => live::explain(pid, &why),
        why => anyhow!("cannot read process {pid}: {why}"),
    })?;
    row.goroutines = vitals.goroutines(false).ok();
    row.heap_bytes = vitals.word(Field::GcControllerHeapInUse);
    row.gc_cycles = vitals.half(Field::MstatsNumgc).map(u64::from);
    Ok(())
}

/// Opens a process. A program's layout that has held in one process, all of it, holds in all.
fn open(found: &Found, program: &Program) -> Result<Live> {
    let known = program.checked();
    let mut live = Live::open_one_of_many(&found.process, &known.anatomy)?;
    if known.checked {
        return Ok(live);
    }
    let report = live.settle();
    if let Some(why) = &report.ended {
        return Err(live::explain(found.process.pid, why));
    }
    let layout = &live.anatomy.layout;
    let is_certain = !Field::ALL.iter().any(|field| layout.is_assumed(*field));
    if is_certain && report.failures().next().is_none() {
        program.holds(live.anatomy.clone());
    }
    Ok(live)
}
