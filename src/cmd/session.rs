//! From the arguments to what is observed, and how.

use std::time::Duration;

use anyhow::Result;

use crate::cli::Attach;
use crate::cli::Common;
use crate::cli::Output;
use crate::cli::Overhead;
use crate::cli::TargetArgs;
use crate::event_loop::Timing;
use crate::observe::Session;
use crate::observe::cost::Allowed;
use crate::probe::method::Method;
use crate::target::Selection;
use crate::target::Target;
use crate::target::process::ProcessId;

use super::output;
use super::output::VOICE;

/// How long nobody is left without a report.
const FIRST: Duration = Duration::from_secs(1);

/// An observation by probes, about to begin.
pub(super) fn open(args: &TargetArgs, attach: Attach) -> Result<(Session, Vec<Target>)> {
    Session::open(&selection(args), wanted(attach), VOICE)
}

/// What is to be observed.
pub(super) fn selection(args: &TargetArgs) -> Selection {
    if let Some(path) = &args.binpath {
        return Selection::File(path.clone());
    }
    if !args.pid.is_empty() {
        return processes(&args.pid, args.children);
    }
    Selection::Command(args.command.clone())
}

/// These processes, or what runs below them too.
pub(super) fn processes(pids: &[i32], children: bool) -> Selection {
    match children {
        true => Selection::Families(pids.to_owned()),
        false => Selection::Pids(pids.to_owned()),
    }
}

/// How probes are to be attached, if somebody has said so.
pub(super) fn wanted(attach: Attach) -> Option<Method> {
    match attach {
        Attach::Auto => None,
        Attach::Multi => Some(Method::Multi),
        Attach::Perf => Some(Method::Perf),
        Attach::Tracefs => Some(Method::Tracefs),
    }
}

/// What the observation may cost.
pub(super) fn allowed(max_overhead: Option<Overhead>) -> Allowed {
    Allowed {
        limit: max_overhead.unwrap_or_default().limit,
        was_asked: max_overhead.is_some(),
    }
}

/// When to report. Whoever sits at a terminal sees what becomes of it after a second, be the interval longer or none; what
/// a file or a program gets comes by the interval alone.
pub(super) fn reports(interval: Option<Duration>, common: &Common) -> Timing {
    let waits = output::is_terminal() && common.output == Output::Text;
    let is_later = |time: Option<Duration>| time.is_none_or(|time| time > FIRST);
    let comes_first = waits && is_later(interval) && is_later(common.duration);
    Timing {
        interval,
        first: comes_first.then_some(FIRST),
        duration: common.duration,
    }
}

/// Whether one of these processes is there and runs.
pub(super) fn is_any_alive(pids: &[i32]) -> bool {
    pids.iter().any(|pid| ProcessId::is_any(*pid))
}
