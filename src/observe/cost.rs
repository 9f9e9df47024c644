//! Watches what an observation costs the observed, and ends it when that is more than was allowed.

use std::fmt;
use std::thread;
use std::thread::JoinHandle;

use anyhow::Result;

use crate::model::cost::Cost;
use crate::model::top::Running;
use crate::probe::method::Method;
use crate::probe::spent::Spent;
use crate::probe::trap;
use crate::target::Target;
use crate::target::cpu::CpuTime;

/// Looks in one second.
const LOOKS: u32 = 10;
/// So many seconds in a row must be too dear.
const PATIENCE: u32 = 2;

/// What an observation may cost the observed.
#[derive(Debug, Clone, Copy)]
pub struct Allowed {
    /// The part of their CPU time, 0 to 1; `None`: any.
    pub limit: Option<f64>,
    /// Whether somebody gave it.
    pub was_asked: bool,
}

/// The account of one observation.
#[allow(
    missing_debug_implementations,
    reason = "a thread that measures has none"
)]
pub struct CostWatch<'a> {
    targets: Vec<&'a Target>,
    cpu: CpuTime,
    trap: Trap,
    looks: u32,
    /// From 0 to 1.
    limit: Option<f64>,
    /// Whether somebody gave it.
    was_asked: bool,
    /// Hits and CPU time at the last judgement.
    judged: (u64, u64),
    seconds_over: u32,
    /// What was found at the last judgement.
    running: Option<Running>,
}

/// Too much is spent, or will be: shares of the observed processes' CPU time, 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TooDear {
    /// The part that is spent.
    pub share: f64,
    /// What is allowed.
    pub limit: f64,
}

/// What a hit costs: measured on a thread of its own, so that nothing waits for it. That thread must not be there before
/// the session has decided what becomes of signals: it would take them as it finds them.
enum Trap {
    NotYet(Method),
    Measuring(JoinHandle<Result<f64>>),
    Known(Option<f64>),
}

impl Trap {
    fn begin(&mut self) {
        if let Self::NotYet(method) = *self {
            let thread = thread::Builder::new().spawn(move || trap::cost_ns(method));
            *self = thread.map_or(Self::Known(None), Self::Measuring);
        }
    }

    fn known(&mut self) -> Option<f64> {
        self.begin();
        if let Self::Measuring(_) = self
            && let Self::Measuring(thread) = std::mem::replace(self, Self::Known(None))
        {
            // Not known is said in the end; it is no reason to end.
            *self = Self::Known(thread.join().ok().and_then(Result::ok));
        }
        match self {
            Self::Known(ns) => *ns,
            Self::NotYet(_) | Self::Measuring(_) => None,
        }
    }
}

impl<'a> CostWatch<'a> {
    /// For these targets. Nothing has begun.
    pub fn new(allowed: Allowed, method: Method, targets: &'a [Target]) -> Self {
        Self {
            targets: targets.iter().collect(),
            cpu: CpuTime::default(),
            trap: Trap::NotYet(method),
            looks: 0,
            limit: allowed.limit,
            was_asked: allowed.was_asked,
            judged: (0, 0),
            seconds_over: 0,
            running: None,
        }
    }

    /// To be called when the gates have been opened.
    /// Returns what is to be said of a limit that was asked for.
    pub fn begin(&mut self) -> Option<String> {
        self.look();
        let unseen = self
            .unseen()
            .filter(|_| self.limit.is_some() && self.was_asked)?;
        Some(format!(
            "--max-overhead goes by the CPU time of the processes that can be seen: {unseen}"
        ))
    }

    /// Another target has joined them.
    pub fn add(&mut self, target: &'a Target) {
        self.targets.push(target);
    }

    /// Why the CPU time is not that of all the observed, if it is not.
    fn unseen(&self) -> Option<&'static str> {
        let mut targets = self.targets.iter();
        targets.find_map(|target| target.unseen_processes())
    }

    fn look(&mut self) {
        let all = self.targets.iter().flat_map(|target| target.processes());
        self.cpu.look(&all.collect::<Vec<_>>());
    }

    /// To be called ten times a second, with what was spent since the beginning. What is found can be seen in
    /// [`running`](Self::running).
    pub fn judge(&mut self, spent: impl FnOnce() -> Result<Spent>) -> Result<Option<TooDear>> {
        if !self.time_passes() {
            return Ok(None);
        }
        let spent = spent()?;
        Ok(self.second(spent))
    }

    /// What it costs, as of the last second that was judged.
    pub fn running(&self) -> Option<Running> {
        self.running
    }

    /// Whether a second is over.
    fn time_passes(&mut self) -> bool {
        self.looks += 1;
        self.trap.begin();
        let is_over = self.looks.is_multiple_of(LOOKS);
        if is_over {
            self.look();
        }
        is_over
    }

    /// Whether the last second was too dear, and those before it.
    fn second(&mut self, spent: Spent) -> Option<TooDear> {
        let all = self.cost(spent);
        let (hits, cpu_ns) = std::mem::replace(&mut self.judged, (all.hits, all.cpu_ns));
        let last = Cost {
            hits: all.hits.saturating_sub(hits),
            cpu_ns: all.cpu_ns.saturating_sub(cpu_ns),
            ..all
        };
        self.running = Some(Running {
            whole: all,
            last_second: Some(last),
        });
        let limit = self.limit?;
        let Some(share) = last.share().filter(|share| *share > limit) else {
            self.seconds_over = 0;
            return None;
        };
        self.seconds_over += 1;
        (self.seconds_over >= PATIENCE).then_some(TooDear { share, limit })
    }

    fn cost(&mut self, spent: Spent) -> Cost {
        let timed = spent.timed_runs > 0;
        Cost {
            hits: spent.hits,
            trap_ns: self.trap.known(),
            program_ns: timed.then(|| spent.timed_ns as f64 / spent.timed_runs as f64),
            cpu_ns: self.cpu.used_ns(),
            used_more: self.cpu.used_more(),
        }
    }

    /// The final account.
    pub fn end(&mut self, spent: Spent) -> Cost {
        self.look();
        let known = self.cost(spent);
        match self.unseen() {
            Some(_) => Cost { cpu_ns: 0, ..known },
            None => known,
        }
    }
}

impl fmt::Display for TooDear {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "this costs about {:.1} % of the CPU time of the observed, more than --max-overhead allows ({} %; \
             --max-overhead none lifts it)",
            self.share * 100.0,
            self.limit * 100.0
        )
    }
}
