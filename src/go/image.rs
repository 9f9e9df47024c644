//! An ELF file as grtmon sees it: segments, sections, and bytes by link-time address.
//!
//! Only the headers are parsed (by goblin, one table at a time); everything else is looked at where it lies, when it
//! is asked for. So a file of 100 MB behind a memory map costs the pages that are really read. The ELF format is in
//! the System V gABI; nothing here knows Go.

use std::borrow::Cow;
use std::fmt;
use std::sync::OnceLock;

use goblin::container::{Container, Ctx, Endian};
use goblin::elf::{Elf, ProgramHeader, SectionHeader, header, program_header, section_header};

use super::error::GoError;
use super::relocation::Relocations;
use super::{compressed, symbol};

/// The processors that are supported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Machine {
    /// x86-64 ("amd64" in Go).
    X86_64,
    /// 64-bit little-endian ARM ("arm64" in Go).
    Aarch64,
}

/// A loadable segment (`PT_LOAD`). Addresses are link-time addresses, sizes are bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Address of the first byte.
    pub vaddr: u64,
    /// Bytes in memory; the part beyond `filesz` is zero.
    pub memsz: u64,
    /// Where the first byte lies in the file.
    pub offset: u64,
    /// Bytes in the file.
    pub filesz: u64,
    /// May be read.
    pub read: bool,
    /// May be written.
    pub write: bool,
    /// May be executed.
    pub exec: bool,
}

/// A section. Addresses are link-time addresses (0 if the section is not loaded), sizes are bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// Its name, with the leading dot.
    pub name: String,
    /// Address of the first byte, or 0.
    pub vaddr: u64,
    /// Bytes, in the file unless `SHT_NOBITS`.
    pub size: u64,
    /// Where the first byte lies in the file.
    pub offset: u64,
    /// `SHF_…` bits.
    pub flags: u64,
    pub(super) kind: u32,
    pub(super) link: u32,
}

/// An ELF file for one of the supported machines.
pub struct Image {
    bytes: Box<dyn AsRef<[u8]> + Send + Sync>,
    machine: Machine,
    shared_object: bool,
    interpreter: bool,
    entry: u64,
    segments: Vec<Segment>,
    dynamic: Option<(u64, u64)>,
    sections: Vec<Section>,
    relocations: OnceLock<Relocations>,
}

impl fmt::Debug for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Image")
            .field("size", &self.bytes().len())
            .field("machine", &self.machine)
            .field("segments", &self.segments)
            .finish_non_exhaustive()
    }
}

/// Everything is read as little-endian 64-bit ELF; other files have been refused before this is used.
const CTX: Ctx = Ctx {
    container: Container::Big,
    le: Endian::Little,
};

impl Image {
    /// Reads the headers of an ELF file.
    ///
    /// Missing or damaged section headers are not an error (the kernel does not read them either): the image then
    /// has no sections.
    ///
    /// # Errors
    /// Not ELF, not 64-bit, another processor, not an executable, or a segment that reaches beyond the file.
    pub fn parse(bytes: impl AsRef<[u8]> + Send + Sync + 'static) -> Result<Self, GoError> {
        let bytes: Box<dyn AsRef<[u8]> + Send + Sync> = Box::new(bytes);
        let file: &[u8] = (*bytes).as_ref();
        let header = parse_header(file)?;
        let machine = match header.e_machine {
            header::EM_X86_64 => Machine::X86_64,
            header::EM_AARCH64 => Machine::Aarch64,
            other => return Err(GoError::ForeignArchitecture(machine_name(other, false))),
        };
        match header.e_type {
            header::ET_EXEC | header::ET_DYN => {}
            header::ET_REL => return Err(GoError::NotExecutable("an object file")),
            header::ET_CORE => return Err(GoError::NotExecutable("a core dump")),
            _ => return Err(GoError::NotExecutable("an ELF file of unknown type")),
        }

        let mut segments = Vec::new();
        let mut dynamic = None;
        let mut interpreter = false;
        for ph in program_headers(file, &header)? {
            match ph.p_type {
                program_header::PT_LOAD => segments.push(segment(&ph, file.len() as u64)?),
                program_header::PT_DYNAMIC => dynamic = Some((ph.p_vaddr, ph.p_memsz)),
                program_header::PT_INTERP => interpreter = true,
                _ => {}
            }
        }
        if segments.is_empty() {
            return Err(GoError::corrupt("no loadable segment"));
        }
        let sections = sections(file, &header);
        Ok(Self {
            machine,
            shared_object: header.e_type == header::ET_DYN,
            interpreter,
            entry: header.e_entry,
            segments,
            dynamic,
            sections,
            relocations: OnceLock::new(),
            bytes,
        })
    }

    /// The whole file.
    pub fn bytes(&self) -> &[u8] {
        (*self.bytes).as_ref()
    }

    /// The processor it is for.
    pub fn machine(&self) -> Machine {
        self.machine
    }

    /// Whether it is loaded at an address of the kernel's choice (`ET_DYN`): link-time and run-time addresses differ
    /// by a bias.
    pub fn is_pie(&self) -> bool {
        self.shared_object
    }

    /// Whether a dynamic loader starts it (`PT_INTERP`).
    pub fn needs_interpreter(&self) -> bool {
        self.interpreter
    }

    /// Link-time address of the first instruction of the program.
    pub fn entry(&self) -> u64 {
        self.entry
    }

    /// The loadable segments, in file order.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// All sections, in file order; none if the section headers have been removed.
    pub fn sections(&self) -> &[Section] {
        &self.sections
    }

    /// The first section of that name.
    pub fn section(&self, name: &str) -> Option<&Section> {
        self.sections.iter().find(|s| s.name == name)
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
    pub(super) fn raw_section(&self, section: &Section) -> Option<&[u8]> {
        if section.kind == section_header::SHT_NOBITS {
            return None;
        }
        let start = usize::try_from(section.offset).ok()?;
        let end = start.checked_add(usize::try_from(section.size).ok()?)?;
        self.bytes().get(start..end)
    }

    /// The `len` bytes at a link-time address, if the file has them all in one segment.
    pub fn slice(&self, vaddr: u64, len: usize) -> Option<&[u8]> {
        self.slice_from(vaddr)?.get(..len)
    }

    /// The bytes from a link-time address to the end of the segment's part in the file.
    pub fn slice_from(&self, vaddr: u64) -> Option<&[u8]> {
        let (segment, skip) = self.segment_at(vaddr)?;
        let start = usize::try_from(segment.offset.checked_add(skip)?).ok()?;
        let end = usize::try_from(segment.offset.checked_add(segment.filesz)?).ok()?;
        self.bytes().get(start..end)
    }

    /// Where the byte at a link-time address lies in the file: what a uprobe is attached to.
    pub fn file_offset(&self, vaddr: u64) -> Option<u64> {
        let (segment, skip) = self.segment_at(vaddr)?;
        segment.offset.checked_add(skip)
    }

    fn segment_at(&self, vaddr: u64) -> Option<(&Segment, u64)> {
        self.segments.iter().find_map(|s| {
            let skip = vaddr.checked_sub(s.vaddr)?;
            (skip < s.filesz).then_some((s, skip))
        })
    }

    /// The pointer-sized word at a link-time address, as the program sees it when it is loaded at bias 0: the addend
    /// of the word's RELA entry if it has one, else the word in place (no relocation, or RELR).
    pub fn pointer(&self, vaddr: u64) -> Option<u64> {
        match self.relocations().at(self, vaddr) {
            Some(value) => Some(value),
            None => word(self.slice(vaddr, 8)?),
        }
    }

    /// Addresses of the aligned words outside of code-only segments that hold this pointer at bias 0, ascending.
    ///
    /// Reads all of the file's data once, and all relocations: milliseconds for a large file.
    pub fn pointers_to(&self, value: u64) -> Vec<u64> {
        let mut found: Vec<u64> = self.relocations().holding(self, value).collect();
        for segment in self.segments.iter().filter(|s| !s.exec) {
            found.extend(self.in_place(segment, value));
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Like [`Image::pointers_to`], but lazily and only in writable segments and by RELA: where initialised
    /// variables are.
    pub(super) fn variables_pointing_to(&self, value: u64) -> impl Iterator<Item = u64> + '_ {
        let in_place = self
            .segments
            .iter()
            .filter(|s| s.write)
            .flat_map(move |s| self.in_place(s, value));
        in_place.chain(self.relocations().holding(self, value))
    }

    /// The pointers in writable segments, as (address of the word, value at bias 0): all aligned words that have a
    /// relocation, and all others whose value is an address of the image.
    pub(super) fn variable_pointers(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        let in_place = self
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
                    .filter(|(_, value)| self.segment_at(*value).is_some())
            });
        in_place.chain(self.relocations().all(self))
    }

    /// Aligned words in one segment that hold `value` in place and are not replaced by a relocation.
    fn in_place<'a>(&'a self, segment: &'a Segment, value: u64) -> impl Iterator<Item = u64> + 'a {
        let bytes = self.slice_from(segment.vaddr).unwrap_or_default();
        let needle = value.to_le_bytes();
        let mut from = 0;
        std::iter::from_fn(move || {
            loop {
                let at = from + memchr::memmem::find(bytes.get(from..)?, &needle)?;
                from = at + 1;
                let vaddr = segment.vaddr.checked_add(at as u64)?;
                if vaddr % 8 == 0 && self.pointer(vaddr) == Some(value) {
                    return Some(vaddr);
                }
            }
        })
    }

    fn relocations(&self) -> &Relocations {
        self.relocations.get_or_init(|| {
            self.dynamic
                .map_or_else(Relocations::default, |(vaddr, size)| {
                    Relocations::find(self, vaddr, size)
                })
        })
    }

    /// Link-time address of a symbol of `.symtab`; `None` if there is none of that name (or the file is stripped).
    ///
    /// Searches linearly: meant for a handful of names.
    pub fn symbol(&self, name: &str) -> Option<u64> {
        symbol::find(self, name)
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

/// A little-endian word.
pub(super) fn word(bytes: &[u8]) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(..8)?.try_into().ok()?))
}

fn parse_header(file: &[u8]) -> Result<goblin::elf::Header, GoError> {
    if !file.starts_with(b"\x7fELF") {
        return Err(GoError::NotElf);
    }
    let truncated = GoError::Truncated {
        what: "the ELF header",
        needed: 64,
        size: file.len() as u64,
    };
    let (Some(&class), Some(&data)) = (file.get(header::EI_CLASS), file.get(header::EI_DATA))
    else {
        return Err(truncated);
    };
    let big_endian = data == header::ELFDATA2MSB;
    if class != header::ELFCLASS64 {
        return Err(GoError::Not64Bit);
    }
    if big_endian {
        let machine = file
            .get(18..20)
            .and_then(|b| b.try_into().ok())
            .map_or(0, u16::from_be_bytes);
        return Err(GoError::ForeignArchitecture(machine_name(machine, true)));
    }
    if file.len() < 64 {
        return Err(truncated);
    }
    Elf::parse_header(file).map_err(|e| GoError::corrupt(format!("ELF header: {e}")))
}

fn program_headers(
    file: &[u8],
    header: &goblin::elf::Header,
) -> Result<Vec<ProgramHeader>, GoError> {
    let (count, start) = (usize::from(header.e_phnum), header.e_phoff);
    let needed = start.saturating_add(count as u64 * 56);
    if needed > file.len() as u64 {
        return Err(GoError::Truncated {
            what: "the program header table",
            needed,
            size: file.len() as u64,
        });
    }
    let start = usize::try_from(start).map_err(|_| GoError::corrupt("program header offset"))?;
    ProgramHeader::parse(file, start, count, CTX)
        .map_err(|e| GoError::corrupt(format!("program headers: {e}")))
}

fn segment(ph: &ProgramHeader, size: u64) -> Result<Segment, GoError> {
    let needed = ph
        .p_offset
        .checked_add(ph.p_filesz)
        .ok_or_else(|| GoError::corrupt("a segment's size"))?;
    if needed > size {
        return Err(GoError::Truncated {
            what: "a segment",
            needed,
            size,
        });
    }
    if ph.p_filesz > ph.p_memsz || ph.p_vaddr.checked_add(ph.p_memsz).is_none() {
        return Err(GoError::corrupt("a segment's size in memory"));
    }
    Ok(Segment {
        vaddr: ph.p_vaddr,
        memsz: ph.p_memsz,
        offset: ph.p_offset,
        filesz: ph.p_filesz,
        read: ph.p_flags & program_header::PF_R != 0,
        write: ph.p_flags & program_header::PF_W != 0,
        exec: ph.p_flags & program_header::PF_X != 0,
    })
}

/// The sections, or none at all if the table is missing or damaged.
fn sections(file: &[u8], header: &goblin::elf::Header) -> Vec<Section> {
    let parse = || -> Option<Vec<Section>> {
        let (count, start) = (
            usize::from(header.e_shnum),
            usize::try_from(header.e_shoff).ok()?,
        );
        let end = start.checked_add(count.checked_mul(64)?)?;
        if start == 0 || count == 0 || end > file.len() {
            return None;
        }
        let headers = SectionHeader::parse(file, start, count, CTX).ok()?;
        let names = headers.get(usize::from(header.e_shstrndx))?;
        let from = usize::try_from(names.sh_offset).ok()?;
        let names = file.get(from..from.checked_add(usize::try_from(names.sh_size).ok()?)?)?;
        Some(headers.iter().map(|h| section(h, names)).collect())
    };
    parse().unwrap_or_default()
}

fn section(h: &SectionHeader, names: &[u8]) -> Section {
    let name = names.get(h.sh_name..).unwrap_or_default();
    let name = name.split(|b| *b == 0).next().unwrap_or_default();
    let name = name.get(..name.len().min(256)).unwrap_or_default();
    Section {
        name: String::from_utf8_lossy(name).into_owned(),
        vaddr: h.sh_addr,
        size: h.sh_size,
        offset: h.sh_offset,
        flags: h.sh_flags,
        kind: h.sh_type,
        link: h.sh_link,
    }
}

fn machine_name(machine: u16, big_endian: bool) -> String {
    let name = header::machine_to_str(machine);
    let name = if name == "EM_UNKNOWN" {
        format!("processor {machine}")
    } else {
        name.trim_start_matches("EM_").to_lowercase()
    };
    if big_endian {
        format!("{name} (big-endian)")
    } else {
        name
    }
}
