//! What the system tells of a file.

#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd;

use nix::errno::Errno;
use nix::libc;

/// Who is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// Nobody: it is told what the kernel knows.
    Nobody,
    /// Whoever has the file to give: a server may take any time.
    Everybody,
}

/// What is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Attributes {
    pub(super) dev: u64,
    pub(super) ino: u64,
    pub(super) size: u64,
    /// Seconds and nanoseconds.
    pub(super) modified: (i64, i64),
    pub(super) changed: (i64, i64),
    pub(super) names: u64,
    /// What kind of file it is, and who may do what (`st_mode`).
    mode: u32,
}

impl Attributes {
    /// What kind of file it is (`S_IFMT`).
    pub(super) fn kind(&self) -> u32 {
        self.mode & libc::S_IFMT
    }
}

/// The attributes of an open file.
pub(super) fn of(file: &File, asked: Asked) -> io::Result<Attributes> {
    let sync = match asked {
        Asked::Nobody => libc::AT_STATX_DONT_SYNC,
        Asked::Everybody => libc::AT_STATX_SYNC_AS_STAT,
    };
    let mut about = MaybeUninit::<libc::statx>::zeroed();
    // SAFETY: the path is empty, with a zero at its end; the kernel fills what it is given.
    let done = unsafe {
        libc::statx(
            file.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH | sync,
            libc::STATX_BASIC_STATS,
            about.as_mut_ptr(),
        )
    };
    Errno::result(done)?;
    // SAFETY: it is filled; all zeros are one too.
    let about = unsafe { about.assume_init() };
    let time = |it: libc::statx_timestamp| (it.tv_sec, i64::from(it.tv_nsec));
    Ok(Attributes {
        dev: libc::makedev(about.stx_dev_major, about.stx_dev_minor),
        ino: about.stx_ino,
        size: about.stx_size,
        modified: time(about.stx_mtime),
        changed: time(about.stx_ctime),
        names: u64::from(about.stx_nlink),
        mode: u32::from(about.stx_mode),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::os::unix::fs::MetadataExt;

    #[test]
    fn it_is_what_others_are_told() {
        let file = File::open("/proc/self/exe").unwrap();
        let told = file.metadata().unwrap();
        for asked in [Asked::Nobody, Asked::Everybody] {
            let it = of(&file, asked).unwrap();
            let expected = (told.dev(), told.ino(), told.size(), told.nlink());
            assert_eq!((it.dev, it.ino, it.size, it.names), expected);
            assert_eq!(it.modified, (told.mtime(), told.mtime_nsec()));
            assert_eq!(it.changed, (told.ctime(), told.ctime_nsec()));
            assert_eq!(it.kind(), libc::S_IFREG);
        }
    }
}
