//! Writes to a descriptor on a thread of its own, so that nobody who does not read what is written holds an observation:
//! what cannot be written in time is dropped and counted.
//!
//! Nothing is written without waiting by this: the descriptor is left as it was, since it may be shared with others.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::io::ErrorKind;
use std::io::Write;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::Condvar;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use crate::target::signals;

/// Bytes that may wait to be written.
const ROOM: usize = 4 << 20;
/// So much is written to a pipe as a whole or not at all (`PIPE_BUF`, pipe(7)): that is how it is known what was written
/// when nobody reads any more.
const PIECE: usize = 4096;
/// Empty buffers that are kept.
const SPARE: usize = 8;

/// Text with what is counted in it.
#[derive(Debug, Default)]
pub(super) struct Chunk {
    pub(super) text: Vec<u8>,
    /// Where in the text each row, or whatever else is counted, ends.
    pub(super) ends: Vec<usize>,
}

/// A thread that writes, and what waits for it.
#[derive(Debug, Clone)]
pub(super) struct Writer {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    queue: VecDeque<Chunk>,
    /// Bytes in the queue, and of the chunk that is being written.
    waiting: usize,
    /// Pieces written so far: while this grows, somebody reads.
    pieces: u64,
    /// Rows handed over, and rows written as a whole.
    taken: u64,
    written: u64,
    spare: Vec<Chunk>,
    failed: Option<i32>,
    /// Nothing is taken, and nothing more is written.
    closed: bool,
}

impl Writer {
    /// Writes to this descriptor from now on.
    ///
    /// # Errors
    /// There is no descriptor or no thread to be had.
    pub(super) fn to(descriptor: &impl AsFd) -> io::Result<Self> {
        let file = File::from(descriptor.as_fd().try_clone_to_owned()?);
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        let writer = thread::Builder::new().name("writer".to_owned());
        signals::left_to_others(|| writer.spawn(move || theirs.write_all(file)))?;
        Ok(Self { shared })
    }

    /// Hands over what was collected, and gives back an empty chunk. Waits for room until then; where there is none even
    /// so, what was collected is dropped, which [`lost`](Self::lost) counts. Returns whether it was taken.
    pub(super) fn push(&self, chunk: &mut Chunk, until: Instant) -> bool {
        let mut state = self.shared.lock();
        while state.waiting > 0 && state.waiting + chunk.text.len() > ROOM && state.is_open() {
            let Some(left) = remaining(until) else { break };
            state = self.shared.wait(state, left);
        }
        state.taken += chunk.ends.len() as u64;
        let fits = state.waiting == 0 || state.waiting + chunk.text.len() <= ROOM;
        let taken = fits && state.is_open();
        if taken {
            state.waiting += chunk.text.len();
            let empty = state.spare.pop().unwrap_or_default();
            state.queue.push_back(std::mem::replace(chunk, empty));
            self.shared.changed.notify_all();
        }
        chunk.text.clear();
        chunk.ends.clear();
        taken
    }

    /// Waits until all is written, at most until then. Whether it is.
    pub(super) fn wait(&self, until: Instant) -> bool {
        let mut state = self.shared.lock();
        while state.waiting > 0 && state.is_open() {
            let Some(left) = remaining(until) else {
                return false;
            };
            state = self.shared.wait(state, left);
        }
        true
    }

    /// Waits until all is written, as long as in each `patience` something is, and `most` at the most. What is not is
    /// dropped, and nothing more is taken. Whether all was written.
    pub(super) fn finish(&self, patience: Duration, most: Duration) -> bool {
        let end = Instant::now() + most;
        let mut pieces = self.pieces();
        while !self.wait(end.min(Instant::now() + patience)) {
            let now = self.pieces();
            if now == pieces || Instant::now() >= end {
                let mut state = self.shared.lock();
                state.closed = true;
                state.queue.clear();
                return false;
            }
            pieces = now;
        }
        self.failure().is_none()
    }

    /// How far it has come: while this changes, somebody reads.
    pub(super) fn pieces(&self) -> u64 {
        self.shared.lock().pieces
    }

    /// Rows that were handed over and are not written.
    pub(super) fn lost(&self) -> u64 {
        let state = self.shared.lock();
        state.taken.saturating_sub(state.written)
    }

    /// Why nothing can be written any more.
    pub(super) fn failure(&self) -> Option<io::Error> {
        self.shared.lock().failed.map(io::Error::from_raw_os_error)
    }
}

/// The time until then, if it is not over.
fn remaining(until: Instant) -> Option<Duration> {
    let left = until.saturating_duration_since(Instant::now());
    (!left.is_zero()).then_some(left)
}

impl State {
    fn is_open(&self) -> bool {
        !self.closed && self.failed.is_none()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nobody panics while holding it; and if, what is in it is still true.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>, limit: Duration) -> MutexGuard<'a, State> {
        match self.changed.wait_timeout(state, limit) {
            Ok((state, _)) => state,
            Err(poisoned) => poisoned.into_inner().0,
        }
    }

    /// The thread.
    fn write_all(&self, mut file: File) {
        let is_file = file.metadata().is_ok_and(|it| it.is_file());
        let piece = if is_file { ROOM } else { PIECE };
        let mut state = self.lock();
        loop {
            if !state.is_open() {
                return;
            }
            let Some(mut chunk) = state.queue.pop_front() else {
                state = match self.changed.wait(state) {
                    Ok(state) => state,
                    Err(poisoned) => poisoned.into_inner(),
                };
                continue;
            };
            let (mut done, mut ends) = (0, 0);
            while done < chunk.text.len() && state.is_open() {
                drop(state);
                // Whoever else writes to the same pipe, as a command that was started, comes between rows and not into one.
                let most = chunk.text.len().min(done + piece);
                let rows = chunk.ends.partition_point(|end| *end <= most);
                let whole = rows.checked_sub(1).and_then(|last| chunk.ends.get(last));
                let end = whole.copied().filter(|end| *end > done).unwrap_or(most);
                let written = file.write(chunk.text.get(done..end).unwrap_or_default());
                state = self.lock();
                match written {
                    Ok(bytes) if bytes > 0 => {
                        done += bytes;
                        let passed = chunk.ends.partition_point(|end| *end <= done);
                        state.written += (passed - ends) as u64;
                        state.waiting = state.waiting.saturating_sub(bytes);
                        state.pieces += 1;
                        ends = passed;
                    }
                    Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                    // A descriptor that somebody else has set to O_NONBLOCK.
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {
                        drop(state);
                        thread::sleep(Duration::from_millis(1));
                        state = self.lock();
                        continue;
                    }
                    failed => {
                        const EIO: i32 = 5;
                        let code = failed.err().and_then(|error| error.raw_os_error());
                        state.failed = Some(code.unwrap_or(EIO));
                    }
                }
                self.changed.notify_all();
            }
            chunk.text.clear();
            chunk.ends.clear();
            if state.spare.len() < SPARE {
                state.spare.push(chunk);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    /// So many rows of 100 bytes, 1000 in a chunk.
    fn push(writer: &Writer, chunks: usize) {
        for _ in 0..chunks {
            let mut chunk = Chunk::default();
            for _ in 0..1000 {
                chunk.text.extend_from_slice(&[b'x'; 99]);
                chunk.text.push(b'\n');
                chunk.ends.push(chunk.text.len());
            }
            writer.push(&mut chunk, Instant::now());
            assert!(chunk.text.is_empty() && chunk.ends.is_empty());
        }
    }

    #[test]
    fn who_reads_gets_all() {
        let (mut reader, pipe) = io::pipe().unwrap();
        let writer = Writer::to(&pipe).unwrap();
        drop(pipe);
        push(&writer, 20);
        let read = thread::spawn(move || {
            let mut bytes = vec![0; 20 * 100_000];
            reader.read_exact(&mut bytes).unwrap();
            reader
        });
        let patience = Duration::from_secs(60);
        assert!(writer.finish(patience, patience));
        assert_eq!(writer.lost(), 0);
        drop(read.join().unwrap());
    }

    #[test]
    fn what_nobody_reads_is_counted_and_holds_nobody() {
        let (mut reader, pipe) = io::pipe().unwrap();
        let writer = Writer::to(&pipe).unwrap();
        drop(pipe);
        // More than there is room for.
        push(&writer, 100);
        assert!(!writer.finish(Duration::from_millis(200), Duration::from_secs(60)));
        let lost = writer.lost();
        push(&writer, 1);
        assert_eq!(writer.lost(), lost + 1000);
        // What is in the pipe now, and no more: the thread may go on when there is room.
        let mut bytes = vec![0; 1 << 16];
        let read = reader.read(&mut bytes).unwrap();
        let rows = bytes[..read].iter().filter(|it| **it == b'\n').count();
        assert_eq!(rows as u64 + lost, 100_000);
        assert!(rows > 0, "{lost}");
    }

    #[test]
    fn a_reader_that_has_gone_is_a_failure() {
        let (reader, pipe) = io::pipe().unwrap();
        let writer = Writer::to(&pipe).unwrap();
        drop(reader);
        push(&writer, 1);
        let patience = Duration::from_secs(60);
        assert!(!writer.finish(patience, patience));
        assert_eq!(writer.failure().unwrap().kind(), ErrorKind::BrokenPipe);
    }
}
