//! What `ps` shows of one process.

use std::time::Duration;

/// A Go process. What is `None` is not known: it has none, or may not be read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GoProcess {
    /// Its process id.
    pub pid: i32,
    /// Name of the user it runs as, or the number.
    pub user: String,
    /// Go version, as in `go1.25.5`.
    pub go_version: Option<String>,
    /// Path of the main module.
    pub module: Option<String>,
    /// Version of the main module.
    pub module_version: Option<String>,
    /// Goroutines, without the runtime's own.
    pub goroutines: Option<u64>,
    /// Bytes in spans of the heap that are in use.
    pub heap_bytes: Option<u64>,
    /// Collections since it began.
    pub gc_cycles: Option<u64>,
    /// How long it has been running.
    pub uptime: Option<Duration>,
    /// Id of its container.
    pub container: Option<String>,
    /// Its command line.
    pub command: String,
    /// Whether it is a mere copy, made by fork: it has the memory of a Go process and none of its threads.
    pub fork_copy: bool,
    /// Why its memory was not read; `None` if it was.
    pub unread: Option<String>,
}
