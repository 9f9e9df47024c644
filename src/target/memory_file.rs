//! Another process's memory through /proc/PID/mem: where there is no process_vm_readv(2), as in kernels without
//! CONFIG_CROSS_MEMORY_ATTACH and in some sandboxes, or a seccomp filter forbids it. The kernel asks for the same right.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Mutex;
use std::sync::PoisonError;

use nix::errno::Errno;

use super::aside;
use super::aside::Failure;

/// The memory of one process, opened when it is first read.
#[derive(Debug, Default)]
pub(super) struct MemoryFile {
    open: Mutex<Option<File>>,
}

impl MemoryFile {
    /// Fills all of `buf` from address `addr` of process `pid` on.
    ///
    /// # Errors
    /// What process_vm_readv(2) would have said: [`Errno::EFAULT`], [`Errno::ESRCH`], [`Errno::EPERM`], or another.
    pub(super) fn read(&self, pid: i32, addr: u64, buf: &mut [u8]) -> Result<(), Failure> {
        let aside = |rest: &mut [u8], at| aside::read_file(pid, "mem", at, rest);
        match fill(aside, addr, buf) {
            // It may be that only this very process may read it.
            Err(Failure::Alone | Failure::Errno(Errno::EACCES | Errno::EPERM)) => {
                self.read_here(pid, addr, buf).map_err(Failure::Errno)
            }
            Err(Failure::Errno(Errno::ENOENT)) => Err(Failure::Errno(Errno::ESRCH)),
            done => done,
        }
    }

    /// The same, by this very thread.
    pub(super) fn read_here(&self, pid: i32, addr: u64, buf: &mut [u8]) -> Result<(), Errno> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = &*open {
            match read_all(file, addr, buf) {
                // That memory is gone: the process has ended, or become another by exec.
                Err(Errno::ESRCH) => *open = None,
                done => return done,
            }
        }
        let file = File::open(format!("/proc/{pid}/mem")).map_err(|why| match errno(&why) {
            Errno::ENOENT => Errno::ESRCH,
            Errno::EACCES => Errno::EPERM,
            other => other,
        })?;
        let done = read_all(&file, addr, buf);
        *open = Some(file);
        done
    }
}

fn read_all(file: &File, addr: u64, buf: &mut [u8]) -> Result<(), Errno> {
    let here = |rest: &mut [u8], at| {
        let done = file.read_at(rest, at);
        done.map_err(|why| Failure::Errno(errno(&why)))
    };
    fill(here, addr, buf).map_err(|failure| match failure {
        Failure::Errno(errno) => errno,
        Failure::Silent | Failure::Alone => Errno::EIO,
    })
}

/// Reads until all is there.
fn fill(
    mut read: impl FnMut(&mut [u8], u64) -> Result<usize, Failure>,
    addr: u64,
    buf: &mut [u8],
) -> Result<(), Failure> {
    let mut done = 0;
    while let Some(rest) = buf.get_mut(done..).filter(|rest| !rest.is_empty()) {
        match read(rest, addr.wrapping_add(done as u64)) {
            // So it ends where no process is left that has this memory (fs/proc/base.c, `mem_rw`).
            Ok(0) if done == 0 => return Err(Failure::Errno(Errno::ESRCH)),
            Ok(0) => return Err(Failure::Errno(Errno::EFAULT)),
            Ok(len) => done += len,
            Err(Failure::Errno(Errno::EINTR)) => {}
            // Addresses from 2⁶³ on are not even asked for.
            Err(Failure::Errno(Errno::EIO | Errno::EINVAL | Errno::EOVERFLOW)) => {
                return Err(Failure::Errno(Errno::EFAULT));
            }
            other => return other.map(|_| ()),
        }
    }
    Ok(())
}

fn errno(why: &std::io::Error) -> Errno {
    why.raw_os_error().map_or(Errno::EIO, Errno::from_raw)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_what_process_vm_readv_says() {
        let memory = MemoryFile::default();
        let me = std::process::id().cast_signed();
        let data: Vec<u8> = (0..=255).collect();
        let mut copy = vec![0; data.len()];
        for _ in 0..2 {
            let addr = data.as_ptr() as u64;
            assert_eq!(memory.read_here(me, addr, &mut copy), Ok(()));
            assert_eq!(copy, data);
            copy.fill(0);
            assert_eq!(memory.read(me, addr, &mut copy), Ok(()));
            assert_eq!(copy, data);
            copy.fill(0);
        }
        for addr in [8, u64::MAX - 4] {
            assert_eq!(memory.read_here(me, addr, &mut copy), Err(Errno::EFAULT));
            let aside = memory.read(me, addr, &mut copy);
            assert_eq!(aside, Err(Failure::Errno(Errno::EFAULT)));
        }
        let gone = MemoryFile::default().read(i32::MAX, 8, &mut copy);
        assert_eq!(gone, Err(Failure::Errno(Errno::ESRCH)));
        let gone = MemoryFile::default().read_here(i32::MAX, 8, &mut copy);
        assert_eq!(gone, Err(Errno::ESRCH));
    }

    #[test]
    fn memory_that_is_gone_is_looked_for_again() {
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        let pid = child.id().cast_signed();
        let memory = MemoryFile::default();
        // Opened while it is there.
        let _ = memory.read_here(pid, 8, &mut [0]);
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(memory.read_here(pid, 8, &mut [0]), Err(Errno::ESRCH));
    }
}
