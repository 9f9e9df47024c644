//! Walking up the stack of a goroutine that does not run, in a copy of its memory.
//!
//! The function table says for every instruction how far the stack pointer is from the return address (`pcsp`), so a
//! walk needs no frame pointers: it is exact also where a function was interrupted before it had set up its frame, and
//! in system calls before Go 1.23, which save no frame pointer. This is how the runtime itself walks
//! (runtime/traceback.go, `unwinder`, Go 1.21 to 1.27; `gentraceback` before). Looking into the table is slow; each
//! address is looked up once.
//!
//! A walk that does not arrive at `runtime.goexit`, which is below the first function of every goroutine, was misled by
//! a stack in motion: it gives nothing.

use std::collections::HashMap;

use super::code_address::CodeAddress;
use super::pclntab::FuncTable;

/// Size of an address in bytes.
const ADDRESS: u64 = 8;

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
    fn clear(&mut self) {
        self.inner.clear();
        self.outer.clear();
        self.elided = 0;
    }

    /// Adds the next outer frame. `outer` is a ring until [`Trace::finish`].
    fn push(&mut self, address: CodeAddress) {
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

    fn finish(&mut self) {
        let oldest = usize::try_from(self.elided % KEPT as u64).unwrap_or(0);
        if oldest <= self.outer.len() {
            self.outer.rotate_left(oldest);
        }
    }
}

/// What is known of an instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// The return address lies so many bytes above the stack pointer. `injected`: the function was called by a signal
    /// handler on behalf of the one below, which may be at any instruction.
    Up { depth: u64, injected: bool },
    /// It is in `runtime.goexit`.
    Bottom,
    /// No function is there, or the table does not say.
    Lost,
}

/// Walks stacks of one program.
#[derive(Debug)]
pub struct Unwinder<'b> {
    functions: FuncTable<'b>,
    bias: u64,
    steps: HashMap<u64, Step>,
}

/// Addresses remembered; a program has fewer return addresses that goroutines wait at, garbage may have more.
const MAX_REMEMBERED: usize = 1 << 20;

impl<'b> Unwinder<'b> {
    /// For a program whose code lies `bias` bytes above its link-time addresses.
    pub fn new(functions: FuncTable<'b>, bias: u64) -> Self {
        Self {
            functions,
            bias,
            steps: HashMap::new(),
        }
    }

    /// Walks from the saved program counter `pc` and stack pointer `sp` to the bottom of the stack. Returns whether it
    /// got there; if not, `trace` means nothing. Addresses in `trace` are link-time addresses.
    pub fn walk(
        &mut self,
        pc: u64,
        sp: u64,
        stack: &mut impl StackWords,
        trace: &mut Trace,
    ) -> bool {
        trace.clear();
        let arrived = self.steps_to_bottom(pc, sp, stack, trace).is_some();
        trace.finish();
        arrived
    }

    fn steps_to_bottom(
        &mut self,
        mut pc: u64,
        mut sp: u64,
        stack: &mut impl StackWords,
        trace: &mut Trace,
    ) -> Option<()> {
        let mut is_return = true;
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

    fn step(&mut self, pc: u64) -> Step {
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
        let Some(function) = self.functions.at(pc) else {
            return Step::Lost;
        };
        if function.name == "runtime.goexit" {
            return Step::Bottom;
        }
        match self.functions.stack_depth(&function, pc) {
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
