//! What the programs behind `sched` leave in their maps.

use anyhow::Result;

use crate::bpf::sched::types::sched_slot;
use crate::bpf::sched::types::sched_whose;
use crate::model::sched::Doing;
use crate::model::sched::Open;
use crate::model::sched::Times;
use crate::probe::counters;

/// Whose times, and in which state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// Link-time entry of the start function; `None` for all, or if it is not known.
    pub start: Option<u64>,
    /// The process, as records name it ([`process`](crate::model::process)); `None` for all, or if there was no room to
    /// tell it apart.
    pub process: Option<u32>,
    /// The state.
    pub doing: Doing,
    /// Whether the goroutines are the runtime's own.
    pub system: bool,
}

/// A goroutine that has changed its state since the gate was opened.
#[derive(Debug, Clone, Copy)]
pub struct Known {
    /// Its process.
    pub process: u32,
    /// The address of its g.
    pub g: u64,
    /// What it does, since when (ns of CLOCK_MONOTONIC), and the key of the stack on which it waits; `None` if it has
    /// ended.
    pub now: Option<(Key, u64, Option<u64>)>,
}

/// A stack as it was found: link-time addresses, innermost first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pcs {
    /// The first is where the goroutine stands, the others return addresses.
    pub pcs: Vec<u64>,
    /// It goes on.
    pub deeper: bool,
}

/// What a key of `sched_apart` stands for (`slot_of` in `sched_times.bpf.h`).
pub(super) fn key(whose: &sched_whose) -> Key {
    let doing = match whose.slot % sched_slot::SCHED_SLOTS.0 {
        0 => Doing::Running,
        1 => Doing::Runnable,
        2 => Doing::Syscall,
        slot => {
            let reason = slot - sched_slot::SCHED_SLOT_WAITING.0;
            Doing::Waiting(u8::try_from(reason).unwrap_or(u8::MAX))
        }
    };
    Key {
        start: (whose.start_pc != 0).then_some(whose.start_pc),
        process: (whose.process != 0).then_some(whose.process),
        doing,
        system: whose.slot >= sched_slot::SCHED_SLOTS.0,
    }
}

/// `struct sched_times`: a histogram and three words.
pub(super) fn times(bytes: &[u8]) -> Result<Times> {
    let size = bytes.len().saturating_sub(3 * size_of::<u64>());
    let (whole, cut) = bytes.split_at(size);
    let whole = counters::histogram(whole)?;
    let mut words = [0; 3];
    for (word, bytes) in words.iter_mut().zip(cut.as_chunks().0) {
        *word = u64::from_ne_bytes(*bytes);
    }
    let [count, sum_ns, max_ns] = words;
    Ok(Times {
        whole,
        cut: Open {
            count,
            sum_ns,
            max_ns,
        },
        open: Open::default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_states() {
        let whose = |start_pc, process, slot| sched_whose {
            start_pc,
            process,
            slot,
        };
        assert_eq!(key(&whose(0, 0, 0)).doing, Doing::Running);
        let of_all = key(&whose(0, 0, 2));
        assert_eq!(of_all.doing, Doing::Syscall);
        assert_eq!((of_all.start, of_all.process), (None, None));
        let waiting = key(&whose(0x1000, 42, 64 + 3 + 9));
        assert_eq!(waiting.doing, Doing::Waiting(9));
        assert!(waiting.system && waiting.start == Some(0x1000));
        assert_eq!(waiting.process, Some(42));
    }
}
