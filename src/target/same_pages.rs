//! Whether two open files are one inode, where that is not to be seen from outside.
//!
//! Containers of one image run one inode of the image's layer, on which each has an overlay of its own; the overlays show
//! different devices, and nothing else tells one layer from another that was made like it. But what is mapped is the
//! page of the file below: the same page of memory for one inode, another for another.

use std::fs::File;
use std::os::unix::fs::FileExt;

use memmap2::Mmap;
use memmap2::MmapOptions;

use super::machine;

/// Bits of an entry of /proc/PID/pagemap (Documentation/admin-guide/mm/pagemap.rst).
const PRESENT: u64 = 1 << 63;
const FRAME: u64 = (1 << 55) - 1;

/// Pages move, or are thrown out; one that does so this often between two looks has no luck.
const TRIES: u32 = 16;

/// Whether these files have their first page in common; `None` if we may not know (that takes CAP_SYS_ADMIN).
pub(super) fn are_same(one: &File, other: &File) -> Option<bool> {
    let entries = File::open("/proc/self/pagemap").ok()?;
    for _ in 0..TRIES {
        let (one, other) = (FirstPage::of(one)?, FirstPage::of(other)?);
        let before = one.frame(&entries);
        let between = other.frame(&entries);
        // Only while the first is where it was the second says something.
        match (before, between, one.frame(&entries)) {
            (Some(before), Some(between), Some(after)) if before == after => {
                return (before != 0).then_some(before == between);
            }
            _ => {}
        }
    }
    None
}

/// The first page of a file in memory.
struct FirstPage(Mmap);

impl FirstPage {
    fn of(file: &File) -> Option<Self> {
        // SAFETY: nobody reads what is mapped, whatever becomes of the file.
        let map = unsafe { MmapOptions::new().len(1).populate().map(file) };
        map.ok().map(Self)
    }

    /// Its number among the machine's pages; 0 if that is kept from us, `None` if it is not there now.
    fn frame(&self, entries: &File) -> Option<u64> {
        let page = self.0.as_ptr().addr() as u64 / machine::page_size();
        let mut entry = [0; 8];
        entries.read_exact_at(&mut entry, page * 8).ok()?;
        let entry = u64::from_ne_bytes(entry);
        (entry & PRESENT != 0).then_some(entry & FRAME)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::path::Path;

    #[test]
    fn a_file_is_itself_and_no_copy() {
        let own = || File::open("/proc/self/exe").unwrap();
        let path = std::env::temp_dir().join(format!("grtmon-pages.{}", std::process::id()));
        std::fs::copy(Path::new("/proc/self/exe"), &path).unwrap();
        let copy = File::open(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        // Where it is not ours to know, nothing is said.
        if let Some(same) = are_same(&own(), &own()) {
            assert!(same);
            assert_eq!(are_same(&own(), &copy), Some(false));
        }
    }
}
