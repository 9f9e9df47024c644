//! Where the garbage collector shows what it does: stops of the world, the record of a cycle, the end of a sweep.
//!
//! Read from runtime/proc.go, runtime/mgc.go and runtime/mgcsweep.go of Go 1.18 to 1.27. What is here besides
//! [`super::events`] are the differences between versions that decide how the events fit together.

use super::copied::Copied;
use super::events;
use super::events::Event;
use super::events::RestartArguments;
use super::runtime_functions::Runtime;
use crate::go::constant;
use crate::go::isa::dataflow::Dataflow;
use crate::go::isa::dataflow::Origin;
use crate::go::isa::instruction::Flow;
use crate::go::isa::instruction::Register;
use crate::go::site::NoSite;
use crate::go::site::Site;
use crate::go::site::SiteKind;
use crate::model::gc::Trigger;

/// Where stops of the world are seen.
#[derive(Debug, Clone)]
pub struct Stops {
    /// Stopping begins; needed where the runtime does not pass the time on ([`Stops::restart`]).
    pub begin: Vec<Site>,
    /// The world has stopped; likewise.
    pub stopped: Vec<Site>,
    /// Starting begins; the arguments are [`Stops::arguments`]. None if they say nothing.
    pub restart: Vec<Site>,
    /// The world runs.
    pub end: Vec<Site>,
    /// What the runtime passes on at [`Stops::restart`].
    pub arguments: RestartArguments,
    /// Whether the reason is a number in a register at [`Stops::begin`]; if not, it is text in `m.preemptoff`.
    pub reason_is_number: bool,
}

/// Plans how to see every stop of the world.
///
/// # Errors
/// A function of the runtime is missing or does not have the expected form.
pub fn stops(runtime: &Runtime<'_>) -> Result<Stops, NoSite> {
    let sites = |event| events::sites(runtime, event);
    let arguments = events::restart_arguments(runtime)?;
    let (begin, stopped) = match arguments {
        RestartArguments::BeganAndStopped => (Vec::new(), Vec::new()),
        _ => (sites(Event::StwBegin)?, sites(Event::StwStopped)?),
    };
    let restart = match arguments {
        RestartArguments::None => Vec::new(),
        _ => sites(Event::StwRestart)?,
    };
    let end = sites(Event::StwEnd)?;
    let reason_is_number = events::stop_has_reason(runtime)?;
    Ok(Stops {
        begin,
        stopped,
        restart,
        end,
        arguments,
        reason_is_number,
    })
}

/// The reason of the first stop of a cycle, in the runtime's words.
pub const GC_SWEEP_TERMINATION: &str = "GC sweep termination";
/// The reason of the last stop of a cycle.
pub const GC_MARK_TERMINATION: &str = "GC mark termination";

/// The runtime's later words for what `m.preemptoff` says during a stop up to Go 1.20 (runtime/proc.go and
/// runtime/mgc.go of 1.19): the collector leaves it empty for the first stop of a cycle and writes `gcing` for the
/// last. All others write what they do.
pub fn reason_of_preemptoff(text: &str) -> &str {
    match text {
        "" => GC_SWEEP_TERMINATION,
        "gcing" => GC_MARK_TERMINATION,
        other => other,
    }
}

/// Whether a stop for this reason belongs to a cycle, as `stwReason.isGC` decides (runtime/proc.go, Go 1.22).
pub fn is_gc_reason(reason: &str) -> bool {
    matches!(reason, GC_SWEEP_TERMINATION | GC_MARK_TERMINATION)
}

/// What a `gcTriggerKind` means, as it is passed to `startCycle`; `None` if it is none that is known.
pub fn trigger(kind: u32) -> Option<Trigger> {
    match kind {
        constant::GC_TRIGGER_HEAP => Some(Trigger::Heap),
        constant::GC_TRIGGER_TIME => Some(Trigger::Periodic),
        constant::GC_TRIGGER_CYCLE => Some(Trigger::Forced),
        _ => None,
    }
}

/// Where cycles are seen.
#[derive(Debug, Clone)]
pub struct Cycles {
    /// A cycle begins; the fourth argument is `gcTriggerKind`.
    pub begin: Vec<Site>,
    /// It also looks for leaked goroutines; none before Go 1.26.
    pub leak_check: Vec<Site>,
    /// Its record is complete: `runtime.work`, `runtime.gcController` and `runtime.memstats` hold it.
    pub end: Vec<Site>,
    /// Whether `end` is [`SweepPieces::flushed`].
    pub end_is_flush: bool,
}

/// Plans how to see every cycle.
///
/// # Errors
/// A function of the runtime is missing or does not have the expected form.
pub fn cycles(runtime: &Runtime<'_>) -> Result<Cycles, NoSite> {
    // Up to Go 1.20 the next cycle's `work.userForced` can be set as soon as the world runs again, and a cycle can be
    // reported as forced that was not. gctrace reads it a moment after the last span cache is flushed: so do we.
    let end_is_flush = !events::stop_has_reason(runtime)?;
    let end = if end_is_flush {
        flushed(runtime)?
    } else {
        events::sites(runtime, Event::GcCycle)?
    };
    let leak_check = match runtime.has_somewhere("runtime.findGoroutineLeaks")? {
        true => vec![
            runtime
                .body("runtime.findGoroutineLeaks")?
                .function_site()?,
        ],
        false => Vec::new(),
    };
    Ok(Cycles {
        begin: events::sites(runtime, Event::GcTrigger)?,
        leak_check,
        end,
        end_is_flush,
    })
}

/// How the end of a sweep is seen.
#[derive(Debug, Clone)]
pub enum SweepEnd {
    /// At an instruction that is executed at that moment only (since Go 1.25).
    Exact(Vec<Site>),
    /// By several moments, each once per cycle.
    Pieces(SweepPieces),
}

/// The moments around the end of a sweep, up to Go 1.24.
#[derive(Debug, Clone)]
pub struct SweepPieces {
    /// The last span was taken, by a sweeper that has signed off.
    pub drained: Vec<Site>,
    /// The collector has signed off as a sweeper, having flushed all span caches.
    pub flushed: Vec<Site>,
    /// The background sweeper goes to sleep because all is swept.
    pub parked: Vec<Site>,
    /// Link-time address of `runtime.sweep.active.state`, the number of sweepers, if it was found.
    pub sweepers: Option<u64>,
}

const ACTIVE_END: &str = "runtime.(*activeSweep).end";
/// What the last sweeper of a cycle does (Go ≥ 1.25).
const FLUSH: &str = "runtime.(*cleanupQueue).flush";
const MARK_TERMINATION: &str = "runtime.gcMarkTermination";

/// Plans how to see the end of every sweep.
///
/// # Errors
/// A function of the runtime is missing or does not have the expected form.
pub fn sweep_end(runtime: &Runtime<'_>) -> Result<SweepEnd, NoSite> {
    let done = events::sites(runtime, Event::SweepDone)?;
    // Where the last sweeper cannot be told, that event is the moment at which no span is left to take.
    if runtime.has_somewhere(FLUSH)? {
        return Ok(SweepEnd::Exact(done));
    }
    Ok(SweepEnd::Pieces(SweepPieces {
        drained: done,
        flushed: flushed(runtime)?,
        parked: calls(runtime, "runtime.bgsweep", "runtime.gopark")?,
        sweepers: sweepers(runtime),
    }))
}

/// After `sweep.active.end(sl)`, gcMarkTermination tests `debug.gctrace > 0`: the branch is the first thing to be seen
/// after the collector has signed off, and the last before it prints.
fn flushed(runtime: &Runtime<'_>) -> Result<Vec<Site>, NoSite> {
    let body = runtime.body(MARK_TERMINATION)?;
    let code = body.code();
    let copies = runtime.copies(ACTIVE_END)?;
    let copies = copies
        .iter()
        .filter(|it| it.copy().within.entry == code.entry());
    let inlined: Vec<Site> = copies
        .map(Copied::branch_on_global_after)
        .collect::<Result<_, _>>()?;
    if inlined.len() == 1 && code.calls_to(&runtime.entries(ACTIVE_END)).next().is_none() {
        runtime.inlined().has_none(MARK_TERMINATION)?;
        return Ok(inlined);
    }
    body.calls_all(ACTIVE_END)?;
    let goes_on = |index: &usize| code.get(*index).is_some_and(|i| i.flow() == Flow::Next);
    let sites: Vec<Site> = code
        .calls_to(&runtime.entries(ACTIVE_END))
        .filter_map(|call| (call + 1..call + 8).find(|index| !goes_on(index)))
        .filter(|end| code.get(*end).is_some_and(|i| i.is_branch()))
        .map(|branch| body.site(branch, SiteKind::Branch))
        .collect::<Result<_, _>>()?;
    if sites.len() != 1 {
        return Err(body.none(&format!("no single branch after a call of {ACTIVE_END}")));
    }
    Ok(sites)
}

fn calls(runtime: &Runtime<'_>, caller: &str, callee: &str) -> Result<Vec<Site>, NoSite> {
    let bodies = events::runs(runtime, caller, callee)?;
    if bodies.iter().any(Vec::is_empty) {
        return Err(NoSite::new(format!("{caller} has no call of {callee}")));
    }
    Ok(bodies.into_iter().flatten().collect())
}

/// Link-time address of `runtime.sweep.active.state`: the number of sweepers, and the top bit once no span is left.
///
/// `sweep.active.end(sl)` in gcMarkTermination passes the address of `sweep.active`, whose only field is the state.
pub fn sweepers(runtime: &Runtime<'_>) -> Option<u64> {
    let body = runtime.find(MARK_TERMINATION)?;
    let code = body.code();
    let call = code.calls_to(&runtime.entries(ACTIVE_END)).next()?;
    match Dataflow::new(code, &[]).origins(Register::FIRST, call)[..] {
        [Origin::Address(address)] => Some(address),
        _ => None,
    }
}
