//! All goroutines of a process at one moment.

use std::sync::Arc;

/// The goroutines that were read, and what was not.
#[derive(Debug, Clone, Default)]
pub struct Dump {
    /// The goroutines that are alive, in the order in which the runtime made them.
    pub goroutines: Vec<Goroutine>,
    /// The distinct stacks they are on.
    pub stacks: Vec<Stack>,
    /// When they were read, in nanoseconds of CLOCK_MONOTONIC; `None` if that is not known (a core dump).
    pub at_ns: Option<u64>,
    /// What could not be read.
    pub missing: Missing,
}

/// What a core dump says of the end of its process.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct End {
    /// The program's name.
    pub name: String,
    /// The number that the process had.
    pub pid: Option<i32>,
    /// The signal that ended it; `None` if none did: a debugger has written the dump of a process that went on.
    pub signal: Option<String>,
    /// The signal that it was handling when it ended itself.
    pub handled: Option<String>,
    /// The goroutine in which it ended.
    pub goid: Option<u64>,
    /// Where that goroutine was, in code other than the runtime's.
    pub place: Option<Arc<SourcePlace>>,
    /// Whether the goroutine had met with a fault there: memory that it may not touch, a division by zero.
    pub fault: bool,
    /// How many bytes of the dump are there, and how many there should be, if it is cut off.
    pub cut_off: Option<(u64, u64)>,
}

/// What a dump lacks, because the process went on running meanwhile or its memory is damaged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Missing {
    /// Goroutines of which nothing plausible could be read; they are not in the dump.
    pub goroutines: u64,
    /// Goroutines in the dump whose stack was in motion each time that it was looked at.
    pub moving: u64,
    /// Goroutines in the dump on whose stack no way led down to their first function.
    pub unwalkable: u64,
    /// Goroutines that lie in the part of a core dump that is cut off; they are not in the dump.
    pub cut_off: u64,
}

/// One goroutine.
#[derive(Debug, Clone)]
pub struct Goroutine {
    /// The runtime's number of it.
    pub goid: u64,
    /// Where its g lies, in the memory of the process: no other goroutine has it as long as this one lives.
    pub address: u64,
    /// What it does.
    pub state: State,
    /// What it waits for, in the runtime's own words, when it waits.
    pub wait_reason: Option<Arc<str>>,
    /// Since about when it waits or is in a system call, in nanoseconds of CLOCK_MONOTONIC. Only a garbage collection
    /// notes this, as the time at which the one before it ended: it can be too early, and is unknown until then.
    pub since_ns: Option<u64>,
    /// When it was blocked already, for certain; likewise. It may have been since `since_ns`, or since just before this.
    pub blocked_by_ns: Option<u64>,
    /// The bubble of package testing/synctest that it belongs to, by number; since Go 1.25.
    pub bubble: Option<u64>,
    /// Whether it is blocked as long as nothing outside of its bubble happens.
    pub durable: bool,
    /// Whether the collector is looking at its stack.
    pub scanned: bool,
    /// Whether it is locked to an operating system thread; `None` if that is not known.
    pub locked: Option<bool>,
    /// Whether it belongs to the runtime, not to the program.
    pub system: bool,
    /// Its stack.
    pub stack: StackState,
    /// The function it began with, as the `go` statement names it; at the address of what the compiler made of that.
    pub start: Option<Arc<SourcePlace>>,
    /// The `go` statement that created it.
    pub created: Option<Arc<SourcePlace>>,
    /// The goroutine that executed that statement; since Go 1.21.
    pub creator: Option<u64>,
    /// Its labels, as the program has given them (`pprof.Do`).
    pub labels: Labels,
}

/// Labels of a goroutine: keys and values, by key.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub enum Labels {
    /// There are none.
    #[default]
    None,
    /// These.
    These(Arc<Vec<(String, String)>>),
    /// There are some, but they may have been freed before they could be read.
    Lost,
    /// Whether there are any is not known of this program.
    Unknown,
}

/// What a goroutine does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum State {
    /// It waits for its turn to run.
    Runnable,
    /// It runs.
    Running,
    /// It is in a system call, or in C code.
    Syscall,
    /// It is blocked.
    Waiting,
    /// Its stack is being moved.
    Copystack,
    /// It was stopped for the collector.
    Preempted,
    /// It is blocked for ever, as the collector found out (Go 1.26).
    Leaked,
}

impl State {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Running,
        Self::Runnable,
        Self::Syscall,
        Self::Waiting,
        Self::Copystack,
        Self::Preempted,
        Self::Leaked,
    ];

    /// The runtime's word for it (`gStatusStrings` in runtime/traceback.go).
    pub fn word(self) -> &'static str {
        match self {
            Self::Runnable => "runnable",
            Self::Running => "running",
            Self::Syscall => "syscall",
            Self::Waiting => "waiting",
            Self::Copystack => "copystack",
            Self::Preempted => "preempted",
            Self::Leaked => "leaked",
        }
    }
}

/// What is known of a goroutine's stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StackState {
    /// It was read: an index into [`Dump::stacks`].
    Read(usize),
    /// The goroutine runs, so there is nothing that stays as it is.
    Running,
    /// It changed while it was read, again and again.
    Moving,
    /// It did not change, and yet no way led down to the goroutine's first function.
    Unwalkable,
    /// What it takes is not in the core dump: that part is cut off, or the registers of its thread are not there.
    NotInCore,
}

/// The calls that a goroutine is in.
#[derive(Debug, Clone, Default)]
pub struct Stack {
    /// Innermost first.
    pub frames: Vec<StackFrame>,
    /// Of a very deep stack: how many frames (those of inlined functions not counted) are left out, and before which
    /// of `frames`.
    pub elided: Option<(usize, u64)>,
}

/// One call.
#[derive(Debug, Clone)]
pub struct StackFrame {
    /// Where.
    pub place: Arc<SourcePlace>,
    /// Whether the runtime would not print it: it is one of its own, or a wrapper that the compiler made.
    pub hidden: bool,
}

/// A place in a program.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SourcePlace {
    /// The function's name as Go prints it.
    pub function: String,
    /// The file as the compiler recorded it; empty if unknown.
    pub file: String,
    /// The line, from 1; 0 if unknown.
    pub line: u32,
    /// Link-time address of the instruction: after a call, where it returns to.
    pub pc: u64,
    /// Distance of `pc` from the beginning of the function's code, in bytes; `None` for an inlined function, which has
    /// none of its own.
    pub offset: Option<u64>,
}

impl Goroutine {
    /// What it does, in one phrase: what it waits for if that is known.
    pub fn activity(&self) -> &str {
        match (&self.wait_reason, self.state) {
            (Some(reason), State::Waiting | State::Leaked) => reason,
            _ => self.state.word(),
        }
    }

    /// For how long it has been waiting at `now_ns` (CLOCK_MONOTONIC): approximately, see [`Goroutine::since_ns`].
    pub fn waited_ns(&self, now_ns: Option<u64>) -> Option<u64> {
        Some(now_ns?.saturating_sub(self.since_ns?))
    }

    /// For how long it has been waiting at least: see [`Goroutine::blocked_by_ns`].
    pub fn waited_at_least_ns(&self, now_ns: Option<u64>) -> Option<u64> {
        Some(now_ns?.saturating_sub(self.blocked_by_ns?))
    }
}

impl Dump {
    /// The goroutine's stack, if it was read.
    pub fn stack_of(&self, goroutine: &Goroutine) -> Option<&Stack> {
        match goroutine.stack {
            StackState::Read(index) => self.stacks.get(index),
            _ => None,
        }
    }
}

/// Made-up data for tests of those who group or show it.
#[cfg(test)]
pub(crate) mod sample {
    use super::*;

    pub(crate) fn place(function: &str, line: u32) -> Arc<SourcePlace> {
        Arc::new(SourcePlace {
            function: function.to_owned(),
            file: "/src/main.go".to_owned(),
            line,
            pc: 0x40_0000 + u64::from(line) * 16,
            offset: Some(16),
        })
    }

    /// Frames as (function, line, hidden).
    pub(crate) fn stack(frames: &[(&str, u32, bool)]) -> Stack {
        let frame = |&(function, line, hidden): &(&str, u32, bool)| StackFrame {
            place: place(function, line),
            hidden,
        };
        Stack {
            frames: frames.iter().map(frame).collect(),
            elided: None,
        }
    }

    pub(crate) fn goroutine(goid: u64, stack: StackState) -> Goroutine {
        let state = match stack {
            StackState::Running => State::Running,
            _ => State::Waiting,
        };
        Goroutine {
            goid,
            address: goid << 9,
            state,
            wait_reason: (state == State::Waiting).then(|| Arc::from("chan receive")),
            since_ns: None,
            blocked_by_ns: None,
            bubble: None,
            durable: false,
            scanned: false,
            locked: Some(false),
            system: false,
            stack,
            start: Some(place("main.worker", 1)),
            created: Some(place("main.main", 5)),
            creator: Some(1),
            labels: Labels::None,
        }
    }
}
