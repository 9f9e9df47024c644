//! Where text goes: data to standard output, everything else to standard error. Nothing else writes to either (a test
//! of the layers holds that), so that nothing leaves which a terminal would obey, whoever wrote it.
//!
//! What observes must not be held by somebody who does not read: it writes by a [`Writer`]. What only looks once waits for
//! its reader, and loses nothing.

use std::io::ErrorKind;
use std::io::IsTerminal;
use std::io::Stdout;
use std::io::Write;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;

use anyhow::Context;
use anyhow::Result;

use crate::model::account::Account;
use crate::model::foreign;
use crate::model::loss::Loss;
use crate::observe::rows::ReaderGone;
use crate::observe::rows::Rows;
use crate::render::style::Colour;
use crate::render::style::RESET;
use crate::render::style::Style;
use crate::render::table::Fit;

use crate::target::clock;

use super::patience::GIVEN_UP;
use super::patience::MOMENT;
use super::patience::MOST;
use super::patience::PATIENCE;
pub(super) use super::voice::VOICE;
pub(super) use super::voice::finish_notes;
pub(super) use super::voice::note;
use super::voice::report_cost;
pub(super) use super::voice::report_losses;
pub(super) use super::voice::warn;
use super::writer::Chunk;
use super::writer::Writer;

/// Buffered standard output. Rows are collected in `text` and written when it is time to.
#[derive(Debug)]
pub(super) struct Output {
    /// Rows not written yet.
    pub(super) text: Vec<u8>,
    /// Where in it each of those ends that are counted.
    ends: Vec<usize>,
    out: Out,
    /// Whether escape sequences of ours may leave.
    colour: bool,
}

/// How it is written.
#[derive(Debug)]
enum Out {
    /// Whoever reads it is waited for.
    Patient(Stdout),
    /// Nobody is waited for.
    Observing(Stream),
}

/// A writer, and whether somebody reads what it writes.
#[derive(Debug)]
struct Stream {
    writer: Writer,
    /// How far it had come when it was last waited for in vain; `None`: it keeps up.
    stalled_at: Option<u64>,
}

/// Written as soon as this much has been collected.
const ENOUGH: usize = 64 << 10;

/// Columns of a terminal that does not say how many it has.
const USUAL: usize = 80;

impl Stream {
    /// Waits a moment for the writer, unless that was in vain before and nothing has changed.
    fn keep_order(&mut self) {
        if self.stalled_at == Some(self.writer.pieces()) {
            return;
        }
        let written = self.writer.wait(Instant::now() + MOMENT);
        self.stalled_at = (!written).then(|| self.writer.pieces());
    }

    fn push(&mut self, chunk: &mut Chunk) {
        let is_stalled = self.stalled_at == Some(self.writer.pieces());
        let moment = if is_stalled { Duration::ZERO } else { MOMENT };
        let taken = self.writer.push(chunk, Instant::now() + moment);
        self.stalled_at = (!taken).then(|| self.writer.pieces());
    }
}

impl Output {
    /// For what is written once: it waits for its reader.
    pub(super) fn new() -> Self {
        Self {
            text: Vec::with_capacity(2 * ENOUGH),
            ends: Vec::new(),
            out: Out::Patient(std::io::stdout()),
            colour: style(false).colour,
        }
    }

    /// For what is written while observing: nobody who does not read holds it.
    ///
    /// # Errors
    /// There is no thread to be had.
    pub(super) fn observing() -> Result<Self> {
        let writer = Writer::to(&std::io::stdout()).context("cannot write to standard output")?;
        let stream = Stream {
            writer,
            stalled_at: None,
        };
        Ok(Self {
            out: Out::Observing(stream),
            ..Self::new()
        })
    }

    /// A row, or a report, is complete: it counts as lost if it cannot be written.
    pub(super) fn counts(&mut self) {
        self.ends.push(self.text.len());
    }

    /// Writes what was collected, if it is much. Whether whoever reads it keeps up.
    pub(super) fn relieve(&mut self) -> Result<bool> {
        if self.text.len() < ENOUGH {
            return Ok(true);
        }
        self.hand_over()?;
        Ok(match &self.out {
            Out::Patient(_) => true,
            Out::Observing(stream) => stream.stalled_at.is_none(),
        })
    }

    /// Writes what was collected.
    pub(super) fn flush(&mut self) -> Result<()> {
        if self.text.is_empty() {
            return Ok(());
        }
        self.hand_over()?;
        if let Out::Observing(stream) = &mut self.out {
            stream.keep_order();
        }
        self.check()
    }

    /// Writes bytes that are not for people: a profile.
    pub(super) fn binary(&mut self, bytes: Vec<u8>) -> Result<()> {
        self.text = bytes;
        self.write()
    }

    /// Lets nothing leave that a terminal would obey, but for what is ours.
    fn tame(&mut self) {
        let own: &[&str] = match self.colour {
            true => &[
                Colour::Green.sequence(),
                Colour::Yellow.sequence(),
                Colour::Dim.sequence(),
                RESET,
            ],
            false => &[],
        };
        if foreign::tamed(&self.text, own).is_none() {
            return;
        }
        // Row by row: where they end is known afterwards too.
        let mut all = Vec::with_capacity(self.text.len() + 16);
        let mut add = |part: &[u8]| {
            match foreign::tamed(part, own) {
                Some(part) => all.extend_from_slice(&part),
                None => all.extend_from_slice(part),
            }
            all.len()
        };
        let mut begin = 0;
        for end in &mut self.ends {
            let row = self.text.get(begin..*end).unwrap_or_default();
            begin = *end;
            *end = add(row);
        }
        add(self.text.get(begin..).unwrap_or_default());
        self.text = all;
    }

    fn hand_over(&mut self) -> Result<()> {
        self.tame();
        self.write()
    }

    fn write(&mut self) -> Result<()> {
        match &mut self.out {
            Out::Patient(out) => {
                let written = out.write_all(&self.text).and_then(|()| out.flush());
                self.text.clear();
                self.ends.clear();
                written.map_err(cannot_write)
            }
            Out::Observing(stream) => {
                let mut chunk = Chunk {
                    text: std::mem::take(&mut self.text),
                    ends: std::mem::take(&mut self.ends),
                };
                stream.push(&mut chunk);
                (self.text, self.ends) = (chunk.text, chunk.ends);
                self.check()
            }
        }
    }

    /// Whether it can be written at all.
    fn check(&self) -> Result<()> {
        let Out::Observing(stream) = &self.out else {
            return Ok(());
        };
        match stream.writer.failure() {
            Some(why) => Err(cannot_write(why)),
            None => Ok(()),
        }
    }

    /// The end of what has no account of its own: says what was not written.
    pub(super) fn end(&mut self) -> Result<()> {
        let finished = self.finish();
        report_losses(self.lost_after(None).as_slice());
        finished
    }
}

impl Rows for Output {
    fn finish(&mut self) -> Result<()> {
        if !self.text.is_empty() {
            self.hand_over()?;
        }
        if let Out::Observing(stream) = &self.out
            && !stream.writer.finish(PATIENCE, MOST)
        {
            GIVEN_UP.store(true, Ordering::Relaxed);
        }
        self.check()
    }

    fn lost_after(&self, before: Option<Loss>) -> Option<Loss> {
        const SLOW: &str =
            "rows or reports not written: whoever reads standard output did not keep up";
        const FAILED: &str = "rows or reports not written: standard output takes nothing more";
        let (events, meaning) = match &self.out {
            Out::Patient(_) => (0, SLOW),
            Out::Observing(stream) => match stream.writer.failure() {
                Some(why) if why.kind() == ErrorKind::BrokenPipe => (0, SLOW),
                Some(_) => (stream.writer.lost(), FAILED),
                None => (stream.writer.lost(), SLOW),
            },
        };
        let before = before.map_or(0, |loss| loss.events);
        let loss = Loss {
            cause: "not_written",
            meaning,
            events: events.saturating_sub(before),
        };
        (loss.events > 0).then_some(loss)
    }

    fn close(&mut self, account: &Account) {
        if let Some(cost) = &account.cost {
            report_cost(cost);
        }
        report_losses(&account.losses);
    }
}

/// What it means that standard output cannot be written to.
pub(super) fn cannot_write(why: std::io::Error) -> anyhow::Error {
    match why.kind() {
        ErrorKind::BrokenPipe => ReaderGone.into(),
        _ => anyhow::Error::new(why).context("cannot write to standard output"),
    }
}

/// Whether standard output is a terminal.
pub(super) fn is_terminal() -> bool {
    std::io::stdout().is_terminal()
}

/// What standard output allows.
pub(super) fn style(human: bool) -> Style {
    let terminal = is_terminal();
    let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let size = terminal.then(terminal_size::terminal_size).flatten();
    // Some do not know how large they are.
    let width = size.map_or(USUAL, |(width, _)| usize::from(width.0).max(1));
    let width = terminal.then_some(width);
    Style {
        width,
        wide: false,
        colour: terminal && !plain,
        human,
    }
}

/// What time it is, in ns since 1970, if that is to be shown.
pub(super) fn stamp(is_shown: bool) -> Result<Option<u64>> {
    match is_shown {
        true => clock::unix_ns(),
        false => Ok(None),
    }
}

/// Says which columns the terminal is too narrow for.
pub(super) fn tell_left_out(fit: &Fit) {
    if let Some(line) = fit.left_out() {
        note(&line);
    }
}

/// Lines of the terminal that standard output is; `None` if it is none.
pub(super) fn height() -> Option<u64> {
    let (_, height) = terminal_size::terminal_size_of(std::io::stdout())?;
    Some(u64::from(height.0)).filter(|height| *height > 0)
}
