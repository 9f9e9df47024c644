//! What every observing command does around its own work: find the targets, prepare to be stopped, start the command
//! if there is one, end with the right exit code.

use std::process::ExitCode;
use std::process::ExitStatus;

use anyhow::Context;
use anyhow::Result;
use crossbeam_channel::Receiver;
use crossbeam_channel::bounded;
use crossbeam_channel::never;

use crate::cli::Attach;
use crate::cli::TargetArgs;
use crate::event_loop;
use crate::event_loop::Observer;
use crate::event_loop::Timing;
use crate::probe::kernel;
use crate::probe::kernel::Kernel;
use crate::probe::method;
use crate::probe::method::Method;
use crate::probe::place::Place;
use crate::target;
use crate::target::Selection;
use crate::target::Target;
use crate::target::child;
use crate::target::child::Waiting;
use crate::target::process::ProcessId;
use crate::target::signals;
use crate::target::signals::Signal;

use super::output;

/// Whether one of these processes is there and runs.
pub(super) fn is_any_alive(pids: &[i32]) -> bool {
    pids.iter().any(|pid| ProcessId::is_any(*pid))
}

/// An observation about to begin.
#[derive(Debug)]
pub(super) struct Session {
    /// How many probes are attached.
    pub(super) method: Method,
    /// Whether few may be attached in another way.
    choose: bool,
    command: Option<Waiting>,
    /// Says when to stop. A command ends by itself, and gets the signals as long as it is there.
    stop: Receiver<()>,
}

impl Session {
    /// Finds what the arguments mean (one target for each distinct binary), and that probes can be used at all. Nothing
    /// of a target is touched.
    pub(super) fn open(args: &TargetArgs, wanted: Attach) -> Result<(Self, Vec<Target>)> {
        let selection = selection(args);
        // First what is wrong with the arguments: it needs no privilege to be said.
        let mut resolved = target::resolve_telling(&selection, &output::note)?;
        for target in &resolved.targets {
            target.require_this_machine()?;
        }
        let method = method(wanted)?;
        let stop = match &mut resolved.command {
            Some(waiting) => {
                waiting.take_signals()?;
                never()
            }
            None => stop_on_signals()?,
        };
        Ok((
            Self {
                method,
                choose: wanted == Attach::Auto,
                command: resolved.command,
                stop,
            },
            resolved.targets,
        ))
    }

    /// Where the probes of a target go that has so many sites, and how.
    pub(super) fn place(&self, target: &Target, sites: usize) -> Result<Place> {
        place(target, sites, self.method, self.choose)
    }

    /// Starts the command, if there is one, and observes until the end. `observer` has its probes attached and open.
    pub(super) fn observe(
        &mut self,
        timing: Timing,
        observer: &mut impl Observer,
    ) -> Result<Ending> {
        let command = match self.command.take() {
            Some(waiting) => {
                let running = waiting.start()?;
                self.stop = running.stop;
                Some(running.ended)
            }
            None => None,
        };
        event_loop::run(timing, &self.stop, observer)?;
        Ok(Ending { command })
    }
}

/// How many probes are attached here.
///
/// # Errors
/// They cannot be: what is missing.
pub(super) fn method(wanted: Attach) -> Result<Method> {
    let method = match wanted {
        Attach::Multi => Method::Multi,
        Attach::Perf => Method::Perf,
        Attach::Tracefs => Method::Tracefs,
        Attach::Auto => method::best(&Kernel::current()?).0,
    };
    kernel::require_probes(method)?;
    method.check()?;
    Ok(method)
}

/// Where the probes of a target go that has so many sites; few may be attached in another way, if `choose`.
pub(super) fn place(target: &Target, sites: usize, method: Method, choose: bool) -> Result<Place> {
    let method = if choose {
        method.for_sites(sites)
    } else {
        method
    };
    // What the sites were found in is what the probes go into.
    target.require_unchanged()?;
    Place::of(target, method)
}

/// The line that says what is being done to whom.
pub(super) fn announce(what: &str, targets: &[Target]) {
    let names: Vec<String> = targets.iter().map(Target::describe).collect();
    output::note(&format!(
        "Tracing {what} of {}… Ctrl-C to end.",
        names.join(", ")
    ));
}

/// What is left to wait for when the observation is over and its summary printed.
#[derive(Debug)]
pub(super) struct Ending {
    command: Option<Receiver<ExitStatus>>,
}

impl Ending {
    /// Waits for the command, and passes on its exit status.
    pub(super) fn exit_code(self) -> Result<ExitCode> {
        let Some(ended) = self.command else {
            return Ok(ExitCode::SUCCESS);
        };
        let status = ended.recv().context("cannot learn how the command ended")?;
        Ok(ExitCode::from(child::exit_code(status)))
    }
}

pub(super) fn selection(args: &TargetArgs) -> Selection {
    if let Some(path) = &args.binpath {
        return Selection::File(path.clone());
    }
    if !args.pid.is_empty() {
        return Selection::Pids(args.pid.clone());
    }
    Selection::Command(args.command.clone())
}

/// The signals that `ctrlc` sets a handler of (its feature `termination`).
const ENDING: [Signal; 3] = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP];

/// A message on Ctrl-C, SIGTERM or SIGHUP, but for those of them that grtmon was started to ignore. The second one ends
/// grtmon at once; the kernel then detaches the probes.
pub(super) fn stop_on_signals() -> Result<Receiver<()>> {
    stop_on_signals_or(|| {})
}

/// As [`stop_on_signals`]; `at_once` is done before the second signal ends grtmon.
pub(super) fn stop_on_signals_or(
    mut at_once: impl FnMut() + Send + 'static,
) -> Result<Receiver<()>> {
    let (sender, stop) = bounded(1);
    let mut asked = false;
    let handler = move || {
        if asked {
            at_once();
            std::process::exit(130);
        }
        asked = true;
        // Nobody listens any more when the run is ending by itself.
        let _ = sender.try_send(());
    };
    signals::keeping_ignored(&ENDING, || {
        ctrlc::set_handler(handler).context("cannot handle signals")
    })?;
    Ok(stop)
}
