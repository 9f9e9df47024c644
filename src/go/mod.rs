//! What a Go binary says about itself: bytes in, facts out.
//!
//! Nothing here knows of processes, the kernel or printing. All knowledge of Go's versions lives in this folder, and
//! each fact names the Go source that it comes from.

mod compressed;
mod elf;
mod quoted;
mod relocation;
mod symbol;
#[cfg(test)]
mod synthetic;
mod variables;

pub mod binary;
pub mod buildinfo;
pub mod error;
pub mod file_bytes;
pub mod image;
pub mod implied;
pub mod inline;
pub mod moduledata;
pub mod pclntab;
mod pclntab_header;
mod pclntab_names;
mod pcvalue;
pub mod printed;
pub mod version;
pub mod wrapped;

pub mod allocators;
pub mod amd64;
pub mod anatomy;
pub mod arm64;
mod block;
pub mod body;
mod bubbles;
pub mod code;
pub mod code_address;
pub mod copied;
mod copied_change;
pub mod core;
mod core_notes;
pub mod dataflow;
pub mod dwarf;
pub mod events;
pub mod evidence;
pub mod frame_pointers;
pub mod g;
pub mod gc;
pub mod gc_record;
pub mod globals;
pub mod goroutines;
pub mod halted;
pub mod heap_counters;
mod heap_goal;
pub mod heap_stats;
pub mod inlined;
pub mod instruction;
pub mod layout;
mod left_over;
pub mod memory;
pub mod metrics;
pub mod needs;
mod pieces;
mod processors;
mod receivers;
pub mod runtime;
pub mod shown;
pub mod site_code;
pub mod sites;
pub mod size_classes;
pub mod stack_copy;
pub mod starts;
pub mod state_changes;
pub mod string_table;
pub mod threads;
mod time_histogram;
pub mod trace_table;
pub mod unwind;
pub mod verify;
pub mod vitals;
mod wait_marks;

pub use anatomy::{Anatomy, ReadError, Subject};
pub use binary::{Binary, VersionSource};
pub use buildinfo::{BuildInfo, Module};
pub use error::GoError;
pub use file_bytes::FileBytes;
pub use image::{Image, Machine, Section, Segment};
pub use implied::VersionRange;
pub use inline::{Copy, Frame};
pub use memory::{MemoryError, MemoryImage, Piece, ReadMemory, SliceHeader};
pub use moduledata::ModuleData;
pub use pclntab::{FuncTable, Function, SourceLine};
pub use version::{GoVersion, PreRelease};
