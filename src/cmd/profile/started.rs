//! A command that is profiled from its first instruction.
//!
//! It is stopped there until whoever profiles it is ready, as its code lies somewhere only then.

use std::cell::RefCell;
use std::process::ExitCode;
use std::process::ExitStatus;
use std::thread;

use anyhow::Context;
use anyhow::Result;
use crossbeam_channel::Receiver;
use crossbeam_channel::Sender;
use crossbeam_channel::bounded;

use crate::target;
use crate::target::Selection;
use crate::target::child;
use crate::target::child::Waiting;
use crate::target::live::Live;
use crate::target::process::ProcessId;

use super::subject::Subject;
use crate::cmd::output;

/// A command, before and after its start.
pub(super) struct Started {
    waiting: RefCell<Option<Waiting>>,
    ended: RefCell<Option<Receiver<ExitStatus>>>,
    /// Says when to stop: a signal came, and there is no command any more that it is for.
    stop: Receiver<()>,
    tell: Sender<()>,
}

impl Started {
    /// The program that the command is or becomes, at its first instruction.
    ///
    /// # Errors
    /// It cannot be started, or is no Go program, or may not be traced.
    pub(super) fn open(command: &Selection) -> Result<(Subject, Self)> {
        let resolved = target::resolve_telling(command, &output::note)?;
        let target = resolved.targets.into_iter().next();
        let target = target.context("there is nothing to start")?;
        target.require_this_machine()?;
        let waiting = resolved.command.context("there is nothing to start")?;
        let mut waiting = waiting
            .follow(|exe| target.is_at(exe))
            .context("cannot stop the command at its first instruction")?;
        waiting.take_signals()?;
        let process = ProcessId::of(waiting.pid())?;
        let live = Live::open(&process, target.program.runtime_info())?;
        let (tell, stop) = bounded(1);
        let started = Self {
            waiting: RefCell::new(Some(waiting)),
            ended: RefCell::new(None),
            stop,
            tell,
        };
        Ok((Subject::waiting(target, live), started))
    }

    pub(super) fn stop(&self) -> &Receiver<()> {
        &self.stop
    }

    /// Lets it run.
    ///
    /// # Errors
    /// It is gone.
    pub(super) fn start(&self) -> Result<()> {
        let Some(waiting) = self.waiting.take() else {
            return Ok(());
        };
        let running = waiting.start()?;
        self.ended.replace(Some(running.ended));
        let tell = self.tell.clone();
        let relay = thread::Builder::new().name("stop".to_owned());
        relay
            .spawn(move || {
                if running.stop.recv().is_ok() {
                    let _ = tell.try_send(());
                }
            })
            .context("cannot start a thread")?;
        Ok(())
    }

    /// Waits for its end, and passes on its exit status.
    ///
    /// # Errors
    /// It is not known.
    pub(super) fn exit_code(self) -> Result<ExitCode> {
        let Some(ended) = self.ended.take() else {
            return Ok(ExitCode::SUCCESS);
        };
        let status = ended.recv().context("cannot learn how the command ended")?;
        Ok(ExitCode::from(child::exit_code(status)))
    }
}
