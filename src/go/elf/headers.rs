//! The headers of an ELF file: which processor it is for, its segments and its sections.
//!
//! goblin decodes them, one table at a time: its own parser of whole files reads all names and symbols at once. The
//! format is in the System V gABI.

use std::fmt;

use goblin::container::{Container, Ctx, Endian};
use goblin::elf::{Elf, ProgramHeader, SectionHeader, header, program_header, section_header};

use crate::go::error::GoError;

/// The processors that are supported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Machine {
    /// x86-64 ("amd64" in Go).
    X86_64,
    /// 64-bit little-endian ARM ("arm64" in Go).
    Aarch64,
}

impl Machine {
    /// The one that grtmon itself was built for, thus that of all processes here.
    pub const HERE: Self = if cfg!(target_arch = "aarch64") {
        Self::Aarch64
    } else {
        Self::X86_64
    };
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::X86_64 => "x86-64",
            Self::Aarch64 => "arm64",
        })
    }
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
    pub(in crate::go) kind: u32,
    pub(in crate::go) link: u32,
}

/// What the headers of a file say.
#[derive(Debug)]
pub(in crate::go) struct Headers {
    pub(in crate::go) machine: Machine,
    /// `ET_DYN`.
    pub(in crate::go) shared_object: bool,
    /// Has a `PT_INTERP`.
    pub(in crate::go) interpreter: bool,
    /// Address of the first instruction.
    pub(in crate::go) entry: u64,
    pub(in crate::go) segments: Vec<Segment>,
    /// Address and size in bytes of the dynamic table (`PT_DYNAMIC`).
    pub(in crate::go) dynamic: Option<(u64, u64)>,
    pub(in crate::go) sections: Vec<Section>,
}

/// Everything is read as little-endian 64-bit ELF; other files have been refused before this is used.
const CTX: Ctx = Ctx {
    container: Container::Big,
    le: Endian::Little,
};

/// More loadable segments than linkers make; bounds the work on damaged files.
const MAX_SEGMENTS: usize = 64;

impl Headers {
    /// Reads them; see [`crate::go::Image::parse`].
    pub(in crate::go) fn parse(file: &[u8]) -> Result<Self, GoError> {
        let header = parse_header(file)?;
        let machine = machine(&header)?;
        match header.e_type {
            header::ET_EXEC | header::ET_DYN => {}
            header::ET_REL => return Err(GoError::NotExecutable("an object file")),
            header::ET_CORE => return Err(GoError::NotExecutable("a core dump")),
            _ => return Err(GoError::NotExecutable("an ELF file of unknown type")),
        }

        let sections = sections(file, &header);
        let is_empty = |section: &Section| section.kind == section_header::SHT_NOBITS;
        if sections.iter().any(|it| it.name == ".text" && is_empty(it)) {
            return Err(GoError::NoCode);
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
        if !(1..=MAX_SEGMENTS).contains(&segments.len()) {
            let count = segments.len();
            return Err(GoError::corrupt(format!("{count} loadable segments")));
        }
        Ok(Self {
            machine,
            shared_object: header.e_type == header::ET_DYN,
            interpreter,
            entry: header.e_entry,
            segments,
            dynamic,
            sections,
        })
    }
}

pub(in crate::go) fn parse_header(file: &[u8]) -> Result<goblin::elf::Header, GoError> {
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

/// The processor that a file is for.
pub(in crate::go) fn machine(header: &goblin::elf::Header) -> Result<Machine, GoError> {
    match header.e_machine {
        header::EM_X86_64 => Ok(Machine::X86_64),
        header::EM_AARCH64 => Ok(Machine::Aarch64),
        other => Err(GoError::ForeignArchitecture(machine_name(other, false))),
    }
}

/// Whether two files have the same loadable parts at the same addresses, and are entered at the same one. What their
/// beginnings say is enough.
pub(in crate::go) fn same_parts(one: &[u8], other: &[u8]) -> bool {
    let parts = |file: &[u8]| {
        let header = parse_header(file).ok()?;
        let parts = program_headers(file, &header).ok()?.into_iter();
        let parts = parts.filter(|part| part.p_type == program_header::PT_LOAD);
        let parts: Vec<_> = parts
            .map(|part| (part.p_vaddr, part.p_memsz, part.p_flags))
            .collect();
        Some((header.e_entry, parts))
    };
    parts(one).is_some_and(|one| parts(other) == Some(one))
}

/// How many program headers there are. A core dump of very many mappings has no room for their number in the header
/// (`PN_XNUM`): it is in the first section header (`sh_info`), which lies at the very end and so may be cut off. But the
/// kernel writes what the first of them describes right behind the last (fs/binfmt_elf.c, `elf_core_dump`).
fn program_header_count(file: &[u8], header: &goblin::elf::Header) -> usize {
    if header.e_phnum != u16::MAX {
        return usize::from(header.e_phnum);
    }
    let bytes = |start: u64, skip: u64, size: usize| {
        let start = usize::try_from(start.checked_add(skip)?).ok()?;
        file.get(start..start.checked_add(size)?)
    };
    let recorded = || {
        let info = bytes(header.e_shoff, 44, 4)?.try_into().ok()?;
        Some(u64::from(u32::from_le_bytes(info)))
    };
    let derived = || {
        let first = bytes(header.e_phoff, 8, 8)?.try_into().ok()?;
        Some(u64::from_le_bytes(first).checked_sub(header.e_phoff)? / 56)
    };
    let recorded = if header.e_shoff > 0 { recorded() } else { None };
    let count = recorded.or_else(derived).unwrap_or_default();
    usize::try_from(count).unwrap_or(usize::MAX)
}

pub(in crate::go) fn program_headers(
    file: &[u8],
    header: &goblin::elf::Header,
) -> Result<Vec<ProgramHeader>, GoError> {
    let (count, start) = (program_header_count(file, header), header.e_phoff);
    let needed = start.saturating_add((count as u64).saturating_mul(56));
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
    let name = name.get(..name.len().min(256)).unwrap_or_default();
    let name = name.split(|b| *b == 0).next().unwrap_or_default();
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
