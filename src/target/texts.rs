//! Texts of /proc/PID. The process has its part in them: its name is any 15 bytes (prctl(2), `PR_SET_NAME`), and so are the
//! names of its threads and of the files that it maps or mounts. What is no UTF-8 in them must not hide the rest.

use std::fs;
use std::io;
use std::path::Path;

use procfs::FromBufRead;
use procfs::process::MemoryMaps;
use procfs::process::Status;

use super::aside;
use super::fork_copy;
use super::fuse;
use super::look;
use super::namespace;
use super::proc_mount;
use super::time_namespace;
use super::tracer;
use super::within;

/// More of a text is not looked at: as many mappings as a process can have, with long names.
const MOST: usize = 64 << 20;

/// A text that the kernel makes of its own data, of everybody or of a process.
///
/// # Errors
/// It cannot be read.
pub(super) fn read(path: impl AsRef<Path>) -> io::Result<String> {
    Ok(lossy(fs::read(path)?))
}

/// The mappings of a process, as text. To look at them is to wait for whoever changes them.
///
/// # Errors
/// They cannot be read.
pub(super) fn maps(pid: i32) -> io::Result<String> {
    Ok(lossy(aside::read_all(pid, "maps", MOST)?))
}

/// What is known to all of a process; `None` if it is not there.
pub(super) fn status(pid: i32) -> Option<Status> {
    understood_status(&read(format!("/proc/{pid}/status")).ok()?)
}

fn understood_status(text: &str) -> Option<Status> {
    Status::from_buf_read(text.as_bytes()).ok()
}

/// What a text of mappings says.
pub(super) fn understood_maps(text: &str) -> Option<MemoryMaps> {
    MemoryMaps::from_buf_read(text.as_bytes()).ok()
}

fn lossy(text: Vec<u8>) -> String {
    String::from_utf8(text)
        .unwrap_or_else(|text| String::from_utf8_lossy(text.as_bytes()).into_owned())
}

/// The texts that are read, for those who try what becomes of others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Text {
    /// /proc/PID/maps
    Maps,
    /// /proc/PID/mountinfo
    Mounts,
    /// /proc/PID/status
    Status,
    /// /proc/PID/cgroup
    ControlGroup,
    /// /proc/PID/cmdline
    CommandLine,
    /// /proc/PID/timens_offsets
    ClockOffsets,
    /// /etc/passwd
    Users,
}

impl Text {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Maps,
        Self::Mounts,
        Self::Status,
        Self::ControlGroup,
        Self::CommandLine,
        Self::ClockOffsets,
        Self::Users,
    ];

    /// Gives a text to all who read such. Whether it said anything.
    pub fn try_on(self, text: &[u8]) -> bool {
        let text = lossy(text.to_vec());
        match self {
            Self::Maps => {
                let paths = within::code(&text).count();
                understood_maps(&text).is_some() || paths > 0
            }
            Self::Mounts => {
                let closed = fuse::is_on_closed_mount(&text, Path::new("/home/u/my app/bin/x"));
                closed | proc_mount::hides(&text)
            }
            Self::Status => {
                let ids = fork_copy::ids(&text).count();
                let traced = tracer::tracer_pid(&text).is_some() | tracer::state(&text).is_some();
                let numbers = namespace::numbers(&text);
                understood_status(&text).is_some() || traced || ids + numbers > 1
            }
            Self::ControlGroup => look::container(&text).is_some(),
            Self::CommandLine => look::command(text.as_bytes()).is_some(),
            Self::ClockOffsets => time_namespace::monotonic(&text).is_some(),
            Self::Users => !look::users_in(&text).is_empty(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::target::namespace::is_below;

    /// As one is that was cut off in the middle of a character: 15 bytes of `データベース`.
    #[test]
    fn a_name_that_is_no_text_hides_nothing() {
        let me = std::process::id().cast_signed();
        let comm = format!("/proc/{me}/comm");
        let before = fs::read(&comm).unwrap();
        fs::write(&comm, b"\xe3\x83\x87\xff\n: \\x").unwrap();
        let seen = (
            status(me),
            fork_copy::ids(&read(format!("/proc/{me}/status")).unwrap()).count(),
        );
        let (code, below) = (super::super::process::code_kib(me), is_below(me));
        fs::write(&comm, before).unwrap();
        assert_eq!(seen.0.unwrap().pid, me);
        assert!(seen.1 > 0 && code.is_some() && !below);
    }

    #[test]
    fn a_file_whose_name_is_no_text_hides_no_mapping() {
        let text = lossy(
            b"1000-2000 r-xp 00000000 fe:00 7   /a/\xff\n2000-3000 r-xp 00001000 fe:00 8   /b\n"
                .to_vec(),
        );
        assert_eq!(understood_maps(&text).unwrap().len(), 2);
        assert_eq!(within::code(&text).count(), 2);
    }
}
