//! ELF files, and nothing of Go: headers, sections, symbols, relocations, notes, core files.

pub(in crate::go) mod compressed;
pub mod core_file;
pub mod file_bytes;
pub(in crate::go) mod headers;
pub mod image;
pub(in crate::go) mod notes;
pub(in crate::go) mod relocation;
pub(in crate::go) mod symbol;
