//! Changes to the bytes of a program.

#![allow(dead_code, reason = "each test uses a part of it")]

/// The file as it is after all section headers have been removed.
pub(crate) fn without_sections(mut file: Vec<u8>) -> Vec<u8> {
    // e_shoff; e_shnum and e_shstrndx
    file[40..48].fill(0);
    file[60..64].fill(0);
    file
}

/// The file with every occurrence of some bytes replaced.
pub(crate) fn replaced(mut file: Vec<u8>, from: &[u8], to: &[u8]) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let places: Vec<usize> = memchr::memmem::find_iter(&file, from).collect();
    assert!(!places.is_empty(), "nothing to replace");
    for at in places {
        file[at..at + to.len()].copy_from_slice(to);
    }
    file
}
