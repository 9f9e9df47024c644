//! What people are told, on standard error: what is being done, what is not as it should be, what was lost, what it has cost.

use std::io::IsTerminal;
use std::io::Write;
use std::sync::OnceLock;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;

use crate::model::cost::Cost;
use crate::model::foreign;
use crate::model::loss::Loss;
use crate::observe::Voice;
use crate::render;
use crate::render::wrap::wrap;

use super::patience::GIVEN_UP;
use super::patience::LEFT;
use super::patience::MOMENT;
use super::patience::MOST;
use super::patience::PATIENCE;
use super::writer::Chunk;
use super::writer::Writer;

/// Standard error; `None`: there is no thread to be had that writes to it.
static NOTES: OnceLock<Option<Writer>> = OnceLock::new();
/// It was waited for in vain.
static NOTES_STALL: AtomicBool = AtomicBool::new(false);

/// Spaces before what follows of a line that a terminal is too narrow for,
const MARGIN: &str = "  ";
/// and how narrow it may be.
const NARROWEST: usize = 20;

/// One line; on a terminal as many as it takes, broken at words.
fn as_lines(line: &str) -> String {
    let size = match std::io::stderr().is_terminal() {
        true => terminal_size::terminal_size_of(std::io::stderr()),
        false => None,
    };
    let room = size.map(|(width, _)| usize::from(width.0));
    let room = room.map_or(usize::MAX, |width| width.max(NARROWEST) - MARGIN.len());
    let mut text = wrap(line, room).join(&format!("\n{MARGIN}"));
    text.push('\n');
    text
}

/// A line for people, on standard error.
pub(super) fn note(line: &str) {
    let writer = NOTES.get_or_init(|| Writer::to(&std::io::stderr()).ok());
    let text = as_lines(&foreign::line(line)).into_bytes();
    let Some(writer) = writer else {
        // Nothing better can be done when standard error is closed.
        let _ = std::io::stderr().write_all(&text);
        return;
    };
    let mut chunk = Chunk {
        text,
        ends: Vec::new(),
    };
    writer.push(&mut chunk, Instant::now());
    // So that it is there before what follows on standard output.
    let wait = match NOTES_STALL.load(Ordering::Relaxed) {
        true => Duration::ZERO,
        false => MOMENT * 5,
    };
    let written = writer.wait(Instant::now() + wait);
    NOTES_STALL.store(!written, Ordering::Relaxed);
}

/// At the end of the program: waits for whoever reads standard error, not for ever.
pub(super) fn finish_notes() {
    let patience = match GIVEN_UP.load(Ordering::Relaxed) {
        true => LEFT,
        false => PATIENCE,
    };
    if let Some(Some(writer)) = NOTES.get() {
        writer.finish(patience, MOST);
    }
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

/// Tells people on standard error.
#[derive(Debug)]
struct StandardError;

/// Whoever reads standard error.
pub(super) const VOICE: &dyn Voice = &StandardError;

impl Voice for StandardError {
    fn note(&self, line: &str) {
        note(line);
    }

    fn warn(&self, line: &str) {
        warn(line);
    }
}
