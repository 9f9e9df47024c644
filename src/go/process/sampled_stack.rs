//! The stack of a thread that was interrupted anywhere, from the little that a sample has of it.
//!
//! A goroutine that waits is at a call, and its whole stack can be read. A thread that runs can be at any instruction, and
//! only some words of its stack are at hand: those at the stack pointer, and the addresses in the frame records
//! (`CpuSample`). The walk is the same: the function table says where each function has its return address. If that
//! place is none of those at hand, the walk was misled, or the sample was taken in a moment in which nobody could say. A
//! walk that arrives at the function below all others has found every return address where the table says that it is,
//! so that it is right: it is proved. The frame records alone are not, as a function without a record of its own hides
//! its caller; a stack made of them is marked.
//!
//! The runtime changes stacks on the way (runtime/traceback.go, `unwinder`): `systemstack` calls on the scheduler's stack
//! for a goroutine that goes on there, `morestack` leaves a function that has only begun, C code is called by a goroutine
//! that is as in a system call.
//!
//! Source: runtime/traceback.go and asm_*.s, Go 1.19 to 1.27.

use std::collections::HashMap;

use crate::go::binary::Binary;
use crate::go::binary::plugins::Tables;
use crate::go::elf::image::Machine;
use crate::go::process::unwind::{Step, Trace, Unwinder};
use crate::go::symbolize::code_address::CodeAddress;
use crate::model::cpu::{CpuSample, FrameRecord, On, StackPiece};

/// A stack has no more frames: a chain of records has 127, and another on the goroutine's own stack.
const MAX_FRAMES: usize = 512;

/// What is known of the stack of a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// Every frame was found where it must be, down to the first function.
    Proved,
    /// Likewise, but the stack is deeper than a sample: its outermost frames are missing.
    Cut,
    /// From some frame on from frame records alone: a function may be missing that had no record, or no more.
    Chained,
    /// Nothing but where it is.
    Nothing,
}

/// Where the thread is that was interrupted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leaf {
    /// In code of Go: the first frame.
    Go,
    /// At this run-time address, in no code of Go.
    Elsewhere(u64),
}

/// Makes stacks of samples of one process.
#[derive(Debug)]
pub struct SampledStacks<'b> {
    machine: Machine,
    tables: Tables<'b>,
    bias: u64,
    unwinder: Unwinder<'b>,
    roles: HashMap<u64, Role>,
}

/// What a function is to a walk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// Its caller is below it.
    Plain,
    /// `runtime.goexit`, below the first function of every goroutine.
    Bottom,
    /// Nothing is below it.
    Top,
    /// It sets the stack pointer as the table does not tell.
    SetsStack,
    /// `runtime.systemstack`: its caller is on the goroutine's own stack.
    SystemStack,
    /// `runtime.morestack`: called at the beginning of a function that waits on its own stack.
    MoreStack,
}

/// Instructions of which the function is remembered.
const MAX_REMEMBERED: usize = 1 << 18;

/// Frame records of one chain (`CPU_CHAIN` in `src/bpf/cpu.h`).
const CHAIN: usize = 127;

/// See [`Walk`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shift {
    /// Nothing is moved.
    None,
    /// The stack may be under way, and no record has told yet by how much.
    Unknown,
    /// So much, modulo 2⁶⁴.
    Known(u64),
}

/// A walk on its way.
#[derive(Clone, Copy)]
struct Walk<'s> {
    piece: &'s StackPiece,
    /// Records that were used, and those before them.
    used: usize,
    /// What to add to where a record lies. While the runtime moves a stack (`copystack`, runtime/stack.go), frames that it
    /// has come to name their callers where they lie now, and all others where they were: all of them by the same.
    shift: Shift,
    /// Where to go on where the scheduler's stack ends.
    left: Option<&'s StackPiece>,
    pc: u64,
    sp: u64,
    lr: u64,
    is_return: bool,
}

impl<'b> SampledStacks<'b> {
    /// For a process whose code lies `bias` bytes above its link-time addresses.
    pub fn new(binary: &'b Binary, tables: Tables<'b>, bias: u64) -> Self {
        let machine = binary.image().machine();
        Self {
            machine,
            unwinder: Unwinder::new(machine, tables.clone(), bias),
            tables,
            bias,
            roles: HashMap::new(),
        }
    }

    /// The stack of one sample, innermost first, in link-time addresses.
    pub fn walk(&mut self, sample: &CpuSample, trace: &mut Trace) -> (Found, Leaf) {
        let leaf = match self.is_go(sample.here.pc) {
            true => Leaf::Go,
            false => Leaf::Elsewhere(sample.here.pc),
        };
        trace.clear();
        let mut walk = self.begin(sample);
        let found = match self.descend(&mut walk, trace) {
            Some(()) => Found::Proved,
            None if walk.is_cut() => Found::Cut,
            None => match self.descend_from_record(sample) {
                Some(proved) => {
                    *trace = proved;
                    Found::Proved
                }
                None => {
                    self.chain(&walk, trace);
                    match trace.inner.len() {
                        0 | 1 => Found::Nothing,
                        _ => Found::Chained,
                    }
                }
            },
        };
        trace.finish();
        (found, leaf)
    }

    fn is_go(&self, pc: u64) -> bool {
        self.tables.contains(pc.wrapping_sub(self.bias))
    }

    /// Where the walk begins: at the interrupted instruction if that is Go's, else where Go's code has called away.
    fn begin<'s>(&self, sample: &'s CpuSample) -> Walk<'s> {
        let CpuSample { here, left, .. } = sample;
        let has_left = sample.on == On::Scheduler && left.sp != 0;
        let begin = Walk {
            piece: here,
            used: 0,
            shift: Shift::None,
            left: has_left.then_some(left),
            pc: here.pc,
            sp: here.sp,
            lr: here.lr,
            is_return: false,
        };
        if self.is_go(here.pc) {
            return begin;
        }
        // C code, for which the goroutine waits.
        if has_left && sample.is_outside {
            return begin.go_on(left, 0);
        }
        // The vDSO: it keeps the frame pointer of its caller, or has a record of its own.
        match here.records.iter().position(|it| self.is_go(it.back)) {
            Some(number) => begin.at_record(number, self.machine).unwrap_or(begin),
            None => begin,
        }
    }

    /// Walks by the function table. `None`: it has come to where nothing is at hand.
    fn descend(&mut self, walk: &mut Walk<'_>, trace: &mut Trace) -> Option<()> {
        for _ in 0..MAX_FRAMES {
            let pc = walk.pc.wrapping_sub(self.bias);
            let address = CodeAddress {
                pc,
                is_return: walk.is_return,
            };
            match (self.role(pc), walk.left) {
                (Role::Bottom, _) => return Some(()),
                // Of a scheduler's own there is nothing to go on with.
                (Role::Top, _) | (Role::MoreStack, None) => {
                    trace.push(address);
                    return Some(());
                }
                // The function that has only begun goes on on the goroutine's stack.
                (Role::MoreStack, Some(left)) => {
                    *walk = Walk {
                        shift: Shift::Unknown,
                        ..walk.go_on(left, left.lr)
                    };
                    continue;
                }
                // It has called on another stack, as for the vDSO. Where it was interrupted itself, the table does tell.
                (Role::SetsStack, _) if walk.is_return => {
                    let called = walk
                        .piece
                        .records
                        .iter()
                        .position(|it| it.back == walk.pc)?;
                    trace.push(address);
                    *walk = walk.at_record(called.checked_add(1)?, self.machine)?;
                    continue;
                }
                (Role::SystemStack, Some(left)) => {
                    *walk = Walk {
                        pc: walk.pc,
                        ..walk.go_on(left, 0)
                    };
                }
                _ => {}
            }
            let Step::Up { depth, injected } = self.unwinder.step(pc) else {
                return None;
            };
            trace.push(address);
            self.up(walk, depth, injected)?;
        }
        None
    }

    /// Walks from a function that was interrupted after it had moved the stack pointer, as for the vDSO: the table does
    /// not tell by how much, but it has made its record before.
    fn descend_from_record(&mut self, sample: &CpuSample) -> Option<Trace> {
        let walk = self.begin(sample);
        let pc = walk.pc.wrapping_sub(self.bias);
        if walk.is_return || self.role(pc) != Role::SetsStack {
            return None;
        }
        let mut trace = Trace::default();
        trace.push(CodeAddress {
            pc,
            is_return: false,
        });
        let mut walk = walk.at_record(0, self.machine)?;
        self.descend(&mut walk, &mut trace).map(|()| trace)
    }

    fn role(&mut self, pc: u64) -> Role {
        if let Some(role) = self.roles.get(&pc) {
            return *role;
        }
        let functions = self.tables.at(pc);
        let role = functions.at(pc).map_or(Role::Plain, |function| {
            let marks = functions.marks(&function);
            match function.name {
                "runtime.goexit" => Role::Bottom,
                // It has left the goroutine's stack for good: the scheduler's own work is above it.
                "runtime.mcall" => Role::Top,
                "runtime.systemstack" => Role::SystemStack,
                "runtime.morestack" => Role::MoreStack,
                // Its own frame is as the table tells (`unwinder.next`, runtime/traceback.go).
                "runtime.cgocallback" => Role::Plain,
                _ if marks.is_top => Role::Top,
                _ if marks.sets_sp => Role::SetsStack,
                _ => Role::Plain,
            }
        });
        if self.roles.len() < MAX_REMEMBERED {
            self.roles.insert(pc, role);
        }
        role
    }

    /// To the caller of a function whose frame has so many bytes.
    fn up(&mut self, walk: &mut Walk<'_>, bytes: u64, injected: bool) -> Option<()> {
        match self.machine {
            Machine::X86_64 => {
                let at = walk.sp.checked_add(bytes)?;
                walk.pc = walk.word(at)?;
                walk.sp = at.checked_add(8)?;
            }
            Machine::Aarch64 => {
                walk.pc = match walk.lr {
                    lr if bytes == 0 && lr != 0 => lr,
                    _ => walk.word(walk.sp)?,
                };
                walk.sp = walk.sp.checked_add(bytes)?;
                walk.lr = 0;
                if injected {
                    // See `unwind`: the link register of the function below was put onto the stack.
                    let saved = walk.word(walk.sp)?;
                    walk.sp = walk.sp.checked_add(16)?;
                    if let Step::Up { depth: 0, .. } =
                        self.unwinder.step(walk.pc.wrapping_sub(self.bias))
                    {
                        walk.lr = saved;
                    }
                }
            }
        }
        walk.is_return = !injected;
        Some(())
    }

    /// What the frame records say of the rest, those that can be believed.
    fn chain(&mut self, walk: &Walk<'_>, trace: &mut Trace) {
        if trace.inner.is_empty() && self.is_go(walk.pc) {
            trace.push(CodeAddress {
                pc: walk.pc.wrapping_sub(self.bias),
                is_return: walk.is_return,
            });
        }
        let pieces = std::iter::once((walk.piece, walk.used)).chain(walk.left.map(|it| (it, 0)));
        let records = pieces
            .take_while(|(piece, _)| piece.is_whole)
            .flat_map(|(piece, used)| piece.records.iter().skip(used));
        for record in records {
            let pc = record.back.wrapping_sub(self.bias);
            if self.is_go(record.back) && self.role(pc) != Role::Bottom {
                trace.push(CodeAddress {
                    pc,
                    is_return: true,
                });
            }
        }
    }
}

impl<'s> Walk<'s> {
    /// On the goroutine's own stack.
    fn go_on(&self, left: &'s StackPiece, lr: u64) -> Self {
        Self {
            piece: left,
            used: 0,
            shift: Shift::None,
            left: None,
            pc: left.pc,
            sp: left.sp,
            lr,
            is_return: true,
        }
    }

    /// In the function to which the one with this record returns. On x86-64 a record lies right below the return address,
    /// which is the last word of its frame; on ARM right below the frame, so that the next record tells where that is.
    fn at_record(&self, number: usize, machine: Machine) -> Option<Self> {
        let record = self.piece.records.get(number)?;
        let used = number.checked_add(1)?;
        let sp = match machine {
            Machine::X86_64 => record.at.checked_add(16)?,
            Machine::Aarch64 => self.piece.records.get(used)?.at.checked_add(8)?,
        };
        Some(Self {
            used,
            pc: record.back,
            sp,
            lr: 0,
            is_return: true,
            ..*self
        })
    }

    /// All that was at hand has been used, and there would be more.
    fn is_cut(&self) -> bool {
        self.used == CHAIN && self.piece.records.len() == CHAIN
    }

    /// The word at an address, if it is at hand.
    fn word(&mut self, at: u64) -> Option<u64> {
        let shift = match self.shift {
            Shift::Known(shift) => shift,
            Shift::None | Shift::Unknown => 0,
        };
        let lies = |it: &FrameRecord| it.at.wrapping_add(shift).wrapping_add(8);
        let mut rest = self.piece.records.iter().enumerate().skip(self.used);
        if let Some((number, record)) = rest.find(|(_, it)| lies(it) == at) {
            self.used = number + 1;
            return Some(record.back);
        }
        let distance = at.checked_sub(self.piece.sp).filter(|it| it % 8 == 0);
        let number = distance.and_then(|distance| usize::try_from(distance / 8).ok());
        if let Some(word) = number.and_then(|number| self.piece.top.get(number)) {
            return Some(*word);
        }
        // The first one that is not where it must be tells by how much; if it is wrong, no other fits.
        let next = self.piece.records.get(self.used);
        let next = next.filter(|_| self.shift == Shift::Unknown)?;
        self.shift = Shift::Known(at.wrapping_sub(lies(next)));
        self.used += 1;
        Some(next.back)
    }
}
