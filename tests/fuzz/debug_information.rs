//! DWARF, uncompressed and damaged; and compressed sections that are not what they claim.

use std::{fs, io::Write, ops::Range};

use flate2::{Compression, write::ZlibEncoder};
use grtmon::go::{Binary, Image, layout::Layout};

use crate::common::{Build, newest, program};
use crate::damage::damage;
use crate::fuzz;

/// Where the header of the section of this number lies.
fn header(file: &[u8], number: usize) -> usize {
    usize::try_from(u64::from_le_bytes(file[40..48].try_into().unwrap())).unwrap() + 64 * number
}

/// Puts the contents of a section at the end of the file, compressed or not.
fn put(file: &mut Vec<u8>, number: usize, contents: &[u8], compressed: bool) -> Range<usize> {
    let at = file.len();
    file.extend(contents);
    let header = header(file, number);
    file[header + 8..header + 16].copy_from_slice(&(u64::from(compressed) << 11).to_le_bytes());
    file[header + 24..header + 32].copy_from_slice(&(at as u64).to_le_bytes());
    file[header + 32..header + 40].copy_from_slice(&(contents.len() as u64).to_le_bytes());
    at..file.len()
}

/// A program with debugging information as it is, and where that lies.
fn uncompressed() -> (Vec<u8>, Vec<Range<usize>>) {
    let text = "package main\n\nfunc main() {}\n";
    let mut file = fs::read(program(newest(), Build::DEFAULT, "empty", text)).unwrap();
    let image = Image::parse(file.clone()).unwrap();
    let mut hot = Vec::new();
    for (number, section) in image.sections().iter().enumerate() {
        if section.name.starts_with(".debug_") {
            let contents = image.section_bytes(&section.name).unwrap();
            let place = put(&mut file, number, &contents, false);
            if matches!(&*section.name, ".debug_info" | ".debug_abbrev") {
                hot.push(place);
            }
        }
    }
    (file, hot)
}

#[test]
fn debug_information() {
    let (file, mut hot) = uncompressed();
    // Of what is looked at most is at the beginning.
    let beginnings: Vec<_> = hot.iter().map(|all| all.start..all.start + 4096).collect();
    hot.extend(beginnings);
    let whole = Layout::of(&Binary::parse(file.clone()).unwrap()).to_string();
    assert!(whole.contains("DWARF"), "{whole}");
    fuzz("debug_information", 12 * file.len(), |random| {
        let mut damaged = file.clone();
        damage(&mut damaged, &hot, random);
        let Ok(binary) = Binary::parse(damaged) else {
            return false;
        };
        Layout::of(&binary).to_string().contains("DWARF")
    });
}

/// A section that claims to be of any size, or is.
#[test]
fn compressed_sections_are_as_large_as_what_is_in_them() {
    let text = "package main\n\nfunc main() {}\n";
    let file = fs::read(program(newest(), Build::DEFAULT, "empty", text)).unwrap();
    let image = Image::parse(file.clone()).unwrap();
    let sections = image.sections().iter();
    let number = sections.take_while(|it| it.name != ".debug_info").count();
    let zeros = |mib: usize| {
        let mut out = ZlibEncoder::new(Vec::new(), Compression::best());
        (0..mib).for_each(|_| out.write_all(&[0; 1 << 20]).unwrap());
        out.finish().unwrap()
    };
    let chdr = |size: u64, data: &[u8]| {
        let words = [1, size, 1].map(u64::to_le_bytes).concat();
        [words.as_slice(), data].concat()
    };
    for (contents, what) in [
        (chdr(1 << 50, &zeros(1)), "claims a petabyte"),
        (chdr(u64::MAX, &[]), "claims everything"),
        (
            chdr(1 << 28, &zeros(256)),
            "is a quarter of a gigabyte of zeros",
        ),
        (chdr(1 << 20, &vec![0; 1 << 20]), "is not compressed at all"),
        (chdr(1 << 20, &zeros(64)), "is larger than it claims"),
    ] {
        let mut file = file.clone();
        put(&mut file, number, &contents, true);
        let size = file.len();
        crate::limits::begin();
        let image = Image::parse(file).unwrap();
        let bytes = image.section_bytes(".debug_info").map(|bytes| bytes.len());
        let binary = Binary::parse(image.bytes().to_vec()).unwrap();
        assert!(!Layout::of(&binary).to_string().is_empty());
        let taken = crate::limits::most_taken();
        assert!(bytes.is_none_or(|bytes| bytes <= 16 << 20), "{what}");
        assert!(taken < 3 * size + (80 << 20), "{what}: {taken} bytes");
    }
}
