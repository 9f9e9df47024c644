//! A file mapped into memory.

use std::fs::File;
use std::ops::Range;

use memmap2::Mmap;
use memmap2::UncheckedAdvice;

use crate::go::FileBytes;

/// A mapped file. Those parts of it that were looked at count as grtmon's memory.
#[derive(Debug)]
pub struct MappedFile(Mmap);

impl MappedFile {
    /// Maps it.
    ///
    /// # Errors
    /// Those of mmap(2).
    pub fn new(file: &File) -> std::io::Result<Self> {
        // SAFETY: the map is only read. A file that is being run cannot be written to (ETXTBSY); one that
        // somebody truncates meanwhile would end grtmon, not the target.
        Ok(Self(unsafe { Mmap::map(file) }?))
    }
}

impl AsRef<[u8]> for MappedFile {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// The kernel maps so many bytes at once, around the one that is looked at (mm/memory.c, `fault_around_bytes`).
const AROUND: usize = 1 << 16;

impl FileBytes for MappedFile {
    fn release(&self, range: Range<usize>) {
        let size = self.0.len();
        let end = range.end.min(size).next_multiple_of(AROUND).min(size);
        let start = range.start.min(end) / AROUND * AROUND;
        // SAFETY: the range lies in the map, to which nothing was written: what is dropped comes back from the file.
        let dropped = unsafe {
            self.0
                .unchecked_advise_range(UncheckedAdvice::DontNeed, start, end - start)
        };
        // If it was not, that costs memory and nothing else.
        drop(dropped);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    }
}
