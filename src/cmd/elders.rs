//! The goroutines that were there before the observation began: their creation and first execution were not seen, so
//! that all that can be said of their running time is how long it was at least.

use std::collections::BTreeSet;
use std::collections::HashSet;

use anyhow::Context;
use anyhow::Result;

use crate::go::ReadError;
use crate::go::goroutines::GoroutineReader;
use crate::model::dump::Goroutine;
use crate::model::dump::State;
use crate::model::goroutine::GoroutineEvent;
use crate::model::goroutine::Identity;
use crate::model::goroutine::What;
use crate::target::checked::Checked;
use crate::target::clock;
use crate::target::live;
use crate::target::process::ProcessId;

/// The elders of one binary's processes.
#[derive(Debug, Default)]
pub(super) struct Elders {
    /// All of them, as events of the moment at which they were read.
    pub(super) alive: Vec<GoroutineEvent>,
    /// Entries of the functions they started with.
    pub(super) starts: BTreeSet<u64>,
    /// Process and id of those that had begun to run.
    begun: HashSet<(u32, u64)>,
    /// Whether these are of every process that runs the binary.
    pub(super) are_all: bool,
    read_ns: u64,
}

impl Elders {
    /// Reads them from the memory of the processes that run now.
    ///
    /// # Errors
    /// A process may not be read, or what was read makes no sense.
    pub(super) fn of(checked: &Checked<'_>) -> Result<Self> {
        let target = checked.target;
        let mut elders = Self {
            read_ns: clock::monotonic_ns()?,
            are_all: target.unseen_processes().is_none(),
            ..Self::default()
        };
        let processes = target.processes();
        // Of a command that is yet to begin there is nothing to read.
        for process in processes.iter().filter(|it| target.is_under_way(it)) {
            match elders.read(checked, process) {
                // What has ended leaves no elders.
                Err(_) if !process.is_alive() => {}
                read => read?,
            }
        }
        Ok(elders)
    }

    fn read(&mut self, checked: &Checked<'_>, process: &ProcessId) -> Result<()> {
        let pid = process.pid;
        let explain = |error: ReadError| match error {
            ReadError::Memory(why) => live::explain(pid, &why),
            other => anyhow::anyhow!("cannot read the goroutines of process {pid}: {other}"),
        };
        let live = checked.open(process)?;
        let binary = &checked.target.binary;
        let mut reader = GoroutineReader::new(binary, &live.subject()).map_err(explain)?;
        let list = reader.list(&live.memory).map_err(explain)?;
        let process = u32::try_from(pid).context("a process has a negative number")?;
        for goroutine in &list.goroutines {
            self.add(process, goroutine);
        }
        Ok(())
    }

    fn add(&mut self, process: u32, goroutine: &Goroutine) {
        let pc = |place: &Option<_>| place.as_deref().map(|it: &crate::model::dump::Place| it.pc);
        let start_pc = pc(&goroutine.start);
        self.starts.extend(start_pc);
        if goroutine.state != State::Runnable {
            self.begun.insert((process, goroutine.goid));
        }
        let identity = Identity {
            goid: goroutine.goid,
            start_pc,
            created_pc: pc(&goroutine.created),
            creator: goroutine.creator,
        };
        self.alive.push(GoroutineEvent {
            time_ns: self.read_ns,
            process,
            p: None,
            what: What::Alive {
                goroutine: identity,
                state: goroutine.state,
            },
        });
    }

    /// Adds to an exit what is known of the goroutine from before; forgets the goroutine.
    pub(super) fn complete(&mut self, event: &GoroutineEvent) -> GoroutineEvent {
        let mut event = *event;
        if let What::Exit {
            goroutine,
            started_ns: None,
            begun_ns,
            ..
        } = &mut event.what
            && self.begun.remove(&(event.process, goroutine.goid))
        {
            *begun_ns = Some(self.read_ns);
        }
        event
    }

    /// Forgets the goroutines of a process, which has ended or runs another program.
    pub(super) fn forget(&mut self, process: u32) {
        self.begun.retain(|(of, _)| *of != process);
    }
}
