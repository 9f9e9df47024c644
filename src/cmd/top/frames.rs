//! Frames on their way to the terminal: one that takes nothing (it was stopped, or a connection hangs) holds neither the
//! view nor its probes.

use std::io;
use std::io::Write;
use std::time::Duration;
use std::time::Instant;

use crate::cmd::writer::Chunk;
use crate::cmd::writer::Writer;

/// How long a frame is waited for.
const MOMENT: Duration = Duration::from_millis(100);

/// What is being drawn, and what was.
#[derive(Debug)]
pub(super) struct Frames {
    chunk: Chunk,
    writer: Writer,
}

impl Frames {
    /// Written to standard output.
    ///
    /// # Errors
    /// There is no thread to be had.
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            chunk: Chunk::default(),
            writer: Writer::to(&io::stdout())?,
        })
    }

    /// Tells whether the last frame was taken.
    pub(super) fn writer(&self) -> Writer {
        self.writer.clone()
    }
}

impl Write for Frames {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.chunk.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let until = Instant::now() + MOMENT;
        if !self.chunk.text.is_empty() {
            self.writer.push(&mut self.chunk, until);
        }
        self.writer.wait(until);
        match self.writer.failure() {
            Some(why) => Err(why),
            None => Ok(()),
        }
    }
}
