//! Which file it is, whatever it is called.

use std::fs::File;
use std::io;
use std::path::Path;
use std::time::Duration;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

use super::attributes;
use super::attributes::Asked;
use super::attributes::Attributes;
use super::open;

/// A file, as it is at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct FileId {
    dev: u64,
    ino: u64,
    size: u64,
    /// When its contents and its inode last changed: seconds and nanoseconds.
    modified: (i64, i64),
    changed: (i64, i64),
    /// How many names it has.
    names: u64,
}

impl FileId {
    /// The file at a path, as the kernel knows it: nobody is asked who may not answer.
    pub(super) fn at(path: &Path) -> io::Result<Self> {
        Self::of(&open::place(path)?)
    }

    /// An open file, as the kernel knows it. Of one that others have to give (see [`super::far`]) that may be old.
    pub(super) fn of(file: &File) -> io::Result<Self> {
        attributes::of(file, Asked::Nobody).map(Self::from)
    }

    /// An open file, as it is now.
    pub(super) fn now(file: &File) -> io::Result<Self> {
        attributes::of(file, Asked::Everybody).map(Self::from)
    }

    /// What it is called where it lies.
    pub(super) fn inode(&self) -> [u64; 2] {
        [self.dev, self.ino]
    }

    /// What it lies on.
    pub(super) fn device(&self) -> u64 {
        self.dev
    }

    /// How many bytes it has.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// What tells one file, as it is now, from others.
    pub(super) fn key(&self) -> [u64; 4] {
        let (seconds, ns) = self.modified;
        let modified = seconds.wrapping_mul(1_000_000_000).wrapping_add(ns);
        [self.dev, self.ino, self.size, modified.cast_unsigned()]
    }

    /// Whether they are one file, and nothing has happened to it between the two looks.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self == other
    }

    /// Whether they are one file, if the file system is true.
    pub(super) fn is_same_inode(&self, other: &Self) -> bool {
        (self.dev, self.ino) == (other.dev, other.ino)
    }

    /// Whether the contents are as they were. A new name, or one name less, is no change of these.
    pub(super) fn has_same_contents(&self, other: &Self) -> bool {
        (self.size, self.modified) == (other.size, other.modified)
    }

    /// Whether nothing was done to it between the two looks, as far as size and times tell.
    pub(super) fn is_untouched(&self, other: &Self) -> bool {
        self.has_same_contents(other) && self.changed == other.changed
    }

    /// Whether it has the same size.
    pub(super) fn has_same_size(&self, other: &Self) -> bool {
        self.size == other.size
    }

    /// Whether so much time has passed since the last change of its inode, of which every write is one. The clock of files
    /// has ticks of some milliseconds: what is done in the same tick leaves the same time.
    pub(super) fn is_at_rest_for(&self, time: Duration) -> bool {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.map_or(0, |it| i64::try_from(it.as_secs()).unwrap_or(i64::MAX));
        // Whole seconds, rounded in favour of looking again. A time that has not come yet tells nothing.
        let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
        now.saturating_sub(self.changed.0) > seconds
    }

    /// As [`has_same_contents`](Self::has_same_contents), without the doubt that a later time of its last change throws on
    /// it (the other time can be set): a name more or less explains that.
    pub(super) fn has_same_contents_for_sure(&self, other: &Self) -> bool {
        let is_explained = self.changed == other.changed || self.names != other.names;
        self.has_same_contents(other) && is_explained
    }

    /// Whether these can be one file of a layer, if they are seen through overlays: these pass on the number of an inode, its
    /// size and times (Documentation/filesystems/overlayfs.rst). But file systems made alike have all these in common.
    pub(super) fn may_be_same_below(&self, other: &Self) -> bool {
        self.dev != other.dev
            && self.ino == other.ino
            && self.has_same_contents(other)
            && self.changed == other.changed
    }
}

impl From<Attributes> for FileId {
    fn from(it: Attributes) -> Self {
        Self {
            dev: it.dev,
            ino: it.ino,
            size: it.size,
            modified: it.modified,
            changed: it.changed,
            names: it.names,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: FileId = FileId {
        dev: 1,
        ino: 42,
        size: 1000,
        modified: (1, 2),
        changed: (3, 4),
        names: 1,
    };

    #[test]
    fn overlays_may_show_the_same_layer() {
        let seen = |dev| FileId { dev, ..FILE };
        assert!(seen(7).may_be_same_below(&seen(8)) && FILE.may_be_same_below(&seen(7)));
        assert!(!seen(7).is_same(&seen(8)) && !FILE.may_be_same_below(&FILE));
        // Copied up, it is another file.
        let copied = FileId {
            changed: (9, 9),
            ..seen(7)
        };
        assert!(!copied.may_be_same_below(&seen(8)));
    }

    #[test]
    fn a_number_used_again_is_another_file() {
        assert!(FILE.is_same(&FILE));
        for other in [
            FileId { dev: 2, ..FILE },
            FileId { ino: 43, ..FILE },
            FileId { size: 1, ..FILE },
            FileId {
                modified: (1, 3),
                ..FILE
            },
            FileId {
                changed: (3, 5),
                ..FILE
            },
        ] {
            assert!(!FILE.is_same(&other), "{other:?}");
        }
    }

    #[test]
    fn contents_are_known_by_their_size_and_time() {
        let named = FileId {
            changed: (9, 9),
            names: 2,
            ..FILE
        };
        assert!(FILE.has_same_contents(&named) && FILE.has_same_contents_for_sure(&named));
        let touched = FileId { names: 1, ..named };
        assert!(FILE.has_same_contents(&touched) && !FILE.has_same_contents_for_sure(&touched));
        for other in [
            FileId { size: 1, ..FILE },
            FileId {
                modified: (1, 3),
                ..FILE
            },
        ] {
            assert!(!FILE.has_same_contents(&other), "{other:?}");
            assert!(!FILE.has_same_contents_for_sure(&other), "{other:?}");
        }
    }

    #[test]
    fn a_file_is_itself() {
        let own = FileId::at(Path::new("/proc/self/exe")).unwrap();
        let open = open::open_regular(&std::env::current_exe().unwrap()).unwrap();
        assert!(own.is_same(&FileId::of(&open).unwrap()));
    }
}
