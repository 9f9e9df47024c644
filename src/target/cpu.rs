//! The CPU time of observed processes.

use std::collections::HashMap;

use procfs::process::Process;

use super::process::ProcessId;

/// CPU time since the first look, of all processes that were looked at.
#[derive(Debug, Default)]
pub struct CpuTime {
    of: HashMap<i32, Used>,
    ended_ticks: u64,
}

/// CPU time of one process, in clock ticks.
#[derive(Debug, Clone, Copy)]
struct Used {
    first: u64,
    last: u64,
}

impl CpuTime {
    /// Looks at these processes. What a process used after its last look is not known.
    pub fn look(&mut self, processes: &[ProcessId]) {
        for process in processes {
            let Ok(stat) = Process::new(process.pid).and_then(|process| process.stat()) else {
                continue;
            };
            let ticks = stat.utime.saturating_add(stat.stime);
            let used = self.of.entry(process.pid).or_insert(Used {
                first: ticks,
                last: ticks,
            });
            if ticks < used.last {
                // Another process with the same number.
                self.ended_ticks += used.last - used.first;
                used.first = 0;
            }
            used.last = ticks;
        }
    }

    /// Nanoseconds that they used in between.
    pub fn used_ns(&self) -> u64 {
        let running: u64 = self.of.values().map(|used| used.last - used.first).sum();
        let per_second = procfs::ticks_per_second().max(1);
        (self.ended_ticks + running).saturating_mul(1_000_000_000 / per_second)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_after_the_first_look_counts() {
        let me = [ProcessId::of(std::process::id() as i32).unwrap()];
        let mut time = CpuTime::default();
        time.look(&me);
        assert_eq!(time.used_ns(), 0);
        // Ends only if the time goes up.
        while time.used_ns() == 0 {
            std::hint::black_box((0..1_000_000_u64).sum::<u64>());
            time.look(&me);
        }
    }
}
