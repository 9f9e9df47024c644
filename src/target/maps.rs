//! The mappings of a process: /proc/PID/maps (proc(5)).

use std::io;

use procfs::FromBufRead;
use procfs::process::MemoryMaps;

use super::aside;
use super::texts;

/// More of a text is not looked at: as many mappings as a process can have, with long names.
const MOST: usize = 64 << 20;

/// The mappings of a process, as text. To look at them is to wait for whoever changes them.
///
/// # Errors
/// They cannot be read.
pub(super) fn read(pid: i32) -> io::Result<String> {
    Ok(texts::lossy(aside::read_all(pid, "maps", MOST)?))
}

/// What a text of mappings says.
pub(super) fn understood(text: &str) -> Option<MemoryMaps> {
    MemoryMaps::from_buf_read(text.as_bytes()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::target::within;

    #[test]
    fn a_file_whose_name_is_no_text_hides_no_mapping() {
        let text = texts::lossy(
            b"1000-2000 r-xp 00000000 fe:00 7   /a/\xff\n2000-3000 r-xp 00001000 fe:00 8   /b\n"
                .to_vec(),
        );
        assert_eq!(understood(&text).unwrap().len(), 2);
        assert_eq!(within::code(&text).count(), 2);
    }
}
