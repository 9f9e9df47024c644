//! Core dumps: the memory of a process that is no more, as the kernel or gcore wrote it.
//!
//! An ELF file of type `ET_CORE`: a `PT_LOAD` for each mapping (with bytes in the file if it was dumped) and a
//! `PT_NOTE` that says which files were mapped where (`NT_FILE`) and what the process was started with (`NT_AUXV`).
//! Code and other unchanged parts of files are usually not dumped: they are taken from the program's file.
//! A dump may have been cut off, by a limit of its size or by a full disk: it then ends before its headers say so.
//! Source: fs/binfmt_elf.c of Linux, `elf_core_dump` and `fill_files_note`; elf(5), core(5).

use std::fmt;
use std::ops::Range;

use goblin::elf::{header, program_header};

pub use super::core_notes::{Death, MappedFile};
use super::core_notes::{Said, build_ids};
use crate::go::elf::file_bytes::FileBytes;
use crate::go::elf::headers;
use crate::go::elf::image::{Image, Machine};
use crate::go::error::GoError;
use crate::go::memory::{MemoryError, ReadMemory};
use crate::go::process::halted::{Halted, Thread};

/// The kernel dumps so much of each ELF file that was mapped, unless told not to.
const PAGE: usize = 4096;

/// Bytes of notes that are looked at: each thread has some, and each mapped file a path.
const MAX_NOTES: u64 = 256 << 20;

/// A core dump.
pub struct Core {
    bytes: Box<dyn FileBytes>,
    machine: Machine,
    /// By address.
    loads: Vec<Load>,
    said: Said,
    /// How long the file would be if nothing of it were cut off.
    whole: u64,
}

/// A piece of memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Load {
    vaddr: u64,
    /// Bytes in memory.
    size: u64,
    offset: u64,
    /// Bytes that were dumped, and those of them that are in the file.
    dumped: u64,
    len: u64,
    write: bool,
}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Core")
            .field("loads", &self.loads.len())
            .field("said", &self.said)
            .finish_non_exhaustive()
    }
}

/// How long a core dump with this beginning is, in bytes, if nothing of it is cut off; `None` if the beginning is too
/// short to tell.
///
/// # Errors
/// It is not the beginning of a core dump.
pub fn whole_size(beginning: &[u8]) -> Result<Option<u64>, GoError> {
    match headers::parse_header(beginning) {
        Err(GoError::Truncated { .. }) => Ok(None),
        Err(why) => Err(why),
        Ok(head) if head.e_type != header::ET_CORE => Err(GoError::NotCore),
        Ok(head) => match headers::program_headers(beginning, &head) {
            Err(GoError::Truncated { .. }) => Ok(None),
            Err(why) => Err(why),
            Ok(segments) => Ok(Some(end_of(&head, &segments))),
        },
    }
}

/// Where the last part ends.
fn end_of(head: &header::Header, segments: &[program_header::ProgramHeader]) -> u64 {
    let ends = segments
        .iter()
        .map(|segment| segment.p_offset.saturating_add(segment.p_filesz));
    let sections = head
        .e_shoff
        .saturating_add(u64::from(head.e_shnum) * u64::from(head.e_shentsize));
    ends.max().unwrap_or_default().max(sections)
}

impl Core {
    /// Reads the headers and notes of a core dump.
    ///
    /// # Errors
    /// It is not one, or not of a supported kind. A dump that was cut off is accepted as far as it goes.
    pub fn parse(bytes: impl FileBytes) -> Result<Self, GoError> {
        let bytes: Box<dyn FileBytes> = Box::new(bytes);
        let file: &[u8] = (*bytes).as_ref();
        let head = headers::parse_header(file)?;
        if head.e_type != header::ET_CORE {
            return Err(GoError::NotCore);
        }
        let machine = headers::machine(&head)?;
        let size = file.len() as u64;
        let mut notes_left = MAX_NOTES;
        let (mut loads, mut said) = (Vec::new(), Said::default());
        let segments = headers::program_headers(file, &head)?;
        for segment in &segments {
            let there = segment.p_filesz.min(size.saturating_sub(segment.p_offset));
            match segment.p_type {
                program_header::PT_LOAD => loads.push(Load {
                    vaddr: segment.p_vaddr,
                    size: segment.p_memsz,
                    offset: segment.p_offset,
                    dumped: segment.p_filesz,
                    len: there,
                    write: segment.p_flags & program_header::PF_W != 0,
                }),
                program_header::PT_NOTE => {
                    let size = there.min(notes_left);
                    notes_left -= size;
                    said.hear(machine, part(file, segment.p_offset, size));
                }
                _ => {}
            }
        }
        loads.sort_by_key(|load| load.vaddr);
        let whole = end_of(&head, &segments).max(size);
        Ok(Self {
            bytes,
            machine,
            loads,
            said,
            whole,
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
        self.said.entered_at
    }

    /// How the process ended; `None` if it did not, or the dump does not say.
    pub fn death(&self) -> Option<Death> {
        self.said.death
    }

    /// The number that the process had.
    pub fn pid(&self) -> Option<i32> {
        self.said.pid
    }

    /// How many bytes of the dump are there, and how many should be, if it is cut off.
    pub fn cut_off(&self) -> Option<(u64, u64)> {
        let size = (*self.bytes).as_ref().len() as u64;
        (size < self.whole).then_some((size, self.whole))
    }

    /// The program that was run: the file that holds the code at which it was entered.
    pub fn program(&self) -> Option<&MappedFile> {
        let entry = self.said.entered_at?;
        let mut files = self.said.files.iter();
        files.find(|file| (file.start..file.end).contains(&entry))
    }

    /// The memory of the process, which ran `image`, `bias` above its link-time addresses.
    pub fn memory<'c>(&'c self, image: &'c Image, bias: u64) -> CoreMemory<'c> {
        let path = self.program().map(|program| program.path.as_str());
        let files = self.said.files.iter();
        CoreMemory {
            core: self,
            image,
            bias,
            program: files
                .filter(|file| Some(file.path.as_str()) == path)
                .collect(),
        }
    }

    /// What its threads were at.
    pub fn halted(&self, memory: &CoreMemory<'_>) -> Halted {
        let threads = self.said.threads.iter();
        Halted {
            threads: threads
                .map(|(id, at)| Thread::new(*id, *at, self.machine, memory))
                .collect(),
            left: self.cut_off().map(|_| self.written()),
        }
    }

    /// The addresses of what could be written and is in the file.
    fn written(&self) -> Vec<Range<u64>> {
        let loads = self.loads.iter().filter(|load| load.write && load.len > 0);
        loads
            .map(|load| load.vaddr..load.vaddr.saturating_add(load.len))
            .collect()
    }

    /// Whether what was dumped of the program's file contradicts `image`. It need not be the very file: one that has been
    /// stripped since has the same build id, and the same parts at the same places. Without an id the first page must be
    /// the same, but for what tells where the sections are.
    pub fn contradicts(&self, image: &Image) -> bool {
        let path = self.program().map(|program| program.path.as_str());
        let mut starts = self
            .said
            .files
            .iter()
            .filter(|file| file.offset == 0 && Some(file.path.as_str()) == path);
        let Some(start) = starts.next() else {
            return false;
        };
        let file = image.bytes();
        let size = file.len().min(PAGE);
        let Some((dumped, file_start)) = self.dumped(start.start, size).zip(file.get(..size))
        else {
            return false;
        };
        let ids = build_ids(dumped).into_iter().zip(build_ids(file));
        let mut told = ids.filter_map(|(theirs, ours)| Some(theirs? == ours?));
        match told.next() {
            Some(first) => !(first && told.all(|same| same) && headers::same_parts(dumped, file)),
            None => without_sections(dumped) != without_sections(file_start),
        }
    }

    /// The piece of memory in which an address lies, and how far in.
    fn load_at(&self, addr: u64) -> Option<(&Load, u64)> {
        let after = self.loads.partition_point(|load| load.vaddr <= addr);
        let load = self.loads.get(after.checked_sub(1)?)?;
        let skip = addr.checked_sub(load.vaddr)?;
        (skip < load.size).then_some((load, skip))
    }

    /// The bytes at an address, if all of them are in the file, in one piece.
    fn dumped(&self, addr: u64, len: usize) -> Option<&[u8]> {
        let (load, skip) = self.load_at(addr)?;
        if skip.checked_add(len as u64)? > load.len {
            return None;
        }
        let offset = load.offset.checked_add(skip)?;
        let bytes = part((*self.bytes).as_ref(), offset, len as u64);
        (bytes.len() == len).then_some(bytes)
    }

    /// How many of the bytes from an address on lie in one piece in the file.
    fn dumped_from(&self, addr: u64) -> u64 {
        let load = self.load_at(addr);
        load.map_or(0, |(load, skip)| load.len.saturating_sub(skip))
    }

    /// Whether what was at an address may have been other than what is in the file that was mapped there: it was dumped
    /// and is cut off, or could be written.
    fn is_lost(&self, addr: u64) -> bool {
        self.load_at(addr)
            .is_some_and(|(load, skip)| skip < load.dumped || load.write)
    }
}

/// The memory that a core dump and the program's file make up together.
#[derive(Debug)]
pub struct CoreMemory<'c> {
    core: &'c Core,
    image: &'c Image,
    bias: u64,
    program: Vec<&'c MappedFile>,
}

impl CoreMemory<'_> {
    /// Bytes of the program's file as they were mapped.
    fn in_program(&self, addr: u64, len: usize) -> Option<&[u8]> {
        let end = addr.checked_add(len as u64)?;
        let mapped = |file: &&&MappedFile| file.start <= addr && end <= file.end;
        if self.core.is_lost(addr) || !self.program.iter().any(|file| mapped(&file)) {
            return None;
        }
        // By address: in a stripped file the parts may lie elsewhere.
        self.image.slice(addr.wrapping_sub(self.bias), len)
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

/// The beginning of an ELF file without what says where its sections are: `e_shoff`, `e_shnum`, `e_shstrndx`.
fn without_sections(page: &[u8]) -> Vec<u8> {
    let mut page = page.to_vec();
    for range in [40..48, 60..64] {
        if let Some(bytes) = page.get_mut(range) {
            bytes.fill(0);
        }
    }
    page
}

/// The bytes of a file from `offset` on; none if it is not that long.
fn part(file: &[u8], offset: u64, len: u64) -> &[u8] {
    let range = || {
        let start = usize::try_from(offset).ok()?;
        file.get(start..start.checked_add(usize::try_from(len).ok()?)?)
    };
    range().unwrap_or_default()
}
