//! What happens to goroutines, as seen from outside.

use super::dump::State;

/// One thing that happened. Code addresses are link-time addresses of the binary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GoroutineEvent {
    /// When, in nanoseconds of CLOCK_MONOTONIC.
    pub time_ns: u64,
    /// The process (thread group id), in the initial PID namespace.
    pub process: u32,
    /// The P (scheduler's processor) it happened on, if there was one.
    pub p: Option<u16>,
    /// What happened.
    pub what: What,
}

/// What an observation of goroutines came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// At how many places there were probes.
    pub sites: u64,
    /// Goroutines that were there before; `None`: not known.
    pub alive_before: Option<u64>,
    /// Created, whether it could be recorded or not.
    pub created: u64,
    /// Ended, whether it could be recorded or not.
    pub exited: u64,
    /// Creations of which there is a record.
    pub created_seen: u64,
    /// Ends of which there is a record.
    pub exited_seen: u64,
    /// Rows shown.
    pub shown: u64,
    /// Ends shown of which not even the least time is known.
    pub untimed: u64,
}

/// The words of an event's code addresses.
#[derive(Debug, Clone, Copy, Default)]
pub struct Names<'a> {
    /// The function in the `go` statement; `None` when it is unknown.
    pub function: Option<&'a str>,
    /// What runs first: the same, or the compiler's wrapper for it.
    pub start: Option<&'a str>,
    /// File and line of the `go` statement.
    pub created_at: Option<(&'a str, u32)>,
}

/// Who a goroutine is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// The runtime's own number of the goroutine.
    pub goid: u64,
    /// Entry of the function the `go` statement started.
    pub start_pc: Option<u64>,
    /// Return address of the `go` statement.
    pub created_pc: Option<u64>,
    /// The goroutine that executed the `go` statement.
    pub creator: Option<u64>,
}

/// The kinds of [`GoroutineEvent`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// A goroutine was created.
    Create(Identity),
    /// A goroutine ended.
    Exit {
        /// Which.
        goroutine: Identity,
        /// When it was created, if that was seen.
        created_ns: Option<u64>,
        /// When it first executed, if that was seen.
        started_ns: Option<u64>,
        /// A moment at which it had executed already, where its first execution was not seen.
        begun_ns: Option<u64>,
    },
    /// A goroutine was there already when the observation began.
    Alive {
        /// Which.
        goroutine: Identity,
        /// What it did.
        state: State,
    },
    /// A local run queue was full: half of it went to the global queue, together with this goroutine.
    PutGlobal {
        /// The goroutine that found no room.
        goroutine: Identity,
        /// Goroutines moved, this one included.
        moved: u64,
    },
    /// A P asked the global run queue for work.
    GetGlobal,
    /// A P took goroutines from another P's queue.
    Steal {
        /// Goroutines taken.
        moved: u64,
    },
    /// The process began to run a new program image (`runtime.main` started).
    Image,
}

impl GoroutineEvent {
    /// For an exit whose first execution was seen: how long the goroutine existed from then on, waiting included.
    pub fn running_ns(&self) -> Option<u64> {
        match self.what {
            What::Exit { started_ns, .. } => {
                started_ns.map(|started| self.time_ns.saturating_sub(started))
            }
            _ => None,
        }
    }

    /// For an exit whose first execution was not seen: how long the goroutine existed from then on at least.
    pub fn running_at_least_ns(&self) -> Option<u64> {
        match self.what {
            What::Exit {
                started_ns: None,
                begun_ns,
                ..
            } => begun_ns.map(|begun| self.time_ns.saturating_sub(begun)),
            _ => None,
        }
    }

    /// For an exit of which both were seen: from creation to first execution.
    pub fn waited_ns(&self) -> Option<u64> {
        match self.what {
            What::Exit {
                created_ns: Some(created),
                started_ns: Some(started),
                ..
            } => Some(started.saturating_sub(created)),
            _ => None,
        }
    }

    /// Which goroutine it is about, if it is about one.
    pub fn goroutine(&self) -> Option<&Identity> {
        match &self.what {
            What::Create(goroutine)
            | What::Alive { goroutine, .. }
            | What::Exit { goroutine, .. }
            | What::PutGlobal { goroutine, .. } => Some(goroutine),
            What::GetGlobal | What::Steal { .. } | What::Image => None,
        }
    }
}
