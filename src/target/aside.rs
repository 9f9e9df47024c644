//! Reads that may never return, done by another process.
//!
//! Whoever controls a process controls what becomes of those who read its memory: a page of it can belong to a file
//! system in user space (FUSE) or a server that does not answer, or be one that userfaultfd(2) is to fill. Who reads it,
//! by process_vm_readv(2) or through /proc/PID/mem or /proc/PID/cmdline, then waits as long as that server likes, and no
//! signal but SIGKILL ends it; not even that once the server has taken the question. A thread that waits so keeps its
//! whole process from ending. So it is another process that reads, one of ours: it has nothing open and no part in
//! anything else, and where it does not answer in time it is left behind. The same goes for files: see [`super::far`].

use std::fs::File;
use std::io;
use std::io::Read;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use nix::errno::Errno;

use super::aside_process;
use super::aside_process::Room;
use super::file_id::FileId;
use super::process::ProcessId;

pub(super) use super::aside_process::MAX_PIECES;
pub(super) use super::aside_process::ROOM;

/// How long a read may take. What is in memory takes a millisecond, what is on a disk that is busy some hundreds.
const TIME: Duration = Duration::from_secs(3);
/// However many did not answer before, the next one has this long.
const LEAST: Duration = Duration::from_millis(250);

/// Readers that wait for their next question.
static IDLE: Mutex<Vec<Reader>> = Mutex::new(Vec::new());

/// Those of whom nothing was to be had: who asks again waits again, and leaves another reader behind.
static SILENT: Mutex<Vec<Whose>> = Mutex::new(Vec::new());

/// Whose contents are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Whose {
    /// A process's.
    Process(ProcessId),
    /// A file's, by device and inode.
    File([u64; 2]),
}

/// Why something could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    /// What the system said.
    Errno(Errno),
    /// There was no answer in time.
    Silent,
    /// There is no other process to be had: whoever wants it read reads it himself.
    Alone,
}

/// Starts the first reader, while there is little to share with it.
pub(super) fn prepare() {
    let is_first = idle().is_empty();
    if is_first && let Ok(reader) = Reader::start() {
        idle().push(reader);
    }
}

/// One call of process_vm_readv(2): fills the buffers in their order as far as it goes, at most [`MAX_PIECES`] of them
/// with together [`ROOM`] bytes. Returns how many bytes are filled.
pub(super) fn read_memory(pid: i32, pieces: &mut [(u64, &mut [u8])]) -> Result<usize, Failure> {
    ask(of_process(pid), |reader| {
        let places = pieces.iter().map(|(addr, buf)| (*addr, buf.len() as u64));
        reader.room.ask_for_memory(pid, places);
        let done = reader.answer()?;
        let mut from = 0;
        for (_, buf) in pieces.iter_mut() {
            let len = buf.len().min(done.saturating_sub(from));
            reader
                .room
                .copy(from, buf.get_mut(..len).unwrap_or_default());
            from += len;
        }
        Ok(done)
    })
}

/// Reads a file in /proc/PID from a place on, in one call: at most [`ROOM`] bytes. Returns how many there were.
pub(super) fn read_file(pid: i32, name: &str, at: u64, buf: &mut [u8]) -> Result<usize, Failure> {
    let path = format!("/proc/{pid}/{name}");
    ask(of_process(pid), |reader| {
        reader.room.ask_for_file(&path, false, at, buf.len() as u64);
        reader.filled(buf)
    })
}

/// Reads a file that is open here, if only as a place, from a place on: at most [`ROOM`] bytes. Returns how many there
/// were, and what the file lies on (statfs(2), `f_type`; 0 where that is not said). It is looked at besides, so that the
/// kernel knows its attributes as they are.
pub(super) fn read_open(file: &File, at: u64, buf: &mut [u8]) -> Result<(usize, u64), Failure> {
    let path = format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd());
    let whose = || Some(Whose::File(FileId::of(file).ok()?.inode()));
    ask(whose, |reader| {
        reader.room.ask_for_file(&path, true, at, buf.len() as u64);
        let done = reader.filled(buf)?;
        Ok((done, reader.room.file_system()))
    })
}

fn of_process(pid: i32) -> impl Fn() -> Option<Whose> {
    move || ProcessId::of(pid).ok().map(Whose::Process)
}

/// All of a file in /proc/PID, or its first `most` bytes.
///
/// # Errors
/// It cannot be read; [`io::ErrorKind::TimedOut`] if there was no answer.
pub(super) fn read_all(pid: i32, name: &str, most: usize) -> io::Result<Vec<u8>> {
    /// The kernel gives no more than some pages of such a file at once.
    const PART: usize = 1 << 16;
    let mut text = Vec::new();
    let mut part = vec![0; PART.min(most)];
    while text.len() < most {
        let room = part.len().min(most - text.len());
        let piece = part.get_mut(..room).unwrap_or_default();
        let len = match read_file(pid, name, text.len() as u64, piece) {
            Ok(0) => break,
            Ok(len) => len,
            Err(Failure::Errno(errno)) => return Err(errno.into()),
            Err(Failure::Silent) => return Err(io::ErrorKind::TimedOut.into()),
            Err(Failure::Alone) => {
                File::open(format!("/proc/{pid}/{name}"))?
                    .take(most as u64)
                    .read_to_end(&mut text)?;
                break;
            }
        };
        text.extend_from_slice(piece.get(..len).unwrap_or_default());
    }
    Ok(text)
}

/// Has a reader answer a question about what is theirs.
fn ask<T>(
    whose: impl Fn() -> Option<Whose>,
    mut question: impl FnMut(&mut Reader) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let earlier = silent().len();
    if earlier > 0 && whose().is_some_and(|whose| silent().contains(&whose)) {
        return Err(Failure::Silent);
    }
    let doubled = u32::try_from(earlier).unwrap_or(u32::MAX).saturating_add(1);
    let time = (TIME / doubled).max(LEAST);
    // One that waited may have been ended by somebody; a new one answers, or nobody does.
    loop {
        let waiting = idle().pop();
        let is_new = waiting.is_none();
        let mut reader = match waiting {
            Some(reader) => reader,
            None => Reader::start().map_err(|_| Failure::Alone)?,
        };
        if reader.time != Some(time) {
            let timed = reader.socket.set_read_timeout(Some(time));
            timed.map_err(|_| Failure::Alone)?;
            reader.time = Some(time);
        }
        match question(&mut reader) {
            Err(Failure::Silent) => {
                reader.leave();
                silent().extend(whose());
                return Err(Failure::Silent);
            }
            Err(Failure::Alone) if !is_new => {}
            answer => {
                if answer.as_ref().err() != Some(&Failure::Alone) {
                    idle().push(reader);
                }
                return answer;
            }
        }
    }
}

fn silent() -> std::sync::MutexGuard<'static, Vec<Whose>> {
    SILENT.lock().unwrap_or_else(PoisonError::into_inner)
}

fn idle() -> std::sync::MutexGuard<'static, Vec<Reader>> {
    IDLE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A process that reads.
#[derive(Debug)]
struct Reader {
    pid: i32,
    socket: UnixStream,
    /// How long is waited for its answers, if that was ever said.
    time: Option<Duration>,
    room: Room,
}

impl Reader {
    fn start() -> io::Result<Self> {
        let room = Room::new()?;
        let (ours, theirs) = UnixStream::pair()?;
        let pid = aside_process::start(&room, theirs.as_raw_fd())?;
        Ok(Self {
            pid,
            socket: ours,
            time: None,
            room,
        })
    }

    /// The answer to what is asked for in the room.
    fn answer(&mut self) -> Result<usize, Failure> {
        self.socket.write_all(&[1]).map_err(|_| Failure::Alone)?;
        match self.socket.read_exact(&mut [0]) {
            Ok(()) => self.room.answer().map_err(Failure::Errno),
            Err(why)
                if matches!(
                    why.kind(),
                    io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
                ) =>
            {
                Err(Failure::Silent)
            }
            Err(_) => Err(Failure::Alone),
        }
    }

    /// What was asked for of a file: fills the buffer as far as it goes.
    fn filled(&mut self, buf: &mut [u8]) -> Result<usize, Failure> {
        let done = self.answer()?.min(buf.len());
        self.room.copy(0, buf.get_mut(..done).unwrap_or_default());
        Ok(done)
    }

    /// Ends it as soon as it can be ended. Its memory stays shared until then.
    fn leave(self) {
        aside_process::end(self.pid);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_process_reads_what_this_one_would() {
        let me = std::process::id().cast_signed();
        let data: Vec<u8> = (0..=255).collect();
        let (mut first, mut second) = ([0; 100], [0; 50]);
        let addr = data.as_ptr() as u64;
        let mut pieces = [(addr, &mut first[..]), (addr + 150, &mut second[..])];
        assert_eq!(read_memory(me, &mut pieces), Ok(150));
        assert_eq!((&first[..], &second[..]), (&data[..100], &data[150..200]));
        let mut pieces = [(addr, &mut first[..]), (8, &mut second[..])];
        assert_eq!(read_memory(me, &mut pieces), Ok(100));
        let mut nowhere = [(8, &mut first[..])];
        let failed = read_memory(me, &mut nowhere);
        assert_eq!(failed, Err(Failure::Errno(Errno::EFAULT)));
        let gone = read_memory(i32::MAX, &mut [(addr, &mut first[..])]);
        assert_eq!(gone, Err(Failure::Errno(Errno::ESRCH)));
        let maps = String::from_utf8(read_all(me, "maps", usize::MAX).unwrap()).unwrap();
        assert!(maps.contains("[stack]"), "{maps}");
        assert_eq!(read_all(me, "maps", 10).unwrap().len(), 10);
        let why = read_all(me, "none", 10).unwrap_err();
        assert_eq!(why.kind(), io::ErrorKind::NotFound);
    }

    /// It must hold nothing open: a pipe whose reader waits for its end, a probe.
    #[test]
    fn a_reader_has_nothing_open() {
        let reader = Reader::start().unwrap();
        let mut open: Vec<_> = (0..100).collect();
        // It has just begun.
        for _ in 0..1000 {
            let list = std::fs::read_dir(format!("/proc/{}/fd", reader.pid)).unwrap();
            open = list
                .flatten()
                .filter_map(|it| it.file_name().to_str()?.parse().ok())
                .collect();
            if open == [0] {
                break;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        assert_eq!(open, [0]);
        let pid = reader.pid;
        drop(reader);
        aside_process::end(pid);
    }

    #[test]
    fn one_that_was_ended_is_replaced() {
        let me = std::process::id().cast_signed();
        let (data, mut copy) = ([7; 8], [0; 8]);
        let mut read = || read_memory(me, &mut [(data.as_ptr() as u64, &mut copy[..])]);
        assert_eq!(read(), Ok(8));
        for reader in idle().iter() {
            aside_process::end(reader.pid);
        }
        assert_eq!(read(), Ok(8));
    }
}
