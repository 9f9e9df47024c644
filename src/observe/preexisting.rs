//! The goroutines that were there before the observation began: their creation and first execution were not seen, so
//! that all that can be said of their running time is how long it was at least.
//!
//! They are read when the gate is open already, so that nobody is missed who is created in between. Who is created or
//! ends while they are read is told apart by the events.

use std::collections::BTreeSet;
use std::collections::HashSet;

use anyhow::Result;

use crate::model::dump::Goroutine;
use crate::model::dump::State;
use crate::model::goroutine::GoroutineEvent;
use crate::model::goroutine::Identity;
use crate::model::goroutine::What;
use crate::target::checked::Checked;
use crate::target::clock;

use super::goroutines;

/// The goroutines of one binary's processes that were there before the probes.
#[derive(Debug, Default)]
pub struct Preexisting {
    /// All of them, as events of the moment at which they were read.
    pub alive: Vec<GoroutineEvent>,
    /// Entries of the functions they started with.
    pub starts: BTreeSet<u64>,
    /// Process and id of those that had begun to run.
    begun: HashSet<(u32, u64)>,
    /// Process and id of all: a goroutine of which the creation is seen after all is none of them. Ids are never used
    /// again.
    known: HashSet<(u32, u64)>,
    /// How many they are by what is known so far; `None` if not of every process that runs the binary.
    pub count: Option<u64>,
    /// When reading began and ended.
    read_ns: u64,
    read_until_ns: u64,
}

impl Preexisting {
    /// Reads them from the memory of the processes that run now.
    ///
    /// # Errors
    /// A process may not be read, or what was read makes no sense.
    pub fn of(checked: &Checked<'_>) -> Result<Self> {
        let target = checked.target;
        let mut preexisting = Self {
            read_ns: clock::monotonic_ns()?,
            ..Self::default()
        };
        goroutines::of_all(checked, false, |process, list| {
            for goroutine in &list.goroutines {
                preexisting.add(process, goroutine);
            }
        })?;
        preexisting.read_until_ns = clock::monotonic_ns()?;
        // Their names are known.
        target.program.binary.image().release_all();
        if target.unseen_processes().is_none() {
            preexisting.count = Some(preexisting.alive.len() as u64);
        }
        Ok(preexisting)
    }

    /// Leaves out those that these events show to have been created since the gate was opened.
    pub fn leave_out_created(&mut self, events: &[GoroutineEvent]) {
        let created: HashSet<(u32, u64)> = events.iter().filter_map(created).collect();
        self.alive.retain(|elder| {
            let name = elder.goroutine().map(|it| (elder.process, it.goid));
            name.is_none_or(|name| !created.contains(&name))
        });
    }

    fn add(&mut self, process: u32, goroutine: &Goroutine) {
        let pc = |place: &Option<_>| {
            place
                .as_deref()
                .map(|it: &crate::model::dump::SourcePlace| it.pc)
        };
        let start_pc = pc(&goroutine.start);
        self.starts.extend(start_pc);
        self.known.insert((process, goroutine.goid));
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
    pub fn complete(&mut self, event: &GoroutineEvent) -> GoroutineEvent {
        self.count(event);
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

    /// Who was created after all is no elder; who ended while they were read, and was not created since the gate was
    /// opened, was one.
    fn count(&mut self, event: &GoroutineEvent) {
        let Some(count) = &mut self.count else { return };
        if let Some(name) = created(event) {
            if self.known.remove(&name) {
                *count = count.saturating_sub(1);
            }
            return;
        }
        if let What::Exit {
            goroutine,
            created_ns,
            ..
        } = event.what
        {
            let was_read = self.known.remove(&(event.process, goroutine.goid));
            let is_early = event.time_ns <= self.read_until_ns;
            if !was_read && is_early && created_ns.is_none() {
                *count += 1;
            }
        }
    }

    /// Forgets the goroutines of a process, which has ended or runs another program.
    pub fn forget(&mut self, process: u32) {
        self.begun.retain(|(of, _)| *of != process);
        self.known.retain(|(of, _)| *of != process);
    }
}

/// Who was created, if somebody was: process and id.
fn created(event: &GoroutineEvent) -> Option<(u32, u64)> {
    match event.what {
        What::Create(goroutine) => Some((event.process, goroutine.goid)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(time_ns: u64, what: What) -> GoroutineEvent {
        GoroutineEvent {
            time_ns,
            process: 7,
            p: None,
            what,
        }
    }

    fn who(goid: u64) -> Identity {
        Identity {
            goid,
            start_pc: None,
            created_pc: None,
            creator: None,
        }
    }

    fn exit(goid: u64, created_ns: Option<u64>) -> What {
        What::Exit {
            goroutine: who(goid),
            created_ns,
            started_ns: None,
            begun_ns: None,
        }
    }

    #[test]
    fn who_comes_and_goes_while_they_are_read_counts_once() {
        let names = [1, 2, 3].map(|goid| (7, goid));
        let alive = |goid| {
            let state = State::Waiting;
            let goroutine = who(goid);
            event(10, What::Alive { goroutine, state })
        };
        let mut preexisting = Preexisting {
            alive: [1, 2, 3].map(alive).to_vec(),
            known: names.into(),
            count: Some(3),
            read_ns: 10,
            read_until_ns: 20,
            ..Preexisting::default()
        };
        let events = [
            event(11, What::Create(who(3))), // read, and created since the gate was opened
            event(12, exit(4, None)),        // gone before it could be read
            event(13, exit(5, Some(11))),    // came and went
            event(14, exit(2, None)),        // read, and gone since
            event(30, exit(6, None)),        // one whose creation was not seen is another matter
        ];
        preexisting.leave_out_created(&events);
        assert_eq!(preexisting.alive.len(), 2);
        for event in &events {
            preexisting.complete(event);
        }
        assert_eq!(preexisting.count, Some(3));
    }
}
