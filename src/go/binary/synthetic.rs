//! For tests: a tiny Go program's file, made by hand, with three functions in it.
//!
//! `main.main` has 64 bytes, with `main.inlined` inlined at 16..32 (line 20, called on line 12); then come two
//! functions `main.twice` of 32 bytes each. File offset and link-time address differ by [`BASE`].

/// Address of the first byte of the file.
pub(in crate::go) const BASE: u64 = 0x40_0000;
/// Address of `main.main`.
pub(in crate::go) const TEXT: u64 = BASE + 0x1000;
/// Address of the function table.
pub(in crate::go) const PCLNTAB: u64 = BASE + 0x2000;
/// Address of the module data.
pub(in crate::go) const MODULEDATA: u64 = BASE + 0x3000;

const GOFUNC: u64 = BASE + 0x2800;
const TEXTSECTMAP: u64 = BASE + 0x2c00;
const RELA: u64 = BASE + 0x2d00;
const DYNSYM: u64 = BASE + 0x2f00;
const DYNAMIC: u64 = BASE + 0x3800;
const SECTIONS: u64 = 0x4000;
const NAMES: u64 = 0x4800;

/// How pointers in data get their values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::go) enum Pointers {
    /// They are there: an ordinary executable, or RELR.
    InPlace,
    /// By `R_X86_64_RELATIVE`, by ascending address or not.
    Rela { sorted: bool },
    /// By `R_X86_64_64` against a dynamic symbol at [`BASE`].
    Symbol,
}

/// What varies.
#[derive(Clone, Copy, Debug)]
pub(in crate::go) struct Synthetic {
    pub(in crate::go) magic: u32,
    pub(in crate::go) pointers: Pointers,
    pub(in crate::go) sections: bool,
    pub(in crate::go) moduledata: bool,
    /// `pcHeader.textStart` is set.
    pub(in crate::go) text_start: bool,
}

impl Default for Synthetic {
    fn default() -> Self {
        let pointers = Pointers::InPlace;
        Self {
            magic: 0xffff_fff1,
            pointers,
            sections: true,
            moduledata: true,
            text_start: false,
        }
    }
}

/// A file that is being written.
struct File {
    bytes: Vec<u8>,
    relocations: Vec<(u64, u64)>,
    pointers: Pointers,
}

impl File {
    fn put(&mut self, vaddr: u64, bytes: &[u8]) {
        let at = usize::try_from(vaddr - BASE).unwrap();
        self.bytes[at..at + bytes.len()].copy_from_slice(bytes);
    }

    fn words(&mut self, vaddr: u64, words: &[u64]) {
        let bytes: Vec<u8> = words.iter().flat_map(|w| w.to_le_bytes()).collect();
        self.put(vaddr, &bytes);
    }

    fn pointer(&mut self, vaddr: u64, value: u64) {
        match self.pointers {
            Pointers::InPlace => self.words(vaddr, &[value]),
            _ => self.relocations.push((vaddr, value)),
        }
    }
}

impl Synthetic {
    /// The bytes of the file.
    pub(in crate::go) fn build(self) -> Vec<u8> {
        let mut file = File {
            bytes: vec![0; 0x5000],
            relocations: Vec::new(),
            pointers: self.pointers,
        };
        self.headers(&mut file);
        let parts = self.pclntab(&mut file);
        if self.moduledata {
            self.moduledata(&mut file, &parts);
        }
        file.words(
            DYNAMIC,
            &[
                6,
                DYNSYM,
                7,
                RELA,
                8,
                file.relocations.len() as u64 * 24,
                0,
                0,
            ],
        );
        // Symbol 1 is defined, at BASE.
        file.words(DYNSYM + 24, &[1 << 48, BASE]);
        file.relocations.sort_unstable();
        if self.pointers == (Pointers::Rela { sorted: false }) {
            file.relocations.reverse();
        }
        for (i, (vaddr, value)) in file.relocations.clone().into_iter().enumerate() {
            let (info, addend) = match self.pointers {
                Pointers::Symbol => (1 << 32 | 1, value - BASE),
                _ => (8, value),
            };
            file.words(RELA + i as u64 * 24, &[vaddr, info, addend]);
        }
        file.bytes
    }

    fn headers(self, file: &mut File) {
        let kind: u16 = if self.pointers == Pointers::InPlace {
            2
        } else {
            3
        };
        file.put(BASE, b"\x7fELF\x02\x01\x01");
        let section_count: u64 = if self.sections { 3 } else { 0 };
        let first_words = u64::from(kind) | 62 << 16 | 1 << 32;
        let sections = if self.sections { SECTIONS } else { 0 };
        file.words(BASE + 16, &[first_words, TEXT, 64, sections]);
        // flags, e_ehsize, e_phentsize; e_phnum, e_shentsize, e_shnum, e_shstrndx
        file.words(
            BASE + 48,
            &[
                64 << 32 | 56 << 48,
                4 | 64 << 16 | section_count << 32 | 2 << 48,
            ],
        );
        let load = |flags: u64, from: u64, to: u64| {
            [
                1 | flags << 32,
                from - BASE,
                from,
                0,
                to - from,
                to - from,
                0x1000,
            ]
        };
        file.words(BASE + 64, &load(4, BASE, TEXT));
        file.words(BASE + 120, &load(5, TEXT, PCLNTAB));
        file.words(BASE + 176, &load(6, PCLNTAB, BASE + 0x4000));
        file.words(
            BASE + 232,
            &[2 | 4 << 32, DYNAMIC - BASE, DYNAMIC, 0, 64, 64, 8],
        );
        if self.sections {
            file.put(BASE + NAMES, b"\0.gopclntab\0.shstrtab\0");
            // name and type, flags, address, offset, size
            file.words(
                BASE + SECTIONS + 64,
                &[1 | 1 << 32, 2, PCLNTAB, PCLNTAB - BASE, 0x800],
            );
            file.words(BASE + SECTIONS + 128, &[12 | 3 << 32, 0, 0, NAMES, 22]);
        }
    }

    /// Writes the function table; the offsets of its five parts.
    fn pclntab(self, file: &mut File) -> [u64; 5] {
        let names = b"main.main\0main.inlined\0main.twice\0main.twice\0";
        // One unit with files "a.go" and "b.go".
        let (units, files): (&[u8], &[u8]) = (b"\0\0\0\0\x05\0\0\0", b"a.go\0b.go\0");
        let pcs = [
            vec![0],
            pc_table(&[(0, 64)]),
            pc_table(&[(10, 15), (12, 16), (20, 32), (11, 64)]),
            pc_table(&[(-1, 16), (0, 32), (-1, 64)]),
            pc_table(&[(1, 32)]),
            pc_table(&[(7, 32)]),
        ];
        let pc_offset =
            |i: usize| u32::try_from(pcs[..i].iter().map(Vec::len).sum::<usize>()).unwrap();
        let mut parts = [72u64, 0, 0, 0, 0];
        for (i, size) in [names.len(), units.len(), files.len(), pcs.concat().len()]
            .into_iter()
            .enumerate()
        {
            parts[i + 1] = (parts[i] + size as u64).next_multiple_of(8);
        }
        let text_start = if self.text_start { TEXT } else { 0 };
        file.words(
            PCLNTAB,
            &[u64::from(self.magic) | 0x0801 << 48, 3, 2, text_start],
        );
        file.words(PCLNTAB + 32, &parts);
        for (part, bytes) in parts
            .iter()
            .zip([names, units, files, pcs.concat().as_slice()])
        {
            file.put(PCLNTAB + part, bytes);
        }
        let functions = PCLNTAB + parts[4];
        let mut array = Vec::new();
        for (i, (entry, name, pcfile, pcln)) in [(0, 0, 1, 2), (64, 23, 4, 5), (96, 34, 4, 5)]
            .into_iter()
            .enumerate()
        {
            let record = 64 + 128 * i as u64;
            array.extend([entry, u32::try_from(record).unwrap()]);
            let mut words = vec![
                entry,
                name,
                0,
                0,
                0,
                pc_offset(pcfile),
                pc_offset(pcln),
                3,
                0,
            ];
            if self.magic == 0xffff_fff1 {
                words.push(1);
            }
            // funcID, flag, padding, nfuncdata; pcdata 0 to 2; funcdata 0 to 3
            words.extend([4 << 24, 0, 0, if i == 0 { pc_offset(3) } else { 0 }]);
            words.extend([
                u32::MAX,
                u32::MAX,
                u32::MAX,
                if i == 0 { 16 } else { u32::MAX },
            ]);
            let bytes: Vec<u8> = words.iter().flat_map(|w| w.to_le_bytes()).collect();
            file.put(functions + record, &bytes);
        }
        array.push(128);
        let bytes: Vec<u8> = array.iter().flat_map(|w| w.to_le_bytes()).collect();
        file.put(functions, &bytes);
        // The call that was inlined: the name at 10, called by the instruction at 15.
        let call: &[u32] = if self.magic == 0xffff_fff1 {
            &[0, 10, 15, 5]
        } else {
            &[0xffff, 0, 12, 10, 15]
        };
        let bytes: Vec<u8> = call.iter().flat_map(|w| w.to_le_bytes()).collect();
        file.put(GOFUNC + 16, &bytes);
        parts
    }

    fn moduledata(self, file: &mut File, parts: &[u64; 5]) {
        for (at, offset) in [
            (0, 0),
            (8, parts[0]),
            (32, parts[1]),
            (56, parts[2]),
            (80, parts[3]),
            (104, parts[4]),
        ] {
            file.pointer(MODULEDATA + at, PCLNTAB + offset);
        }
        file.pointer(MODULEDATA + 176, TEXT);
        file.pointer(MODULEDATA + 184, TEXT + 128);
        let gofunc = if self.magic == 0xffff_fff1 { 320 } else { 304 };
        file.pointer(MODULEDATA + gofunc, GOFUNC);
        file.pointer(MODULEDATA + gofunc + 8, TEXTSECTMAP);
        file.words(TEXTSECTMAP, &[0, 128]);
        file.pointer(TEXTSECTMAP + 16, TEXT);
    }
}

/// A per-instruction table of (value, end) pairs.
fn pc_table(stretches: &[(i32, u8)]) -> Vec<u8> {
    let (mut value, mut end) = (-1, 0);
    let mut table = Vec::new();
    for (next, to) in stretches {
        let delta = next - value;
        table.extend([u8::try_from(delta << 1 ^ delta >> 31).unwrap(), to - end]);
        (value, end) = (*next, *to);
    }
    table.push(0);
    table
}
