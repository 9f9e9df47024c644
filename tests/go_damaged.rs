//! Files that are no Go program, or a damaged one: read or refused, never a panic, in bounded time and memory.

#![allow(clippy::unwrap_used, reason = "test code")]

mod common;
#[path = "go_binary/edit.rs"]
mod edit;

use std::fs;
use std::time::{Duration, Instant};

use common::{Build, newest, program};
use edit::{replaced, without_sections};
use grtmon::go::{Binary, GoError};

/// A file damaged in any way is read or refused, never a panic, in bounded time.
#[test]
fn damaged_files_are_read_or_refused() {
    let text = "package main\n\nfunc main() {}\n";
    for build in [Build::DEFAULT, Build::STRIPPED_PIE] {
        let file = fs::read(program(newest(), build, "empty", text)).unwrap();
        let whole = Binary::parse(file.clone()).unwrap();
        let image = whole.image();
        // Where most decisions are made: the headers of the file, of the function table, the module data, the dynamic
        // section and relocations, the build information.
        let header = image
            .section(".gopclntab")
            .or(image.section(".data.rel.ro.gopclntab"))
            .unwrap();
        let mut hot = vec![0..1024, header.offset as usize..header.offset as usize + 72];
        let moduledata = image
            .file_offset(whole.moduledata().unwrap().vaddr)
            .unwrap() as usize;
        hot.push(moduledata..moduledata + 600);
        for name in [".dynamic", ".rela", ".go.buildinfo"] {
            if let Some(section) = image.section(name) {
                hot.push(
                    section.offset as usize..(section.offset + section.size.min(2048)) as usize,
                );
            }
        }
        let section_headers = u64::from_le_bytes(file[40..48].try_into().unwrap()) as usize;
        hot.push(section_headers..section_headers + 30 * 64);

        let mut random = Random(0x5eed_0001);
        let rounds = if cfg!(debug_assertions) { 500 } else { 10_000 };
        let mut read = 0;
        for round in 0..rounds {
            let mut damaged = file.clone();
            for _ in 0..=random.below(3) {
                let place = match random.below(3) {
                    0 => random.below(file.len()),
                    1 => header.offset as usize + random.below(header.size as usize),
                    _ => {
                        let range = &hot[random.below(hot.len())];
                        range.start + random.below(range.len())
                    }
                };
                let value = [0, 0xff, 0x7f, 0x80, random.next() as u8][random.below(5)];
                let end = (place + [1, 1, 4, 8][random.below(4)]).min(damaged.len());
                damaged[place..end].fill(value);
            }
            if round % 8 == 0 {
                damaged.truncate(random.below(file.len()));
            }
            let started = Instant::now();
            match Binary::parse(damaged) {
                Ok(binary) => {
                    read += 1;
                    use_everything(&binary, &mut random);
                }
                Err(error) => assert!(!error.to_string().contains('\n')),
            }
            assert!(started.elapsed() < Duration::from_secs(10), "round {round}");
        }
        assert!(
            read > rounds / 4,
            "only {read} of {rounds} were read at all"
        );
    }
}

/// Asks a binary for everything once.
fn use_everything(binary: &Binary, random: &mut Random) {
    let functions = binary.functions();
    let first = random.below(functions.len().max(1));
    for f in functions.iter().skip(first).take(5) {
        let _ = (functions.at(f.entry), functions.line(f.entry));
        let _ = (
            functions.frames(f.end.wrapping_sub(1)),
            f.code(binary.image()),
        );
    }
    for pc in [
        0,
        u64::MAX,
        binary.text().start,
        binary.text().end,
        random.next(),
    ] {
        let _ = (
            functions.at(pc),
            functions.frames(pc),
            binary.image().file_offset(pc),
            binary.image().pointer(pc),
        );
    }
    let _ = (binary.version_range(), binary.image().has_dwarf());
    // What reads much of the file, now and then.
    if random.below(8) == 0 {
        let image = binary.image();
        let _ = (
            functions.by_name("runtime.newproc"),
            functions.by_name("main.nobody"),
        );
        let _ = (binary.uses_cgo(), image.section_bytes(".debug_info"));
        let _ = (
            image.symbol("main.main"),
            image.pointers_to(binary.text().start),
        );
    }
}

/// A generator of numbers that look random (xorshift64*), the same in each run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() >> 16) as usize % limit
    }
}

/// What is not a Go program, or one from before Go 1.18, is refused in one line each.
#[test]
fn other_files_are_refused() {
    let text = "package main\n\nfunc main() {}\n";
    let file = fs::read(program(newest(), Build::STRIPPED, "empty", text)).unwrap();
    let refused = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut changed = without_sections(file.clone());
        change(&mut changed);
        Binary::parse(changed).unwrap_err()
    };
    assert_eq!(refused(&|f| f.clear()), GoError::NotElf);
    assert_eq!(refused(&|f| f[1] = b'X'), GoError::NotElf);
    assert_eq!(refused(&|f| f[4] = 1), GoError::Not64Bit);
    assert_eq!(
        refused(&|f| f[18] = 0xf3),
        GoError::ForeignArchitecture("riscv".to_owned())
    );
    assert_eq!(
        refused(&|f| f[16] = 4),
        GoError::NotExecutable("a core dump")
    );
    assert!(matches!(
        refused(&|f| f.truncate(20)),
        GoError::Truncated { .. }
    ));
    assert!(matches!(
        refused(&|f| f.truncate(f.len() / 2)),
        GoError::Truncated { .. }
    ));
    let magic = |byte: u8| {
        refused(&|f| {
            *f = replaced(
                f.clone(),
                b"\xf1\xff\xff\xff\0\0\x01\x08",
                &[byte, 0xff, 0xff, 0xff, 0, 0, 1, 8],
            )
        })
    };
    assert!(matches!(magic(0xfb), GoError::TooOld(_)));
    assert!(matches!(magic(0xfa), GoError::TooOld(_)));
    assert_eq!(magic(0x12), GoError::NotGo);
    let obfuscated = replaced(
        file.clone(),
        b"\xf1\xff\xff\xff\0\0\x01\x08",
        b"\x12\x34\x56\x78\0\0\x01\x08",
    );
    let error = Binary::parse(obfuscated).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("unknown magic 0x78563412 (obfuscated"),
        "{error}"
    );
    let this_test = std::env::current_exe().unwrap();
    assert_eq!(
        Binary::parse(fs::read(this_test).unwrap()).unwrap_err(),
        GoError::NotGo
    );
}
