//! What is done to several processes at the same time, by a thread for each.

use std::panic::resume_unwind;
use std::thread;

use crossbeam_channel::Receiver;
use crossbeam_channel::bounded;
use crossbeam_channel::select;

/// Does it to each; when `stop` says so all are told.
pub(super) fn at_once<S: Sync, T: Send>(
    all: &[S],
    stop: &Receiver<()>,
    work: impl Fn(&S, &Receiver<()>) -> T + Sync,
) -> Vec<T> {
    thread::scope(|scope| {
        let (working, done) = bounded::<()>(0);
        let work = &work;
        let mut tell = Vec::new();
        let threads: Vec<_> = all
            .iter()
            .map(|one| {
                let (told, stop) = bounded(1);
                tell.push(told);
                let working = working.clone();
                scope.spawn(move || {
                    let result = work(one, &stop);
                    drop(working);
                    result
                })
            })
            .collect();
        drop(working);
        select! {
            recv(stop) -> asked => if asked.is_ok() {
                for told in &tell {
                    let _ = told.try_send(());
                }
            },
            // Nobody works any more.
            recv(done) -> _ => {}
        }
        let results = threads.into_iter().map(|it| match it.join() {
            Ok(result) => result,
            Err(panic) => resume_unwind(panic),
        });
        results.collect()
    })
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::observe::stop::wait_until;

    #[test]
    fn all_are_told_to_stop() {
        let (tell, stop) = bounded(1);
        tell.send(()).unwrap();
        let late = Instant::now() + Duration::from_secs(600);
        let stopped = at_once(&[1, 2, 3], &stop, |_, stop| wait_until(late, stop));
        assert_eq!(stopped, [true; 3]);
        let doubled = at_once(&[1, 2, 3], &stop, |one, _| 2 * one);
        assert_eq!(doubled, [2, 4, 6]);
    }
}
