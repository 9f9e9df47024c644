//! The terminal and what is shown on it, together with what can come from outside.

use std::io::ErrorKind;
use std::time::Instant;

use anyhow::Result;
use crossbeam_channel::Receiver;

use crate::target::process;
use crate::tui::state::Action;
use crate::tui::state::State;
use crate::tui::terminal::Screen;

use crate::cmd::writer::Writer;

use super::frames::Frames;
use super::keys::Happened;

/// The view as it runs.
pub(super) struct Ui {
    pub(super) state: State,
    pub(super) screen: Screen<Frames>,
    /// What the screen is written by.
    pub(super) writer: Writer,
    pub(super) happened: Receiver<Happened>,
    /// A signal came.
    pub(super) stop: Receiver<()>,
    /// The time that was asked for is over.
    pub(super) deadline: Receiver<Instant>,
}

impl Ui {
    /// Draws everything as it is now, unless the terminal has not yet taken what was drawn before.
    pub(super) fn draw(&mut self) -> Result<()> {
        if !self.writer.wait(Instant::now()) {
            return Ok(());
        }
        self.screen.draw(&self.state)?;
        Ok(())
    }

    /// What a key asks for beyond what the view does itself. A terminal that is gone asks for the end.
    pub(super) fn act(&mut self, happened: Option<Happened>) -> Result<Option<Action>> {
        let action = match happened {
            None => Some(Action::Quit),
            // Drawing finds the new size out.
            Some(Happened::Resized) => None,
            Some(Happened::Key(key)) => self.state.key(key),
        };
        match action {
            Some(Action::Suspend) => self.screen.suspend(process::stop_self)?,
            Some(Action::Redraw) if self.writer.wait(Instant::now()) => self.screen.forget()?,
            _ => {}
        }
        Ok(action)
    }
}

/// Whether the terminal has gone away, which is no failure of ours.
pub(super) fn is_terminal_gone(why: &anyhow::Error) -> bool {
    const EIO: i32 = 5;
    why.chain()
        .filter_map(|cause| cause.downcast_ref::<std::io::Error>())
        .any(|cause| cause.raw_os_error() == Some(EIO) || cause.kind() == ErrorKind::BrokenPipe)
}
