//! The loop every observing command runs: poll what the kernel recorded, report at intervals, end in time.

use std::time::Duration;
use std::time::Instant;

use anyhow::Result;
use crossbeam_channel::Receiver;
use crossbeam_channel::after;
use crossbeam_channel::never;
use crossbeam_channel::select;
use crossbeam_channel::tick;

/// How often the ring buffers are emptied. The programs never wake us (a wake-up per event costs the target two to
/// three times the event itself), so this is also how late a row can be.
pub const POLL: Duration = Duration::from_millis(5);
/// How often we look whether the observed processes still run.
const LIVENESS: Duration = Duration::from_millis(100);

/// When to report and when to end.
#[derive(Debug, Clone, Copy, Default)]
pub struct Timing {
    /// Time between reports; none for commands that only print events.
    pub interval: Option<Duration>,
    /// Time until a report that comes before the first of those, for whoever sits and waits.
    pub first: Option<Duration>,
    /// End after this time.
    pub duration: Option<Duration>,
}

/// Whether to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// Go on.
    Continue,
    /// End now, in good order.
    End,
}

/// What a command does on each occasion.
pub trait Observer {
    /// Whether there is anything to poll for.
    const POLLS: bool = true;

    /// Takes what was recorded since the last time.
    fn poll(&mut self) -> Result<Flow>;
    /// Reports, every interval.
    fn report(&mut self) -> Result<Flow>;
    /// Looks after the observed processes; ends when they have all ended.
    fn check_targets(&mut self) -> Result<Flow>;
}

/// Runs until the deadline, a message on `stop`, or until the observer ends it.
pub fn run(timing: Timing, stop: &Receiver<()>, observer: &mut impl Observer) -> Result<()> {
    let poll = polling(observer);
    let liveness = tick(LIVENESS);
    let interval = timing.interval.map_or_else(never, tick);
    let first = timing.first.map_or_else(never, after);
    let deadline = timing.duration.map_or_else(never, after);
    loop {
        let flow = select! {
            recv(poll) -> _ => observer.poll()?,
            recv(interval) -> _ => observer.report()?,
            recv(first) -> _ => observer.report()?,
            recv(liveness) -> _ => observer.check_targets()?,
            recv(deadline) -> _ => Flow::End,
            recv(stop) -> _ => Flow::End,
        };
        if flow == Flow::End {
            return Ok(());
        }
    }
}

/// When to poll.
fn polling<O: Observer>(_: &O) -> Receiver<Instant> {
    if O::POLLS { tick(POLL) } else { never() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Counting {
        polls: u32,
        reports: u32,
    }

    impl Observer for Counting {
        fn poll(&mut self) -> Result<Flow> {
            self.polls += 1;
            Ok(if self.polls == 1000 {
                Flow::End
            } else {
                Flow::Continue
            })
        }
        fn report(&mut self) -> Result<Flow> {
            self.reports += 1;
            Ok(Flow::End)
        }
        fn check_targets(&mut self) -> Result<Flow> {
            Ok(Flow::Continue)
        }
    }

    #[test]
    fn ends_when_the_observer_says_so() {
        let mut observer = Counting::default();
        let timing = Timing {
            interval: Some(Duration::from_millis(20)),
            ..Timing::default()
        };
        run(timing, &never(), &mut observer).unwrap();
        assert_eq!(observer.reports, 1);
    }

    #[test]
    fn the_first_report_need_not_wait_for_the_interval() {
        let mut observer = Counting::default();
        let timing = Timing {
            interval: Some(Duration::from_secs(1000)),
            first: Some(Duration::from_millis(20)),
            ..Timing::default()
        };
        run(timing, &never(), &mut observer).unwrap();
        assert_eq!(observer.reports, 1);
    }

    #[test]
    fn ends_at_the_deadline_and_on_stop() {
        let timing = Timing {
            duration: Some(Duration::from_millis(20)),
            ..Timing::default()
        };
        run(timing, &never(), &mut Counting::default()).unwrap();
        let (stop, stopped) = crossbeam_channel::bounded(1);
        stop.send(()).unwrap();
        run(Timing::default(), &stopped, &mut Counting::default()).unwrap();
    }
}
