//! The notes in ELF files: what a core dump says about its process besides the memory, and what identifies a program.
//!
//! Source: include/uapi/linux/elf.h, include/linux/elfcore.h (`struct elf_prstatus`) and fs/binfmt_elf.c of Linux.

use goblin::elf::program_header;

use crate::go::elf::headers;
use crate::go::elf::image::Machine;
use crate::go::process::unwind::WalkFrom;

/// Types of notes (include/uapi/linux/elf.h).
const NT_PRSTATUS: u32 = 1;
const NT_PRPSINFO: u32 = 3;
const NT_AUXV: u32 = 6;
const NT_SIGINFO: u32 = 0x5349_4749;
const NT_FILE: u32 = 0x4649_4c45;

/// `NT_GNU_BUILD_ID`, and the linker's of Go (cmd/link/internal/ld/elf.go, `ELF_NOTE_GOBUILDID_TAG`).
const GNU_BUILD_ID: (&[u8], u32) = (b"GNU\0", 3);
const GO_BUILD_ID: (&[u8], u32) = (b"Go\0\0", 4);

/// `AT_ENTRY` (include/uapi/linux/auxvec.h).
const AT_ENTRY: u64 = 9;

/// The registers in `struct elf_prstatus` come after this many bytes.
const REGISTERS: usize = 112;

/// Signal numbers that a program that went on has in its records: none, or those by which debuggers stop it
/// (include/uapi/asm-generic/signal.h).
const STOPPED: [i32; 3] = [0, 5, 19];

/// More threads than Go lets a program have unless it asks for more (10,000); bounds the work on damaged files.
const MAX_THREADS: usize = 1 << 15;

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

/// A note.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::go) struct Note<'n> {
    name: &'n [u8],
    kind: u32,
    content: &'n [u8],
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Death {
    /// The number of the signal.
    pub signal: i32,
    /// `si_code`; `None` if it is not known.
    pub code: Option<i32>,
}

/// What the notes of a core dump say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::go) struct Said {
    /// Each thread's number and where it was; the one that died is the first.
    pub(in crate::go) threads: Vec<(u64, WalkFrom)>,
    pub(in crate::go) death: Option<Death>,
    pub(in crate::go) pid: Option<i32>,
    pub(in crate::go) files: Vec<MappedFile>,
    pub(in crate::go) entered_at: Option<u64>,
}

impl Said {
    /// Takes in the notes of one segment.
    pub(in crate::go) fn hear(&mut self, machine: Machine, segment: &[u8]) {
        for Note { kind, content, .. } in notes(segment) {
            let int = |at: usize| {
                let bytes = content.get(at..at.checked_add(4)?)?.try_into().ok()?;
                Some(i32::from_le_bytes(bytes))
            };
            match kind {
                NT_PRSTATUS => self.thread(machine, content),
                // After four bytes, `pr_flag`, and two user numbers.
                NT_PRPSINFO => self.pid = self.pid.or_else(|| int(24)),
                // si_signo, si_errno, si_code.
                NT_SIGINFO => {
                    if let (Some(signal), Some(code), Some(death)) =
                        (int(0), int(8), &mut self.death)
                        && death.signal == signal
                        && death.code.is_none()
                    {
                        death.code = Some(code);
                    }
                }
                NT_AUXV => self.entered_at = self.entered_at.or_else(|| entry(content)),
                NT_FILE => self.files.extend(mapped_files(content).unwrap_or_default()),
                _ => {}
            }
        }
    }

    fn thread(&mut self, machine: Machine, content: &[u8]) {
        let word = |at: usize| {
            let bytes = content.get(at..at.checked_add(8)?)?.try_into().ok()?;
            Some(u64::from_le_bytes(bytes))
        };
        let register = |index: usize| word(REGISTERS + index * 8);
        // user_regs_struct: arch/x86/include/asm/user_64.h, arch/arm64/include/uapi/asm/ptrace.h.
        let place = match machine {
            Machine::X86_64 => register(16).zip(register(19)).map(|(pc, sp)| (pc, sp, 0)),
            Machine::Aarch64 => register(32)
                .zip(register(31))
                .and_then(|(pc, sp)| Some((pc, sp, register(30)?))),
        };
        let (Some((pc, sp, lr)), Some(info)) = (place, word(32)) else {
            return;
        };
        if self.threads.is_empty() {
            // `pr_cursig`, 2 bytes.
            let signal = word(8).map_or(0, |word| i32::from((word >> 32) as u16));
            self.death = (!STOPPED.contains(&signal)).then_some(Death { signal, code: None });
        }
        // `pr_pid`, 4 bytes.
        let id = u64::from(info as u32);
        if self.threads.len() >= MAX_THREADS {
            return;
        }
        self.threads.push((
            id,
            WalkFrom {
                pc,
                sp,
                lr,
                exact: true,
            },
        ));
    }
}

/// What identifies the program in the beginning of a file, of each kind: GNU's build id and Go's.
pub(in crate::go) fn build_ids(file: &[u8]) -> [Option<&[u8]>; 2] {
    let mut found = [None; 2];
    let headers =
        headers::parse_header(file).and_then(|head| headers::program_headers(file, &head));
    for segment in headers.unwrap_or_default() {
        if segment.p_type != program_header::PT_NOTE {
            continue;
        }
        let start = usize::try_from(segment.p_offset).unwrap_or(usize::MAX);
        let size = usize::try_from(segment.p_filesz).unwrap_or(usize::MAX);
        let bytes = file.get(start..).unwrap_or_default();
        for note in notes(bytes.get(..size).unwrap_or(bytes)) {
            for (place, kind) in found.iter_mut().zip([GNU_BUILD_ID, GO_BUILD_ID]) {
                if (note.name, note.kind) == kind && !note.content.is_empty() {
                    place.get_or_insert(note.content);
                }
            }
        }
    }
    found
}

/// GNU's build id among these notes.
pub(super) fn gnu_build_id(found: &[u8]) -> Option<&[u8]> {
    let mut all = notes(found).into_iter();
    all.find_map(|note| ((note.name, note.kind) == GNU_BUILD_ID).then_some(note.content))
}

/// The notes in a segment.
fn notes(mut rest: &[u8]) -> Vec<Note<'_>> {
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
        let name = rest.get(12..)?.get(..usize::try_from(name).ok()?)?;
        let note = Note {
            name,
            kind: field(8)?,
            content: rest.get(start..end)?,
        };
        Some((note, next))
    })() {
        let (note, next) = note;
        found.push(note);
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

    fn segment(notes: &[(&[u8], u32, &[u8])]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (name, kind, content) in notes {
            for field in [name.len() as u32, content.len() as u32, *kind] {
                bytes.extend_from_slice(&field.to_le_bytes());
            }
            for part in [name, content] {
                bytes.extend_from_slice(part);
                bytes.resize(bytes.len().next_multiple_of(4), 0);
            }
        }
        bytes
    }

    #[test]
    fn notes_are_told_apart() {
        let written: [(&[u8], u32, &[u8]); 3] = [
            (b"CORE\0", 6, b"twelve bytes"),
            (b"Go\0\0", 1, b"odd"),
            (b"CORE\0", NT_FILE, b""),
        ];
        let bytes = segment(&written);
        let found = notes(&bytes);
        assert_eq!(found.len(), 3);
        for (note, (name, kind, content)) in found.iter().zip(written) {
            assert_eq!((note.name, note.kind, note.content), (name, kind, content));
        }
        for len in 0..bytes.len() {
            notes(&bytes[..len]);
        }
        assert!(notes(&[0xff; 64]).is_empty());
    }

    #[test]
    fn the_first_thread_is_the_one_that_died() {
        let status = |signal: u8, id: u32, pc: u64, sp: u64| {
            let mut content = vec![0; 336];
            content[12] = signal;
            content[32..36].copy_from_slice(&id.to_le_bytes());
            content[112 + 16 * 8..112 + 17 * 8].copy_from_slice(&pc.to_le_bytes());
            content[112 + 19 * 8..112 + 20 * 8].copy_from_slice(&sp.to_le_bytes());
            content
        };
        let mut info = vec![0; 128];
        info[0] = 6;
        info[8..12].copy_from_slice(&(-6i32).to_le_bytes());
        let bytes = segment(&[
            (b"CORE\0", NT_PRSTATUS, &status(6, 17, 0x401000, 0xc000)),
            (b"CORE\0", NT_SIGINFO, &info),
            (b"CORE\0", NT_PRSTATUS, &status(0, 18, 0x402000, 0xd000)),
        ]);
        let mut said = Said::default();
        said.hear(Machine::X86_64, &bytes);
        assert_eq!(
            said.death,
            Some(Death {
                signal: 6,
                code: Some(-6)
            })
        );
        let seen: Vec<_> = said
            .threads
            .iter()
            .map(|(id, at)| (*id, at.pc, at.sp))
            .collect();
        assert_eq!(seen, [(17, 0x401000, 0xc000), (18, 0x402000, 0xd000)]);
        for len in 0..bytes.len() {
            Said::default().hear(Machine::Aarch64, &bytes[..len]);
        }
        // As a debugger writes it of a process that goes on.
        let mut alive = Said::default();
        let bytes = segment(&[(b"CORE\0", NT_PRSTATUS, &status(5, 17, 1, 2))]);
        alive.hear(Machine::X86_64, &bytes);
        assert_eq!(alive.death, None);
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
