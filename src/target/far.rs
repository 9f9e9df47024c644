//! Files that a server has to give: of file systems in user space (FUSE) and of those on a network.
//!
//! Whoever has such a file open, reads it or only asks how large it is waits for the server as long as that likes, and in
//! the end nobody can end him: FUSE(4) is not to be interrupted once it has taken the question. So such a file is never
//! open in grtmon itself, but only a place (open(2), `O_PATH`): it is read by another process (see [`super::aside`]), as a
//! whole and once. What goes by the inode, probes and looks at its attributes, goes by the place.

use std::fs::File;
use std::io;
use std::io::ErrorKind;
use std::sync::OnceLock;
use std::time::Duration;
use std::time::Instant;

use memmap2::Mmap;
use memmap2::MmapMut;
use nix::errno::Errno;

use super::aside;
use super::aside::Failure;
use super::file_id::FileId;

/// How long reading a whole file may take: one of 100 MB from a disk in the next room.
const TIME: Duration = Duration::from_secs(20);

/// Larger ones are not copied: no program is.
const MOST: u64 = 1 << 30;

/// What statfs(2) calls such file systems: FUSE (virtiofs too), NFS, SMB, CIFS, SMB2, 9P, Ceph, AFS (two of them), Coda,
/// Lustre, OrangeFS, GPFS, BeeGFS, and those that virtual machines share with their hosts (VirtualBox, VMware).
const SERVED: [u64; 16] = [
    0x6573_5546,
    0x6969,
    0x517b,
    0xff53_4d42,
    0xfe53_4d42,
    0x0102_1997,
    0x00c3_6400,
    0x5346_414f,
    0x6b41_4653,
    0x7375_7245,
    0x0bd0_0bd0,
    0x2003_0528,
    0x4750_4653,
    0x1983_0326,
    0x786f_4256,
    0xbacb_acbc,
];

/// Whether a file must be given by a server. What grtmon itself lies on is no such thing: without it there is no grtmon.
///
/// # Errors
/// It cannot be read; [`ErrorKind::TimedOut`] if the server does not answer.
pub(super) fn is_far(place: &File) -> io::Result<bool> {
    match aside::read_open(place, 0, &mut [0]) {
        Ok((_, kind)) => Ok(is_served(kind) && Some(FileId::of(place)?.device()) != own_device()),
        Err(Failure::Silent) => Err(silence()),
        // It is not for the other one to open, or there is none: whoever opens it here will see.
        Err(Failure::Alone | Failure::Errno(Errno::EACCES | Errno::EPERM | Errno::ENOENT)) => {
            Ok(false)
        }
        Err(Failure::Errno(errno)) => Err(errno.into()),
    }
}

/// A file system that does not say what it is may be any.
fn is_served(kind: u64) -> bool {
    // Some of these have 32 bits with a sign.
    kind == 0 || SERVED.contains(&(kind & u64::from(u32::MAX)))
}

fn own_device() -> Option<u64> {
    static OWN: OnceLock<Option<u64>> = OnceLock::new();
    let own = || Some(FileId::at("/proc/self/exe".as_ref()).ok()?.device());
    *OWN.get_or_init(own)
}

fn silence() -> io::Error {
    io::Error::new(
        ErrorKind::TimedOut,
        "the file system that it lies on does not answer, or not in time",
    )
}

/// Whether this is what is said of a file whose server does not answer.
pub(super) fn is_silence(why: &anyhow::Error) -> bool {
    let why = why.root_cause().downcast_ref::<io::Error>();
    why.is_some_and(|why| why.kind() == ErrorKind::TimedOut)
}

/// Has the kernel learn how the file is now.
///
/// # Errors
/// As [`is_far`].
pub(super) fn renew(place: &File) -> io::Result<()> {
    read_at(place, &mut [0], 0).map(drop)
}

fn read_at(place: &File, buf: &mut [u8], at: u64) -> io::Result<usize> {
    match aside::read_open(place, at, buf) {
        Ok((len, _)) => Ok(len),
        Err(Failure::Silent | Failure::Alone) => Err(silence()),
        Err(Failure::Errno(errno)) => Err(errno.into()),
    }
}

/// Reads all of this from a place in the file on.
///
/// # Errors
/// As [`is_far`]; or it is not there.
pub(super) fn read_exact_at(place: &File, buf: &mut [u8], at: u64) -> io::Result<()> {
    let began = Instant::now();
    let mut done = 0;
    while let Some(rest) = buf.get_mut(done..).filter(|rest| !rest.is_empty()) {
        if began.elapsed() > TIME {
            return Err(silence());
        }
        let most = rest.len().min(aside::ROOM);
        let piece = rest.get_mut(..most).unwrap_or_default();
        match read_at(place, piece, at.saturating_add(done as u64))? {
            0 => return Err(ErrorKind::UnexpectedEof.into()),
            len => done += len,
        }
    }
    Ok(())
}

/// All that is in the file.
///
/// # Errors
/// As [`is_far`]; or there is not as much as it says, or too much.
pub(super) fn copy(place: &File) -> io::Result<Mmap> {
    let size = FileId::of(place)?.size();
    if size > MOST {
        return Err(io::Error::new(
            ErrorKind::FileTooLarge,
            format!("of {size} bytes, too large for a file that a server has to give"),
        ));
    }
    let mut copy = MmapMut::map_anon(usize::try_from(size).unwrap_or(usize::MAX))?;
    read_exact_at(place, &mut copy, 0)?;
    copy.make_read_only()
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::path::Path;

    use crate::target::open;

    #[test]
    fn file_systems_are_told_apart() {
        assert!(is_served(0x6573_5546) && is_served(0x6969) && is_served(0));
        assert!(is_served(0xffff_ffff_ff53_4d42));
        // ext4, tmpfs, overlay
        assert!(!is_served(0xef53) && !is_served(0x0102_1994) && !is_served(0x794c_7630));
    }

    #[test]
    fn a_copy_is_what_is_in_the_file() {
        let own = std::fs::read("/proc/self/exe").unwrap();
        let place = open::place(Path::new("/proc/self/exe")).unwrap();
        assert!(!is_far(&place).unwrap());
        assert!(copy(&place).unwrap()[..] == own);
        let mut some = [0; 100];
        read_exact_at(&place, &mut some, 1000).unwrap();
        assert_eq!(some, own[1000..1100]);
        let why = read_exact_at(&place, &mut some, own.len() as u64 - 1).unwrap_err();
        assert_eq!(why.kind(), ErrorKind::UnexpectedEof);
    }
}
