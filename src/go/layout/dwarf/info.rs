//! The `.debug_info` of a binary, decompressed unit by unit and only as far as somebody reads.
//!
//! Go's linker compresses it (`SHF_COMPRESSED`, zlib) and puts the runtime's units near its start, so
//! a reader that wants nothing else saves most of the work: this section is a fifth of a large binary.

use std::borrow::Cow;
use std::io::{self, Read};

use flate2::read::ZlibDecoder;
use goblin::elf::section_header::SHF_COMPRESSED;

use crate::go::elf::compressed;
use crate::go::elf::image::Image;

/// The bytes before the data of a compressed section: `Elf64_Chdr` (gABI) is type u32, reserved u32,
/// size u64, alignment u64.
const CHDR_SIZE: usize = 24;

/// `ELFCOMPRESS_ZLIB`.
const ZLIB: u32 = 1;

/// What precedes the length in a 64-bit unit header (DWARF 5, section 7.4).
const DWARF64: u32 = 0xffff_ffff;

/// `.debug_info`, its beginning at least.
pub(super) struct DebugInfoBytes<'i> {
    /// All that is there yet.
    bytes: Cow<'i, [u8]>,
    /// Where more comes from.
    rest: Option<ZlibDecoder<&'i [u8]>>,
    /// The size that the section claims; nothing is read beyond it.
    size: u64,
}

impl<'i> DebugInfoBytes<'i> {
    /// Finds the section; `None` if there is none, or none that can be decompressed.
    pub(super) fn open(image: &'i Image) -> Option<Self> {
        let streamed = image
            .section(".debug_info")
            .filter(|section| section.flags & u64::from(SHF_COMPRESSED) != 0)
            .and_then(|section| image.raw_section(section));
        let Some(raw) = streamed else {
            let bytes = image.section_bytes(".debug_info")?;
            let size = bytes.len() as u64;
            return Some(Self {
                bytes,
                rest: None,
                size,
            });
        };
        let header = raw.get(..CHDR_SIZE)?;
        let kind = u32::from_le_bytes(header.get(..4)?.try_into().ok()?);
        let size = u64::from_le_bytes(header.get(8..16)?.try_into().ok()?);
        let compressed = raw.get(CHDR_SIZE..)?;
        let size = size.min(compressed::most(compressed.len()));
        let rest = ZlibDecoder::new(compressed);
        (kind == ZLIB).then_some(Self {
            bytes: Cow::Owned(Vec::new()),
            rest: Some(rest),
            size,
        })
    }

    /// All that is there yet: whole units from the section's start on.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Makes the unit that begins at `start` available; `None` at the end of the section, or of what
    /// can be had of it. Otherwise where the next unit begins.
    pub(super) fn unit(&mut self, start: usize) -> Option<usize> {
        let head = start.checked_add(4)?;
        self.reach(head)?;
        let length = u32::from_le_bytes(self.bytes.get(start..head)?.try_into().ok()?);
        let end = if length == DWARF64 {
            let after = head.checked_add(8)?;
            self.reach(after)?;
            let length = u64::from_le_bytes(self.bytes.get(head..after)?.try_into().ok()?);
            after.checked_add(usize::try_from(length).ok()?)?
        } else {
            head.checked_add(usize::try_from(length).ok()?)?
        };
        self.reach(end)?;
        Some(end)
    }

    /// Decompresses until there are `end` bytes. What is allocated is what has been decompressed, not
    /// what a header claims.
    fn reach(&mut self, end: usize) -> Option<()> {
        if end as u64 > self.size {
            return None;
        }
        let missing = end.saturating_sub(self.bytes.len());
        if missing > 0 {
            let more = self.rest.as_mut()?.by_ref().take(missing as u64);
            read_all(more, self.bytes.to_mut()).ok()?;
        }
        (self.bytes.len() >= end).then_some(())
    }
}

fn read_all(mut from: impl Read, to: &mut Vec<u8>) -> io::Result<usize> {
    from.read_to_end(to)
}
