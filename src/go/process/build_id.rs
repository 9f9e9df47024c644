//! What tells a build of a program from every other.

use std::fmt::Write;

use super::core_notes::build_ids;
use super::core_notes::gnu_build_id;
use crate::go::binary::Binary;

/// The build id of a program, as profiles have it: GNU's in hexadecimal digits (Go's linker makes one since Go 1.24), else
/// Go's own as `go tool buildid` prints it. `None` if it has neither.
pub fn build_id(binary: &Binary) -> Option<String> {
    let [gnu, go] = build_ids(binary.image().bytes());
    // Go's linker leaves its note out of the segments where C code is linked in.
    let section = binary.image().section_bytes(".note.gnu.build-id");
    match (gnu.or_else(|| gnu_build_id(section.as_deref()?)), go) {
        (Some(gnu), _) => {
            let mut digits = String::with_capacity(2 * gnu.len());
            for byte in gnu {
                let _ = write!(digits, "{byte:02x}");
            }
            Some(digits)
        }
        (None, Some(go)) => Some(String::from_utf8_lossy(go).into_owned()),
        (None, None) => None,
    }
}
