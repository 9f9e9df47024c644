//! What a Go binary says about itself: bytes in, facts out.
//!
//! Nothing here knows of processes, the kernel or printing. All knowledge of Go's versions lives in this folder, and
//! each fact names the Go source that it comes from.

mod compressed;
mod prologue;
mod relocation;
mod symbol;

pub mod binary;
pub mod buildinfo;
pub mod error;
pub mod image;
pub mod inline;
pub mod moduledata;
pub mod pclntab;
mod pclntab_header;
pub mod pcvalue;
pub mod version;

pub mod memory;
// pub mod dwarf;
// pub mod layout;
// pub mod verify;
pub mod code;
pub mod runtime;
pub mod sites;
pub mod size_classes;
// pub mod starts;
pub mod allocators;
// pub mod globals;
pub mod events;
pub mod gc;
pub mod gc_record;

pub use binary::Binary;
pub use buildinfo::BuildInfo;
pub use error::GoError;
pub use image::{Image, Machine, Section, Segment};
pub use inline::Frame;
pub use memory::{MemoryError, MemoryImage, Piece, ReadMemory, SliceHeader};
pub use moduledata::ModuleData;
pub use pclntab::{FuncTable, Function, SourceLine};
pub use version::{GoVersion, VersionSource};
