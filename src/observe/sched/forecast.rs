//! What the observation will cost, told before it begins.

use std::thread;
use std::time::Duration;
use std::time::Instant;

use anyhow::Result;

use crate::model::cost::Cost;
use crate::probe::method::Method;
use crate::probe::sched::SchedProbes;
use crate::probe::trap;
use crate::target::cpu::CpuTime;

use crate::observe::Observation;
use crate::observe::Observed;
use crate::observe::run;

/// How long hits are counted.
const LOOK: Duration = Duration::from_millis(100);
/// What the programs take on a hit, in ns: about this much on the machine that they were made on.
const PROGRAM_NS: f64 = 400.0;
/// CPU time is counted in hundredths of a second: less than this many ns is not enough to tell a share.
const ENOUGH_NS: u64 = 30_000_000;

/// What is to be expected.
#[derive(Debug, Clone, Copy)]
pub struct Forecast {
    /// Changes of state in a second.
    per_second: f64,
    /// CPU time for them: seconds in a second.
    cpus: Option<f64>,
    /// That as a part of the CPU time of the observed, 0 to 1; `None` if they used too little to tell.
    pub share: Option<f64>,
}

/// Counts hits for a moment, and nothing else; `None` if nobody runs yet.
///
/// # Errors
/// The probes cannot be told to, or asked.
pub fn measure<O: Observation<Probes = SchedProbes>>(
    observed: &mut [Observed<'_, O>],
    method: Method,
) -> Result<Option<Forecast>> {
    let runs = |one: &Observed<'_, O>| one.target.running_process().is_some();
    if !observed.iter().any(runs) {
        return Ok(None);
    }
    let mut cpu = CpuTime::default();
    let mut look = |observed: &[Observed<'_, O>]| {
        let all = observed.iter().flat_map(|one| one.target.processes());
        cpu.look(&all.collect::<Vec<_>>());
    };
    look(observed);
    let begun = Instant::now();
    for one in observed.iter_mut() {
        one.probes.count_hits()?;
    }
    thread::sleep(LOOK);
    let hits = run::overhead(observed)?.hits;
    // It may have taken longer than was asked for.
    let seconds = begun.elapsed().as_secs_f64();
    look(observed);
    let used_ns = cpu.used_ns();
    let cost = Cost {
        hits,
        trap_ns: trap::cost_ns(method).ok(),
        program_ns: Some(PROGRAM_NS),
        // What the programs will add is not in it yet.
        cpu_ns: used_ns + (hits as f64 * PROGRAM_NS) as u64,
        used_more: false,
    };
    let per_second = hits as f64 / seconds;
    Ok(Some(Forecast {
        per_second,
        cpus: cost.per_hit_ns().map(|ns| ns * per_second / 1e9),
        share: cost.share().filter(|_| used_ns >= ENOUGH_NS),
    }))
}

impl Forecast {
    /// One line for people.
    pub fn describe(&self) -> String {
        let rate = self.per_second;
        let expected = match (self.cpus, self.share) {
            (None, _) => "what one costs could not be measured here".to_owned(),
            (Some(cpus), _) if cpus < 0.005 => {
                "to follow them costs less than 0.01 CPUs".to_owned()
            }
            (Some(cpus), None) => format!("to follow them costs about {cpus:.2} CPUs"),
            (Some(cpus), Some(share)) => format!(
                "to follow them costs about {cpus:.2} CPUs, {:.0} % of the CPU time of the observed",
                share * 100.0
            ),
        };
        format!("Goroutines change their state {rate:.0} times a second: {expected}.")
    }
}
