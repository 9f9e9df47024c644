//! Texts of /proc/PID. The process has its part in them: its name is any 15 bytes (prctl(2), `PR_SET_NAME`), and so are the
//! names of its threads and of the files that it maps or mounts. What is no UTF-8 in them must not hide the rest.

use std::fs;
use std::io;
use std::path::Path;

use procfs::FromBufRead;
use procfs::process::Status;

/// A text that the kernel makes of its own data, of everybody or of a process.
///
/// # Errors
/// It cannot be read.
pub(super) fn read(path: impl AsRef<Path>) -> io::Result<String> {
    Ok(lossy(fs::read(path)?))
}

/// What is known to all of a process; `None` if it is not there.
pub(super) fn status(pid: i32) -> Option<Status> {
    understood_status(&read(format!("/proc/{pid}/status")).ok()?)
}

pub(super) fn understood_status(text: &str) -> Option<Status> {
    Status::from_buf_read(text.as_bytes()).ok()
}

pub(super) fn lossy(text: Vec<u8>) -> String {
    String::from_utf8(text)
        .unwrap_or_else(|text| String::from_utf8_lossy(text.as_bytes()).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::target::fork_copy;
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
}
