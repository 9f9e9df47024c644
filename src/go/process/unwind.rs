//! Walking up the stack of a goroutine that does not run, in a copy of its memory.
//!
//! The function table says for every instruction how far the stack pointer is from the return address (`pcsp`), so a
//! walk needs no frame pointers: it is exact also where a function was interrupted before it had set up its frame, and
//! in system calls before Go 1.23, which save no frame pointer. This is how the runtime itself walks
//! (runtime/traceback.go, `unwinder`, Go 1.21 to 1.27; `gentraceback` before). Looking into the table is slow; each
//! address is looked up once.
//!
//! On x86-64 the return address of a function is the word above its frame, where the call has pushed it. On ARM it is in
//! the link register, until the function has stored it into the lowest word of its frame.
//!
//! A walk that does not arrive at `runtime.goexit`, which is below the first function of every goroutine, was misled by
//! a stack in motion: it gives nothing.

use std::collections::HashMap;

use crate::go::binary::plugins::Tables;
use crate::go::elf::image::Machine;
use crate::go::symbolize::code_address::CodeAddress;

/// Size of an address in bytes.
const ADDRESS: u64 = 8;

/// Room that a signal handler takes for a link register: stacks of ARM stay aligned to 16 bytes.
const SAVED_LINK: u64 = 16;

/// Frames kept at either end of a stack deeper than both together.
pub const KEPT: usize = 128;

/// A walk takes no more steps than this: half of the deepest recursion that fits into the largest stack that Go
/// allows (1 GB, runtime/proc.go `maxstacksize`).
const MAX_STEPS: u64 = 1 << 25;

/// What can be asked of a stack.
pub trait StackWords {
    /// The word at an address; `None` if it is not on the stack or cannot be read.
    fn word(&mut self, addr: u64) -> Option<u64>;
}

/// The instructions a goroutine is at, innermost first: of each function on its stack the one that it is at or
/// returns to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Trace {
    /// The innermost frames.
    pub inner: Vec<CodeAddress>,
    /// Frames left out after them.
    pub elided: u64,
    /// The outermost frames, if not all are in `inner`.
    pub outer: Vec<CodeAddress>,
}

impl Trace {
    pub(super) fn clear(&mut self) {
        self.inner.clear();
        self.outer.clear();
        self.elided = 0;
    }

    /// Adds the next outer frame. `outer` is a ring until [`Trace::finish`].
    pub(super) fn push(&mut self, address: CodeAddress) {
        if self.inner.len() < KEPT {
            self.inner.push(address);
        } else if self.outer.len() < KEPT {
            self.outer.push(address);
        } else {
            let at = usize::try_from(self.elided % KEPT as u64).unwrap_or(0);
            if let Some(oldest) = self.outer.get_mut(at) {
                *oldest = address;
            }
            self.elided += 1;
        }
    }

    pub(super) fn finish(&mut self) {
        let oldest = usize::try_from(self.elided % KEPT as u64).unwrap_or(0);
        if oldest <= self.outer.len() {
            self.outer.rotate_left(oldest);
        }
    }
}

/// What is known of an instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// The frame has so many bytes: on x86-64 the return address is above it. `injected`: the function was called by a signal
    /// handler on behalf of the one below, which may be at any instruction.
    Up { depth: u64, injected: bool },
    /// It is in `runtime.goexit`.
    Bottom,
    /// No function is there, or the table does not say.
    Lost,
}

/// The registers to walk from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WalkFrom {
    /// Program counter.
    pub pc: u64,
    /// Stack pointer.
    pub sp: u64,
    /// Link register; 0 if there is nothing in it.
    pub lr: u64,
    /// Whether it was about to execute the instruction at `pc`; otherwise it returns there.
    pub exact: bool,
}

/// Walks stacks of one program, through the code of its plugins too.
#[derive(Debug)]
pub struct Unwinder<'b> {
    machine: Machine,
    tables: Tables<'b>,
    bias: u64,
    steps: HashMap<u64, Step>,
}

/// Addresses remembered; a program has fewer return addresses that goroutines wait at, garbage may have more.
const MAX_REMEMBERED: usize = 1 << 20;

impl<'b> Unwinder<'b> {
    /// For a program for `machine` whose code lies `bias` bytes above its link-time addresses.
    pub fn new(machine: Machine, tables: Tables<'b>, bias: u64) -> Self {
        Self {
            machine,
            tables,
            bias,
            steps: HashMap::new(),
        }
    }

    /// Walks from the saved registers to the bottom of the stack. Returns whether it got there; if not, `trace` means
    /// nothing. Addresses in `trace` are link-time addresses.
    pub fn walk(&mut self, from: WalkFrom, stack: &mut impl StackWords, trace: &mut Trace) -> bool {
        trace.clear();
        let arrived = match self.machine {
            Machine::X86_64 => self.steps_to_bottom(from, stack, trace),
            Machine::Aarch64 => self.linked_steps_to_bottom(from, stack, trace),
        };
        let arrived = arrived.is_some();
        trace.finish();
        arrived
    }

    fn steps_to_bottom(
        &mut self,
        from: WalkFrom,
        stack: &mut impl StackWords,
        trace: &mut Trace,
    ) -> Option<()> {
        let WalkFrom { mut pc, mut sp, .. } = from;
        let mut is_return = !from.exact;
        for _ in 0..MAX_STEPS {
            let link_time = pc.wrapping_sub(self.bias);
            match self.step(link_time) {
                Step::Bottom => return Some(()),
                Step::Lost => return None,
                Step::Up { depth, injected } => {
                    trace.push(CodeAddress {
                        pc: link_time,
                        is_return,
                    });
                    let at = sp.checked_add(depth)?;
                    pc = stack.word(at)?;
                    sp = at.checked_add(ADDRESS)?;
                    is_return = !injected;
                }
            }
        }
        None
    }

    /// The same where calls leave the return address in a register (`usesLR` of runtime/traceback.go).
    fn linked_steps_to_bottom(
        &mut self,
        from: WalkFrom,
        stack: &mut impl StackWords,
        trace: &mut Trace,
    ) -> Option<()> {
        let WalkFrom {
            mut pc,
            mut sp,
            mut lr,
            exact,
        } = from;
        let mut is_return = !exact;
        for _ in 0..MAX_STEPS {
            let link_time = pc.wrapping_sub(self.bias);
            let (depth, injected) = match self.step(link_time) {
                Step::Bottom => return Some(()),
                Step::Lost => return None,
                Step::Up { depth, injected } => (depth, injected),
            };
            trace.push(CodeAddress {
                pc: link_time,
                is_return,
            });
            pc = if depth > 0 || lr == 0 {
                stack.word(sp)?
            } else {
                lr
            };
            sp = sp.checked_add(depth)?;
            lr = 0;
            is_return = !injected;
            if injected {
                // The signal handler has put the link register of the function below onto the stack
                // (runtime/signal_arm64.go, `pushCall` and `preparePanic`). It matters if that has no frame yet.
                let saved = stack.word(sp)?;
                sp = sp.checked_add(SAVED_LINK)?;
                if let Step::Up { depth: 0, .. } = self.step(pc.wrapping_sub(self.bias)) {
                    lr = saved;
                }
            }
        }
        None
    }

    /// What is known of the instruction at a link-time address.
    pub(super) fn step(&mut self, pc: u64) -> Step {
        if let Some(known) = self.steps.get(&pc) {
            return *known;
        }
        let step = self.look_up(pc);
        if self.steps.len() < MAX_REMEMBERED {
            self.steps.insert(pc, step);
        }
        step
    }

    fn look_up(&self, pc: u64) -> Step {
        let functions = self.tables.at(pc);
        let Some(function) = functions.at(pc) else {
            return Step::Lost;
        };
        if function.name == "runtime.goexit" {
            return Step::Bottom;
        }
        match functions.stack_depth(&function, pc) {
            Some(depth) => Step::Up {
                depth,
                injected: is_injected(function.name),
            },
            None => Step::Lost,
        }
    }
}

/// `isInjectedCall` of runtime/traceback.go.
fn is_injected(function: &str) -> bool {
    matches!(
        function,
        "runtime.sigpanic" | "runtime.asyncPreempt" | "runtime.debugCallV2"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(pc: u64) -> CodeAddress {
        CodeAddress {
            pc,
            is_return: true,
        }
    }

    #[test]
    fn deep_stacks_keep_both_ends() {
        for depth in [
            0,
            1,
            KEPT,
            KEPT + 1,
            2 * KEPT,
            2 * KEPT + 1,
            3 * KEPT + 7,
            1000,
        ] {
            let mut trace = Trace::default();
            (0..depth as u64).for_each(|pc| trace.push(at(pc)));
            trace.finish();
            let all: Vec<u64> = trace
                .inner
                .iter()
                .chain(&trace.outer)
                .map(|frame| frame.pc)
                .collect();
            assert_eq!(all.len() as u64 + trace.elided, depth as u64, "{depth}");
            assert!(all.is_sorted(), "{depth}");
            assert_eq!(
                all.last().copied(),
                (depth as u64).checked_sub(1),
                "{depth}"
            );
        }
    }
}
