//! How to tell what a change of a goroutine's state means, where `runtime.casgstatus` alone does not.
//!
//! The runtime lets a goroutine that goes on running pass for a waiting one while it stops the world, marks, or has its
//! stack scanned (`casGToWaiting…`, runtime/proc.go); only `park_m` really parks. Since Go 1.26 system calls change the
//! state in place, and a goroutine that finds no P afterwards is made runnable as if it had been running
//! (`exitsyscallNoP`). Both are told by where `casgstatus` returns to. Source: runtime/proc.go of Go 1.19 to 1.27.

use std::ops::Range;

use super::copied::Copied;
use super::copied_change;
use super::runtime_functions::Runtime;
use crate::go::constant;
use crate::go::site::{Meaning, NoSite, Site};

const CHANGE: &str = "runtime.casgstatus";
const TO_WAITING: &str = "runtime.casGToWaiting";
const PARK: &str = "runtime.park_m";
const NO_P: &str = "runtime.exitsyscallNoP";

/// What a program at [`Event::GoroutineState`](super::events::Event::GoroutineState) needs to know. Addresses are
/// link-time addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateChanges {
    /// A change from running to waiting is a park if it returns into this function.
    pub park: Range<u64>,
    /// In unoptimised programs it returns into `casGToWaiting`, and that returns into [`StateChanges::park`].
    pub park_indirect: bool,
    /// A change from running to runnable that returns into this function is the end of a system call; `None` until
    /// Go 1.25.
    pub syscall_without_p: Option<Range<u64>>,
    /// Whether system calls pass `casgstatus` (Go ≤ 1.25); otherwise they have sites of their own.
    pub syscalls_pass: bool,
    /// Entry of `runtime.main`: who starts with it is the first goroutine of a program.
    pub main: Option<u64>,
}

impl StateChanges {
    /// Looks at the functions that change states.
    ///
    /// # Errors
    /// What parks goroutines was not recognised.
    pub fn of(runtime: &Runtime<'_>) -> Result<Self, NoSite> {
        let park_m = runtime.body(PARK)?;
        runtime.inlined().has_none(PARK)?;
        let entry = park_m.code().entry();
        let calls = |name: &str| {
            let entries = runtime.entries(name);
            park_m.code().calls_to(&entries).next().is_some()
        };
        let inlined = runtime.inlined().has_none_in(CHANGE, entry).is_err();
        let park_indirect = match (calls(CHANGE) || inlined, calls(TO_WAITING)) {
            (true, _) => false,
            (false, true) => {
                // It would have to be told in there who called.
                for function in runtime.functions().filter(|it| it.name == TO_WAITING) {
                    runtime.inlined().has_none_in(CHANGE, function.entry)?;
                }
                true
            }
            (false, false) => return Err(park_m.none("no call of runtime.casgstatus")),
        };
        let park = extent(runtime, PARK)
            .ok_or_else(|| NoSite::new("this program has no function runtime.park_m"))?;
        let syscall_without_p = extent(runtime, NO_P);
        if runtime.has_somewhere(NO_P)? {
            // In a copy of it, a call of casgstatus returns into another function.
            let entries = runtime.entries(CHANGE);
            for copy in runtime.copies(NO_P)? {
                let mut calls = copy.host().code().calls_to(&entries);
                if calls.any(|call| copy.contains(call)) {
                    return Err(copy.none("calls of runtime.casgstatus"));
                }
            }
        }
        Ok(Self {
            park,
            park_indirect,
            syscalls_pass: !runtime.has_somewhere(NO_P)?,
            syscall_without_p,
            main: extent(runtime, "runtime.main").map(|main| main.start),
        })
    }
}

/// The sites of [`Event::GoroutineState`](super::events::Event::GoroutineState).
///
/// # Errors
/// `casgstatus` is inlined somewhere in a form in which its operands are not found.
pub(in crate::go) fn sites(runtime: &Runtime<'_>) -> Result<Vec<Site>, NoSite> {
    let mut sites = Vec::new();
    let copies = runtime.copies(CHANGE)?;
    if runtime.has(CHANGE) || copies.is_empty() {
        // Without a stack check; until Go 1.20 its frame is set up before anything cheap comes.
        sites.push(runtime.body(CHANGE)?.besides_copies().framed_site()?);
    }
    let no_p = runtime.copies(NO_P)?;
    for copy in &copies {
        sites.extend(copied_change::site(copy, meaning(copy, &no_p))?);
    }
    Ok(sites)
}

/// What a change means is told by who makes it.
fn meaning(copy: &Copied<'_>, no_p: &[Copied<'_>]) -> Meaning {
    match copy.copy().within.name {
        PARK => Meaning::Parks,
        NO_P => Meaning::FindsNoP,
        _ if no_p.iter().any(|outer| outer.holds(copy)) => Meaning::FindsNoP,
        _ => Meaning::Plain,
    }
}

/// The code of a function.
fn extent(runtime: &Runtime<'_>, name: &str) -> Option<Range<u64>> {
    let function = runtime.functions().find(|it| it.name == name)?;
    Some(function.entry..function.end)
}

/// What a goroutine does, as far as its status says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doing {
    /// It waits for a P.
    Runnable,
    /// It runs.
    Running,
    /// It is in a system call, or in C.
    Syscall,
    /// It waits for something else.
    Waiting,
    /// There is no goroutine in this g.
    Gone,
}

/// What goroutines of a status do. The others last for a moment only, and lead back to where they came from.
pub const STATUSES: [(u32, Doing); 6] = [
    (constant::G_RUNNABLE, Doing::Runnable),
    (constant::G_RUNNING, Doing::Running),
    (constant::G_SYSCALL, Doing::Syscall),
    (constant::G_WAITING, Doing::Waiting),
    (constant::G_DEAD, Doing::Gone),
    (constant::G_DEADEXTRA, Doing::Gone),
];

/// The numbers of the wait reasons that are set only after a probe has seen the change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LateReasons {
    /// "preempted": stopped for the collector.
    pub preempted: Option<u8>,
    /// "coroutine": handed over to another goroutine.
    pub coroutine: Option<u8>,
}

impl LateReasons {
    /// Finds them among the names of all reasons.
    pub fn among(names: &[String]) -> Self {
        let number = |name: &str| {
            let found = names.iter().position(|it| it == name)?;
            u8::try_from(found).ok()
        };
        Self {
            preempted: number("preempted"),
            coroutine: number("coroutine"),
        }
    }
}
