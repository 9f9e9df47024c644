//! What a Go binary says about itself: bytes in, facts out.
//!
//! Nothing here knows of processes, the kernel or printing. All knowledge of Go's versions lives in this folder, and
//! each fact names the Go source that it comes from.

pub mod binary;
pub mod constant;
pub mod elf;
pub mod error;
pub mod isa;
pub mod layout;
pub mod memory;
pub mod memory_image;
pub mod needs;
pub mod pclntab;
pub mod process;
pub mod provenance;
mod quick_hash;
pub mod site;
pub mod symbolize;
pub mod version;
pub mod versions;

pub use binary::buildinfo::{BuildInfo, Module};
pub use binary::implied::VersionRange;
pub use binary::moduledata::ModuleData;
pub use binary::{Binary, VersionSource};
pub use elf::file_bytes::FileBytes;
pub use elf::image::{Image, Machine, Section, Segment};
pub use error::GoError;
pub use memory::{MemoryError, Piece, ReadMemory, SliceHeader};
pub use memory_image::MemoryImage;
pub use pclntab::inline::{Copy, Frame};
pub use pclntab::{FuncTable, Function, SourceLine};
pub use process::runtime_info::{ProcessView, ReadError, RuntimeInfo};
pub use version::{GoVersion, PreRelease};
