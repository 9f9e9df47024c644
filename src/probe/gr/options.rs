//! What may be chosen of the probes of `gr` and `gr seq`.

/// What is wanted of the probes.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Only histograms, no events.
    pub seq: bool,
    /// Histograms by start function too.
    pub by_fn: bool,
    /// By process too.
    pub by_process: bool,
    /// Run queue events too.
    pub queue: bool,
    /// Size of the ring buffer in bytes: a power of two, at least a page.
    pub ring_bytes: u32,
    /// How many goroutines alive at one time can be remembered.
    pub max_goroutines: u32,
    /// How many start functions, or processes, can have a histogram of their own.
    pub max_apart: u32,
}

/// Start functions, or processes, with a histogram of their own (2.7 KB of kernel memory each).
const MAX_APART: u32 = 1024;
/// Few records come where only histograms are wanted: the starts of programs.
const FEW_RECORDS_BYTES: u32 = 64 << 10;

impl Options {
    /// Only histograms.
    pub fn histograms(by_fn: bool, max_goroutines: u32) -> Self {
        Self {
            seq: true,
            by_fn,
            by_process: false,
            queue: false,
            ring_bytes: FEW_RECORDS_BYTES,
            max_goroutines,
            max_apart: MAX_APART,
        }
    }

    /// Events, and no histograms, with a ring buffer of so many KiB.
    pub fn events(buffer_kib: u32, max_goroutines: u32) -> Self {
        Self {
            seq: false,
            by_fn: false,
            by_process: false,
            queue: false,
            ring_bytes: buffer_kib << 10,
            max_goroutines,
            max_apart: 1,
        }
    }
}
