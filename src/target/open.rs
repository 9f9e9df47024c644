//! Opens files that others name: users, processes, core dumps. Whoever controls a program controls these names, and what
//! is to be found there.
//!
//! Nothing but a regular file is opened: a FIFO would block whoever opens it, and a device may do anything at all. And
//! what lies below the root of another process, as `/proc/PID/root/…` does, is looked up there to the end: an absolute
//! link in a container means a file of the container, never one of the host's.

use std::ffi::OsStr;
use std::fs::File;
use std::fs::OpenOptions;
use std::io;
use std::os::fd::AsFd;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Component;
use std::path::Path;
use std::path::PathBuf;

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;
use nix::fcntl::OFlag;
use nix::fcntl::OpenHow;
use nix::fcntl::ResolveFlag;
use nix::fcntl::open;
use nix::fcntl::openat2;
use nix::libc::S_IFDIR;
use nix::libc::S_IFIFO;
use nix::libc::S_IFREG;
use nix::libc::S_IFSOCK;
use nix::sys::stat::Mode;
use nix::sys::statfs::PROC_SUPER_MAGIC;
use nix::sys::statfs::statfs;

use super::attributes;
use super::attributes::Asked;

/// Opens a regular file for reading; never blocks on what is none.
///
/// # Errors
/// It is not there, is something else, or may not be read. The system's own error is at the root of it.
pub fn open_regular(path: &Path) -> Result<File> {
    let place = regular_place(path)?;
    reopen(&place).with_context(|| format!("cannot open {}", path.display()))
}

/// Where a regular file is, without opening it.
///
/// # Errors
/// It is not there, or is something else.
pub(super) fn regular_place(path: &Path) -> Result<File> {
    let shown = path.display();
    let place = place(path).with_context(|| format!("cannot open {shown}"))?;
    let about = attributes::of(&place, Asked::Nobody);
    let kind = about
        .with_context(|| format!("cannot look at {shown}"))?
        .kind();
    if kind != S_IFREG {
        bail!("{shown} is {}, not a file", describe(kind));
    }
    Ok(place)
}

/// Opens for reading what a descriptor stands for, which cannot have become anything else.
pub(super) fn reopen(place: &impl AsRawFd) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        // Not to wait for whoever holds a lease on it.
        .custom_flags(OFlag::O_NONBLOCK.bits())
        .open(descriptor_path(place))
}

/// The path by which the kernel finds what this process has open as this, whatever has become of its name.
pub fn descriptor_path(file: &impl AsRawFd) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

/// What is at a path, without opening it.
pub(super) fn place(path: &Path) -> io::Result<File> {
    let only_place = OFlag::O_PATH | OFlag::O_CLOEXEC;
    let Some((directory, kind, rest)) = beyond(path) else {
        return Ok(File::from(open(path, only_place, Mode::empty())?));
    };
    let start = open(&directory, only_place | OFlag::O_DIRECTORY, Mode::empty())?;
    let resolve = match kind {
        Start::Root => ResolveFlag::RESOLVE_IN_ROOT,
        Start::Directory => ResolveFlag::RESOLVE_BENEATH,
    };
    let how = OpenHow::new()
        .flags(only_place)
        .resolve(resolve | ResolveFlag::RESOLVE_NO_MAGICLINKS);
    Ok(File::from(openat2(start.as_fd(), rest.as_path(), how)?))
}

/// What a directory of /proc/PID is to that process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Start {
    /// Its root: links are looked up in it.
    Root,
    /// Another one: links must not lead out of it, as it is not known where to.
    Directory,
}

/// Where a path passes over to what another process sees: its directory in /proc, and the rest of the path.
fn beyond(path: &Path) -> Option<(PathBuf, Start, PathBuf)> {
    let mut before = PathBuf::new();
    let mut components = path.components();
    while let Some(component) = components.next() {
        let start = match component {
            Component::Normal(name) if name == OsStr::new("root") => Some(Start::Root),
            Component::Normal(name) if name == OsStr::new("cwd") => Some(Start::Directory),
            _ => None,
        };
        let of_process = start.filter(|_| is_process(&before));
        before.push(component);
        if let Some(start) = of_process {
            let rest = components.as_path();
            let rest = if rest.as_os_str().is_empty() {
                Path::new(".")
            } else {
                rest
            };
            return Some((before, start, rest.to_owned()));
        }
    }
    None
}

/// Whether this is the directory in /proc of a process (or of one of its threads) that is not this one.
fn is_process(directory: &Path) -> bool {
    let number = directory
        .file_name()
        .and_then(OsStr::to_str)
        .and_then(|name| name.parse::<u32>().ok());
    number.is_some_and(|number| number != std::process::id())
        && statfs(directory).is_ok_and(|it| it.filesystem_type() == PROC_SUPER_MAGIC)
}

/// What is no regular file, in words.
fn describe(kind: u32) -> &'static str {
    match kind {
        S_IFDIR => "a directory",
        S_IFIFO => "a FIFO",
        S_IFSOCK => "a socket",
        _ => "a device",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::io::Read;
    use std::os::unix::fs::symlink;

    #[test]
    fn only_regular_files_are_opened() {
        let mut file = open_regular(Path::new("/proc/self/exe")).unwrap();
        let mut magic = [0; 4];
        file.read_exact(&mut magic).unwrap();
        assert_eq!(&magic, b"\x7fELF");
        let said = |path: &Path| format!("{:#}", open_regular(path).unwrap_err());
        assert!(said(Path::new("/tmp")).contains("a directory, not a file"));
        assert!(said(Path::new("/dev/null")).contains("a device, not a file"));
        assert!(said(Path::new("/no/such")).contains("No such file"));
        let fifo = std::env::temp_dir().join(format!("grtmon-fifo.{}", std::process::id()));
        nix::unistd::mkfifo(&fifo, Mode::S_IRWXU).unwrap();
        let refused = said(&fifo);
        std::fs::remove_file(&fifo).unwrap();
        assert!(refused.contains("a FIFO, not a file"), "{refused}");
    }

    #[test]
    fn the_roots_of_other_processes_are_noticed() {
        let parent = std::os::unix::process::parent_id();
        let path = PathBuf::from(format!("/proc/{parent}/root/usr//bin/x"));
        let (directory, start, rest) = beyond(&path).unwrap();
        assert_eq!(directory, Path::new(&format!("/proc/{parent}/root")));
        assert_eq!(
            (start, rest.as_path()),
            (Start::Root, Path::new("usr/bin/x"))
        );
        let path = PathBuf::from(format!("/proc/{parent}/task/{parent}/cwd"));
        assert_eq!(beyond(&path).unwrap().1, Start::Directory);
        for ours in ["/root/x", "/proc/self/root/x", "root/x", "/proc/1/exe", "/"] {
            assert_eq!(beyond(Path::new(ours)), None, "{ours}");
        }
    }

    /// A process whose root is a directory of ours, where an absolute link means a file below that.
    #[test]
    fn links_stay_in_the_root_of_the_process() {
        let directory = std::env::temp_dir().join(format!("grtmon-root.{}", std::process::id()));
        std::fs::create_dir_all(directory.join("etc")).unwrap();
        std::fs::write(directory.join("etc/passwd"), "inside").unwrap();
        symlink("/etc/passwd", directory.join("link")).unwrap();
        symlink("../../../../../etc/passwd", directory.join("up")).unwrap();
        let start = File::open(&directory).unwrap();
        let read = |name: &str| {
            let how = OpenHow::new()
                .flags(OFlag::O_PATH | OFlag::O_CLOEXEC)
                .resolve(ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS);
            let place = openat2(start.as_fd(), name, how).unwrap();
            let mut text = String::new();
            reopen(&place).unwrap().read_to_string(&mut text).unwrap();
            text
        };
        assert_eq!(read("link"), "inside");
        assert_eq!(read("up"), "inside");
        std::fs::remove_dir_all(&directory).unwrap();
    }
}
