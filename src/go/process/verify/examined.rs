//! A live process, as far as checking its layout goes.

use std::fmt;
use std::ops::Range;

use crate::go::layout::globals::Globals;
use crate::go::memory::ReadMemory;

/// A live process, as far as checking its layout goes.
#[derive(Clone)]
pub struct Examined<'l> {
    /// Its memory.
    pub memory: &'l dyn ReadMemory,
    /// Link-time addresses.
    pub globals: &'l Globals,
    /// What is added to a link-time address to have the run-time address: 0 unless it is PIE.
    pub bias: u64,
    /// Link-time addresses of the Go code, in as many pieces as there are modules.
    pub code: Vec<Range<u64>>,
    /// Link-time addresses of the functions that are started once, in the beginning: `runtime.main` and what it starts for
    /// the runtime.
    pub main: Vec<u64>,
}

impl fmt::Debug for Examined<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Examined")
            .field("bias", &self.bias)
            .finish_non_exhaustive()
    }
}
