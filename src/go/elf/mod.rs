//! ELF files, and nothing of Go: headers, sections, symbols, relocations.

pub(in crate::go) mod compressed;
pub mod file_bytes;
pub(in crate::go) mod headers;
pub mod image;
pub(in crate::go) mod relocation;
pub(in crate::go) mod symbol;
