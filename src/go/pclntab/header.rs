//! Finding the function table in a file, and its first bytes: the `pcHeader`.
//!
//! `pcHeader` (runtime/symtab.go; cmd/link/internal/ld/pcln.go): magic u32, two zero bytes, size of the smallest
//! instruction u8, pointer size u8, number of functions, number of files, text start, and the offsets of names,
//! compilation units, files, per-instruction tables and functions, each pointer-sized. The text start is relocated up
//! to Go 1.25 and always 0 from Go 1.26 on ("no longer stored as it requires a relocation").

use crate::go::elf::headers::Machine;
use crate::go::elf::image::Image;
use crate::go::elf::runtimes;
use crate::go::elf::word::word;
use crate::go::error::GoError;

/// What differs in the table between Go versions, told by its magic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::go) enum Format {
    /// Magic 0xfffffff0: Go 1.18 and 1.19.
    Go118,
    /// Magic 0xfffffff1: Go 1.20 and later. The record (`_func`) has a `startLine` after `cuOffset`.
    Go120,
}

/// Offsets of the fields of a record (`_func` in runtime/runtime2.go): entryOff u32 at 0, nameOff i32 at 4, args,
/// deferreturn, pcsp u32 at 16, pcfile u32 at 20, pcln u32 at 24, npcdata u32 at 28, cuOffset u32 at 32, then
/// startLine i32 (Go 1.20), funcID u8, flag u8, padding u8, nfuncdata u8, and npcdata + nfuncdata words u32.
impl Format {
    pub(in crate::go) fn pcsp(self) -> usize {
        16
    }

    pub(in crate::go) fn pcfile(self) -> usize {
        20
    }

    pub(in crate::go) fn pcln(self) -> usize {
        24
    }

    pub(in crate::go) fn npcdata(self) -> usize {
        28
    }

    pub(in crate::go) fn unit(self) -> usize {
        32
    }

    /// Where the line is that the function's own source begins on, if there is one.
    pub(in crate::go) fn start_line(self) -> Option<usize> {
        match self {
            Self::Go118 => None,
            Self::Go120 => Some(36),
        }
    }

    pub(in crate::go) fn func_id(self) -> usize {
        self.size() - 4
    }

    pub(in crate::go) fn nfuncdata(self) -> usize {
        self.size() - 1
    }

    /// Size of the fixed part.
    pub(in crate::go) fn size(self) -> usize {
        match self {
            Self::Go118 => 40,
            Self::Go120 => 44,
        }
    }
}

/// A function table's header, checked for sanity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::go) struct Header {
    /// Link-time address of the header: what `moduledata.pcHeader` points to.
    pub(in crate::go) vaddr: u64,
    pub(in crate::go) format: Format,
    /// Size of the smallest instruction in bytes.
    pub(in crate::go) quantum: u8,
    /// Number of functions.
    pub(in crate::go) count: usize,
    /// Offsets of the parts from the header, in bytes, ascending.
    pub(in crate::go) names: usize,
    pub(in crate::go) units: usize,
    pub(in crate::go) files: usize,
    pub(in crate::go) pcs: usize,
    pub(in crate::go) functions: usize,
    /// Where the last part ends, if known.
    pub(in crate::go) end: Option<usize>,
}

impl Header {
    /// How many bytes the functions take: the entry offset at the end of their array.
    pub(in crate::go) fn text_length(&self, image: &Image) -> Option<u64> {
        let end = self.count.checked_mul(8)?.checked_add(self.functions)?;
        let end = image.slice(self.vaddr.checked_add(end as u64)?, 4)?;
        Some(u64::from(u32::from_le_bytes(end.try_into().ok()?)))
    }
}

/// Size of the header.
const SIZE: usize = 72;

/// The sections that hold the table: of executables, and of position-independent ones up to Go 1.25.
const SECTIONS: [&str; 2] = [".gopclntab", ".data.rel.ro.gopclntab"];

/// The tables in a file, the most credible first: by section name, else wherever a segment holds bytes that look like a
/// header and contradict nothing. (A Go program may carry another one as data.)
///
/// # Errors
/// `NotGo` if there is none; `TooOld` or `Corrupt` if there is one that cannot be used.
pub(in crate::go) fn find(image: &Image) -> Result<Vec<Header>, GoError> {
    let mut unusable = None;
    for section in SECTIONS.iter().filter_map(|name| image.section(name)) {
        match parse(image, section.vaddr) {
            Ok(mut header) => {
                header.end = usize::try_from(section.size)
                    .ok()
                    .filter(|end| *end > header.functions);
                return Ok(vec![header]);
            }
            Err(error @ GoError::TooOld(_)) => return Err(error),
            Err(error) => unusable = Some(error),
        }
    }
    // Executable segments come last: they hold read-only data only in programs linked in unusual ways.
    let mut too_old = None;
    for exec in [false, true] {
        let mut headers = Vec::new();
        for vaddr in search(image, exec) {
            match parse(image, vaddr) {
                Ok(header) => headers.push(header),
                Err(error @ GoError::TooOld(_)) => too_old = too_old.or(Some(error)),
                Err(_) => {}
            }
        }
        if !headers.is_empty() {
            return Ok(headers);
        }
    }
    Err(unusable
        .or(too_old)
        .unwrap_or(GoError::NotGo(runtimes::of(image))))
}

/// Addresses of aligned words that begin like a header, of whatever version, in the segments that are executable or not.
fn search(image: &Image, exec: bool) -> impl Iterator<Item = u64> + '_ {
    let like = [0xff, 0xff, 0xff, 0, 0, quantum(image), 8];
    let is_header = move |[magic, rest @ ..]: &[u8; 8]| {
        *rest == like && matches!(magic, 0xf0 | 0xf1 | 0xfa | 0xfb)
    };
    let segments = image.segments().iter().filter(move |s| s.exec == exec);
    segments.flat_map(move |segment| image.words_that(segment, is_header).take(64))
}

fn quantum(image: &Image) -> u8 {
    match image.machine() {
        Machine::X86_64 => 1,
        Machine::Aarch64 => 4,
    }
}

fn parse(image: &Image, vaddr: u64) -> Result<Header, GoError> {
    let bytes = image.slice_from(vaddr).unwrap_or_default();
    let start = bytes
        .get(..SIZE)
        .ok_or_else(|| GoError::corrupt("the Go function table is cut off"))?;
    let magic = u32::from_le_bytes([start[0], start[1], start[2], start[3]]);
    let format = match magic {
        0xffff_fff0 => Format::Go118,
        0xffff_fff1 => Format::Go120,
        0xffff_fffa => {
            return too_old(
                start,
                "its function table has the format of Go 1.16 and 1.17",
            );
        }
        0xffff_fffb => {
            return too_old(start, "its function table has the format of Go 1.2 to 1.15");
        }
        _ => {
            return Err(GoError::corrupt(format!(
                "the Go function table has the unknown magic {magic:#010x} (obfuscated, or newer than this grtmon)"
            )));
        }
    };
    if start[4..8] != [0, 0, quantum(image), 8] {
        return Err(GoError::corrupt(
            "the Go function table is for another processor",
        ));
    }
    let field = |i: usize| {
        start
            .get(i..)
            .and_then(word)
            .and_then(|v| usize::try_from(v).ok())
            .unwrap_or(usize::MAX)
    };
    let (count, parts) = (
        field(8),
        [
            SIZE,
            field(32),
            field(40),
            field(48),
            field(56),
            field(64),
            bytes.len(),
        ],
    );
    let array = count
        .checked_mul(8)
        .and_then(|size| size.checked_add(4))
        .and_then(|size| size.checked_add(parts[5]));
    if !parts.is_sorted() || count == 0 || array.is_none_or(|end| end > bytes.len()) {
        return Err(GoError::corrupt(
            "the header of the Go function table contradicts itself",
        ));
    }
    Ok(Header {
        vaddr,
        format,
        quantum: start[6],
        count,
        names: parts[1],
        units: parts[2],
        files: parts[3],
        pcs: parts[4],
        functions: parts[5],
        end: None,
    })
}

fn too_old(start: &[u8], how: &str) -> Result<Header, GoError> {
    // Such a short magic is no proof by itself.
    if start[4] == 0 && start[5] == 0 && matches!(start[6], 1 | 4) && start[7] == 8 {
        Err(GoError::TooOld(how.to_owned()))
    } else {
        Err(GoError::NotGo(None))
    }
}
