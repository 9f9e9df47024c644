//! Work on what others have made, which may take any time: each piece gets so much of it, and is given up then.
//!
//! What counts is the work that was done, CPU time; a busy machine is no reason to give anything up. What does not work but
//! waits, for a disk or for a server that does not answer, is given up when that has been long enough.
//!
//! A thread cannot be stopped. One that is at work on what was given up goes on until it is done or grtmon ends, and
//! another takes its place.

use std::collections::HashMap;
use std::sync::Arc;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use crossbeam_channel::RecvTimeoutError;
use crossbeam_channel::Sender;
use crossbeam_channel::unbounded;

use super::clock::ThreadClock;
use super::signals;

/// However many pieces have been given up, the next one may wait so long.
const LEAST: Duration = Duration::from_secs(1);
/// So many times as long as it may wait, it may take in all: whoever gives it a little again and again is not to keep us.
const TIMES: u32 = 12;
/// How often it is looked how far each is.
const LOOK: Duration = Duration::from_millis(20);

/// What a piece may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limit {
    /// CPU time.
    pub(super) work: Duration,
    /// How long it may wait without any: half of that after the first that was given up for it, and so on, since many of
    /// them together are not to keep us long.
    pub(super) wait: Duration,
}

/// What became of a piece of work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome<T> {
    /// It was done.
    Done(T),
    /// It took too long.
    GivenUp,
}

/// What a worker tells.
enum News<T> {
    Began(usize, ThreadClock),
    Done(usize, T),
}

/// A piece that is being worked on.
struct AtWork {
    began: Instant,
    clock: ThreadClock,
    limit: Limit,
    /// When it was last seen to have done more, and how much.
    moved: Instant,
    used: Duration,
}

impl AtWork {
    fn new(clock: ThreadClock, limit: Limit) -> Self {
        let now = Instant::now();
        Self {
            began: now,
            clock,
            limit,
            moved: now,
            used: Duration::ZERO,
        }
    }

    /// Looks how far it is. Whether it has done all the work that it may.
    fn is_spent(&mut self) -> bool {
        let used = self.clock.used().unwrap_or(self.used);
        if used > self.used {
            (self.moved, self.used) = (Instant::now(), used);
        }
        used >= self.limit.work
    }

    /// Whether it has waited as long as it may, where others were given up before.
    fn is_late(&self, given_up: u32) -> bool {
        let wait = self.limit.wait / 2_u32.saturating_pow(given_up);
        let wait = wait.max(LEAST);
        self.moved.elapsed() >= wait || self.began.elapsed() >= wait * TIMES
    }
}

/// Does `work` with each input, on all processors; what became of each, in their order. Each may take as much as `limit`
/// says.
pub(super) fn each<I, T>(
    inputs: Vec<I>,
    limit: impl Fn(&I) -> Limit,
    work: impl Fn(&I) -> T + Send + Sync + 'static,
) -> Vec<Outcome<T>>
where
    I: Send + Sync + 'static,
    T: Send + 'static,
{
    let (give, take) = unbounded();
    for place in 0..inputs.len() {
        // The receiver is below.
        let _ = give.send(place);
    }
    drop(give);
    let (tell, news) = unbounded();
    let limits: Vec<Limit> = inputs.iter().map(limit).collect();
    let inputs = Arc::new(inputs);
    let work = Arc::new(work);
    let start = || {
        let (inputs, work) = (Arc::clone(&inputs), Arc::clone(&work));
        let (take, tell): (_, Sender<News<T>>) = (take.clone(), tell.clone());
        let worker = move || {
            // The next piece when one is done: some are a hundred times as large as others.
            for place in take {
                let Some(input) = inputs.get(place) else {
                    continue;
                };
                if tell.send(News::Began(place, ThreadClock::now())).is_err() {
                    return;
                }
                let done = work(input);
                // Nobody listens any more if it was given up, and the rest is done.
                if tell.send(News::Done(place, done)).is_err() {
                    return;
                }
            }
        };
        signals::left_to_others(|| thread::Builder::new().spawn(worker)).is_ok()
    };
    let processors = thread::available_parallelism().map_or(1, |number| number.get());
    let mut workers = (0..processors.min(inputs.len()))
        .filter(|_| start())
        .count();
    if workers == 0 {
        // No thread can be made: better late than not at all.
        return inputs
            .iter()
            .map(|input| Outcome::Done(work(input)))
            .collect();
    }
    let mut outcomes: HashMap<usize, Outcome<T>> = HashMap::new();
    let mut at_work: HashMap<usize, AtWork> = HashMap::new();
    let mut late = 0;
    let mut looked = Instant::now();
    while workers > 0 && outcomes.len() < inputs.len() {
        match news.recv_timeout(LOOK) {
            Ok(News::Began(place, clock)) => {
                if let Some(limit) = limits.get(place) {
                    at_work.insert(place, AtWork::new(clock, *limit));
                }
            }
            Ok(News::Done(place, done)) => {
                if at_work.remove(&place).is_some() {
                    outcomes.insert(place, Outcome::Done(done));
                }
            }
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {}
        }
        if looked.elapsed() < LOOK {
            continue;
        }
        looked = Instant::now();
        let over = at_work.iter_mut().find_map(|(place, one)| {
            let is_spent = one.is_spent();
            (is_spent || one.is_late(late)).then_some((*place, is_spent))
        });
        if let Some((place, is_spent)) = over {
            late += u32::from(!is_spent);
            at_work.remove(&place);
            outcomes.insert(place, Outcome::GivenUp);
            workers -= usize::from(!start());
        }
    }
    (0..inputs.len())
        .map(|place| outcomes.remove(&place).unwrap_or(Outcome::GivenUp))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;
    use std::sync::atomic::Ordering;

    use super::*;

    const LIMIT: Limit = Limit {
        work: Duration::from_millis(100),
        wait: Duration::from_secs(2),
    };

    #[test]
    fn what_takes_too_long_is_given_up_and_the_rest_is_done() {
        let inputs: Vec<u32> = (0..20).collect();
        let outcomes = each(
            inputs,
            |_| LIMIT,
            |input| {
                if input % 10 == 3 {
                    thread::sleep(Duration::from_secs(3600));
                }
                if input % 10 == 4 {
                    loop {
                        std::hint::spin_loop();
                    }
                }
                input * 2
            },
        );
        for (input, outcome) in (0..20).zip(outcomes) {
            let expected = match input % 10 {
                3 | 4 => Outcome::GivenUp,
                _ => Outcome::Done(input * 2),
            };
            assert_eq!(outcome, expected, "{input}");
        }
    }

    /// Others keep the processors busy: it takes longer, and is done.
    #[test]
    fn a_busy_machine_is_no_reason_to_give_up() {
        let done = AtomicBool::new(false);
        let spin = || {
            while !done.load(Ordering::Relaxed) {
                std::hint::spin_loop();
            }
        };
        thread::scope(|scope| {
            let processors = thread::available_parallelism().unwrap().get();
            for _ in 0..8 * processors {
                scope.spawn(spin);
            }
            let limit = Limit {
                work: Duration::from_secs(1),
                wait: Duration::from_secs(60),
            };
            let outcomes = each(
                vec![1],
                |_| limit,
                |input| {
                    let began = Instant::now();
                    let clock = ThreadClock::now();
                    while clock.used() < Some(Duration::from_millis(100)) {
                        std::hint::spin_loop();
                    }
                    (*input, began.elapsed())
                },
            );
            done.store(true, Ordering::Relaxed);
            let [Outcome::Done((1, took))] = outcomes[..] else {
                panic!("{outcomes:?}");
            };
            assert!(took > Duration::from_millis(100), "{took:?}");
        });
    }

    #[test]
    fn nothing_is_done_at_once() {
        assert_eq!(each(Vec::<u32>::new(), |_| LIMIT, |input| *input), []);
    }

    /// It is not known; the others are not in danger.
    #[test]
    fn one_that_panics_is_given_up() {
        let outcomes = each(
            vec![1, 2],
            |_| LIMIT,
            |input| {
                assert_eq!(*input, 1, "on purpose");
                *input
            },
        );
        assert_eq!(outcomes, [Outcome::Done(1), Outcome::GivenUp]);
    }
}
