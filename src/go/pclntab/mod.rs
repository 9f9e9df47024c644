//! The function table of a Go binary (`.gopclntab`): names, addresses, source lines.
//!
//! Every Go binary has it, stripped or not, because the runtime itself needs it to walk stacks. It begins with a
//! `pcHeader` (see `pclntab_header`), then come function names, compilation units, file names, per-instruction tables
//! (see `pcvalue`) and the functions: an array of (entry offset u32, record offset u32) sorted by entry, whose last
//! entry is only the end address, and the records (`_func`). Source: runtime/symtab.go and runtime/runtime2.go, and
//! cmd/link/internal/ld/pcln.go, Go 1.18 to 1.27.
//!
//! Nothing is indexed in advance. A [`FuncTable`] is a handful of slices into the file.

pub(in crate::go) mod header;
pub mod inline;
pub(in crate::go) mod inlined_names;
pub(in crate::go) mod names;
pub(in crate::go) mod pcvalue;
mod table;

pub use table::{FuncTable, Function, SourceLine};
