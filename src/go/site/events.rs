//! Which probe sites serve which event, in every Go version.
//!
//! Choices are made by the functions that a binary has, not by its version number: that is what changes when the
//! runtime changes, and it holds for development versions too. What is said of registers was read from
//! src/cmd/compile/abi-internal.md and the functions' signatures in runtime/proc.go, runtime/coro.go, runtime/mgc.go,
//! runtime/mgcpacer.go and runtime/mgcsweep.go of Go 1.19 to 1.27. The first four arguments are in rax, rbx, rcx and
//! rdi, on ARM in x0, x1, x2 and x3; a result is where the first argument is. At all sites r14 (x28) is the running g.

use std::fmt;

use super::allocators;
use super::go_statements::start_functions;
use super::runtime_functions::Runtime;
use super::state_changes;
use crate::go::binary::Binary;
use crate::go::site::{NoSite, Site, SiteKind};

/// Something that happens in the runtime and that a probe can see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Event {
    /// A `go` statement made a goroutine. Second argument: the new g with its final goid, start function and creation site; not
    /// yet runnable. At [`SiteKind::AfterCall`] it is the result. Runs on g0, so the creator is `g.m.curg` (0 for the main
    /// goroutine).
    GoroutineCreate,
    /// `iter.Pull` made a goroutine (a coroutine). Result: the new g, as above; it is never put into a run queue.
    CoroutineCreate,
    /// A goroutine runs its first instruction: one site per start function that [`start_functions`] finds. Other calls
    /// of these functions hit too; see [`StartFunction::site`](super::go_statements::StartFunction::site) for how a start is told.
    GoroutineStart,
    /// A goroutine ends. First argument: its g, whose goid and start function still stand. Runs on g0.
    GoroutineExit,
    /// A goroutine moved half of its P's full run queue to the global one. First argument: the P; second: the
    /// goroutine that did not fit.
    QueuePutGlobal,
    /// A P fetches goroutines from the global queue. The P is `g.m.p`. Until Go 1.24 all of them, since Go 1.25
    /// without those single ones that every 61st scheduling round takes.
    QueueGetGlobal,
    /// A P tried to steal from another one. Result, 32 bits: how many goroutines it got; 0 for most tries. At
    /// [`SiteKind::CopyBranch`] the site says in which register it is.
    QueueSteal,
    /// A goroutine changes from one state to another, second argument to third (`_Grunnable` …, runtime/runtime2.go).
    /// First argument: its g. The changes that are not made here are the next four. Some are no changes of what the
    /// goroutine does: see [`StateChanges`](super::state_changes::StateChanges). At [`SiteKind::CopyBranch`] the site says
    /// what is known.
    GoroutineState,
    /// A goroutine begins a system call, or a call of C. It is the running g. Until Go 1.25 it also passes
    /// [`Event::GoroutineState`].
    SyscallEnter,
    /// The system call is over. The goroutine is the running g; it may yet have to wait for a P.
    SyscallExit,
    /// A running goroutine is stopped for the collector. First argument: its g. It goes on as one that was waiting.
    PreemptPark,
    /// A coroutine hands over to another goroutine. First argument: its g; `g.coroarg` leads to the other one.
    CoroutineSwitch,
    /// Stopping the world begins. First argument, 8 bits: the reason (Go ≥ 1.21).
    StwBegin,
    /// The world has stopped. Same goroutine as [`Event::StwBegin`].
    StwStopped,
    /// Starting the world begins: for the arguments see [`restart_arguments`].
    StwRestart,
    /// The world is running again.
    StwEnd,
    /// A GC cycle begins. Fourth argument: what triggered it: 0 heap size, 1 time, 2 a call. `work.cycles` is its number.
    GcTrigger,
    /// A GC cycle's mark phase is over and its record is complete. Once per cycle, on g0, the world running.
    GcCycle,
    /// The last sweeper of a cycle is done (Go ≥ 1.25), or no span is left to be swept (Go ≤ 1.24). Once per cycle.
    SweepDone,
    /// An object is allocated; see [`allocators::allocators`] for the kind of each site. Arguments: size, type.
    Allocate,
}

impl Event {
    /// All events.
    pub const ALL: [Self; 20] = [
        Self::GoroutineCreate,
        Self::CoroutineCreate,
        Self::GoroutineStart,
        Self::GoroutineExit,
        Self::QueuePutGlobal,
        Self::QueueGetGlobal,
        Self::QueueSteal,
        Self::GoroutineState,
        Self::SyscallEnter,
        Self::SyscallExit,
        Self::PreemptPark,
        Self::CoroutineSwitch,
        Self::StwBegin,
        Self::StwStopped,
        Self::StwRestart,
        Self::StwEnd,
        Self::GcTrigger,
        Self::GcCycle,
        Self::SweepDone,
        Self::Allocate,
    ];

    /// What happens, in a few words.
    pub fn describe(self) -> &'static str {
        match self {
            Self::GoroutineCreate => "goroutine created",
            Self::CoroutineCreate => "coroutine created",
            Self::GoroutineStart => "goroutine starts",
            Self::GoroutineExit => "goroutine exits",
            Self::QueuePutGlobal => "put to the global run queue",
            Self::QueueGetGlobal => "get from the global run queue",
            Self::QueueSteal => "steal from another P",
            Self::GoroutineState => "goroutine changes state",
            Self::SyscallEnter => "system call begins",
            Self::SyscallExit => "system call ends",
            Self::PreemptPark => "stopped for the collector",
            Self::CoroutineSwitch => "coroutine switch",
            Self::StwBegin => "stop of the world begins",
            Self::StwStopped => "world stopped",
            Self::StwRestart => "start of the world begins",
            Self::StwEnd => "world running",
            Self::GcTrigger => "GC cycle begins",
            Self::GcCycle => "GC mark phase over",
            Self::SweepDone => "GC sweep phase over",
            Self::Allocate => "object allocated",
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.describe())
    }
}

/// The sites that together see every occurrence of the event; none if it cannot happen in this program.
///
/// # Errors
/// The event cannot be observed, and why.
pub fn plan(binary: &Binary, event: Event) -> Result<Vec<Site>, NoSite> {
    sites(&Runtime::of(binary), event)
}

/// [`plan`] for many events: the runtime's functions are looked up once.
///
/// No site is given in a function that is inlined elsewhere (`Body::site` refuses it), except
/// where what passes the copies is seen too: see [`super::copied`].
///
/// # Errors
/// As for [`plan`].
pub fn sites(runtime: &Runtime<'_>, event: Event) -> Result<Vec<Site>, NoSite> {
    let function = |name: &str| Ok(vec![runtime.body(name)?.function_site()?]);
    match event {
        Event::GoroutineCreate => goroutine_create(runtime),
        // `newcoro` runs its closure on the system stack: `gp = newproc1(…)`, and the store of gp begins with a test
        // whether write barriers are on. Before the coroutine can be switched to.
        Event::CoroutineCreate if runtime.has_somewhere("runtime.newcoro")? => {
            runtime.inlined().has_none("runtime.newcoro")?;
            let newproc1 = runtime.entries("runtime.newproc1");
            let body = runtime.body("runtime.newcoro.func1")?;
            body.branches_after_call(&newproc1, "runtime.newproc1")
        }
        Event::CoroutineCreate => Ok(Vec::new()),
        Event::GoroutineStart => Ok(start_functions(runtime)?
            .functions
            .iter()
            .filter_map(|function| function.site(runtime.binary()).ok())
            .collect()),
        // Since Go 1.22 goexit0 and coroexit share gdestroy (until Go 1.21 there are no coroutines).
        Event::GoroutineExit if runtime.has_somewhere("runtime.gdestroy")? => {
            function("runtime.gdestroy").or_else(|why| goroutine_exit(runtime).map_err(|_| why))
        }
        Event::GoroutineExit => function("runtime.goexit0"),
        Event::QueuePutGlobal => function("runtime.runqputslow"),
        Event::QueueGetGlobal => get_global(runtime),
        Event::QueueSteal => queue_steal(runtime),
        Event::GoroutineState => state_changes::sites(runtime),
        // `entersyscall`, and what comes back from C, end there.
        Event::SyscallEnter => everywhere(runtime, "runtime.reentersyscall"),
        Event::SyscallExit => everywhere(runtime, "runtime.exitsyscall"),
        Event::PreemptPark => function("runtime.preemptPark"),
        Event::CoroutineSwitch if runtime.has_somewhere("runtime.coroswitch_m")? => {
            function("runtime.coroswitch_m")
        }
        Event::CoroutineSwitch => Ok(Vec::new()),
        Event::StwBegin => function("runtime.stopTheWorldWithSema"),
        Event::StwStopped => runtime
            .body("runtime.stopTheWorldWithSema")?
            .before_return(),
        Event::StwRestart => function("runtime.startTheWorldWithSema"),
        Event::StwEnd => only_call(runtime, "runtime.startTheWorldWithSema", "runtime.wakep"),
        Event::GcTrigger => function("runtime.(*gcControllerState).startCycle"),
        Event::GcCycle => function("runtime.freeStackSpans"),
        Event::SweepDone => sweep_done(runtime),
        Event::Allocate => Ok(allocators::allocators(runtime)?
            .into_iter()
            .map(|allocator| allocator.site)
            .collect()),
    }
}

/// `newproc` runs its closure on the system stack: `newg := newproc1(…); …; runqput(pp, newg, true)`. Where runqput is
/// inlined, newg is seen as the result of newproc1: everything in it is final already.
fn goroutine_create(runtime: &Runtime<'_>) -> Result<Vec<Site>, NoSite> {
    let (closure, runqput) = ("runtime.newproc.func1", "runtime.runqput");
    // Of an inlined function the closure has a copy of another name.
    runtime.inlined().has_none("runtime.newproc")?;
    let body = runtime.body(closure)?;
    if runtime
        .inlined()
        .has_none_in(runqput, body.code().entry())
        .is_ok()
    {
        return only_call(runtime, closure, runqput);
    }
    let newproc1 = "runtime.newproc1";
    let sites = body.places_after_call(&runtime.entries(newproc1), newproc1)?;
    match sites.len() {
        1 => Ok(sites),
        n => Err(body.none(&format!("{n} calls of {newproc1} instead of one"))),
    }
}

/// Where `gdestroy(gp)` is inlined into `goexit0(gp)`, which begins with nothing that changes gp: that one, and what is left
/// of its own for `coroswitch_m`, which calls it for coroutines only.
fn goroutine_exit(runtime: &Runtime<'_>) -> Result<Vec<Site>, NoSite> {
    let (name, caller) = ("runtime.gdestroy", "runtime.goexit0");
    let copies = runtime.inlined().copies(name)?;
    if let Some(other) = copies.iter().find(|copy| copy.within.name != caller) {
        return Err(NoSite::new(format!(
            "{name} is inlined into {}",
            other.within.name
        )));
    }
    let mut sites = vec![runtime.body(caller)?.function_site()?];
    if runtime.has(name) {
        sites.push(runtime.body(name)?.besides_copies().function_site()?);
    }
    Ok(sites)
}

/// Each time that the function is run, its copies included; of its arguments nothing is known in these.
fn everywhere(runtime: &Runtime<'_>, name: &str) -> Result<Vec<Site>, NoSite> {
    let mut sites = Vec::new();
    let copies = runtime.copies(name)?;
    if runtime.has(name) || copies.is_empty() {
        sites.push(runtime.body(name)?.besides_copies().function_site()?);
    }
    for copy in &copies {
        sites.push(copy.once()?);
    }
    Ok(sites)
}

/// Where each body of `caller`, its copies included, runs `callee`, called or inlined: by body. Arguments are where calls
/// have them, but at a copy ([`SiteKind::Copy`]) nothing is known of them.
///
/// # Errors
/// As for [`Runtime::body`], and if a copy cannot be seen.
pub(in crate::go) fn runs(
    runtime: &Runtime<'_>,
    caller: &str,
    callee: &str,
) -> Result<Vec<Vec<Site>>, NoSite> {
    let entries = runtime.entries(callee);
    let inner = runtime.copies(callee)?;
    let outer = runtime.copies(caller)?;
    let mut all = Vec::new();
    if runtime.has(caller) || outer.is_empty() {
        let body = runtime.body(caller)?.besides_copies();
        let calls = body.code().calls_to(&entries);
        let mut sites: Vec<Site> = calls
            .map(|call| body.site(call, SiteKind::Call))
            .collect::<Result<_, _>>()?;
        let entry = body.code().entry();
        for copy in inner.iter().filter(|it| it.copy().within.entry == entry) {
            sites.push(copy.once()?);
        }
        all.push(sites);
    }
    for body in &outer {
        let mut sites = body.call_sites(&entries)?;
        for copy in inner.iter().filter(|it| body.holds(it)) {
            sites.push(copy.once()?);
        }
        all.push(sites);
    }
    Ok(all)
}

/// The only place in the function `caller` where `callee` is run.
fn only_call(runtime: &Runtime<'_>, caller: &str, callee: &str) -> Result<Vec<Site>, NoSite> {
    let mut sites = Vec::new();
    for mut of_body in runs(runtime, caller, callee)? {
        if of_body.len() != 1 {
            let n = of_body.len();
            return Err(NoSite::new(format!(
                "{caller} has {n} calls of {callee} instead of one"
            )));
        }
        sites.append(&mut of_body);
    }
    Ok(sites)
}

fn get_global(runtime: &Runtime<'_>) -> Result<Vec<Site>, NoSite> {
    let batch = "runtime.globrunqgetbatch";
    // Where there are batches, the other function takes single goroutines only, in one place.
    if runtime.has_somewhere(batch)? {
        let mut sites = everywhere(runtime, batch)?;
        if runtime.has("runtime.globrunqget") {
            sites.extend(everywhere(runtime, "runtime.globrunqget")?);
        }
        return Ok(sites);
    }
    everywhere(runtime, "runtime.globrunqget")
}

fn queue_steal(runtime: &Runtime<'_>) -> Result<Vec<Site>, NoSite> {
    let grab = "runtime.runqgrab";
    let body = runtime.body("runtime.runqsteal")?;
    let why = match body.branches_after_call(&runtime.entries(grab), grab) {
        Ok(sites) => return Ok(sites),
        Err(why) => why,
    };
    runtime.inlined().has_none("runtime.runqsteal")?;
    // `n := runqgrab(…); if n == 0 { return nil }`
    let copies = runtime.copies(grab)?;
    match copies.as_slice() {
        [copy] if copy.copy().within.entry == body.code().entry() => {
            Ok(vec![copy.test_of_result()?])
        }
        _ => Err(why),
    }
}

/// Where a cycle's sweep phase ends.
///
/// Each sweeper ends with `sweep.active.end(sl)`. Since Go 1.25 the one that leaves "drained, no sweepers" behind, and
/// only that one, flushes the queue of cleanups there. Until Go 1.24 that place is never reached (the test compares the
/// state before the decrement, runtime/mgcsweep.go); but the sweeper that finds the list of spans empty, one per cycle
/// (`markDrained`), tests `debug.scavtrace > 0` when it has left. Others may then still be busy with a last span each.
fn sweep_done(runtime: &Runtime<'_>) -> Result<Vec<Site>, NoSite> {
    let (end, flush) = (
        "runtime.(*activeSweep).end",
        "runtime.(*cleanupQueue).flush",
    );
    if runtime.has_somewhere(flush)? {
        return only_call(runtime, end, flush);
    }
    let sweepone = "runtime.sweepone";
    // Not in what is inlined into it.
    let own = |pc: u64| {
        let frames = runtime.binary().functions().frames(pc);
        frames.first().is_some_and(|it| it.function == sweepone)
    };
    let mut sites = Vec::new();
    if runtime.has(sweepone) {
        let body = runtime.body(sweepone)?.besides_copies();
        sites.push(body.branch_on_global(own)?);
    }
    for copy in runtime.copies(sweepone)? {
        sites.push(copy.branch_on_global(own)?);
    }
    Ok(sites)
}

/// What [`Event::StwRestart`] finds in the argument registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RestartArguments {
    /// Nothing about the stop (Go ≤ 1.21).
    None,
    /// Second argument, 8 bits: the reason; third: when stopping began (Go 1.22).
    Began,
    /// As before, and fourth: when the world stood (Go ≥ 1.23). Nanoseconds of `CLOCK_MONOTONIC`.
    BeganAndStopped,
}

/// What `runtime.startTheWorldWithSema` gets: `(now, worldStop{reason, start})` in Go 1.22, `(now, worldStop{reason,
/// startedStopping, finishedStopping, stoppingCPUTime})` since Go 1.23 (runtime/proc.go), counted in its code.
///
/// # Errors
/// There is no such function.
pub fn restart_arguments(runtime: &Runtime<'_>) -> Result<RestartArguments, NoSite> {
    let body = runtime.body("runtime.startTheWorldWithSema")?;
    Ok(match body.saved_arguments() {
        0 | 1 => RestartArguments::None,
        2 | 3 => RestartArguments::Began,
        _ => RestartArguments::BeganAndStopped,
    })
}

/// Whether `runtime.stopTheWorldWithSema` is told a reason (at [`Event::StwBegin`]): since Go 1.21.
///
/// # Errors
/// There is no such function.
pub fn stop_has_reason(runtime: &Runtime<'_>) -> Result<bool, NoSite> {
    Ok(runtime
        .body("runtime.stopTheWorldWithSema")?
        .saved_arguments()
        > 0)
}
