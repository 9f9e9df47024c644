//! Another process's memory through process_vm_readv(2), or where that cannot be used /proc/PID/mem: needs the right to
//! ptrace-read it, costs it nothing.

use std::io::IoSliceMut;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;

use nix::errno::Errno;
use nix::sys::uio::RemoteIoVec;
use nix::sys::uio::process_vm_readv;
use nix::unistd::Pid;

use crate::go::memory::MemoryError;
use crate::go::memory::Piece;
use crate::go::memory::ReadMemory;

use super::aside;
use super::aside::Failure;
use super::budget::Budget;
use super::memory_file::MemoryFile;
use super::texts;

/// Whether process_vm_readv(2) was found not to work where /proc/PID/mem does: then it is not tried again.
static REFUSED: AtomicBool = AtomicBool::new(false);

/// The memory of a live process. It is another process that reads it, as that may never end: see `aside`.
#[derive(Debug, Clone)]
pub struct ProcessMemory {
    pid: Pid,
    /// For where the call cannot be used.
    file: Arc<MemoryFile>,
    known: Arc<Known>,
    /// What may be read of it, if that is limited.
    budget: Option<Arc<Budget>>,
}

/// What reading a process has shown.
#[derive(Debug, Default)]
struct Known {
    /// It did not answer: whoever asks again waits again.
    silent: AtomicBool,
    /// Only this process may read it, as Yama allows it to the parent of a child.
    ours: AtomicBool,
}

/// How the memory of processes is read here, found out on this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// process_vm_readv(2).
    Call,
    /// /proc/PID/mem, and why not by the call.
    File(&'static str),
    /// Neither, and why not by the call.
    None(&'static str),
}

/// See [`Way`].
pub fn way() -> Way {
    let (data, mut copy) = ([42_u8], [0_u8]);
    let pid = std::process::id().cast_signed();
    let addr = data.as_ptr() as u64;
    let why = match readv(Pid::from_raw(pid), &mut [(addr, &mut copy)]) {
        Err(Errno::ENOSYS) => {
            "this kernel lacks process_vm_readv (CONFIG_CROSS_MEMORY_ATTACH), or a sandbox hides it"
        }
        Err(_) => "process_vm_readv is forbidden here, as by a seccomp filter",
        Ok(_) => return Way::Call,
    };
    match MemoryFile::default().read_here(pid, addr, &mut copy) {
        Ok(()) => Way::File(why),
        Err(_) => Way::None(why),
    }
}

/// One call, made by this very thread.
fn readv(pid: Pid, pieces: &mut [(u64, &mut [u8])]) -> Result<usize, Errno> {
    let remotes = pieces.iter().map(|(addr, buf)| RemoteIoVec {
        base: usize::try_from(*addr).unwrap_or(0),
        len: buf.len(),
    });
    let remotes: Vec<RemoteIoVec> = remotes.collect();
    let mut local: Vec<_> = pieces
        .iter_mut()
        .map(|(_, buf)| IoSliceMut::new(buf))
        .collect();
    process_vm_readv(pid, &mut local, &remotes)
}

/// Whether an error is of the call itself, so that another way may be open.
fn is_refusal(error: Errno) -> bool {
    matches!(error, Errno::ENOSYS | Errno::EPERM)
}

impl ProcessMemory {
    /// The memory of process `pid`.
    pub fn new(pid: i32) -> Self {
        Self {
            pid: Pid::from_raw(pid),
            file: Arc::default(),
            known: Arc::default(),
            budget: None,
        }
    }

    /// The same, of which no more is read than that.
    pub(super) fn within(self, budget: Arc<Budget>) -> Self {
        Self {
            budget: Some(budget),
            ..self
        }
    }

    /// One call: at most [`aside::MAX_PIECES`] pieces with [`aside::ROOM`] bytes.
    fn call(&self, pieces: &mut [(u64, &mut [u8])]) -> Result<usize, Stopped> {
        self.spend(pieces.iter().map(|(_, buf)| buf.len()).sum())?;
        if self.known.ours.load(Ordering::Relaxed) {
            return readv(self.pid, pieces).map_err(Stopped::Errno);
        }
        match aside::read_memory(self.pid.as_raw(), pieces) {
            Ok(done) => Ok(done),
            Err(Failure::Errno(Errno::EPERM)) => {
                let done = readv(self.pid, pieces);
                self.known.ours.store(done.is_ok(), Ordering::Relaxed);
                done.map_err(Stopped::Errno)
            }
            Err(Failure::Errno(errno)) => Err(Stopped::Errno(errno)),
            Err(Failure::Silent) => {
                self.known.silent.store(true, Ordering::Relaxed);
                Err(Stopped::Why(MemoryError::Silent))
            }
            Err(Failure::Alone) => readv(self.pid, pieces).map_err(Stopped::Errno),
        }
    }

    /// So much is to be read.
    fn spend(&self, bytes: usize) -> Result<(), Stopped> {
        if self.known.silent.load(Ordering::Relaxed) {
            return Err(Stopped::Why(MemoryError::Silent));
        }
        match &self.budget {
            Some(budget) if !budget.spend(bytes) => Err(Stopped::Why(MemoryError::Spent)),
            _ => Ok(()),
        }
    }
}

/// Why a call was not made, or what the system said of it.
enum Stopped {
    Errno(Errno),
    Why(MemoryError),
}

impl ReadMemory for ProcessMemory {
    fn read(&self, addr: u64, buf: &mut [u8]) -> Result<(), MemoryError> {
        let mut at = addr;
        for part in buf.chunks_mut(aside::ROOM) {
            self.read_part(at, part)?;
            at = at.wrapping_add(part.len() as u64);
        }
        Ok(())
    }

    /// Its anonymous memory, and what of it is swapped out (proc(5), /proc/PID/status).
    fn held(&self) -> Option<u64> {
        let status = texts::status(self.pid.as_raw())?;
        let kib = status.rssanon?.saturating_add(status.vmswap.unwrap_or(0));
        Some(kib.saturating_mul(1024))
    }

    fn read_many(&self, pieces: &mut [Piece<'_>]) -> Result<(), MemoryError> {
        if REFUSED.load(Ordering::Relaxed) {
            return self.read_many_from_file(pieces);
        }
        let mut rest = pieces;
        while !rest.is_empty() {
            let done = match self.read_some(rest) {
                Ok(done) => done,
                Err(Stopped::Why(why)) => return Err(why),
                Err(Stopped::Errno(Errno::ESRCH)) => return Err(MemoryError::Gone),
                Err(Stopped::Errno(_)) => return self.read_many_from_file(rest),
            };
            rest = rest.get_mut(done..).unwrap_or_default();
        }
        Ok(())
    }
}

impl ProcessMemory {
    fn read_part(&self, addr: u64, buf: &mut [u8]) -> Result<(), MemoryError> {
        let len = buf.len();
        if REFUSED.load(Ordering::Relaxed) {
            return self.read_file(addr, buf);
        }
        match self.call(&mut [(addr, &mut *buf)]) {
            Ok(read) if read == len => Ok(()),
            Ok(_) => Err(MemoryError::Unmapped { addr, len }),
            Err(Stopped::Errno(error)) if is_refusal(error) => {
                let done = self.read_file(addr, buf);
                match done {
                    Ok(()) => REFUSED.store(true, Ordering::Relaxed),
                    // What the call said is more to the point.
                    Err(MemoryError::Other(_)) => return Err(explain(error, addr, len)),
                    Err(_) => {}
                }
                done
            }
            Err(Stopped::Errno(error)) => Err(explain(error, addr, len)),
            Err(Stopped::Why(why)) => Err(why),
        }
    }

    fn read_file(&self, addr: u64, buf: &mut [u8]) -> Result<(), MemoryError> {
        match self.spend(buf.len()) {
            Err(Stopped::Why(why)) => return Err(why),
            Err(Stopped::Errno(_)) | Ok(()) => {}
        }
        match self.file.read(self.pid.as_raw(), addr, buf) {
            Ok(()) => Ok(()),
            Err(Failure::Errno(error)) => Err(explain(error, addr, buf.len())),
            Err(Failure::Silent | Failure::Alone) => {
                self.known.silent.store(true, Ordering::Relaxed);
                Err(MemoryError::Silent)
            }
        }
    }

    /// Reads one piece after the other: there is no call for many.
    fn read_many_from_file(&self, pieces: &mut [Piece<'_>]) -> Result<(), MemoryError> {
        for piece in pieces {
            let mut at = piece.addr;
            let parts = piece.buf.chunks_mut(aside::ROOM);
            let done = parts.map(|part| {
                let from = at;
                at = at.wrapping_add(part.len() as u64);
                self.read_file(from, part)
            });
            match done.collect() {
                Ok(()) => piece.ok = true,
                Err(why) if why.is_final() => return Err(why),
                Err(_) => piece.ok = false,
            }
        }
        Ok(())
    }

    /// Reads the first pieces with one call, up to the first that cannot be read. Returns how many are dealt with: at
    /// least one.
    fn read_some(&self, pieces: &mut [Piece<'_>]) -> Result<usize, Stopped> {
        let mut room = aside::ROOM;
        let fits = |piece: &&mut Piece<'_>| {
            let left = room.checked_sub(piece.buf.len());
            room = left.unwrap_or(0);
            left.is_some()
        };
        let mut batch: Vec<(u64, &mut [u8])> = pieces
            .iter_mut()
            .take(aside::MAX_PIECES)
            .take_while(fits)
            .map(|piece| (piece.addr, &mut *piece.buf))
            .collect();
        if batch.is_empty() {
            // One that is larger than what can be read at once.
            if let Some(piece) = pieces.first_mut() {
                piece.ok = match self.read(piece.addr, piece.buf) {
                    Ok(()) => true,
                    Err(why) if why.is_final() => return Err(Stopped::Why(why)),
                    Err(_) => false,
                };
            }
            return Ok(1);
        }
        let count = batch.len();
        let mut left = match self.call(&mut batch) {
            Ok(read) => read,
            Err(Stopped::Errno(Errno::EFAULT)) => 0,
            Err(stopped) => return Err(stopped),
        };
        // The kernel stops at the first byte it cannot read: what lies before it is there.
        let mut done = 0;
        for piece in pieces.iter_mut().take(count) {
            let after = left.checked_sub(piece.buf.len());
            piece.ok = after.is_some();
            done += 1;
            match after {
                Some(after) => left = after,
                None => break,
            }
        }
        Ok(done)
    }
}

fn explain(error: Errno, addr: u64, len: usize) -> MemoryError {
    match error {
        Errno::EFAULT => MemoryError::Unmapped { addr, len },
        Errno::ESRCH => MemoryError::Gone,
        Errno::EPERM => MemoryError::Denied,
        Errno::ENOSYS => MemoryError::Other(
            "this kernel lacks process_vm_readv (CONFIG_CROSS_MEMORY_ATTACH), or a sandbox hides it, and /proc/PID/mem cannot be read either".to_owned(),
        ),
        other => MemoryError::Other(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn me() -> ProcessMemory {
        ProcessMemory::new(std::process::id().cast_signed())
    }

    #[test]
    fn reads_what_is_there() {
        let data: Vec<u8> = (0..=255).collect();
        let mut copy = vec![0; data.len()];
        me().read(data.as_ptr() as u64, &mut copy).unwrap();
        assert_eq!(copy, data);
    }

    #[test]
    fn says_what_is_not_there() {
        let mut byte = [0];
        let error = me().read(8, &mut byte).unwrap_err();
        assert_eq!(error, MemoryError::Unmapped { addr: 8, len: 1 });
        let gone = ProcessMemory::new(i32::MAX).read(8, &mut byte).unwrap_err();
        assert_eq!(gone, MemoryError::Gone);
    }

    #[test]
    fn an_unreadable_piece_does_not_keep_others_from_being_read() {
        let data: Vec<u64> = (0..3000).collect();
        let mut buffers = vec![[0; 8]; 3000];
        let address = |index: usize| &raw const data[index] as u64;
        let unreadable = [0, 7, 8, 1023, 1024, 2999];
        let mut pieces: Vec<Piece<'_>> = buffers
            .iter_mut()
            .enumerate()
            .map(|(index, buffer)| {
                let addr = if unreadable.contains(&index) {
                    16
                } else {
                    address(index)
                };
                Piece::new(addr, buffer)
            })
            .collect();
        me().read_many(&mut pieces).unwrap();
        let ok: Vec<bool> = pieces.iter().map(|piece| piece.ok).collect();
        for index in 0..3000 {
            assert_eq!(ok[index], !unreadable.contains(&index), "{index}");
            if ok[index] {
                assert_eq!(buffers[index], data[index].to_le_bytes(), "{index}");
            }
        }
    }
}
