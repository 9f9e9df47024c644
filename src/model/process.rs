//! How records name processes.

use std::sync::Arc;

/// A process in a report that tells processes apart.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Named {
    /// As records name it.
    pub number: u32,
    /// The name of the program that it runs.
    pub program: Arc<str>,
}

/// Set in the number of a process outside of grtmon's PID namespace (`GO_OUTSIDE` in `src/bpf/process.bpf.h`).
const OUTSIDE: u32 = 1 << 31;

/// The process id that goes with the number in a record; `None` if the process has none that we could know, because it
/// is outside of grtmon's PID namespace. The number itself still tells such processes apart.
pub fn id(number: u32) -> Option<u32> {
    (number & OUTSIDE == 0).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_outside_has_no_id() {
        assert_eq!(id(4_194_303), Some(4_194_303));
        assert_eq!(id(1 << 31 | 17), None);
    }
}
