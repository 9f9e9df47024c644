//! The runtime's record of a goroutine: `g` (runtime/runtime2.go).

use super::unwind::WalkFrom;
use crate::go::binary::plugins::Tables;
use crate::go::constant;
use crate::go::layout::{Field, Layout, LayoutError};

/// A stack is never larger (1 GB is the default limit, `runtime/debug.SetMaxStack` sets it).
const MAX_STACK: u64 = 1 << 36;

/// Ids that a P takes from `sched.goidgen` at once (runtime/runtime2.go, `_GoidCacheBatch`).
pub const GOID_BATCH: u64 = 16;

/// A program may begin with so many Ps, whatever it has later.
const PROCESSORS_AT_START: u64 = 64;

/// Whether an id is of the first batches, one for each P. The runtime's own goroutines have such ids: from 2 on, but on a
/// busy machine where main is moved to another P before it has started them.
pub fn is_early(id: u64, processors: u64) -> bool {
    let last = GOID_BATCH.saturating_mul(processors.max(PROCESSORS_AT_START));
    (1..=last).contains(&id)
}

/// Where the fields lie.
#[derive(Debug, Clone)]
pub struct GLayout {
    /// How many bytes from the start of a `g` hold all that is wanted.
    pub size: usize,
    stack_lo: usize,
    stack_hi: usize,
    sched_sp: usize,
    sched_pc: usize,
    sched_lr: Option<usize>,
    syscall: Option<(usize, usize)>,
    atomicstatus: usize,
    goid: usize,
    waitsince: Option<usize>,
    waitreason: Option<usize>,
    lockedm: Option<usize>,
    gopc: Option<usize>,
    startpc: Option<usize>,
    parent_goid: Option<usize>,
    bubble: Option<usize>,
    labels: Option<usize>,
}

/// What a goroutine can be shown without, and what then is not known of it.
const OPTIONAL: [(Field, &str); 9] = [
    (Field::GSyscallsp, "where goroutines in system calls are"),
    (Field::GSyscallpc, "where goroutines in system calls are"),
    (Field::GWaitsince, "since when goroutines wait"),
    (Field::GWaitreason, "why goroutines wait"),
    (Field::GLockedm, "whether goroutines are locked to threads"),
    (Field::GGopc, "where goroutines were started"),
    (Field::GStartpc, "what goroutines were started for"),
    (Field::GParentGoid, "which goroutine started another"),
    (Field::GLabels, "labels of goroutines"),
];

/// What cannot be shown with this layout, each with the reason, in words.
pub fn shortcomings(layout: &Layout) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for (field, what) in OPTIONAL {
        if layout.exists(field) != Some(false)
            && let Err(why) = layout.require_checked(field)
        {
            found.push(format!("not known: {what} ({why})"));
        }
    }
    found
}

/// Why goroutines cannot be listed at all with this layout, if they cannot.
pub fn obstacle(layout: &Layout) -> Option<String> {
    GLayout::of(layout).err().map(|why| why.to_string())
}

/// The largest `g` believed: it is 456 bytes in Go 1.27.
const MAX_SIZE: usize = 4096;

impl GLayout {
    /// Takes what is needed from a binary's layout.
    ///
    /// # Errors
    /// A field is not known; or lies where it cannot.
    pub fn of(layout: &Layout) -> Result<Self, LayoutError> {
        let mut size = 0;
        let mut at = |field: Field| {
            let offset = layout.require_checked(field)? as usize;
            if offset > MAX_SIZE {
                return Err(LayoutError {
                    field,
                    why: format!("an offset of {offset} bytes is too much"),
                });
            }
            size = size.max(offset + 8);
            Ok(offset)
        };
        let syscall = at(Field::GSyscallsp).ok().zip(at(Field::GSyscallpc).ok());
        let parent_goid = at(Field::GParentGoid).ok();
        let bubble = at(Field::GBubble).ok();
        let labels = at(Field::GLabels).ok();
        // In `gobuf`, `lr` has been the word before `bp` since Go 1.12 (runtime/runtime2.go).
        let sched_bp = at(Field::GSchedBp).ok();
        Ok(Self {
            stack_lo: at(Field::GStackLo)?,
            stack_hi: at(Field::GStackHi)?,
            sched_sp: at(Field::GSchedSp)?,
            sched_pc: at(Field::GSchedPc)?,
            sched_lr: sched_bp.and_then(|bp| bp.checked_sub(8)),
            syscall,
            atomicstatus: at(Field::GAtomicstatus)?,
            goid: at(Field::GGoid)?,
            waitsince: at(Field::GWaitsince).ok(),
            waitreason: at(Field::GWaitreason).ok(),
            lockedm: at(Field::GLockedm).ok(),
            gopc: at(Field::GGopc).ok(),
            startpc: at(Field::GStartpc).ok(),
            parent_goid,
            bubble,
            labels,
            size,
        })
    }

    /// The fields of a `g` whose first [`GLayout::size`] bytes are given; `None` if there are fewer.
    pub fn read(&self, bytes: &[u8]) -> Option<RawG> {
        let word = |at: usize| {
            let bytes = bytes.get(at..at.checked_add(8)?)?;
            Some(u64::from_le_bytes(bytes.try_into().ok()?))
        };
        let status = bytes.get(self.atomicstatus..self.atomicstatus.checked_add(4)?)?;
        let status = u32::from_le_bytes(status.try_into().ok()?);
        let optional = |at: Option<usize>| at.and_then(word).unwrap_or(0);
        let syscall = match self.syscall {
            Some((sp, pc)) => Some((word(sp)?, word(pc)?)),
            // It cannot be told where one in a system call is: nowhere on its stack.
            None if status & !constant::G_SCAN == constant::G_SYSCALL => Some((1, 0)),
            None => None,
        };
        Some(RawG {
            stack_lo: word(self.stack_lo)?,
            stack_hi: word(self.stack_hi)?,
            sched_sp: word(self.sched_sp)?,
            sched_pc: word(self.sched_pc)?,
            sched_lr: self.sched_lr.and_then(word).unwrap_or(0),
            syscallsp: syscall.map_or(0, |(sp, _)| sp),
            syscallpc: syscall.map_or(0, |(_, pc)| pc),
            status,
            goid: word(self.goid)?,
            waitsince: optional(self.waitsince),
            waitreason: match self.waitreason {
                Some(at) => *bytes.get(at)?,
                None => 0,
            },
            locked: self.lockedm.and_then(word).map(|m| m != 0),
            gopc: optional(self.gopc),
            startpc: optional(self.startpc),
            parent_goid: self.parent_goid.and_then(word),
            halted_at: None,
            bubble: self.bubble.and_then(word).unwrap_or(0),
            labels: self.labels.and_then(word).unwrap_or(0),
        })
    }
}

/// The fields of a `g` as they were found. Addresses are those of the running program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RawG {
    /// Lowest address of the stack.
    pub stack_lo: u64,
    /// Address above the stack.
    pub stack_hi: u64,
    /// Stack pointer while it does not run.
    pub sched_sp: u64,
    /// Program counter while it does not run.
    pub sched_pc: u64,
    /// Link register while it does not run, where it matters: of the machines supported, on ARM only. 0 if it does not,
    /// or where it is saved is not known.
    pub sched_lr: u64,
    /// Stack pointer at a system call; 0 otherwise.
    pub syscallsp: u64,
    /// Program counter at a system call.
    pub syscallpc: u64,
    /// `_Gidle` …, perhaps with `_Gscan`.
    pub status: u32,
    /// Goroutine id.
    pub goid: u64,
    /// About when it blocked, in ns of nanotime; 0 if unknown.
    pub waitsince: u64,
    /// Number of the reason for which it waits.
    pub waitreason: u8,
    /// Whether it is locked to a thread; `None` if that is not known.
    pub locked: Option<bool>,
    /// Return address of the `go` statement.
    pub gopc: u64,
    /// Entry of the start function.
    pub startpc: u64,
    /// Who created it; since Go 1.21.
    pub parent_goid: Option<u64>,
    /// Where its thread was, if it was running in a process that is no more.
    pub halted_at: Option<WalkFrom>,
    /// Its bubble of package testing/synctest, since Go 1.25; 0 if there is none.
    pub bubble: u64,
    /// Its labels (runtime/pprof); 0 if there are none.
    pub labels: u64,
}

impl RawG {
    /// The state without `_Gscan`.
    pub fn state(&self) -> u32 {
        self.status & !constant::G_SCAN
    }

    /// Whether there is no goroutine in it, now.
    pub fn is_free(&self) -> bool {
        matches!(
            self.state(),
            constant::G_IDLE | constant::G_DEAD | constant::G_DEADEXTRA
        )
    }

    /// Where to walk from, as `unwinder.initAt` of runtime/traceback.go takes it.
    pub fn walk_from(&self) -> WalkFrom {
        if let Some(place) = self.halted_at {
            place
        } else if self.syscallsp != 0 {
            WalkFrom {
                pc: self.syscallpc,
                sp: self.syscallsp,
                lr: 0,
                exact: false,
            }
        } else {
            WalkFrom {
                pc: self.sched_pc,
                sp: self.sched_sp,
                lr: self.sched_lr,
                exact: false,
            }
        }
    }

    /// Whether the goroutine is where it was, on the same stack. (The collector setting its bit is no matter.)
    pub fn is_at_same_place(&self, other: &Self) -> bool {
        let place = |g: &Self| {
            let stack = (g.stack_lo, g.stack_hi, g.walk_from());
            (g.goid, g.state(), g.startpc, stack)
        };
        place(self) == place(other)
    }

    /// What cannot be so in a goroutine that is alive; `None` if all is well. `bias` is the distance of addresses from
    /// link-time addresses.
    pub fn fault(&self, code: &Tables<'_>, bias: u64) -> Option<&'static str> {
        let in_code = |pc: u64| code.contains(pc.wrapping_sub(bias));
        let size = self.stack_hi.checked_sub(self.stack_lo);
        if !matches!(
            self.state(),
            constant::G_RUNNABLE
                | constant::G_RUNNING
                | constant::G_SYSCALL
                | constant::G_WAITING
                | constant::G_COPYSTACK
                | constant::G_PREEMPTED
                | constant::G_LEAKED
        ) {
            Some("a state that does not exist (g.atomicstatus)")
        } else if self.goid == 0 || self.goid > 1 << 56 {
            Some("an impossible number (g.goid)")
        } else if size.is_none_or(|size| size == 0 || size > MAX_STACK) {
            Some("an impossible stack (g.stack)")
        } else if self.startpc != 0 && !in_code(self.startpc) {
            Some("a start function outside of the program's code (g.startpc)")
        } else {
            None
        }
    }
}
