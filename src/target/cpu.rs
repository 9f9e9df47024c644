//! The CPU time of observed processes.

use std::collections::HashMap;
use std::time::Duration;

use procfs::process::Process;

use super::process::ProcessId;

/// CPU time since the first look, of all processes that were looked at.
#[derive(Debug, Default)]
pub struct CpuTime {
    of: HashMap<i32, Used>,
    ended_ticks: u64,
    /// Somebody used more than was seen.
    used_more: bool,
    /// Since the machine was started, when the first look was.
    begun: Option<Duration>,
}

/// CPU time of one process, in clock ticks.
#[derive(Debug, Clone, Copy)]
struct Used {
    first: u64,
    last: u64,
    /// When the process was started: another with the same number is another.
    started: Duration,
}

impl CpuTime {
    /// Looks at these processes: all of them. What a process used after its last look is not known. Of one that
    /// was started after the first look all counts; of one that was met later without that, nothing from before.
    pub fn look(&mut self, processes: &[ProcessId]) {
        let is_first = self.begun.is_none();
        let begun = *self.begun.get_or_insert_with(since_start);
        for process in processes {
            let Ok(stat) = Process::new(process.pid).and_then(|process| process.stat()) else {
                continue;
            };
            let ticks = stat.utime.saturating_add(stat.stime);
            let started = process.started();
            let first = match started >= begun {
                true => 0,
                false => ticks,
            };
            let new = Used {
                first,
                last: ticks,
                started,
            };
            // It was there before, and what it did until now was not seen.
            let is_late = !is_first && first > 0 && !self.of.contains_key(&process.pid);
            self.used_more |= is_late;
            let used = self.of.entry(process.pid).or_insert(new);
            if used.started != started {
                // Another process with the same number.
                self.ended_ticks += used.last - used.first;
                self.used_more = true;
                *used = new;
            }
            used.last = ticks;
        }
    }

    /// Whether they used more than that: one has ended, after it was looked at last.
    pub fn used_more(&self) -> bool {
        let is_there = |(pid, used): (&i32, &Used)| {
            ProcessId::of(*pid).is_ok_and(|it| it.started() == used.started && it.is_alive())
        };
        self.used_more || !self.of.iter().all(is_there)
    }

    /// Nanoseconds that they used in between.
    pub fn used_ns(&self) -> u64 {
        let running: u64 = self.of.values().map(|used| used.last - used.first).sum();
        let per_second = procfs::ticks_per_second().max(1);
        (self.ended_ticks + running).saturating_mul(1_000_000_000 / per_second)
    }
}

/// Time since the machine was started; for ever if that is not known.
fn since_start() -> Duration {
    nix::time::clock_gettime(nix::time::ClockId::CLOCK_BOOTTIME)
        .map_or(Duration::MAX, Duration::from)
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
