//! Core dumps: made by hand, damaged.

use std::fs;

use grtmon::go::{Binary, ReadMemory, process::core_file::Core};

use crate::common::{Build, newest, program};
use crate::damage::damage;
use crate::fuzz;

/// A dump of a process that ran `path`, whose first page is `first`: two pieces of memory, the files it had mapped, the
/// auxiliary vector.
fn dump(path: &str, first: &[u8], entry: u64) -> Vec<u8> {
    let mut notes = Vec::new();
    let mut note = |kind: u32, content: &[u8]| {
        for field in [5, u32::try_from(content.len()).unwrap(), kind] {
            notes.extend(field.to_le_bytes());
        }
        notes.extend(b"CORE\0\0\0\0");
        notes.extend(content);
        notes.resize(notes.len().next_multiple_of(4), 0);
    };
    let words = |words: &[u64]| -> Vec<u8> { words.iter().flat_map(|w| w.to_le_bytes()).collect() };
    note(6, &words(&[6, 4096, 9, entry, 0, 0]));
    let mut files = words(&[2, 4096, 0x40_0000, 0x50_0000, 0, 0x50_0000, 0x60_0000, 256]);
    files.extend(path.bytes().chain([0]).chain(path.bytes()).chain([0]));
    note(0x4649_4c45, &files);

    let mut file = b"\x7fELF\x02\x01\x01".to_vec();
    file.resize(16, 0);
    file.extend(words(&[
        4 | 62 << 16 | 1 << 32,
        0,
        64,
        0,
        64 << 32 | 56 << 48,
        3,
    ]));
    let mut at = 64 + 3 * 56;
    let mut contents: Vec<u8> = Vec::new();
    for (kind, vaddr, bytes) in [
        (4, 0, notes.as_slice()),
        (1, 0x40_0000, first),
        (1, 0xc0_0000_0000, &[7; 4096][..]),
    ] {
        let size = bytes.len() as u64;
        file.extend(words(&[kind | 4 << 32, at, vaddr, 0, size, size, 4096]));
        contents.extend(bytes);
        at += size;
    }
    file.extend(contents);
    file
}

#[test]
fn core_dumps() {
    let text = "package main\n\nfunc main() {}\n";
    let file = fs::read(program(newest(), Build::DEFAULT, "empty", text)).unwrap();
    let binary = Binary::parse(file.clone()).unwrap();
    let image = binary.image();
    let whole = dump("/bin/empty", &file[..4096], image.entry());
    let core = Core::parse(whole.clone()).unwrap();
    assert_eq!(core.program().unwrap().path, "/bin/empty");
    assert!(!core.contradicts(image));
    assert_eq!(
        core.memory(image, 0).u64(0xc0_0000_0010),
        Ok(0x0707_0707_0707_0707)
    );
    let headers = 0..64 + 3 * 56 + 300;
    let (tried, well) = fuzz("core_dumps", 16 << 20, |random| {
        let mut damaged = whole.clone();
        damage(&mut damaged, std::slice::from_ref(&headers), random);
        let Ok(core) = Core::parse(damaged) else {
            return false;
        };
        let _ = (core.contradicts(image), core.entered_at());
        let memory = core.memory(image, 0);
        let _ = (core.halted(&memory), core.cut_off(), core.death());
        let mut bytes = [0; 100];
        for addr in [
            0x40_0000,
            0x40_0ff0,
            0xc0_0000_0000,
            random.odd(),
            u64::MAX - 10,
        ] {
            let _ = memory.read(addr, &mut bytes);
        }
        let _ = (memory.held(), memory.go_string(0x40_0000, 1 << 16));
        core.program().is_some()
    });
    assert!(well > tried / 8, "only {well} of {tried} were read at all");
}
