//! Where text goes: data to standard output, everything else to standard error. Nothing else writes to either (a test
//! of the layers holds that), so that nothing leaves which a terminal would obey, whoever wrote it.

use std::io::IsTerminal;
use std::io::Stdout;
use std::io::Write;

use anyhow::Context;
use anyhow::Result;

use crate::model::cost::Cost;
use crate::model::foreign;
use crate::model::loss::Loss;
use crate::render;
use crate::render::style::Colour;
use crate::render::style::RESET;
use crate::render::style::Style;

/// Buffered standard output. Rows are collected in `text` and written when it is time to.
#[derive(Debug)]
pub(super) struct Output {
    /// Rows not written yet.
    pub(super) text: Vec<u8>,
    out: Stdout,
    /// Whether escape sequences of ours may leave.
    colour: bool,
}

/// Written as soon as this much has been collected.
const ENOUGH: usize = 64 << 10;

impl Output {
    pub(super) fn new() -> Self {
        Self {
            text: Vec::with_capacity(2 * ENOUGH),
            out: std::io::stdout(),
            colour: style(false).colour,
        }
    }

    /// Writes what was collected, if it is much.
    pub(super) fn relieve(&mut self) -> Result<()> {
        if self.text.len() < ENOUGH {
            return Ok(());
        }
        self.flush()
    }

    /// Writes what was collected.
    pub(super) fn flush(&mut self) -> Result<()> {
        if self.text.is_empty() {
            return Ok(());
        }
        let own: &[&str] = match self.colour {
            true => &[
                Colour::Green.sequence(),
                Colour::Yellow.sequence(),
                Colour::Dim.sequence(),
                RESET,
            ],
            false => &[],
        };
        if let Some(tamed) = foreign::tamed(&self.text, own) {
            self.text = tamed;
        }
        self.write()
    }

    /// Writes bytes that are not for people: a profile.
    pub(super) fn binary(&mut self, bytes: Vec<u8>) -> Result<()> {
        self.text = bytes;
        self.write()
    }

    fn write(&mut self) -> Result<()> {
        let written = self
            .out
            .write_all(&self.text)
            .and_then(|()| self.out.flush());
        self.text.clear();
        written.context("cannot write to standard output")
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
    let width = terminal
        .then(terminal_size::terminal_size)
        .flatten()
        .map(|(width, _)| usize::from(width.0))
        .filter(|width| *width > 0);
    Style {
        width,
        colour: terminal && !plain,
        human,
    }
}

/// Lines of the terminal that standard output is; `None` if it is none.
pub(super) fn height() -> Option<u64> {
    let (_, height) = terminal_size::terminal_size_of(std::io::stdout())?;
    Some(u64::from(height.0)).filter(|height| *height > 0)
}

/// A line for people, on standard error.
pub(super) fn note(line: &str) {
    // Nothing better can be done when standard error is closed.
    let _ = writeln!(std::io::stderr(), "{}", foreign::line(line));
}

/// A warning, on standard error.
pub(super) fn warn(line: &str) {
    note(&format!("grtmon: {line}"));
}

/// Says what the observation has cost the observed, if anything.
pub(super) fn report_cost(cost: &Cost) {
    if cost.hits > 0 {
        note(&render::cost::text(cost));
    }
}

/// Says what was lost, cause by cause.
pub(super) fn report_losses(losses: &[Loss]) {
    for loss in losses.iter().filter(|loss| loss.events > 0) {
        warn(&format!("lost {}: {}", loss.events, loss.meaning));
    }
}

/// Whether whoever read what is written has gone: a normal end.
pub(super) fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<std::io::Error>())
        .any(|cause| cause.kind() == std::io::ErrorKind::BrokenPipe)
}
