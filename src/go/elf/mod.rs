//! ELF files, and nothing of Go: headers, sections, symbols, relocations.

pub(in crate::go) mod compressed;
pub(in crate::go) mod contents;
pub mod file_bytes;
pub(in crate::go) mod headers;
pub mod image;
pub(in crate::go) mod relocation;
pub(in crate::go) mod runtimes;
pub mod stranger;
pub(in crate::go) mod symbol;
pub(in crate::go) mod word;
