//! Who is sampled, and how.

use std::time::Duration;

use crate::target::Target;
use crate::target::live::Live;

/// How it is done.
#[derive(Debug, Clone, Copy)]
pub struct How {
    /// Looks at each processor, a second.
    pub hz: u32,
    /// For how long.
    pub time: Duration,
    /// Goroutines are to be told apart.
    pub tells_goroutines: bool,
}

/// A process that is to be sampled.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'s> {
    /// Its program.
    pub target: &'s Target,
    /// Itself.
    pub live: &'s Live,
    /// Not so of a command that waits to be started: what is known of it has not been held against it yet.
    pub has_begun: bool,
}
