//! Watches what an observation costs the observed, and ends it when that is more than was allowed.

use std::fmt;
use std::thread;
use std::thread::JoinHandle;
use std::time::Duration;
use std::time::Instant;

use anyhow::Result;

use crate::model::cost::Cost;
use crate::model::top::RunCost;
use crate::probe::method::Method;
use crate::probe::overhead::Overhead;
use crate::probe::trap;
use crate::target::Target;
use crate::target::cpu::CpuTime;

/// What is judged at once: shorter, and the CPU time of processes, which has ticks of 10 ms, tells too little.
const SECOND: Duration = Duration::from_secs(1);
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
    /// Whether somebody gave the limit.
    was_asked: bool,
    judge: Judge,
    /// What was found at the last judgement.
    running: Option<RunCost>,
}

/// Whether one second after the other is too dear.
#[derive(Debug)]
struct Judge {
    /// From 0 to 1.
    limit: Option<f64>,
    /// When it was judged last, or began.
    at: Option<Instant>,
    /// Hits and CPU time then.
    known: (u64, u64),
    seconds_over: u32,
}

impl Judge {
    fn new(limit: Option<f64>) -> Self {
        Self {
            limit,
            at: None,
            known: (0, 0),
            seconds_over: 0,
        }
    }

    /// Whether a second is over, by the clock: who has much to do comes seldom.
    fn is_due(&mut self, now: Instant) -> bool {
        let is_over = now.duration_since(*self.at.get_or_insert(now)) >= SECOND;
        if is_over {
            self.at = Some(now);
        }
        is_over
    }

    /// What the last second cost, where this is the cost of all, and whether it was too dear, like those before it.
    fn second(&mut self, all: Cost) -> (Cost, Option<TooDear>) {
        let (hits, cpu_ns) = std::mem::replace(&mut self.known, (all.hits, all.cpu_ns));
        let last = Cost {
            hits: all.hits.saturating_sub(hits),
            cpu_ns: all.cpu_ns.saturating_sub(cpu_ns),
            ..all
        };
        let over = self.limit.and_then(|limit| {
            let share = last.share().filter(|share| *share > limit)?;
            Some(TooDear { share, limit })
        });
        self.seconds_over = match over {
            Some(_) => self.seconds_over + 1,
            None => 0,
        };
        (last, over.filter(|_| self.seconds_over >= PATIENCE))
    }
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
            was_asked: allowed.was_asked,
            judge: Judge::new(allowed.limit),
            running: None,
        }
    }

    /// To be called when the gates have been opened.
    /// Returns what is to be said of a limit that was asked for.
    pub fn begin(&mut self) -> Option<String> {
        self.look();
        self.judge.is_due(Instant::now());
        let unseen = self
            .unseen()
            .filter(|_| self.judge.limit.is_some() && self.was_asked)?;
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

    /// To be called several times a second, with what was spent since the beginning. What is found can be seen in
    /// [`running`](Self::running).
    pub fn judge(
        &mut self,
        overhead: impl FnOnce() -> Result<Overhead>,
    ) -> Result<Option<TooDear>> {
        self.trap.begin();
        if !self.judge.is_due(Instant::now()) {
            return Ok(None);
        }
        self.look();
        let all = self.cost(overhead()?);
        let (last, too_dear) = self.judge.second(all);
        self.running = Some(RunCost {
            whole: all,
            last_second: Some(last),
        });
        Ok(too_dear)
    }

    /// What it costs, as of the last second that was judged.
    pub fn running(&self) -> Option<RunCost> {
        self.running
    }

    fn cost(&mut self, spent: Overhead) -> Cost {
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
    pub fn end(&mut self, spent: Overhead) -> Cost {
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

#[cfg(test)]
mod tests {
    use super::*;

    /// So much of 1 s of CPU time, in hits of 1 µs.
    fn cost(seconds: u64, share: f64) -> Cost {
        Cost {
            hits: (share * 1e6) as u64 * seconds,
            trap_ns: Some(700.0),
            program_ns: Some(300.0),
            cpu_ns: seconds * 1_000_000_000,
            used_more: false,
        }
    }

    #[test]
    fn two_seconds_that_are_too_dear_are_enough() {
        let mut judge = Judge::new(Some(0.25));
        assert_eq!(judge.second(cost(1, 0.3)).1, None);
        let (last, over) = judge.second(cost(2, 0.3));
        assert_eq!(last.share(), Some(0.3));
        assert_eq!(over.unwrap().limit, 0.25);
        // Neither one alone, nor less, nor where there is no limit.
        let mut judge = Judge::new(Some(0.25));
        judge.second(cost(1, 0.3));
        let quiet = Cost {
            cpu_ns: 4_000_000_000,
            ..cost(1, 0.3)
        };
        assert_eq!(judge.second(quiet).1, None);
        assert_eq!(judge.second(cost(5, 0.3)).1, None);
        let mut judge = Judge::new(None);
        assert!((1..9).all(|second| judge.second(cost(second, 1.0)).1.is_none()));
    }

    /// Who is kept from looking ten times a second, by rows without end, is not to take that for the time that passes.
    #[test]
    fn seconds_are_those_of_the_clock() {
        let begin = Instant::now();
        let mut judge = Judge::new(Some(0.25));
        let at = |ms| begin + Duration::from_millis(ms);
        assert!(!judge.is_due(at(0)) && !judge.is_due(at(999)));
        assert!(judge.is_due(at(1700)) && judge.is_due(at(3400)));
        assert!(!judge.is_due(at(4000)) && judge.is_due(at(4400)));
    }
}
