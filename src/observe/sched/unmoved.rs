//! States that have not ended when the report is made: those of goroutines that moved, as the programs remember them, and
//! those of goroutines that were there from the beginning and have not moved at all.
//!
//! The latter are read from the memory of the process after the gate was opened. A goroutine of which the programs then
//! know nothing has not changed its state since.

use std::collections::BTreeSet;
use std::collections::HashSet;
use std::sync::Arc;

use anyhow::Result;

use crate::model::dump::Dump;
use crate::model::dump::Goroutine;
use crate::model::dump::Stack;
use crate::model::dump::StackState;
use crate::model::dump::State;
use crate::model::sched as model;
use crate::observe::goroutines;
use crate::probe::sched::Key;
use crate::probe::sched::SchedProbes;
use crate::target::checked::Checked;

/// The goroutines that were there when the observation began.
#[derive(Debug)]
pub(super) struct Still {
    begun_ns: u64,
    preexisting: Vec<Elder>,
}

/// One of them.
#[derive(Debug, Clone)]
pub(super) struct Elder {
    pub(super) process: u32,
    /// The address of its g.
    g: u64,
    pub(super) state: Arc<str>,
    pub(super) waits: bool,
    pub(super) system: bool,
    pub(super) start: Option<u64>,
    pub(super) stack: Option<Arc<Stack>>,
}

impl Still {
    /// Reads them, with the stacks on which they wait if `stacks`. `begun_ns` is when the gate was opened.
    ///
    /// # Errors
    /// A process may not be read, or what was read makes no sense.
    pub(super) fn of(
        checked: &Checked<'_>,
        system: &BTreeSet<u64>,
        stacks: bool,
        begun_ns: u64,
    ) -> Result<Self> {
        let mut still = Self {
            begun_ns,
            preexisting: Vec::new(),
        };
        goroutines::of_all(checked, stacks, |process, dump| {
            still.add(process, dump, system);
        })?;
        Ok(still)
    }

    fn add(&mut self, process: u32, dump: Dump, system: &BTreeSet<u64>) {
        let known: Vec<Arc<Stack>> = dump.stacks.into_iter().map(Arc::new).collect();
        for goroutine in &dump.goroutines {
            let (state, waits) = word(goroutine);
            let start = goroutine.start.as_deref().map(|start| start.pc);
            let stack = match goroutine.stack {
                StackState::Read(number) => known.get(number).cloned(),
                _ => None,
            };
            self.preexisting.push(Elder {
                process,
                g: goroutine.address,
                state,
                waits,
                system: start.is_some_and(|start| system.contains(&start)),
                start,
                stack,
            });
        }
    }

    /// Whose they are.
    pub(super) fn processes(&self) -> impl Iterator<Item = u32> {
        self.preexisting.iter().map(|elder| elder.process)
    }

    /// Forgets the goroutines of a process, which has ended or runs another program.
    pub(super) fn forget(&mut self, process: u32) {
        self.preexisting.retain(|elder| elder.process != process);
    }
}

/// What a goroutine does, in the words that the times have, and whether that is waiting.
fn word(goroutine: &Goroutine) -> (Arc<str>, bool) {
    let unknown = || Arc::from("?");
    match goroutine.state {
        State::Running | State::Copystack => (Arc::from("running"), false),
        State::Runnable => (Arc::from(model::RUNNABLE), false),
        State::Syscall => (Arc::from("syscall"), false),
        State::Waiting | State::Leaked => {
            (goroutine.wait_reason.clone().unwrap_or_else(unknown), true)
        }
        State::Preempted => (Arc::from("preempted"), true),
    }
}

/// States that have not ended when the observation does, or when their process did.
#[derive(Debug, Clone, Default)]
pub(super) struct OpenStates {
    pub(super) moved: Vec<Moved>,
    /// Of goroutines that were there from the beginning and have not moved.
    pub(super) unmoved: Vec<Unmoved>,
}

/// The state of a goroutine that moved.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moved {
    pub(super) key: Key,
    /// The key of the stack on which it waits.
    pub(super) stack: Option<u64>,
    pub(super) ns: u64,
}

/// That of one that did not.
#[derive(Debug, Clone)]
pub(super) struct Unmoved {
    pub(super) elder: Elder,
    /// How long it has been in its state, within the observation.
    pub(super) ns: u64,
}

impl OpenStates {
    /// Those of all processes, as they are at `until_ns`, or of one.
    pub(super) fn of(
        probes: &SchedProbes,
        still: Option<&Still>,
        until_ns: u64,
        process: Option<u32>,
    ) -> Result<Self> {
        let is_meant = |of: u32| process.is_none_or(|process| process == of);
        let known = probes.known()?;
        let moved = known.iter().filter(|it| is_meant(it.process));
        let moved = moved.filter_map(|known| {
            let (key, since, stack) = known.now?;
            let ns = until_ns.saturating_sub(since);
            Some(Moved { key, stack, ns })
        });
        let moved = moved.collect();
        let Some(still) = still else {
            return Ok(Self {
                moved,
                unmoved: Vec::new(),
            });
        };
        let movers: HashSet<(u32, u64)> = known.iter().map(|it| (it.process, it.g)).collect();
        let anew: HashSet<u32> = probes.begun_anew()?.into_keys().collect();
        let unmoved = still.preexisting.iter().filter(|elder| {
            is_meant(elder.process)
                && probes.samples(elder.g)
                && !movers.contains(&(elder.process, elder.g))
                && !anew.contains(&elder.process)
        });
        let ns = until_ns.saturating_sub(still.begun_ns);
        let unmoved = unmoved.cloned().map(|elder| Unmoved { elder, ns });
        Ok(Self {
            moved,
            unmoved: unmoved.collect(),
        })
    }

    /// Adds others.
    pub(super) fn extend(&mut self, others: Self) {
        self.moved.extend(others.moved);
        self.unmoved.extend(others.unmoved);
    }
}
