//! Which file a program is, whatever it is called, and whatever container it is seen from.
//!
//! The kernel attaches probes to an inode. What containers of one image run is one inode of the image's layer, on which
//! each has an overlay of its own (Documentation/filesystems/overlayfs.rst): to them it is on different devices. The
//! overlay passes on the inode's number, size and times, and these tell that it is the same.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::sys::statfs::OVERLAYFS_SUPER_MAGIC;
use nix::sys::statfs::statfs;

/// A file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct FileId {
    dev: u64,
    ino: u64,
    size: u64,
    /// When its contents and its inode last changed: seconds and nanoseconds.
    changed: [(i64, i64); 2],
    overlay: bool,
}

impl FileId {
    /// The file at a path.
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        let metadata = std::fs::metadata(path)?;
        Ok(Self::new(&metadata, is_overlay(path)))
    }

    /// The file with this metadata, seen through an overlay or not.
    pub(super) fn new(metadata: &Metadata, overlay: bool) -> Self {
        Self {
            dev: metadata.dev(),
            ino: metadata.ino(),
            size: metadata.size(),
            changed: [
                (metadata.mtime(), metadata.mtime_nsec()),
                (metadata.ctime(), metadata.ctime_nsec()),
            ],
            overlay,
        }
    }

    /// Whether probes on one are probes on the other.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        if self.ino != other.ino {
            return false;
        }
        let through_overlay = self.overlay || other.overlay;
        self.dev == other.dev
            || through_overlay && self.size == other.size && self.changed == other.changed
    }
}

/// Whether a path leads through an overlay.
pub(super) fn is_overlay(path: &Path) -> bool {
    statfs(path).is_ok_and(|it| it.filesystem_type() == OVERLAYFS_SUPER_MAGIC)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: FileId = FileId {
        dev: 1,
        ino: 42,
        size: 1000,
        changed: [(1, 2), (3, 4)],
        overlay: false,
    };

    #[test]
    fn a_layer_is_the_same_through_every_overlay() {
        let seen = |dev| FileId {
            dev,
            overlay: true,
            ..FILE
        };
        assert!(seen(7).is_same(&seen(8)) && seen(7).is_same(&FILE) && FILE.is_same(&seen(7)));
        // Copied up, it is another file.
        let copied = FileId {
            changed: [(1, 2), (9, 9)],
            ..seen(7)
        };
        assert!(!copied.is_same(&seen(8)) && !copied.is_same(&FILE));
    }

    #[test]
    fn without_overlay_the_device_decides() {
        assert!(FILE.is_same(&FILE));
        assert!(!FILE.is_same(&FileId { dev: 2, ..FILE }));
        assert!(!FILE.is_same(&FileId { ino: 43, ..FILE }));
    }

    #[test]
    fn a_file_is_itself() {
        let own = FileId::of(Path::new("/proc/self/exe")).unwrap();
        assert!(own.is_same(&FileId::of(&std::env::current_exe().unwrap()).unwrap()));
    }
}
