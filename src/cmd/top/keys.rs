//! What the terminal sends, read on a thread of its own.

use std::thread;

use anyhow::Context;
use anyhow::Result;
use crossbeam_channel::Receiver;
use crossbeam_channel::bounded;
use crossterm::event;
use crossterm::event::Event;
use crossterm::event::KeyEvent;

/// Events that wait at most: one who types faster has to wait.
const WAITING: usize = 64;

/// What happened to the terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Happened {
    /// A key was pressed.
    Key(KeyEvent),
    /// It has another size now.
    Resized,
}

/// Reads until the terminal is gone: the channel is closed then.
///
/// # Errors
/// There can be no more threads.
pub(super) fn read() -> Result<Receiver<Happened>> {
    let (sender, receiver) = bounded(WAITING);
    let read = move || {
        while let Ok(event) = event::read() {
            let happened = match event {
                Event::Key(key) => Happened::Key(key),
                Event::Resize(..) => Happened::Resized,
                _ => continue,
            };
            if sender.send(happened).is_err() {
                return;
            }
        }
    };
    thread::Builder::new()
        .name("keys".to_owned())
        .spawn(read)
        .context("cannot start a thread")?;
    Ok(receiver)
}
