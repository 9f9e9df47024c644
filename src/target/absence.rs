//! What an error says of what was looked for in /proc: that it is not there, or nothing. To lack descriptors, memory or
//! rights is no sign of an end.

use std::io;

use nix::libc;

/// Whether it is not there: a process that has ended, or the binary of what has none (a kernel thread, a zombie).
pub(super) fn is_absent(why: &io::Error) -> bool {
    matches!(why.raw_os_error(), Some(libc::ENOENT | libc::ESRCH))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_not_there_is_absent() {
        let absent = |errno| is_absent(&io::Error::from_raw_os_error(errno));
        assert!(absent(libc::ENOENT) && absent(libc::ESRCH));
        for errno in [
            libc::EMFILE,
            libc::ENFILE,
            libc::ENOMEM,
            libc::EACCES,
            libc::EPERM,
            libc::EIO,
        ] {
            assert!(!absent(errno), "{errno}");
        }
        assert!(!is_absent(&io::ErrorKind::TimedOut.into()));
    }
}
