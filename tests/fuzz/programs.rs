//! Files of programs: headers, sections, function table, module data, relocations, build information, and the runtime's
//! functions in them.

use std::{fs, ops::Range};

use grtmon::go::{
    Binary, Image, RuntimeInfo,
    site::events::{Event, sites},
    site::go_statements::start_functions,
    site::runtime_functions::Runtime,
    symbolize::wrapper::wrapped,
};

use crate::common::{Build, newest, program};
use crate::damage::damage;
use crate::edit::without_sections;
use crate::fuzz;
use crate::random::Random;

const TEXT: &str = "package main\n\nfunc main() {}\n";

/// Where most decisions are made: the headers of the file, of the function table, the module data, the dynamic section
/// and relocations, the build information, the section headers.
fn hot(file: &[u8]) -> Vec<Range<usize>> {
    let whole = Binary::parse(file.to_vec()).unwrap();
    let image = whole.image();
    let mut hot = vec![0..64, 0..1024];
    let table = image
        .section(".gopclntab")
        .or(image.section(".data.rel.ro.gopclntab"));
    let sections = [".dynamic", ".rela", ".go.buildinfo", ".symtab"];
    let sections = sections.iter().filter_map(|name| image.section(name));
    for section in sections.chain(table) {
        let start = usize::try_from(section.offset).unwrap();
        let size = usize::try_from(section.size).unwrap();
        hot.push(start..start + size.min(2048));
        // The records of functions are at the end of their table.
        hot.push(start..start + size);
    }
    if let Some(moduledata) = whole.moduledata() {
        let at = usize::try_from(image.file_offset(moduledata.vaddr).unwrap()).unwrap();
        hot.push(at..at + 600);
    }
    let headers = usize::try_from(u64::from_le_bytes(file[40..48].try_into().unwrap())).unwrap();
    hot.push(headers..headers + 30 * 64);
    hot
}

/// Asks a binary for everything once.
fn use_everything(binary: &Binary, random: &mut Random) {
    let functions = binary.functions();
    let first = random.below(functions.len());
    for f in functions.iter().skip(first).take(5) {
        let _ = (functions.at(f.entry), functions.line(f.entry));
        let _ = (
            functions.frames(f.end.wrapping_sub(1)),
            f.code(binary.image()),
        );
        let _ = (functions.stack_depth(&f, f.entry), wrapped(binary, &f));
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
    let info = binary.build_info();
    let _ = info.and_then(|info| info.setting("GOARCH").map(str::to_owned));
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
    if random.below(16) == 0 {
        let runtime = Runtime::of(binary);
        for event in Event::ALL {
            if let Err(why) = sites(&runtime, event) {
                assert!(!why.to_string().contains('\n'));
            }
        }
        let _ = start_functions(&runtime);
        let runtime_info = RuntimeInfo::of_runtime(&runtime);
        assert!(!runtime_info.layout.to_string().is_empty());
    }
}

#[test]
fn programs() {
    let builds = [Build::DEFAULT, Build::STRIPPED_PIE, Build::ARM64];
    let mut seeds = Vec::new();
    for build in builds {
        let file = fs::read(program(newest(), build, "empty", TEXT)).unwrap();
        let hot = hot(&file);
        seeds.push((without_sections(file.clone()), hot.clone()));
        seeds.push((file, hot));
    }
    let largest = seeds.iter().map(|(file, _)| file.len()).max().unwrap();
    let (tried, well) = fuzz("programs", 24 * largest, |random| {
        let (file, hot) = random.of(&seeds);
        let mut damaged = file.clone();
        damage(&mut damaged, hot, random);
        match Binary::parse(damaged) {
            Ok(binary) => {
                use_everything(&binary, random);
                true
            }
            Err(error) => {
                assert!(!error.to_string().contains('\n'));
                false
            }
        }
    });
    assert!(well > tried / 8, "only {well} of {tried} were read at all");
}

/// Not even damaged programs: a header, and anything.
#[test]
fn headers() {
    fuzz("headers", 1 << 20, |random| {
        let mut file = vec![0; 64 + random.below(4096)];
        for word in file.chunks_mut(8) {
            let value = match random.below(4) {
                0 => random.odd(),
                1 => random.below(4096) as u64,
                _ => random.below(3) as u64,
            };
            word.copy_from_slice(&value.to_le_bytes()[..word.len()]);
        }
        file[..8].copy_from_slice(b"\x7fELF\x02\x01\x01\0");
        // An executable for x86-64, or what else is said there.
        if random.below(8) > 0 {
            file[16..20].copy_from_slice(&[2, 0, 62, 0]);
        }
        if random.below(4) > 0 {
            file[32..40].copy_from_slice(&64_u64.to_le_bytes());
            file[56..58].copy_from_slice(&[*random.of(&[1, 2, 3, 255]), 0]);
        }
        let Ok(image) = Image::parse(file) else {
            return false;
        };
        let _ = (image.symbol("main.main"), image.pointers_to(random.odd()));
        for name in [".symtab", ".debug_info", ".go.buildinfo", ""] {
            let _ = image.section_bytes(name);
        }
        let _ = (image.slice_from(random.odd()), image.pointer(random.odd()));
        true
    });
}
