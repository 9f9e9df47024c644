//! The file system in memory that a kernel starts with: a cpio archive of the kind "newc"
//! (Documentation/driver-api/early-userspace/buffer-format.rst).

use std::{fs, io::Write, path::Path};

/// An archive that grows.
#[derive(Debug, Default)]
pub(crate) struct Initramfs {
    bytes: Vec<u8>,
    directories: Vec<String>,
    entries: u32,
}

impl Initramfs {
    /// Adds an executable file, and the directories it is in.
    pub(crate) fn executable(&mut self, name: &str, from: &Path) {
        let content = fs::read(from).unwrap_or_else(|it| panic!("{}: {it}", from.display()));
        self.file(name, &content);
    }

    /// Adds a file with this content.
    pub(crate) fn file(&mut self, name: &str, content: &[u8]) {
        for (end, _) in name.match_indices('/') {
            self.directory(&name[..end]);
        }
        self.entry(name, 0o100_755, content);
    }

    /// Adds an empty directory.
    pub(crate) fn directory(&mut self, name: &str) {
        if !self.directories.iter().any(|it| it == name) {
            self.directories.push(name.to_owned());
            self.entry(name, 0o40_755, &[]);
        }
    }

    /// The archive, complete.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.entry("TRAILER!!!", 0, &[]);
        self.bytes
    }

    fn entry(&mut self, name: &str, mode: u32, content: &[u8]) {
        self.entries += 1;
        let sizes = [content.len(), name.len() + 1];
        let [size, name_size] = sizes.map(|it| u32::try_from(it).unwrap());
        // Magic; inode, mode, owner, group, links, time, size, device (2), special device (2), length of the name, check.
        self.bytes.extend(b"070701");
        for field in [
            self.entries,
            mode,
            0,
            0,
            1,
            0,
            size,
            0,
            0,
            0,
            0,
            name_size,
            0,
        ] {
            write!(self.bytes, "{field:08x}").unwrap();
        }
        self.bytes.extend(name.as_bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend(content);
        self.pad();
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}
