//! Work on what others have made, which may take any time: each piece gets so much of it, and is given up then.
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

/// However many pieces have been given up, the next one gets this much.
const LEAST: Duration = Duration::from_millis(200);

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
    Began(usize),
    Done(usize, T),
}

/// Does `work` with each input, on all processors; what became of each, in their order. Each may take `time`; half of
/// that after the first that was given up, and so on: many of them together are not to keep us long.
pub(super) fn each<I, T>(
    inputs: Vec<I>,
    time: Duration,
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
                if tell.send(News::Began(place)).is_err() {
                    return;
                }
                let done = work(input);
                // Nobody listens any more if it was given up, and the rest is done.
                if tell.send(News::Done(place, done)).is_err() {
                    return;
                }
            }
        };
        thread::Builder::new().spawn(worker).is_ok()
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
    let mut at_work: HashMap<usize, Instant> = HashMap::new();
    let mut time = time.max(LEAST);
    while workers > 0 && outcomes.len() < inputs.len() {
        let next = at_work.values().min().map(|began| *began + time);
        let wait = next.map_or(time, |end| end.saturating_duration_since(Instant::now()));
        match news.recv_timeout(wait) {
            Ok(News::Began(place)) => {
                at_work.insert(place, Instant::now());
            }
            Ok(News::Done(place, done)) => {
                if at_work.remove(&place).is_some() {
                    outcomes.insert(place, Outcome::Done(done));
                }
            }
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {
                let late = at_work.iter().find(|(_, began)| began.elapsed() >= time);
                if let Some(place) = late.map(|(place, _)| *place) {
                    at_work.remove(&place);
                    outcomes.insert(place, Outcome::GivenUp);
                    time = (time / 2).max(LEAST);
                    workers -= usize::from(!start());
                }
            }
        }
    }
    (0..inputs.len())
        .map(|place| outcomes.remove(&place).unwrap_or(Outcome::GivenUp))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_takes_too_long_is_given_up_and_the_rest_is_done() {
        let inputs: Vec<u32> = (0..40).collect();
        let outcomes = each(inputs, LEAST, |input| {
            if input % 10 == 3 {
                thread::sleep(Duration::from_secs(3600));
            }
            input * 2
        });
        for (input, outcome) in (0..40).zip(outcomes) {
            let expected = match input % 10 {
                3 => Outcome::GivenUp,
                _ => Outcome::Done(input * 2),
            };
            assert_eq!(outcome, expected, "{input}");
        }
    }

    #[test]
    fn nothing_is_done_at_once() {
        assert_eq!(each(Vec::<u32>::new(), LEAST, |input| *input), []);
    }

    /// It is not known; the others are not in danger.
    #[test]
    fn one_that_panics_is_given_up() {
        let outcomes = each(vec![1, 2], LEAST, |input| {
            assert_eq!(*input, 1, "on purpose");
            *input
        });
        assert_eq!(outcomes, [Outcome::Done(1), Outcome::GivenUp]);
    }
}
