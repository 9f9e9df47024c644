//! What can be known of a process whose program may not be opened: whether it is a Go program, and why it may not.

use std::fs;

use anyhow::Result;
use anyhow::anyhow;

use crate::go::ReadMemory;

use super::fuse;
use super::maps;
use super::memory::ProcessMemory;
use super::opened::Opened;
use super::refusal;

/// What is read of a program's beginning in memory: its headers and notes.
const BEGINNING: usize = 4096;

/// A note of Go's linker with a build id: of type 4, by "Go" (cmd/link/internal/ld/elf.go, `ELF_NOTE_BUILDGO`). Between
/// the length of the name and the type is that of the build id.
const LENGTH_OF_NAME: [u8; 4] = [4, 0, 0, 0];
const TYPE_AND_NAME: [u8; 8] = *b"\x04\0\0\0Go\0\0";

/// Why the program of a process may not be opened.
pub fn reason(pid: i32) -> anyhow::Error {
    match fuse::obstacle_of_process(pid) {
        Some(why) => anyhow!("may not read process {pid}: {why}"),
        None => refusal::refusal(pid),
    }
}

/// What to say of a process whose program is not to be had from the server that has it.
pub(super) fn silence(pid: i32) -> anyhow::Error {
    anyhow!(
        "cannot observe process {pid}: its program lies on a file system that does not answer, or not in time (FUSE, or one on a network)"
    )
}

/// Whether the program of a process is of Go, by what is in memory of its file.
pub(super) fn is_go(pid: i32) -> bool {
    beginning(pid).is_ok_and(|bytes| bytes.starts_with(b"\x7fELF") && has_note(&bytes))
}

/// The first bytes of a process's program.
fn beginning(pid: i32) -> Result<Vec<u8>> {
    let path = fs::read_link(format!("/proc/{pid}/exe"))?;
    let maps = maps::read(pid)?;
    let start = maps.lines().find_map(|line| {
        let mut words = line.splitn(6, ' ');
        let range = words.next()?;
        let offset = words.nth(1)?;
        let is_first = u64::from_str_radix(offset, 16) == Ok(0);
        let name = words.nth(2)?.trim_start();
        let start = u64::from_str_radix(range.split('-').next()?, 16).ok()?;
        (is_first && path.as_os_str() == name).then_some(start)
    });
    let start = start.ok_or_else(|| anyhow!("its beginning is not in memory"))?;
    let mut bytes = vec![0; BEGINNING];
    ProcessMemory::new(pid).read(start, &mut bytes)?;
    Ok(bytes)
}

/// Whether a program is of Go, by the beginning of its file. Not all are known by that.
pub(super) fn begins_as_go(file: &Opened) -> bool {
    let mut bytes = vec![0; BEGINNING];
    file.read_exact_at(&mut bytes, 0).is_ok() && bytes.starts_with(b"\x7fELF") && has_note(&bytes)
}

fn has_note(bytes: &[u8]) -> bool {
    memchr::memmem::find_iter(bytes, &TYPE_AND_NAME).any(|at| {
        let length = at
            .checked_sub(8)
            .and_then(|start| bytes.get(start..start + 4));
        length == Some(&LENGTH_OF_NAME)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_of_go_is_found() {
        let note = [
            &LENGTH_OF_NAME[..],
            &[83, 0, 0, 0],
            &TYPE_AND_NAME,
            b"id/id",
        ]
        .concat();
        assert!(has_note(&[&[7; 32][..], &note].concat()));
        assert!(!has_note(&note[1..]));
        assert!(!has_note(b"\x04\0\0\0Go\0\0"));
        assert!(!is_go(std::process::id().cast_signed()));
    }
}
