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
    /// Since the machine was started, when the last look was.
    looked: Option<Duration>,
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
    /// Looks at these processes: all of them. What a process used after its last look is not known. Of one that was
    /// started since the look before all counts; of one that was there then and not among these, nothing from before: it
    /// had other work, as another program.
    pub fn look(&mut self, processes: &[ProcessId]) {
        let before = self.looked.replace(since_start());
        for process in processes {
            let Ok(stat) = Process::new(process.pid).and_then(|process| process.stat()) else {
                continue;
            };
            let ticks = stat.utime.saturating_add(stat.stime);
            let started = process.started();
            let first = counts_from(ticks, started, before);
            let new = Used {
                first,
                last: ticks,
                started,
            };
            // It was there before, and what it did until now was not seen.
            let is_late = before.is_some() && first > 0 && !self.of.contains_key(&process.pid);
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

/// From where on the ticks of a process count that is met for the first time.
fn counts_from(ticks: u64, started: Duration, before: Option<Duration>) -> u64 {
    match before.is_some_and(|before| started >= before) {
        true => 0,
        false => ticks,
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

    /// A script may have worked for long before it becomes the program that is observed.
    #[test]
    fn what_a_process_did_as_another_program_does_not_count() {
        let at = Duration::from_secs;
        // There when it began.
        assert_eq!(counts_from(700, at(5), None), 700);
        // Started between two looks, and before both.
        assert_eq!(counts_from(3, at(12), Some(at(11))), 0);
        assert_eq!(counts_from(700, at(12), Some(at(13))), 700);
    }

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
