//! The linker's summary of the program for the runtime (`runtime.firstmoduledata`), read from the file.
//!
//! Found as the initialised variable whose first word points to the function table and whose next words point to the
//! parts of it: in section `.go.module` from Go 1.26 on, among the variables before, in position-independent programs
//! through the relocations. Source: `moduledata` in runtime/symtab.go, Go 1.18 to 1.27.

use crate::go::elf::image::Image;
use crate::go::pclntab::header::{Format, Header};

/// What the linker says about the program. Link-time addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ModuleData {
    /// Where the variable itself is.
    pub vaddr: u64,
    /// Start of the program's Go code: entry offsets count from here.
    pub text: u64,
    /// End of the program's Go code.
    pub etext: u64,
    /// What funcdata offsets count from (`go.func.*`).
    pub gofunc: Option<u64>,
}

// Offsets of fields, in bytes; those up to `etext` are the same from Go 1.18 to 1.27.
const FUNCNAMETAB: u64 = 8;
const CUTAB: u64 = 32;
const FILETAB: u64 = 56;
const PCTAB: u64 = 80;
const PCLNTABLE: u64 = 104;
const TEXT: u64 = 176;
const ETEXT: u64 = 184;

impl ModuleData {
    /// Finds the variable that belongs to this function table.
    pub(in crate::go) fn find(image: &Image, header: &Header) -> Option<Self> {
        let by_section = image.section(".go.module").map(|s| s.vaddr);
        by_section
            .into_iter()
            .chain(image.variables_pointing_to(header.vaddr))
            .find_map(|vaddr| Self::read(image, header, vaddr))
    }

    fn read(image: &Image, header: &Header, vaddr: u64) -> Option<Self> {
        let pointer = |at: u64| image.pointer(vaddr.checked_add(at)?);
        let part = |part: usize| header.vaddr.checked_add(part as u64);
        let parts = [
            (0, 0),
            (FUNCNAMETAB, header.names),
            (CUTAB, header.units),
            (FILETAB, header.files),
        ];
        let more = [(PCTAB, header.pcs), (PCLNTABLE, header.functions)];
        if parts
            .iter()
            .chain(&more)
            .any(|(at, offset)| pointer(*at) != part(*offset))
        {
            return None;
        }
        let (text, etext) = (pointer(TEXT)?, pointer(ETEXT)?);
        if text > etext {
            return None;
        }
        let candidates: &[(u64, u64)] = match header.format {
            // `gofunc` and the slice `textsectmap`.
            Format::Go118 => &[(304, 312)],
            Format::Go120 => &[(320, 328), (320, 336), (344, 360)],
        };
        let gofunc = candidates.iter().find_map(|&(gofunc, sections)| {
            // textsectmap[0] is {vaddr, end, baseaddr}: the last is the start of the text.
            let first = pointer(sections)?;
            (image.pointer(first.checked_add(16)?)? == text).then(|| pointer(gofunc))?
        });
        Some(Self {
            vaddr,
            text,
            etext,
            gofunc,
        })
    }
}
