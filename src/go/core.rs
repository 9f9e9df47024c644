//! Core dumps: the memory of a process that is no more, as the kernel or gcore wrote it.
//!
//! An ELF file of type `ET_CORE`: a `PT_LOAD` for each mapping (with bytes in the file if it was dumped) and a
//! `PT_NOTE` that says which files were mapped where (`NT_FILE`) and what the process was started with (`NT_AUXV`).
//! Code and other unchanged parts of files are usually not dumped: they are taken from the program's file.
//! Source: fs/binfmt_elf.c of Linux, `elf_core_dump` and `fill_files_note`; elf(5), core(5).

use std::fmt;

use goblin::elf::{header, program_header};

use super::elf;
use super::error::GoError;
use super::file_bytes::FileBytes;
use super::image::Image;
use super::memory::{MemoryError, ReadMemory};

/// `NT_AUXV` and `NT_FILE` (include/uapi/linux/elf.h).
const NT_AUXV: u32 = 6;
const NT_FILE: u32 = 0x4649_4c45;

/// `AT_ENTRY` (include/uapi/linux/auxvec.h).
const AT_ENTRY: u64 = 9;

/// Bytes of notes that are looked at: each thread has some, and each mapped file a path.
const MAX_NOTES: u64 = 256 << 20;

/// A core dump.
pub struct Core {
    bytes: Box<dyn FileBytes>,
    /// By address.
    loads: Vec<Load>,
    /// Files that were mapped.
    files: Vec<MappedFile>,
    entered_at: Option<u64>,
}

/// A piece of memory that is in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Load {
    vaddr: u64,
    offset: u64,
    len: u64,
}

/// A file, or part of one, that was mapped into memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MappedFile {
    /// First address.
    pub start: u64,
    /// Address behind the last.
    pub end: u64,
    /// Where in the file the part begins, in bytes.
    pub offset: u64,
    /// Its path, as the process saw it.
    pub path: String,
}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Core")
            .field("loads", &self.loads.len())
            .field("files", &self.files)
            .finish_non_exhaustive()
    }
}

impl Core {
    /// Reads the headers and notes of a core dump.
    ///
    /// # Errors
    /// It is not one, or not of a supported kind. A dump that was cut off is accepted as far as it goes.
    pub fn parse(bytes: impl FileBytes) -> Result<Self, GoError> {
        let bytes: Box<dyn FileBytes> = Box::new(bytes);
        let file: &[u8] = (*bytes).as_ref();
        let head = elf::parse_header(file)?;
        if head.e_type != header::ET_CORE {
            return Err(GoError::NotCore);
        }
        let size = file.len() as u64;
        let mut notes_left = MAX_NOTES;
        let (mut loads, mut files, mut entered_at) = (Vec::new(), Vec::new(), None);
        for segment in elf::program_headers(file, &head)? {
            let there = segment.p_filesz.min(size.saturating_sub(segment.p_offset));
            match segment.p_type {
                program_header::PT_LOAD if there > 0 => loads.push(Load {
                    vaddr: segment.p_vaddr,
                    offset: segment.p_offset,
                    len: there,
                }),
                program_header::PT_NOTE => {
                    let size = there.min(notes_left);
                    notes_left -= size;
                    for (kind, content) in notes(part(file, segment.p_offset, size)) {
                        match kind {
                            NT_AUXV => entered_at = entered_at.or_else(|| entry(content)),
                            NT_FILE => files.extend(mapped_files(content).unwrap_or_default()),
                            _ => {}
                        }
                    }
                }
                _ => {}
            }
        }
        loads.sort_by_key(|load| load.vaddr);
        Ok(Self {
            bytes,
            loads,
            files,
            entered_at,
        })
    }

    /// Refuses to have read a dump that has changed since it was opened: one that is still being written, say.
    ///
    /// # Errors
    /// [`GoError::Changed`].
    pub fn require_unchanged(&self) -> Result<(), GoError> {
        match self.bytes.has_changed() {
            true => Err(GoError::Changed),
            false => Ok(()),
        }
    }

    /// Where the program was entered (`AT_ENTRY` of the auxiliary vector).
    pub fn entered_at(&self) -> Option<u64> {
        self.entered_at
    }

    /// The program that was run: the file that holds the code at which it was entered.
    pub fn program(&self) -> Option<&MappedFile> {
        let entry = self.entered_at?;
        self.files
            .iter()
            .find(|file| (file.start..file.end).contains(&entry))
    }

    /// The memory of the process, which ran `image`.
    pub fn memory<'c>(&'c self, image: &'c Image) -> CoreMemory<'c> {
        let path = self.program().map(|program| program.path.as_str());
        let files = self.files.iter();
        CoreMemory {
            core: self,
            image,
            program: files
                .filter(|file| Some(file.path.as_str()) == path)
                .collect(),
        }
    }

    /// Whether what was dumped of the program's file contradicts `image`: the first page, which the kernel dumps unless
    /// told not to, is another.
    pub fn contradicts(&self, image: &Image) -> bool {
        let path = self.program().map(|program| program.path.as_str());
        let mut starts = self
            .files
            .iter()
            .filter(|file| file.offset == 0 && Some(file.path.as_str()) == path);
        let Some(start) = starts.next() else {
            return false;
        };
        let size = image.bytes().len().min(4096);
        match (self.dumped(start.start, size), image.bytes().get(..size)) {
            (Some(dumped), Some(file)) => dumped != file,
            _ => false,
        }
    }

    /// The bytes at an address, if all of them were dumped, in one piece.
    fn dumped(&self, addr: u64, len: usize) -> Option<&[u8]> {
        let after = self.loads.partition_point(|load| load.vaddr <= addr);
        let load = self.loads.get(after.checked_sub(1)?)?;
        let skip = addr.checked_sub(load.vaddr)?;
        if skip.checked_add(len as u64)? > load.len {
            return None;
        }
        let bytes = part(
            (*self.bytes).as_ref(),
            load.offset.checked_add(skip)?,
            len as u64,
        );
        (bytes.len() == len).then_some(bytes)
    }

    /// How many of the bytes from an address on lie in one piece, dumped.
    fn dumped_from(&self, addr: u64) -> u64 {
        let after = self.loads.partition_point(|load| load.vaddr <= addr);
        let load = after
            .checked_sub(1)
            .and_then(|before| self.loads.get(before));
        let left = load.and_then(|load| {
            let skip = addr.checked_sub(load.vaddr)?;
            load.len.checked_sub(skip)
        });
        left.unwrap_or(0)
    }
}

/// The memory that a core dump and the program's file make up together.
#[derive(Debug)]
pub struct CoreMemory<'c> {
    core: &'c Core,
    image: &'c Image,
    program: Vec<&'c MappedFile>,
}

impl CoreMemory<'_> {
    /// Bytes of the program's file as they were mapped.
    fn in_program(&self, addr: u64, len: usize) -> Option<&[u8]> {
        let end = addr.checked_add(len as u64)?;
        let mapped = self
            .program
            .iter()
            .find(|file| file.start <= addr && end <= file.end)?;
        let offset = mapped.offset.checked_add(addr - mapped.start)?;
        let bytes = part(self.image.bytes(), offset, len as u64);
        (bytes.len() == len).then_some(bytes)
    }
}

impl ReadMemory for CoreMemory<'_> {
    fn held(&self) -> Option<u64> {
        // A piece of the file may be said to lie at many addresses.
        let sizes = self.core.loads.iter().map(|load| load.len);
        let claimed = sizes.fold(0, u64::saturating_add);
        Some(claimed.min(self.core.bytes.contents()))
    }

    fn read(&self, addr: u64, buf: &mut [u8]) -> Result<(), MemoryError> {
        let unmapped = MemoryError::Unmapped {
            addr,
            len: buf.len(),
        };
        let (mut addr, mut rest) = (addr, buf);
        while !rest.is_empty() {
            // A mapping may have been dumped in several pieces.
            let here = usize::try_from(self.core.dumped_from(addr)).unwrap_or(usize::MAX);
            let len = if here == 0 {
                rest.len()
            } else {
                here.min(rest.len())
            };
            let bytes = self.core.dumped(addr, len);
            let bytes = bytes.or_else(|| self.in_program(addr, len));
            let (Some(bytes), Some((now, later))) = (bytes, rest.split_at_mut_checked(len)) else {
                return Err(unmapped);
            };
            now.copy_from_slice(bytes);
            rest = later;
            addr = addr.wrapping_add(len as u64);
        }
        Ok(())
    }
}

/// The bytes of a file from `offset` on; none if it is not that long.
fn part(file: &[u8], offset: u64, len: u64) -> &[u8] {
    let range = || {
        let start = usize::try_from(offset).ok()?;
        file.get(start..start.checked_add(usize::try_from(len).ok()?)?)
    };
    range().unwrap_or_default()
}

/// The notes in a segment: type and content.
fn notes(mut rest: &[u8]) -> Vec<(u32, &[u8])> {
    let mut found = Vec::new();
    let padded = |len: u32| usize::try_from(len).ok()?.checked_next_multiple_of(4);
    while let Some(note) = (|| {
        let field = |at: usize| {
            let bytes = rest.get(at..at + 4)?.try_into().ok()?;
            Some(u32::from_le_bytes(bytes))
        };
        let (name, content) = (field(0)?, field(4)?);
        let start = padded(name)?.checked_add(12)?;
        let end = start.checked_add(usize::try_from(content).ok()?)?;
        let next = start.checked_add(padded(content)?)?;
        Some((field(8)?, rest.get(start..end)?, next))
    })() {
        let (kind, content, next) = note;
        found.push((kind, content));
        rest = rest.get(next..).unwrap_or_default();
    }
    found
}

/// `AT_ENTRY` in the content of `NT_AUXV`: pairs of words.
fn entry(content: &[u8]) -> Option<u64> {
    let (words, _) = content.as_chunks::<8>();
    let mut pairs = words.chunks_exact(2).map(|pair| {
        let word = |index: usize| pair.get(index).map_or(0, |word| u64::from_le_bytes(*word));
        (word(0), word(1))
    });
    pairs.find(|(kind, _)| *kind == AT_ENTRY).map(|(_, at)| at)
}

/// The content of `NT_FILE`: count, page size, (start, end, offset in pages) each, then the paths, each ended by NUL.
fn mapped_files(content: &[u8]) -> Option<Vec<MappedFile>> {
    let word = |index: usize| {
        let at = index.checked_mul(8)?;
        let bytes = content.get(at..at.checked_add(8)?)?.try_into().ok()?;
        Some(u64::from_le_bytes(bytes))
    };
    let (count, page) = (usize::try_from(word(0)?).ok()?, word(1)?);
    let paths = content.get(count.checked_mul(24)?.checked_add(16)?..)?;
    let paths = paths.split(|byte| *byte == 0);
    let mut files = Vec::new();
    for (index, path) in (0..count).zip(paths) {
        let at = index * 3 + 2;
        files.push(MappedFile {
            start: word(at)?,
            end: word(at + 1)?,
            offset: word(at + 2)?.checked_mul(page)?,
            path: String::from_utf8_lossy(path).into_owned(),
        });
    }
    Some(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_told_apart() {
        let mut bytes = Vec::new();
        for (kind, content) in [(6, &b"twelve bytes"[..]), (1, b"odd"), (NT_FILE, b"")] {
            for field in [5, content.len() as u32, kind] {
                bytes.extend_from_slice(&field.to_le_bytes());
            }
            bytes.extend_from_slice(b"CORE\0\0\0\0");
            bytes.extend_from_slice(content);
            bytes.resize(bytes.len().next_multiple_of(4), 0);
        }
        let found = notes(&bytes);
        assert_eq!(
            found,
            [(6, &b"twelve bytes"[..]), (1, b"odd"), (NT_FILE, b"")]
        );
        for len in 0..bytes.len() {
            notes(&bytes[..len]);
        }
        assert!(notes(&[0xff; 64]).is_empty());
    }

    #[test]
    fn mapped_files_have_paths_and_offsets_in_bytes() {
        let words = [2u64, 4096, 0x1000, 0x3000, 1, 0x8000, 0x9000, 0];
        let mut content: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        content.extend_from_slice(b"/bin/a\0/lib/b\0");
        let files = mapped_files(&content).unwrap();
        assert_eq!(files[0].offset, 4096);
        assert_eq!((files[1].start, files[1].path.as_str()), (0x8000, "/lib/b"));
        for len in 0..content.len() {
            mapped_files(&content[..len]);
        }
    }
}
