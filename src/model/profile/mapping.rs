//! Programs.

use std::ops::Range;

/// A file whose code a program runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping {
    /// Its name.
    pub file: String,
    /// The build id by which others find it.
    pub build_id: Option<String>,
    /// Link-time addresses of its code.
    pub text: Range<u64>,
}
