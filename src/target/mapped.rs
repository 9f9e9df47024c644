//! A file mapped into memory.

use std::fs::File;
use std::ops::Range;
use std::sync::Arc;

use memmap2::Mmap;
use memmap2::UncheckedAdvice;

use crate::go::FileBytes;

use super::extent;
use super::fault::Region;
use super::file_id::FileId;

/// A mapped file. Those parts of it that were looked at count as grtmon's memory.
///
/// Others may change or truncate it meanwhile (not while it is being run: ETXTBSY). Nothing ends by that, but what was
/// read is believed only if [`FileBytes::has_changed`] says no afterwards.
#[derive(Debug)]
pub struct MappedFile {
    // Dropped in this order: no longer guarded, then unmapped.
    /// Of a copy there is none.
    region: Option<Region>,
    map: Arc<Mmap>,
    file: Arc<File>,
    was: FileId,
}

impl MappedFile {
    /// Maps it.
    ///
    /// # Errors
    /// Those of mmap(2).
    pub fn new(file: &File) -> std::io::Result<Self> {
        let file = Arc::new(file.try_clone()?);
        let was = FileId::now(&file)?;
        // SAFETY: the map is only read. What happens when somebody changes the file meanwhile is said above.
        let map = unsafe { Mmap::map(&*file) }?;
        Ok(Self {
            region: Some(Region::guard(&map)?),
            map: Arc::new(map),
            file,
            was,
        })
    }

    /// What was copied of a file, of which this is the place.
    pub(super) fn copied(bytes: Arc<Mmap>, place: &Arc<File>) -> std::io::Result<Self> {
        Ok(Self {
            region: None,
            map: bytes,
            file: Arc::clone(place),
            was: FileId::of(place)?,
        })
    }
}

impl AsRef<[u8]> for MappedFile {
    fn as_ref(&self) -> &[u8] {
        &self.map
    }
}

/// The kernel maps so many bytes at once, around the one that is looked at (mm/memory.c, `fault_around_bytes`).
const AROUND: usize = 1 << 16;

impl FileBytes for MappedFile {
    fn release(&self, range: Range<usize>) {
        // What stands in for contents that are gone stays; and a copy has nowhere to come back from.
        if self.is_cut() || self.region.is_none() {
            return;
        }
        let size = self.map.len();
        let end = range.end.min(size).next_multiple_of(AROUND).min(size);
        let start = range.start.min(end) / AROUND * AROUND;
        // SAFETY: the range lies in the map, to which nothing was written: what is dropped comes back from the file.
        let dropped = unsafe {
            self.map
                .unchecked_advise_range(UncheckedAdvice::DontNeed, start, end - start)
        };
        // If it was not, that costs memory and nothing else.
        drop(dropped);
    }

    fn contents(&self) -> u64 {
        match self.region {
            Some(_) => extent::contents(&self.file, self.was.size()),
            None => self.was.size(),
        }
    }

    fn is_cut(&self) -> bool {
        self.region.as_ref().is_some_and(Region::is_cut)
    }

    fn has_changed(&self) -> bool {
        let is = match self.region {
            Some(_) => FileId::now(&self.file),
            None => FileId::of(&self.file),
        };
        self.is_cut() || is.is_ok_and(|is| !is.has_same_contents(&self.was))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;
    use std::path::PathBuf;
    use std::thread;

    use super::*;

    fn scratch(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("grtmon-mapped-{name}.{}", std::process::id()))
    }

    #[test]
    fn what_was_released_can_be_read_again() {
        let file = MappedFile::new(&File::open("/proc/self/exe").unwrap()).unwrap();
        let before = file.as_ref().to_vec();
        for range in [
            0..before.len(),
            1..2,
            before.len()..before.len(),
            5..usize::MAX,
        ] {
            file.release(range);
            assert_eq!(file.as_ref(), before);
        }
        assert!(!file.has_changed());
    }

    /// Before there was a handler this test ended by SIGBUS.
    #[test]
    fn a_file_that_is_truncated_reads_as_zeros_and_is_told() {
        let path = scratch("cut");
        fs::write(&path, vec![7; 3 << 20]).unwrap();
        let other = MappedFile::new(&File::open("/proc/self/exe").unwrap()).unwrap();
        let file = MappedFile::new(&File::open(&path).unwrap()).unwrap();
        assert_eq!(file.as_ref()[3 << 19], 7);
        assert!(!file.has_changed());
        File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .set_len(1 << 20)
            .unwrap();
        assert!(file.has_changed() && !file.is_cut());
        // Several threads at once, all over it.
        thread::scope(|scope| {
            for thread in 0..4 {
                let bytes = file.as_ref();
                scope.spawn(move || {
                    for at in (0..bytes.len()).skip(thread * 1000).step_by(4096) {
                        let expected = if at < 1 << 20 { 7 } else { 0 };
                        assert_eq!(bytes[at], expected, "{at:#x}");
                    }
                });
            }
        });
        assert!(file.is_cut() && !other.is_cut());
        file.release(0..usize::MAX);
        assert_eq!(file.as_ref()[2 << 20], 0);
        // Also when it grows again.
        fs::write(&path, vec![7; 3 << 20]).unwrap();
        assert!(file.is_cut() && file.has_changed());
        // The next one has nothing to do with it.
        drop(file);
        let again = MappedFile::new(&File::open(&path).unwrap()).unwrap();
        assert!(!again.has_changed());
        assert!(again.as_ref().iter().all(|byte| *byte == 7));
        fs::remove_file(&path).unwrap();
    }

    #[test]
    fn a_file_that_is_changed_in_place_or_grows_is_told() {
        let path = scratch("grown");
        fs::write(&path, vec![7; 10_000]).unwrap();
        let file = MappedFile::new(&File::open(&path).unwrap()).unwrap();
        let mut end = File::options().append(true).open(&path).unwrap();
        end.write_all(b"more").unwrap();
        assert!(file.has_changed() && !file.is_cut());
        let file = MappedFile::new(&File::open(&path).unwrap()).unwrap();
        // A link more, or less, is no change of its contents.
        let link = scratch("link");
        fs::hard_link(&path, &link).unwrap();
        fs::remove_file(&link).unwrap();
        fs::remove_file(&path).unwrap();
        assert!(!file.has_changed());
    }
}
