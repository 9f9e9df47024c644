//! An ELF file as grtmon sees it: segments, sections, and bytes by link-time address.
//!
//! Only the headers are parsed; everything else is looked at where it lies, when it is asked for. So a file of 100 MB
//! behind a memory map costs the pages that are really read. The ELF format is in the System V gABI; nothing here
//! knows Go.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::sync::OnceLock;

use goblin::elf::section_header;

use super::contents::Contents;
use super::file_bytes::FileBytes;
use super::headers::Headers;
pub use super::headers::{Machine, Section, Segment};
use super::relocation::Relocations;
use super::word::word;
use super::{compressed, symbol};
use crate::go::error::GoError;

/// Bytes that are looked through before they are given back.
const PIECE: usize = 1 << 20;

/// An ELF file for one of the supported machines.
pub struct Image {
    bytes: Arc<dyn FileBytes>,
    headers: Headers,
    relocations: OnceLock<Relocations>,
}

impl fmt::Debug for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Image")
            .field("size", &self.bytes().len())
            .field("machine", &self.headers.machine)
            .field("segments", &self.headers.segments)
            .finish_non_exhaustive()
    }
}

impl Image {
    /// Reads the headers of an ELF file.
    ///
    /// Missing or damaged section headers are not an error (the kernel does not read them either): the image then
    /// has no sections.
    ///
    /// # Errors
    /// Not ELF, not 64-bit, another processor, not an executable, or a segment that reaches beyond the file; or the file
    /// changed meanwhile.
    pub fn parse(bytes: impl FileBytes) -> Result<Self, GoError> {
        Self::of(&(Arc::new(bytes) as Arc<dyn FileBytes>))
    }

    /// As [`Image::parse`]: `bytes` can be asked afterwards whether they are still the same.
    pub(in crate::go) fn of(bytes: &Arc<dyn FileBytes>) -> Result<Self, GoError> {
        let headers = Headers::parse((**bytes).as_ref());
        if bytes.has_changed() {
            return Err(GoError::Changed);
        }
        Ok(Self {
            bytes: Arc::clone(bytes),
            headers: headers?,
            relocations: OnceLock::new(),
        })
    }

    /// Whether something that was read was not there any more: see [`FileBytes::is_cut`].
    pub fn is_cut(&self) -> bool {
        self.bytes.is_cut()
    }

    /// Refuses to have read a file that has changed since it was opened. To be asked after something was read of it that
    /// others rely on.
    ///
    /// # Errors
    /// [`GoError::Changed`].
    pub fn require_unchanged(&self) -> Result<(), GoError> {
        match self.bytes.has_changed() {
            true => Err(GoError::Changed),
            false => Ok(()),
        }
    }

    /// The whole file.
    pub fn bytes(&self) -> &[u8] {
        (*self.bytes).as_ref()
    }

    /// Says that this range of link-time addresses will not be looked at again soon; see [`FileBytes::release`].
    pub fn release(&self, range: Range<u64>) {
        let size = range.end.saturating_sub(range.start);
        let place = self.file_offset(range.start).and_then(|start| {
            let end = start.saturating_add(size);
            Some(usize::try_from(start).ok()?..usize::try_from(end).ok()?)
        });
        if let Some(place) = place {
            self.bytes.release(place);
        }
    }

    /// As [`release`](Self::release), of the whole file: after a pass over much of it.
    pub fn release_all(&self) {
        self.bytes.release(0..usize::MAX);
    }

    /// The processor it is for.
    pub fn machine(&self) -> Machine {
        self.headers.machine
    }

    /// The system that it is for, if it says that it is for another one than Linux.
    pub fn system(&self) -> Option<&'static str> {
        self.headers.system
    }

    /// Whether it is loaded at an address of the kernel's choice (`ET_DYN`): link-time and run-time addresses differ
    /// by a bias.
    pub fn is_pie(&self) -> bool {
        self.headers.shared_object
    }

    /// Whether it is not run itself but loaded by others: position-independent, started by no dynamic loader, and not
    /// marked as a program that does without one (`DF_1_PIE` of `DT_FLAGS_1`, elf.h).
    pub fn is_library(&self) -> bool {
        self.is_pie() && !self.needs_interpreter() && !self.is_marked_program()
    }

    fn is_marked_program(&self) -> bool {
        const FLAGS_1: u64 = 0x6fff_fffb;
        const PIE: u64 = 0x0800_0000;
        let Some((vaddr, size)) = self.headers.dynamic else {
            return false;
        };
        let bytes = self.slice_from(vaddr).unwrap_or_default();
        let size = usize::try_from(size).unwrap_or(usize::MAX).min(bytes.len());
        let table = bytes.get(..size).unwrap_or_default().chunks_exact(16);
        let mut table = table.filter_map(|entry| Some((word(entry)?, word(entry.get(8..)?)?)));
        table.any(|(tag, value)| tag == FLAGS_1 && value & PIE != 0)
    }

    /// Whether a dynamic loader starts it (`PT_INTERP`).
    pub fn needs_interpreter(&self) -> bool {
        self.headers.interpreter
    }

    /// Link-time address of the first instruction of the program.
    pub fn entry(&self) -> u64 {
        self.headers.entry
    }

    /// Where the code ends: after the last byte of the executable segments that is in the file.
    pub fn code_end(&self) -> u64 {
        let code = self.segments().iter().filter(|segment| segment.exec);
        let ends = code.map(|segment| segment.vaddr.saturating_add(segment.filesz));
        ends.max().unwrap_or_default()
    }

    /// The loadable segments, in file order.
    pub fn segments(&self) -> &[Segment] {
        &self.headers.segments
    }

    /// All sections, in file order; none if the section headers have been removed.
    pub fn sections(&self) -> &[Section] {
        &self.headers.sections
    }

    /// The first section of that name.
    pub fn section(&self, name: &str) -> Option<&Section> {
        self.headers.sections.iter().find(|s| s.name == name)
    }

    /// The contents of a section, decompressed if need be (`SHF_COMPRESSED`, or the older `.zdebug_…` in place of
    /// `.debug_…`). `None` if it does not exist, has no bytes in the file, or cannot be decompressed.
    pub fn section_bytes(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        if let Some(section) = self.section(name) {
            let raw = self.raw_section(section)?;
            if section.flags & u64::from(section_header::SHF_COMPRESSED) != 0 {
                return compressed::elf(raw).map(Cow::Owned);
            }
            return Some(Cow::Borrowed(raw));
        }
        let old = format!(".z{}", name.strip_prefix('.')?);
        compressed::gnu(self.raw_section(self.section(&old)?)?).map(Cow::Owned)
    }

    /// The bytes of a section as they lie in the file.
    pub(in crate::go) fn raw_section(&self, section: &Section) -> Option<&[u8]> {
        if section.kind == section_header::SHT_NOBITS {
            return None;
        }
        let start = usize::try_from(section.offset).ok()?;
        let end = start.checked_add(usize::try_from(section.size).ok()?)?;
        self.bytes().get(start..end)
    }

    /// The `len` bytes at a link-time address, if the file has them all in one segment.
    pub fn slice(&self, vaddr: u64, len: usize) -> Option<&[u8]> {
        self.contents().slice(vaddr, len)
    }

    /// The bytes from a link-time address to the end of the segment's part in the file.
    pub fn slice_from(&self, vaddr: u64) -> Option<&[u8]> {
        self.contents().slice_from(vaddr)
    }

    /// Where the byte at a link-time address lies in the file: what a uprobe is attached to.
    pub fn file_offset(&self, vaddr: u64) -> Option<u64> {
        let (segment, skip) = self.contents().segment_at(vaddr)?;
        segment.offset.checked_add(skip)
    }

    fn contents(&self) -> Contents<'_> {
        Contents {
            bytes: self.bytes(),
            segments: &self.headers.segments,
            machine: self.headers.machine,
        }
    }

    /// The pointer-sized word at a link-time address, as the program sees it when it is loaded at bias 0: the addend
    /// of the word's RELA entry if it has one, else the word in place (no relocation, or RELR).
    pub fn pointer(&self, vaddr: u64) -> Option<u64> {
        match self.relocations().at(self.contents(), vaddr) {
            Some(value) => Some(value),
            None => word(self.slice(vaddr, 8)?),
        }
    }

    /// Addresses of the aligned words outside of code-only segments that hold this pointer at bias 0, ascending.
    ///
    /// Reads all of the file's data once, and all relocations: milliseconds for a large file.
    pub fn pointers_to(&self, value: u64) -> Vec<u64> {
        let mut found: Vec<u64> = self.relocations().holding(self.contents(), value).collect();
        for segment in self.headers.segments.iter().filter(|s| !s.exec) {
            found.extend(self.in_place(segment, value));
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Like [`Image::pointers_to`], but lazily and only in writable segments and by RELA: where initialised
    /// variables are.
    pub(in crate::go) fn variables_pointing_to(
        &self,
        value: u64,
    ) -> impl Iterator<Item = u64> + '_ {
        let written = self.headers.segments.iter().filter(|s| s.write);
        let in_place = written.flat_map(move |s| self.in_place(s, value));
        // The relocations come first: where there are many, there is little of use in place, and much of it.
        let relocated = self.relocations().holding(self.contents(), value);
        relocated.chain(in_place)
    }

    /// The pointers in writable segments, as (address of the word, value at bias 0): all aligned words that have a
    /// relocation, and all others whose value is an address of the image.
    pub(in crate::go) fn variable_pointers(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        let in_place = self
            .headers
            .segments
            .iter()
            .filter(|s| s.write)
            .flat_map(move |segment| {
                let skip = segment
                    .vaddr
                    .next_multiple_of(8)
                    .wrapping_sub(segment.vaddr);
                let first = segment.vaddr.wrapping_add(skip);
                let bytes = self.slice_from(first).unwrap_or_default();
                let words = bytes
                    .chunks_exact(8)
                    .filter_map(word)
                    .zip((first..).step_by(8));
                words
                    .map(|(value, vaddr)| (vaddr, value))
                    .filter(|(_, value)| self.contents().segment_at(*value).is_some())
            });
        in_place.chain(self.relocations().all(self.contents()))
    }

    /// Aligned words in one segment that hold `value` in place and are not replaced by a relocation.
    fn in_place<'a>(&'a self, segment: &'a Segment, value: u64) -> impl Iterator<Item = u64> + 'a {
        let wanted = value.to_le_bytes();
        let hits = self.words_that(segment, move |word| *word == wanted);
        hits.filter(move |vaddr| {
            !self.relocations().contains(*vaddr) && self.pointer(*vaddr) == Some(value)
        })
    }

    /// Addresses of the aligned words of one segment that are wanted as they lie in the file.
    pub(in crate::go) fn words_that<'a>(
        &'a self,
        segment: &Segment,
        is_wanted: impl Fn(&[u8; 8]) -> bool + Copy + 'a,
    ) -> impl Iterator<Item = u64> + 'a {
        let end = segment.vaddr.saturating_add(segment.filesz);
        let first = segment
            .vaddr
            .saturating_add(segment.vaddr.wrapping_neg() % 8);
        self.pieces(first..end).flat_map(move |(vaddr, piece)| {
            let words = piece.as_chunks::<8>().0.iter().enumerate();
            let wanted = words.filter(move |(_, word)| is_wanted(word));
            wanted.map(move |(index, _)| vaddr.wrapping_add(8 * index as u64))
        })
    }

    /// Whether these bytes lie somewhere in a segment.
    pub(in crate::go) fn holds(&self, segment: &Segment, wanted: &[u8]) -> bool {
        let finder = memchr::memmem::Finder::new(wanted);
        let all = segment.vaddr..segment.vaddr.saturating_add(segment.filesz);
        self.pieces(all).any(|(vaddr, piece)| {
            // They may begin in one piece and end in the next.
            let bytes = self.slice_from(vaddr).unwrap_or_default();
            let size = piece.len().saturating_add(wanted.len()).min(bytes.len());
            finder.find(bytes.get(..size).unwrap_or_default()).is_some()
        })
    }

    /// What the file has of a range of link-time addresses, piece by piece, each with its address. A piece is given back
    /// ([`FileBytes::release`]) when the next one is asked for. All but the last have a multiple of 8 bytes.
    pub(in crate::go) fn pieces(&self, range: Range<u64>) -> impl Iterator<Item = (u64, &[u8])> {
        let bytes = self.slice_from(range.start).unwrap_or_default();
        let size = usize::try_from(range.end.saturating_sub(range.start)).unwrap_or(usize::MAX);
        let bytes = bytes.get(..size.min(bytes.len())).unwrap_or_default();
        let mut start = range.start;
        let mut before = start..start;
        bytes.chunks(PIECE).map(move |piece| {
            self.release(before.clone());
            before = start..start.wrapping_add(piece.len() as u64);
            start = before.end;
            (before.start, piece)
        })
    }

    fn relocations(&self) -> &Relocations {
        self.relocations.get_or_init(|| {
            self.headers
                .dynamic
                .map_or_else(Relocations::default, |(vaddr, size)| {
                    Relocations::find(self.contents(), vaddr, size)
                })
        })
    }

    /// Link-time address of a symbol of `.symtab`; `None` if there is none of that name (or the file is stripped).
    ///
    /// Searches linearly: meant for a handful of names.
    pub fn symbol(&self, name: &str) -> Option<u64> {
        let symbols = self.section(".symtab")?;
        let names = self.sections().get(usize::try_from(symbols.link).ok()?)?;
        symbol::find(self.raw_section(symbols)?, self.raw_section(names)?, name)
    }

    /// Whether the file has a symbol table (`.symtab`).
    pub fn has_symbols(&self) -> bool {
        self.section(".symtab").is_some()
    }

    /// Whether the file has DWARF debugging information.
    pub fn has_dwarf(&self) -> bool {
        [".debug_info", ".zdebug_info"].iter().any(|name| {
            self.section(name)
                .is_some_and(|s| s.kind != section_header::SHT_NOBITS && s.size > 0)
        })
    }
}
