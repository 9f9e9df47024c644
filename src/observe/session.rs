//! What every observation does around its own work: find the targets, prepare to be stopped, start the command if there is
//! one, end with the right exit code.

use std::fmt;
use std::process::ExitCode;
use std::process::ExitStatus;

use anyhow::Context;
use anyhow::Result;
use crossbeam_channel::Receiver;
use crossbeam_channel::never;

use crate::event_loop;
use crate::event_loop::Observer;
use crate::event_loop::Timing;
use crate::probe::kernel::Kernel;
use crate::probe::method;
use crate::probe::method::Method;
use crate::probe::place::Place;
use crate::target;
use crate::target::Selection;
use crate::target::Target;
use crate::target::child;
use crate::target::child::Waiting;

use super::Voice;
use super::stop;

/// An observation about to begin.
pub struct Session {
    /// How many probes are attached.
    pub method: Method,
    /// Whether few may be attached in another way.
    choose: bool,
    command: Option<Waiting>,
    /// Says when to stop. A command ends by itself, and gets the signals as long as it is there.
    stop: Receiver<()>,
    /// Who is told.
    pub voice: &'static dyn Voice,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("method", &self.method)
            .field("command", &self.command)
            .finish_non_exhaustive()
    }
}

impl Session {
    /// Finds what is meant (one target for each distinct program), and that probes can be used at all; `wanted` says how
    /// they are attached, if somebody has. Nothing of a target is touched.
    ///
    /// # Errors
    /// There is no such target, or it cannot be observed; probes cannot be used here.
    pub fn open(
        selection: &Selection,
        wanted: Option<Method>,
        voice: &'static dyn Voice,
    ) -> Result<(Self, Vec<Target>)> {
        // First what is wrong with the arguments: it needs no privilege to be said.
        let mut resolved = target::resolve_telling(selection, &|line| voice.note(line))?;
        for target in &resolved.targets {
            target.require_this_machine()?;
        }
        let method = method(wanted)?;
        let stop = match &mut resolved.command {
            Some(waiting) => {
                waiting.take_signals()?;
                never()
            }
            None => stop::on_signals()?,
        };
        let session = Self {
            method,
            choose: wanted.is_none(),
            command: resolved.command,
            stop,
            voice,
        };
        Ok((session, resolved.targets))
    }

    /// How probes are set.
    pub(super) fn setting(&self) -> Setting {
        Setting {
            method: self.method,
            choose: self.choose,
        }
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

/// How the probes of an observation are set.
#[derive(Debug, Clone, Copy)]
pub(super) struct Setting {
    pub(super) method: Method,
    choose: bool,
}

impl Setting {
    /// Where the probes of a target go that has so many sites, and how.
    pub(super) fn place(&self, target: &Target, sites: usize) -> Result<Place> {
        place(target, sites, self.method, self.choose)
    }
}

/// How many probes are attached here.
///
/// # Errors
/// They cannot be: what is missing.
pub fn method(wanted: Option<Method>) -> Result<Method> {
    let method = match wanted {
        Some(method) => method,
        None => method::best(&Kernel::current()?).0,
    };
    method::require_probes(method)?;
    method.check()?;
    Ok(method)
}

/// Where the probes of a target go that has so many sites; few may be attached in another way, if `choose`.
///
/// # Errors
/// The target has changed, or somebody is writing to it.
pub fn place(target: &Target, sites: usize, method: Method, choose: bool) -> Result<Place> {
    let method = if choose {
        method.for_sites(sites)
    } else {
        method
    };
    // What the sites were found in is what the probes go into.
    target.program.require_unchanged()?;
    Place::of(target, method)
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
