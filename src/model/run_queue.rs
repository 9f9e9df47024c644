//! What the runtime itself counts of its scheduling.

use super::metric::Distribution;

/// Times from runnable to running, in seconds: of about one in eight transitions of all goroutines, those of the runtime
/// included.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Latencies {
    /// Those that were.
    pub times: Distribution,
    /// Those that are not in `times`, because this version counts returns from system calls as well, with a time of
    /// zero; `None` if it does not.
    pub zeros: Option<u64>,
}

impl Latencies {
    /// What came since an earlier reading.
    pub fn since(&self, before: &Self) -> Self {
        let less = |now: u64| now.saturating_sub(before.zeros.unwrap_or(0));
        Self {
            times: self.times.since(&before.times),
            zeros: self.zeros.map(less),
        }
    }
}

/// The figures of some time. What is `None` this version does not count, or it cannot be read.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Scheduling {
    /// How long it was, in ns.
    pub elapsed_ns: u64,
    /// Times from runnable to running.
    pub latencies: Option<Latencies>,
    /// Pauses for the collector, in seconds.
    pub gc_pauses: Option<Distribution>,
    /// Other stops of the world, in seconds.
    pub other_pauses: Option<Distribution>,
    /// Time that goroutines waited for mutexes, in ns.
    pub mutex_wait_ns: Option<u64>,
    /// The run queues.
    pub queue: Queue,
}

/// The number of goroutines in run queues, looked at again and again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Queue {
    /// How often.
    pub looks: u64,
    /// The sum of what was seen.
    pub sum: u64,
    /// The most that was seen.
    pub most: u64,
}

impl Queue {
    /// Adds a look.
    pub fn add(&mut self, runnable: u64) {
        self.looks += 1;
        self.sum = self.sum.saturating_add(runnable);
        self.most = self.most.max(runnable);
    }

    /// The mean; `None` if nobody looked.
    pub fn mean(&self) -> Option<f64> {
        (self.looks > 0).then(|| self.sum as f64 / self.looks as f64)
    }
}

impl Scheduling {
    /// What came since an earlier reading. The queue's figures are of all the time.
    pub fn since(&self, before: &Self) -> Self {
        let came = |now: &Option<Distribution>, then: &Option<Distribution>| {
            Some(now.as_ref()?.since(then.as_ref()?))
        };
        Self {
            elapsed_ns: self.elapsed_ns,
            latencies: self
                .latencies
                .as_ref()
                .zip(before.latencies.as_ref())
                .map(|(now, then)| now.since(then)),
            gc_pauses: came(&self.gc_pauses, &before.gc_pauses),
            other_pauses: came(&self.other_pauses, &before.other_pauses),
            mutex_wait_ns: self
                .mutex_wait_ns
                .zip(before.mutex_wait_ns)
                .map(|(now, then)| now.saturating_sub(then)),
            queue: self.queue,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_of_what_is_known_twice() {
        let before = Scheduling {
            mutex_wait_ns: Some(5),
            ..Scheduling::default()
        };
        let mut now = Scheduling {
            mutex_wait_ns: Some(12),
            latencies: Some(Latencies::default()),
            ..Scheduling::default()
        };
        now.queue.add(3);
        now.queue.add(0);
        let came = now.since(&before);
        assert_eq!((came.mutex_wait_ns, came.latencies), (Some(7), None));
        assert_eq!((came.queue.mean(), came.queue.most), (Some(1.5), 3));
        assert_eq!(Queue::default().mean(), None);
    }
}
