//! Machine code: instructions, what they do to registers, and where a value comes from; for amd64 and arm64.

pub mod amd64;
pub mod arm64;
pub mod code;
pub mod dataflow;
mod function_entry;
pub mod instruction;
pub mod site_kind;
pub mod terms;
pub mod typed;
pub(in crate::go) mod walk;
