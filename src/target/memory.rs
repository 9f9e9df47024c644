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
use procfs::process::Process;

use crate::go::memory::MemoryError;
use crate::go::memory::Piece;
use crate::go::memory::ReadMemory;

use super::memory_file::MemoryFile;

/// Most pieces the kernel takes in one call (`UIO_MAXIOV`, include/uapi/linux/uio.h).
const MAX_PIECES: usize = 1024;

/// Whether process_vm_readv(2) was found not to work where /proc/PID/mem does: then it is not tried again.
static REFUSED: AtomicBool = AtomicBool::new(false);

/// The memory of a live process.
#[derive(Debug, Clone)]
pub struct ProcessMemory {
    pid: Pid,
    /// For where the call cannot be used.
    file: Arc<MemoryFile>,
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
    let why = match remote(addr, 1).map(|piece| readv(Pid::from_raw(pid), &mut copy, piece)) {
        Ok(Err(Errno::ENOSYS)) => {
            "this kernel lacks process_vm_readv (CONFIG_CROSS_MEMORY_ATTACH), or a sandbox hides it"
        }
        Ok(Err(_)) => "process_vm_readv is forbidden here, as by a seccomp filter",
        _ => return Way::Call,
    };
    match MemoryFile::default().read(pid, addr, &mut copy) {
        Ok(()) => Way::File(why),
        Err(_) => Way::None(why),
    }
}

fn readv(pid: Pid, buf: &mut [u8], piece: RemoteIoVec) -> Result<usize, Errno> {
    process_vm_readv(pid, &mut [IoSliceMut::new(buf)], &[piece])
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
        }
    }
}

impl ReadMemory for ProcessMemory {
    fn read(&self, addr: u64, buf: &mut [u8]) -> Result<(), MemoryError> {
        let len = buf.len();
        if REFUSED.load(Ordering::Relaxed) {
            return self.read_file(addr, buf);
        }
        match readv(self.pid, buf, remote(addr, len)?) {
            Ok(read) if read == len => Ok(()),
            Ok(_) => Err(MemoryError::Unmapped { addr, len }),
            Err(error) if is_refusal(error) => {
                let done = self.read_file(addr, buf);
                match done {
                    Ok(()) => REFUSED.store(true, Ordering::Relaxed),
                    // What the call said is more to the point.
                    Err(MemoryError::Other(_)) => return Err(explain(error, addr, len)),
                    Err(_) => {}
                }
                done
            }
            Err(error) => Err(explain(error, addr, len)),
        }
    }

    /// Its anonymous memory, and what of it is swapped out (proc(5), /proc/PID/status).
    fn held(&self) -> Option<u64> {
        let status = Process::new(self.pid.as_raw()).ok()?.status().ok()?;
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
                Err(Errno::ESRCH) => return Err(MemoryError::Gone),
                Err(_) => return self.read_many_from_file(rest),
            };
            rest = rest.get_mut(done..).unwrap_or_default();
        }
        Ok(())
    }
}

impl ProcessMemory {
    fn read_file(&self, addr: u64, buf: &mut [u8]) -> Result<(), MemoryError> {
        let done = self.file.read(self.pid.as_raw(), addr, buf);
        done.map_err(|error| explain(error, addr, buf.len()))
    }

    /// Reads one piece after the other: there is no call for many.
    fn read_many_from_file(&self, pieces: &mut [Piece<'_>]) -> Result<(), MemoryError> {
        for piece in pieces {
            match self.read_file(piece.addr, piece.buf) {
                Ok(()) => piece.ok = true,
                Err(why) if why.is_final() => return Err(why),
                Err(_) => piece.ok = false,
            }
        }
        Ok(())
    }

    /// Reads the first pieces with one call, up to the first that cannot be read. Returns how many are dealt with: at
    /// least one.
    fn read_some(&self, pieces: &mut [Piece<'_>]) -> Result<usize, Errno> {
        let batch = pieces.len().min(MAX_PIECES);
        let mut local = Vec::with_capacity(batch);
        let mut remotes = Vec::with_capacity(batch);
        for piece in pieces.iter_mut().take(batch) {
            let Ok(remote) = remote(piece.addr, piece.buf.len()) else {
                break;
            };
            remotes.push(remote);
            local.push(IoSliceMut::new(piece.buf));
        }
        let read = match process_vm_readv(self.pid, &mut local, &remotes) {
            Ok(read) => read,
            Err(Errno::EFAULT) => 0,
            Err(error) => return Err(error),
        };
        // The kernel stops at the first byte it cannot read: what lies before it is there.
        let mut left = read;
        let mut done = 0;
        for piece in pieces.iter_mut().take(batch) {
            let Some(after) = left
                .checked_sub(piece.buf.len())
                .filter(|_| done < remotes.len())
            else {
                break;
            };
            left = after;
            piece.ok = true;
            done += 1;
        }
        if done < batch
            && let Some(piece) = pieces.get_mut(done)
        {
            piece.ok = false;
            done += 1;
        }
        Ok(done)
    }
}

fn remote(addr: u64, len: usize) -> Result<RemoteIoVec, MemoryError> {
    let base = usize::try_from(addr).map_err(|_| MemoryError::Unmapped { addr, len })?;
    Ok(RemoteIoVec { base, len })
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
