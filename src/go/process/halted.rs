//! The threads of a process that is no more: where each of them stood, and which goroutine it ran.
//!
//! A goroutine that ran has saved nothing of itself: its place is in the registers of its thread. There are three ways
//! in which it can be there:
//!
//! - the thread is on the goroutine's own stack: then its registers are the goroutine's;
//! - the thread is in a signal handler, on a stack made for that (sigaltstack(2)): the kernel has put the registers that
//!   were interrupted there, together with a description of that very stack, by which they are found;
//! - the thread is on its scheduler's stack, where the runtime goes when it has to do something for the goroutine, dying
//!   included: then the goroutine's registers are in `g.sched`. They are cleared when it goes on (`gogo` and
//!   `systemstack` of runtime/asm_amd64.s and asm_arm64.s, Go 1.19 to 1.27), so what is there is right.
//!
//! The kernel's records: arch/x86/include/asm/sigframe.h, arch/arm64/kernel/signal.c, include/uapi/asm-generic/ucontext.h.

use std::ops::Range;

use super::g::RawG;
use super::unwind::WalkFrom;
use crate::go::elf::image::Machine;
use crate::go::memory::ReadMemory;

/// A thread at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Thread {
    /// Its number, as the process itself saw it.
    pub id: u64,
    /// Where it was.
    pub at: WalkFrom,
    /// Where it had been when the signal came that it was handling, and the signal's number, if it was.
    pub interrupted: Option<(WalkFrom, i32)>,
}

/// The stacks of signal handlers have 32 KiB (`malg(32 * 1024)` in runtime/os_linux.go), those that C makes may be
/// larger.
const MAX_HANDLER_STACK: usize = 256 << 10;

/// As much is read of a stack at a time.
const PIECE: usize = 4096;

impl Thread {
    /// A thread that was at `at` in a process for `machine`.
    pub fn new(id: u64, at: WalkFrom, machine: Machine, memory: &dyn ReadMemory) -> Self {
        Self {
            id,
            at,
            interrupted: interrupted(at.sp, machine, memory),
        }
    }

    /// Where it was on that stack, if it was on it.
    fn on(&self, stack: &Range<u64>) -> Option<WalkFrom> {
        let places = [Some(self.at), self.interrupted.map(|(place, _)| place)];
        places
            .into_iter()
            .flatten()
            .find(|place| stack.contains(&place.sp))
    }
}

/// All threads of a process.
#[derive(Debug, Clone, Default)]
pub struct Halted {
    /// The one that died of it is the first.
    pub threads: Vec<Thread>,
    /// If a part of the memory is lost: the addresses of what is left of what could be written.
    pub left: Option<Vec<Range<u64>>>,
}

impl Halted {
    /// Where a goroutine is that was running; `None` if that is not to be known.
    pub(in crate::go) fn place(&self, g: &RawG) -> Option<WalkFrom> {
        let stack = g.stack_lo..g.stack_hi;
        let on_it = self.threads.iter().find_map(|thread| thread.on(&stack));
        // Not cleared: its thread has left its stack for the scheduler's.
        let left = || (g.sched_sp != 0).then(|| g.walk_from());
        on_it.or_else(left)
    }

    /// Whether the thread that died ran this goroutine. `thread` is the number of the goroutine's thread, if it is known.
    pub(in crate::go) fn died_in(&self, g: &RawG, thread: Option<u64>) -> bool {
        let stack = g.stack_lo..g.stack_hi;
        let Some(dead) = self.threads.first() else {
            return false;
        };
        dead.on(&stack).is_some() || thread == Some(dead.id)
    }
}

/// The registers that a signal interrupted, if `sp` is on the stack of its handler: the kernel has written them above,
/// in a `struct ucontext` that also says where that stack begins and how large it is.
fn interrupted(sp: u64, machine: Machine, memory: &dyn ReadMemory) -> Option<(WalkFrom, i32)> {
    let bytes = read_up(sp.next_multiple_of(8), memory);
    let (words, _) = bytes.as_chunks::<8>();
    let word = |index: usize| words.get(index).map(|word| u64::from_le_bytes(*word));
    // The outermost: what lies below is of a signal that came while this one was handled, or left over from earlier.
    (0..words.len()).rev().find_map(|index| {
        // `uc_flags`, of which there are three; `uc_link`, which the kernel leaves 0; `uc_stack`: address, flags, size.
        let (kind, link) = (word(index.checked_sub(1)?)?, word(index)?);
        let (start, size) = (word(index + 1)?, word(index + 3)?);
        let at = sp.next_multiple_of(8).checked_add(index as u64 * 8)?;
        let stack = start..start.checked_add(size)?;
        let is_one = kind < 8 && link == 0 && start != 0 && size <= MAX_HANDLER_STACK as u64;
        if !is_one || !stack.contains(&sp) || !stack.contains(&at) {
            return None;
        }
        let context = index + 4;
        let place = match machine {
            // gregs: R8 …, RSP is the 16th, RIP the 17th.
            Machine::X86_64 => WalkFrom {
                sp: word(context + 15)?,
                pc: word(context + 16)?,
                lr: 0,
                exact: true,
            },
            // uc_sigmask takes 128 bytes, and 8 more align what follows: the fault's address, X0 to X30, SP, PC.
            Machine::Aarch64 => WalkFrom {
                lr: word(context + 18 + 30)?,
                sp: word(context + 18 + 31)?,
                pc: word(context + 18 + 32)?,
                exact: true,
            },
        };
        // `struct siginfo`: behind the context on x86-64 (`struct rt_sigframe`), before it on ARM.
        let signal = match machine {
            Machine::X86_64 => word(index + 37)?,
            Machine::Aarch64 => word((index + 1).checked_sub(1 + 16 + 1)?)?,
        } as u32;
        let is_known = (1..=64).contains(&signal) && !stack.contains(&place.sp);
        is_known.then_some((place, signal.cast_signed()))
    })
}

/// The bytes from an address on, as far as they are there.
fn read_up(from: u64, memory: &dyn ReadMemory) -> Vec<u8> {
    let mut bytes = Vec::new();
    while bytes.len() < MAX_HANDLER_STACK {
        let at = from.wrapping_add(bytes.len() as u64);
        let to_next = PIECE as u64 - at % PIECE as u64;
        let mut piece = vec![0; usize::try_from(to_next).unwrap_or(PIECE)];
        if memory.read(at, &mut piece).is_err() {
            break;
        }
        bytes.append(&mut piece);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::go::memory_image::MemoryImage;

    /// A handler's stack of 32 KiB with a kernel's record near its top.
    fn handler_stack(machine: Machine, record: u64) -> MemoryImage {
        let mut memory = MemoryImage::new();
        memory.map(0x10000, vec![0; 0x8000]);
        memory.write_u64(record + 8, 0x10000);
        memory.write_u64(record + 16, 0);
        memory.write_u64(record + 24, 0x8000);
        let (sp, pc, lr) = match machine {
            Machine::X86_64 => (15, 16, None),
            Machine::Aarch64 => (18 + 31, 18 + 32, Some(18 + 30)),
        };
        let info = match machine {
            Machine::X86_64 => record - 8 + 304,
            Machine::Aarch64 => record - 8 - 128,
        };
        memory.write_u64(info, 3);
        memory.write_u64(record + 32 + sp * 8, 0xc000_1000);
        memory.write_u64(record + 32 + pc * 8, 0x40_1234);
        if let Some(lr) = lr {
            memory.write_u64(record + 32 + lr * 8, 0x40_5678);
        }
        memory
    }

    #[test]
    fn what_a_signal_interrupted_is_on_the_stack_of_its_handler() {
        for (machine, lr) in [(Machine::X86_64, 0), (Machine::Aarch64, 0x40_5678)] {
            let memory = handler_stack(machine, 0x17000);
            let expected = WalkFrom {
                sp: 0xc000_1000,
                pc: 0x40_1234,
                lr,
                exact: true,
            };
            let expected = Some((expected, 3));
            assert_eq!(interrupted(0x16f00, machine, &memory), expected);
            // From below a record that an earlier handler has left.
            let mut memory = memory;
            memory.write_u64(0x14008, 0x10000);
            memory.write_u64(0x14018, 0x8000);
            assert_eq!(interrupted(0x13000, machine, &memory), expected);
            assert_eq!(
                interrupted(0x17800, machine, &memory),
                None,
                "already above"
            );
            assert_eq!(interrupted(0x9000, machine, &memory), None, "not there");
        }
    }
}
