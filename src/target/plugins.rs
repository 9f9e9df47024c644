//! The Go plugins that a process has loaded: which files, and where.
//!
//! The kernel says it (/proc/PID/maps), so nothing of the process's memory is believed. A file is opened as the very one
//! that is mapped where that is allowed, else by its path in the process's mount namespace if it is still the same there.

use std::path::PathBuf;

use crate::go::Binary;
use crate::go::RuntimeInfo;
use crate::go::binary::plugins::Plugin;

use super::file_id::FileId;
use super::go_sections;
use super::machine;
use super::maps;
use super::program_file::ProgramFile;

/// What is to be known of the plugins of one process.
#[derive(Debug, Clone, Default)]
pub(super) struct Found {
    pub(super) plugins: Vec<Plugin>,
    /// One that could not be read.
    pub(super) unread: Option<PathBuf>,
}

/// The mappings of a process that are looked at.
const MOST: usize = 1 << 16;

/// A part of a file that is mapped to be executed.
#[derive(Debug, PartialEq, Eq)]
struct Mapping<'m> {
    /// As the first word of the line has it.
    range: &'m str,
    start: u64,
    /// Of what is at `start` in the file.
    offset: u64,
    inode: u64,
    path: &'m str,
}

/// Looks for the plugins of a process, whose program is loaded `bias` bytes above its link-time addresses.
pub(super) fn find(pid: i32, runtime_info: &RuntimeInfo, bias: u64) -> Found {
    let mut found = Found::default();
    each(pid, |mapping, opened| {
        let plugin = opened.and_then(|(file, path)| {
            runtime_info.companions.plugin(
                file.id().key(),
                bias,
                |binary| mapping.bias(binary),
                || super::program::binary(&file, &path).ok(),
            )
        });
        match plugin {
            Some(plugin) if found.plugins.contains(&plugin) => {}
            Some(plugin) => found.plugins.push(plugin),
            None => found.unread = Some(PathBuf::from(mapping.path)),
        }
    });
    found
}

/// The path of a plugin that a process has loaded, for people.
pub(super) fn one(pid: i32) -> Option<PathBuf> {
    let mut path = None;
    each(pid, |mapping, opened| {
        if opened.is_some() && path.is_none() {
            path = Some(PathBuf::from(mapping.path));
        }
    });
    path
}

/// Calls `with` with each piece of code that is of a library of Go, and with its file and a path to it; or of one that
/// may be, and cannot be opened.
fn each(pid: i32, mut with: impl FnMut(&Mapping<'_>, Option<(ProgramFile, PathBuf)>)) {
    let Ok(maps) = maps::read(pid) else {
        return;
    };
    let own = FileId::at(format!("/proc/{pid}/exe").as_ref()).map(|it| it.inode()[1]);
    let mappings = maps.lines().take(MOST).filter_map(mapping);
    for mapping in mappings.filter(|it| own.as_ref().ok() != Some(&it.inode)) {
        match open(pid, &mapping) {
            Some((file, path)) if go_sections::is_go_program(&path) == Some(false) => {
                with(&mapping, Some((file, path)));
            }
            Some(_) => {}
            // Nothing is known of it but its name.
            None if mapping.path.contains(".so") => with(&mapping, None),
            None => {}
        }
    }
}

/// A line of /proc/PID/maps (proc(5)), if it is code of a file.
fn mapping(line: &str) -> Option<Mapping<'_>> {
    let mut words = line.splitn(6, ' ');
    let range = words.next()?;
    let rights = words.next()?;
    let offset = u64::from_str_radix(words.next()?, 16).ok()?;
    let inode = words.nth(1)?.parse().ok()?;
    let path = words.next()?.trim_start();
    let start = u64::from_str_radix(range.split('-').next()?, 16).ok()?;
    (rights.contains('x') && path.starts_with('/')).then_some(Mapping {
        range,
        start,
        offset,
        inode,
        path,
    })
}

/// Opens a mapped file: by a path that leads to it, which is returned.
fn open(pid: i32, mapping: &Mapping<'_>) -> Option<(ProgramFile, PathBuf)> {
    let mapped = PathBuf::from(format!("/proc/{pid}/map_files/{}", mapping.range));
    if let Ok(file) = ProgramFile::open(&mapped) {
        return Some((file, mapped));
    }
    let inside = mapping.path.trim_start_matches('/');
    let named = PathBuf::from(format!("/proc/{pid}/root")).join(inside);
    let file = ProgramFile::open(&named).ok()?;
    let [_, inode] = file.id().inode();
    let is_same = inode == mapping.inode;
    is_same.then_some((file, named))
}

impl Mapping<'_> {
    /// How far above its link-time addresses the file is loaded.
    fn bias(&self, binary: &Binary) -> Option<u64> {
        let page = machine::page_size();
        let mut code = binary.image().segments().iter().filter(|it| it.exec);
        let segment = code.find(|it| {
            let end = it.offset.saturating_add(it.filesz);
            (it.offset / page * page..end).contains(&self.offset)
        })?;
        let linked = segment
            .vaddr
            .wrapping_add(self.offset)
            .wrapping_sub(segment.offset);
        Some(self.start.wrapping_sub(linked))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_code_in_files_are_read() {
        let line = "7f00a000-7f00b000 r-xp 0005d000 fe:01 4242       /srv/a part.so";
        let expected = Mapping {
            range: "7f00a000-7f00b000",
            start: 0x7f00_a000,
            offset: 0x5_d000,
            inode: 4242,
            path: "/srv/a part.so",
        };
        assert_eq!(mapping(line), Some(expected));
        for other in [
            "7f00a000-7f00b000 r--p 0005d000 fe:01 4242       /srv/part.so",
            "7f00a000-7f00b000 r-xp 00000000 00:00 0          [vdso]",
            "7f00a000-7f00b000 r-xp 00000000 00:00 0 ",
            "",
        ] {
            assert_eq!(mapping(other), None, "{other}");
        }
    }
}
