//! What goroutines do, followed by probes: their states in words, by start function and by stack, those included that have
//! not ended.

mod blocking;
pub mod forecast;
mod stacks;
mod unmoved;

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::Result;

use crate::model::process::Named;
use crate::model::sched as model;
use crate::model::sched::Blocking;
use crate::model::sched::Doing;
use crate::model::sched::Row;
use crate::model::sched::Times;
use crate::probe::sched::Key;
use crate::probe::sched::Plan;
use crate::probe::sched::SchedProbes;
use crate::target::checked::Checked;

use super::by_process;
use super::names::NameCache;

use self::stacks::Stacks;
use self::unmoved::OpenStates;
use self::unmoved::Still;
use self::unmoved::Unmoved;

/// One program whose goroutines are followed.
#[derive(Debug)]
pub struct Followed<'a> {
    checked: Checked<'a>,
    /// What goroutines wait for, by number.
    words: Vec<Arc<str>>,
    names: NameCache,
    stacks: Stacks<'a>,
    /// What the runtime's own goroutines start with.
    system: BTreeSet<u64>,
    /// The goroutines that were there when it began; `None` if they could not be read.
    still: Option<Still>,
    /// What goroutines did when their process ended.
    gone: OpenStates,
}

/// What goroutines did up to a moment.
#[derive(Debug, Default)]
pub struct Found {
    /// By state, and by start function where that was asked for.
    pub rows: Vec<Row>,
    /// By where they wait, where that was asked for.
    pub blocking: Option<Vec<Blocking>>,
}

impl<'a> Followed<'a> {
    /// Nothing has begun yet.
    pub fn new(checked: Checked<'a>, plan: &Plan) -> Self {
        let words = plan.wait_reasons.iter().map(|it| Arc::from(it.as_str()));
        Self {
            words: words.collect(),
            names: NameCache::new(false),
            stacks: Stacks::of(checked.target),
            system: plan.system.clone(),
            still: None,
            gone: OpenStates::default(),
            checked,
        }
    }

    /// The gate was opened at this time: reads the goroutines that are there, with the stacks on which they wait if
    /// `stacks`.
    ///
    /// # Errors
    /// They cannot be read. Those that do not change their state are not known then.
    pub fn begin(&mut self, stacks: bool, begun_ns: u64) -> Result<()> {
        self.still = Some(Still::of(&self.checked, &self.system, stacks, begun_ns)?);
        Ok(())
    }

    /// The processes whose goroutines were read then: of each it must be noticed when it ends.
    pub fn begun_with(&self) -> BTreeSet<u32> {
        let still = self.still.iter();
        still.flat_map(Still::processes).collect()
    }

    /// Whether the goroutines are known that do not change their state.
    pub fn has_unmoved(&self) -> bool {
        self.still.is_some()
    }

    /// A process has ended, or runs another program now. It was last seen at this time: so long at least the states of its
    /// goroutines lasted.
    ///
    /// # Errors
    /// The probes cannot be asked.
    pub fn forget(&mut self, probes: &SchedProbes, seen_ns: u64, process: u32) -> Result<()> {
        let open = OpenStates::of(probes, self.still.as_ref(), seen_ns, Some(process))?;
        self.gone.extend(open);
        if let Some(still) = &mut self.still {
            still.forget(process);
        }
        Ok(())
    }

    /// What is known at a moment.
    ///
    /// # Errors
    /// The probes cannot be asked.
    pub fn look(&mut self, probes: &SchedProbes, now_ns: u64, stacks: bool) -> Result<Found> {
        let mut rows = Vec::new();
        for (key, times) in probes.times()? {
            let row = self.row(key, times);
            model::merge(&mut rows, row);
        }
        let mut open = OpenStates::of(probes, self.still.as_ref(), now_ns, None)?;
        open.extend(self.gone.clone());
        for row in self.open_rows(&open, probes) {
            model::merge(&mut rows, row);
        }
        let blocking = match stacks {
            true => Some(self.blocking(probes, &open)?),
            false => None,
        };
        Ok(Found { rows, blocking })
    }

    /// What goroutines do, in words, and whether that is waiting.
    fn word(&self, doing: Doing) -> (Arc<str>, bool) {
        match doing {
            Doing::Running => (Arc::from("running"), false),
            Doing::Runnable => (Arc::from(model::RUNNABLE), false),
            Doing::Syscall => (Arc::from("syscall"), false),
            Doing::Waiting(number) => {
                let word = self.words.get(usize::from(number));
                let word = word.filter(|word| !word.is_empty());
                (word.cloned().unwrap_or_else(|| Arc::from("?")), true)
            }
        }
    }

    fn function(&mut self, start: Option<u64>) -> Option<Arc<str>> {
        let binary = &self.checked.target.program.binary;
        let name = start.and_then(|pc| self.names.function(binary, pc));
        name.map(Arc::from)
    }

    fn process(&self, number: Option<u32>) -> Option<Named> {
        number.map(|number| by_process::named(self.checked.target, number))
    }

    fn row(&mut self, key: Key, times: Times) -> Row {
        let (state, waits) = self.word(key.doing);
        Row {
            state,
            waits,
            system: key.system,
            function: self.function(key.start),
            process: self.process(key.process),
            times,
        }
    }

    /// States that have not ended.
    fn open_rows(&mut self, open: &OpenStates, probes: &SchedProbes) -> Vec<Row> {
        let lasting = |ns: u64| {
            let mut times = Times::default();
            times.open.add(ns);
            times
        };
        let mut rows = Vec::new();
        for moved in &open.moved {
            let row = self.row(moved.key, lasting(moved.ns));
            model::merge(&mut rows, row);
        }
        for Unmoved { elder, ns } in &open.unmoved {
            let row = Row {
                state: elder.state.clone(),
                waits: elder.waits,
                system: elder.system,
                function: self.function(elder.start.filter(|_| probes.by_fn())),
                process: self.process(probes.by_process().then_some(elder.process)),
                times: lasting(*ns),
            };
            model::merge(&mut rows, row);
        }
        rows
    }
}
