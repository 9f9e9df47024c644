//! How much work is done for one process where there are many: what is larger than any honest one is given up, and the
//! next is looked at.
//!
//! Work is counted, not time: on a busy machine a process that is like all others takes longer, and is read even so.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use super::clock;

/// Bytes of its memory. The state of a real one is some kilobytes; to find out where a runtime that somebody changed keeps
/// things takes some MiB.
const BYTES: usize = 32 << 20;
/// CPU time of the thread that reads it. A real one takes a hundredth of it.
const CPU: Duration = Duration::from_millis(100);

/// What is left for one process.
#[derive(Debug)]
pub(super) struct Budget {
    /// Bytes that are left, and where the CPU time of which thread began.
    left: Mutex<(usize, Duration)>,
}

impl Budget {
    /// For work that this thread begins now.
    pub(super) fn new() -> Self {
        Self {
            left: Mutex::new((BYTES, clock::thread_cpu())),
        }
    }

    /// Takes so many bytes. Whether that much was left, and time.
    pub(super) fn spend(&self, bytes: usize) -> bool {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        let after = left.0.checked_sub(bytes);
        left.0 = after.unwrap_or(0);
        after.is_some() && clock::thread_cpu().saturating_sub(left.1) < CPU
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_to_an_end() {
        let budget = Budget::new();
        assert!(budget.spend(BYTES - 1) && budget.spend(1));
        assert!(!budget.spend(1));
    }

    #[test]
    fn time_comes_to_an_end() {
        let budget = Budget::new();
        let mut spent = 0_u64;
        while budget.spend(0) {
            spent = (0..10_000).fold(spent, |sum, it| sum.wrapping_mul(31) ^ it);
            std::hint::black_box(spent);
        }
        assert!(clock::thread_cpu() >= CPU);
    }

    /// However long it waits.
    #[test]
    fn waiting_is_no_work() {
        let budget = Budget::new();
        std::thread::sleep(CPU * 2);
        assert!(budget.spend(1));
    }
}
