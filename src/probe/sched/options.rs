//! What may be chosen of the probes of `sched`.

/// What is wanted of the probes.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Times by start function.
    pub by_fn: bool,
    /// Times by process.
    pub by_process: bool,
    /// Where goroutines block.
    pub stacks: bool,
    /// One of so many goroutines is looked at.
    pub sample: u32,
    /// How many goroutines alive at one time can be remembered.
    pub max_goroutines: u32,
    /// How many states of start functions, or of processes, can have times of their own.
    pub max_apart: u32,
    /// How many stacks can be kept.
    pub max_stacks: u32,
}
