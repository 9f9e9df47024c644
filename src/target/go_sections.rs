//! Whether a file is of Go, by its section headers alone.

use std::io;
use std::path::Path;

use crate::go::Image;

use super::opened::Opened;

/// Sections that only Go's linker makes (cmd/link/internal/ld, Go 1.13 to 1.27).
const SECTIONS: [&str; 5] = [
    ".go.buildinfo",
    ".gopclntab",
    ".data.rel.ro.gopclntab",
    ".note.go.buildid",
    ".go.module",
];

/// What the section headers of a file say; without any only reading it whole will tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sections {
    /// There are none.
    Missing,
    /// Some are those that Go's linker makes.
    OfGo,
    /// None is.
    OfOthers,
}

/// Reads only the headers of a file; `None` if it is no program.
///
/// # Errors
/// It cannot be mapped.
pub(super) fn sections(file: &Opened) -> io::Result<Option<Sections>> {
    let Ok(image) = Image::parse(file.map()?) else {
        return Ok(None);
    };
    let is_go = SECTIONS.iter().any(|name| image.section(name).is_some());
    Ok(Some(match image.sections() {
        [] => Sections::Missing,
        _ if is_go => Sections::OfGo,
        _ => Sections::OfOthers,
    }))
}

/// Whether a file of Go is a program that is run, or else a library; `None` if it is not of Go at all.
pub(super) fn is_go_program(path: &Path) -> Option<bool> {
    let file = Opened::open(path).ok()?;
    let image = Image::parse(file.map().ok()?).ok()?;
    let is_go = SECTIONS.iter().any(|name| image.section(name).is_some());
    is_go.then(|| !image.is_library())
}
