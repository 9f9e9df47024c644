//! Whether a file has in it what was read of it. Its times say that something may have been done to it; what was done, only
//! its contents do.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use anyhow::Context;
use anyhow::Result;

use super::file_id::FileId;
use super::opened::Opened;

/// So much of the file's beginning is held against what was read: its headers and, next to them, the build ids.
const HEAD: usize = 4096;

/// A file to which nothing was done for so long will not have the same times after the next write.
const AT_REST: Duration = Duration::from_secs(1);

/// What was read of a file.
#[derive(Debug)]
pub(super) struct Contents {
    file: Opened,
    as_read: FileId,
    known: Mutex<Known>,
}

#[derive(Debug)]
struct Known {
    /// The file as it was when its contents were last found to be those that were read.
    held: FileId,
    /// What was read, by where in the file it is.
    read: BTreeMap<u64, Box<[u8]>>,
}

impl Contents {
    /// Of a file that was like this when it was read.
    pub(super) fn of(file: &Opened, as_read: FileId) -> Result<Self> {
        let size = usize::try_from(as_read.size()).unwrap_or(HEAD);
        let mut head = vec![0; HEAD.min(size)];
        file.read_exact_at(&mut head, 0)
            .context("cannot read a file")?;
        Ok(Self {
            file: file.clone(),
            as_read,
            known: Mutex::new(Known {
                held: as_read,
                read: BTreeMap::from([(0, head.into())]),
            }),
        })
    }

    /// From now on the file must have this there.
    pub(super) fn must_keep(&self, at: u64, bytes: &[u8]) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let there = known.read.entry(at).or_default();
        if there.len() < bytes.len() {
            *there = bytes.into();
        }
    }

    /// Whether the file does not have them any more.
    pub(super) fn have_changed(&self) -> bool {
        let Ok(now) = self.file.now() else {
            return false;
        };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if now.is_untouched(&known.held) {
            return false;
        }
        if !now.has_same_size(&self.as_read) || !self.are_there(&known.read) {
            return true;
        }
        if now.is_at_rest_for(AT_REST) {
            known.held = now;
        }
        false
    }

    /// Whether the file has all of this.
    fn are_there(&self, read: &BTreeMap<u64, Box<[u8]>>) -> bool {
        let mut bytes = Vec::new();
        read.iter().all(|(at, wanted)| {
            bytes.resize(wanted.len(), 0);
            self.file.read_exact_at(&mut bytes, *at).is_ok() && *bytes == **wanted
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::fs::File;
    use std::os::unix::fs::FileExt;

    /// As where nobody tells of writes: a layer below an overlay.
    #[test]
    fn contents_decide_not_times() {
        let path = std::env::temp_dir().join(format!("grtmon-contents-{}", std::process::id()));
        std::fs::write(&path, [7; 9000]).unwrap();
        let file = Opened::near(File::open(&path).unwrap());
        let as_read = file.now().unwrap();
        let contents = Contents::of(&file, as_read).unwrap();
        contents.must_keep(8000, &[7; 16]);
        let modified = file.file().metadata().unwrap().modified().unwrap();
        let writer = File::options().write(true).open(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        // touch
        writer
            .set_modified(modified + Duration::from_secs(60))
            .unwrap();
        assert!(!contents.have_changed());
        // Where nothing was read.
        writer.write_all_at(&[9], 6000).unwrap();
        writer.set_modified(modified).unwrap();
        assert!(!contents.have_changed());
        for at in [100, 8015] {
            writer.write_all_at(&[9], at).unwrap();
            writer.set_modified(modified).unwrap();
            assert!(contents.have_changed(), "{at}");
            writer.write_all_at(&[7], at).unwrap();
            assert!(!contents.have_changed(), "{at}");
        }
        writer.set_len(8999).unwrap();
        assert!(contents.have_changed());
    }
}
