//! What an ELF file has of a program's memory, by link-time address.

use super::headers::{Machine, Segment};

/// The bytes of a file, and what its headers say of where they are loaded.
#[derive(Clone, Copy, Debug)]
pub(in crate::go) struct Contents<'i> {
    /// The whole file.
    pub(in crate::go) bytes: &'i [u8],
    /// Its loadable segments.
    pub(in crate::go) segments: &'i [Segment],
    /// The processor it is for.
    pub(in crate::go) machine: Machine,
}

impl<'i> Contents<'i> {
    /// The `len` bytes at an address, if the file has them all in one segment.
    pub(in crate::go) fn slice(self, vaddr: u64, len: usize) -> Option<&'i [u8]> {
        self.slice_from(vaddr)?.get(..len)
    }

    /// The bytes from an address to the end of the segment's part in the file.
    pub(in crate::go) fn slice_from(self, vaddr: u64) -> Option<&'i [u8]> {
        let (segment, skip) = self.segment_at(vaddr)?;
        let start = usize::try_from(segment.offset.checked_add(skip)?).ok()?;
        let end = usize::try_from(segment.offset.checked_add(segment.filesz)?).ok()?;
        self.bytes.get(start..end)
    }

    /// The segment that has the byte at an address, and how far from its start.
    pub(in crate::go) fn segment_at(self, vaddr: u64) -> Option<(&'i Segment, u64)> {
        self.segments.iter().find_map(|s| {
            let skip = vaddr.checked_sub(s.vaddr)?;
            (skip < s.filesz).then_some((s, skip))
        })
    }
}
