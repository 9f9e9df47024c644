//! Where a thread was when the processor's clock interrupted it.

/// On whose stack a thread runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum On {
    /// Not known: a thread that is not Go's, or that is just being made.
    Unknown,
    /// A goroutine's own.
    Goroutine,
    /// That of the scheduler (`m.g0`): the runtime's own work, or C code.
    Scheduler,
    /// That of signals (`m.gsignal`).
    Signal,
}

/// A frame record: it lies at `at`, and behind the caller's frame pointer is the address to return to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameRecord {
    /// Address of the record.
    pub at: u64,
    /// Where the function returns to.
    pub back: u64,
}

/// A piece of a stack: registers, some words above the stack pointer, and the frame records that hang together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StackPiece {
    /// Program counter.
    pub pc: u64,
    /// Stack pointer; 0: there is no such piece.
    pub sp: u64,
    /// Link register; 0 where there is none.
    pub lr: u64,
    /// Words from the stack pointer on.
    pub top: Vec<u64>,
    /// Innermost first.
    pub records: Vec<FrameRecord>,
    /// Whether they are to be believed where nothing else tells: the register led to the first of them, and the last is
    /// that of the first function of a stack, or there are too many.
    pub is_whole: bool,
}

/// A pointer to a set of labels, as a goroutine had it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LabelsSeen {
    /// Where it leads.
    pub pointer: u64,
    /// How many garbage collections had begun right before.
    pub cycles: u32,
}

/// One look at one thread. Addresses are run-time addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CpuSample {
    /// CLOCK_MONOTONIC.
    pub time_ns: u64,
    /// The process.
    pub process: u32,
    /// The kernel's number of the thread.
    pub thread: u32,
    /// The processor.
    pub cpu: u32,
    /// On whose stack it runs.
    pub on: On,
    /// The goroutine that the thread runs, on whatever stack.
    pub goid: Option<u64>,
    /// The function that this goroutine began with.
    pub start_pc: Option<u64>,
    /// The labels that this goroutine bears.
    pub labels: Option<LabelsSeen>,
    /// The stack it runs on.
    pub here: StackPiece,
    /// The goroutine's own, where it has left it.
    pub left: StackPiece,
    /// The goroutine waits there as in a system call: what runs is C code.
    pub is_outside: bool,
}
