//! When the concurrent sweep of a cycle was over.
//!
//! The runtime counts sweepers in `sweep.active` and is done when no span is left to sweep and no sweeper is at work
//! (`activeSweep`, runtime/mgcsweep.go). From Go 1.25 on one instruction is executed exactly then, once per cycle
//! ([`Moment::Done`]). Before, the code on that branch could never run (it compared the wrong value), so the end is put
//! together from moments that come once per cycle each: no span is left ([`Moment::Drained`]), and the collector, which
//! counts as a sweeper until it has emptied the last span cache, stops to do so ([`Moment::Flushed`]). The later of
//! them is the end if nobody else is sweeping then. If somebody is, the next thing to be seen is that the background
//! sweeper goes to sleep because it found the sweep done ([`Moment::Parked`]): the end is at most that late.

use std::collections::HashMap;

use super::Sweep;

/// What was seen of a sweep's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// The last span was taken.
    Drained,
    /// The collector itself stopped to count as a sweeper.
    Flushed,
    /// The background sweeper went to sleep.
    Parked,
    /// The last sweeper left and no span is unswept.
    Done,
}

/// One such moment, with the runtime's clocks as they stood then (`runtime.work`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SweepMoment {
    /// The process.
    pub process: u32,
    /// Which moment.
    pub moment: Moment,
    /// When, ns.
    pub at_ns: u64,
    /// `work.cycles`: cycles begun. It is counted up only after the sweep of the one before is over.
    pub cycle: u32,
    /// Sweepers still at work, without the one that was seen, if known.
    pub sweepers: Option<u32>,
    /// `work.tSweepTerm`: later than `end_ns` when the next cycle has begun.
    pub sweep_term_ns: u64,
    /// `work.tMarkTerm`.
    pub mark_term_ns: u64,
    /// `work.tEnd`: earlier than `mark_term_ns` when the sweep is done inside the pause (`GODEBUG=gcstoptheworld=2`).
    pub end_ns: u64,
}

impl SweepMoment {
    fn is_inside_the_pause(&self) -> bool {
        self.end_ns < self.mark_term_ns
    }

    fn next_cycle_has_begun(&self) -> bool {
        self.sweep_term_ns > self.end_ns
    }

    /// The sweep, over at `end_ns`.
    fn over_at(&self, end_ns: u64) -> Sweep {
        let begin_ns = self.end_ns;
        Sweep {
            process: self.process,
            cycle: self.cycle,
            begin_ns,
            end_ns,
            finished: true,
            exact: true,
        }
    }

    /// The sweep, seen to be over at this moment and not known to have been over before. It counts as over by the
    /// beginning of the next cycle, which can be wrong by the stop of the world that the next cycle begins with.
    fn over_by(&self, seen: &Self) -> Sweep {
        let begun = if seen.sweep_term_ns > self.at_ns {
            seen.sweep_term_ns
        } else {
            u64::MAX
        };
        Sweep {
            exact: false,
            ..self.over_at(seen.at_ns.min(begun))
        }
    }

    /// The sweep whose last span is taken now, if nothing else is to be waited for.
    fn ended(&self) -> Option<Sweep> {
        if self.is_inside_the_pause() {
            return Some(Sweep {
                begin_ns: self.at_ns,
                ..self.over_at(self.at_ns)
            });
        }
        if self.next_cycle_has_begun() {
            return Some(Sweep {
                finished: false,
                ..self.over_at(self.sweep_term_ns)
            });
        }
        (self.moment == Moment::Done).then(|| self.over_at(self.at_ns))
    }
}

/// What was seen of the end of one sweep that is not known yet.
#[derive(Debug, Clone, Copy)]
struct Open {
    cycle: u32,
    drained: Option<SweepMoment>,
    flushed: Option<SweepMoment>,
}

impl Open {
    /// The later of the two, once both were seen.
    fn later(&self) -> Option<SweepMoment> {
        let (drained, flushed) = (self.drained?, self.flushed?);
        Some(if drained.at_ns > flushed.at_ns {
            drained
        } else {
            flushed
        })
    }
}

/// Sweeps whose end is not known yet: at most one for each process.
#[derive(Debug, Default)]
pub struct Sweeps {
    open: HashMap<u32, Open>,
}

impl Sweeps {
    /// Takes in a moment; gives each sweep that is known to be over with it to `over`.
    pub fn observe(&mut self, seen: SweepMoment, over: &mut impl FnMut(Sweep)) {
        if seen.cycle == 0 {
            // Before the first cycle there is nothing to sweep, but it is looked for.
            return;
        }
        let before = self.open.remove(&seen.process);
        if let Some(late) = before
            .filter(|open| open.cycle != seen.cycle)
            .and_then(|open| open.later())
        {
            // The background sweeper never got to sleep in between.
            over(late.over_by(&seen));
        }
        let fresh = Open {
            cycle: seen.cycle,
            drained: None,
            flushed: None,
        };
        let mut open = before
            .filter(|open| open.cycle == seen.cycle)
            .unwrap_or(fresh);
        match seen.moment {
            Moment::Done | Moment::Drained => {
                if let Some(sweep) = seen.ended() {
                    return over(sweep);
                }
                open.drained = Some(seen);
            }
            Moment::Flushed => open.flushed = Some(seen),
            Moment::Parked => {
                if let Some(late) = open.later() {
                    return over(late.over_by(&seen));
                }
            }
        }
        match open.later() {
            Some(last) if last.sweepers == Some(0) => over(last.over_at(last.at_ns)),
            _ if open.drained.is_none() && open.flushed.is_none() => (),
            _ => {
                self.open.insert(seen.process, open);
            }
        }
    }

    /// Forgets a process: it ended, or runs another program now.
    pub fn forget(&mut self, process: u32) {
        self.open.remove(&process);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(moment: Moment, at_ns: u64) -> SweepMoment {
        let (sweep_term_ns, mark_term_ns, end_ns) = (10, 50, 60);
        SweepMoment {
            process: 1,
            moment,
            at_ns,
            cycle: 3,
            sweepers: Some(0),
            sweep_term_ns,
            mark_term_ns,
            end_ns,
        }
    }

    const SWEEP: Sweep = Sweep {
        process: 1,
        cycle: 3,
        begin_ns: 60,
        end_ns: 90,
        finished: true,
        exact: true,
    };

    fn over(moments: impl IntoIterator<Item = SweepMoment>) -> Vec<Sweep> {
        let (mut sweeps, mut over) = (Sweeps::default(), Vec::new());
        moments
            .into_iter()
            .for_each(|seen| sweeps.observe(seen, &mut |sweep| over.push(sweep)));
        over
    }

    #[test]
    fn the_exact_moment_needs_no_other() {
        assert_eq!(over([moment(Moment::Done, 90)]), [SWEEP]);
    }

    #[test]
    fn the_later_of_two_moments_is_the_end() {
        for (drained, flushed) in [(90, 70), (70, 90)] {
            let (drained, flushed) = (
                moment(Moment::Drained, drained),
                moment(Moment::Flushed, flushed),
            );
            assert_eq!(over([drained]), []);
            assert_eq!(over([drained, flushed]), [SWEEP]);
            assert_eq!(over([flushed, drained]), [SWEEP]);
        }
    }

    #[test]
    fn somebody_still_at_work_is_waited_for() {
        for sweepers in [None, Some(2)] {
            let flushed = moment(Moment::Flushed, 70);
            let drained = SweepMoment {
                sweepers,
                ..moment(Moment::Drained, 80)
            };
            assert_eq!(over([flushed, drained]), []);
            let parked = moment(Moment::Parked, 90);
            let too_late = SweepMoment {
                sweep_term_ns: 85,
                ..parked
            };
            let by = |end_ns| {
                [Sweep {
                    exact: false,
                    end_ns,
                    ..SWEEP
                }]
            };
            assert_eq!(over([flushed, drained, parked]), by(90));
            assert_eq!(over([flushed, drained, too_late]), by(85));
            let next = SweepMoment {
                cycle: 4,
                sweep_term_ns: 85,
                end_ns: 200,
                ..moment(Moment::Flushed, 210)
            };
            assert_eq!(over([flushed, drained, next]), by(85));
        }
    }

    #[test]
    fn sleep_alone_tells_nothing() {
        let (flushed, parked) = (moment(Moment::Flushed, 70), moment(Moment::Parked, 75));
        assert_eq!(over([parked]), []);
        assert_eq!(over([flushed, parked]), []);
        assert_eq!(
            over([flushed, parked, moment(Moment::Drained, 90)]),
            [SWEEP]
        );
    }

    #[test]
    fn the_next_cycle_ends_it_unfinished() {
        let late = SweepMoment {
            sweep_term_ns: 100,
            ..moment(Moment::Drained, 120)
        };
        let unfinished = [Sweep {
            end_ns: 100,
            finished: false,
            ..SWEEP
        }];
        assert_eq!(over([moment(Moment::Flushed, 70), late]), unfinished);
        assert_eq!(
            over([SweepMoment {
                moment: Moment::Done,
                ..late
            }]),
            unfinished
        );
    }

    #[test]
    fn halves_of_different_cycles_and_processes_stay_apart() {
        let next = SweepMoment {
            cycle: 4,
            ..moment(Moment::Drained, 200)
        };
        let elsewhere = SweepMoment { process: 2, ..next };
        let flushed = SweepMoment {
            cycle: 4,
            ..moment(Moment::Flushed, 100)
        };
        let found = over([moment(Moment::Flushed, 70), elsewhere, next, flushed]);
        assert_eq!(
            found,
            [Sweep {
                cycle: 4,
                end_ns: 200,
                ..SWEEP
            }]
        );
    }

    #[test]
    fn a_sweep_inside_the_pause_takes_no_time_of_its_own() {
        let inside = SweepMoment {
            end_ns: 5,
            ..moment(Moment::Drained, 55)
        };
        assert_eq!(
            over([inside]),
            [Sweep {
                begin_ns: 55,
                end_ns: 55,
                ..SWEEP
            }]
        );
    }

    #[test]
    fn nothing_is_swept_before_the_first_cycle() {
        assert_eq!(
            over([SweepMoment {
                cycle: 0,
                ..moment(Moment::Drained, 5)
            }]),
            []
        );
    }

    #[test]
    fn a_forgotten_process_starts_anew() {
        let mut sweeps = Sweeps::default();
        let mut over = Vec::new();
        sweeps.observe(moment(Moment::Flushed, 70), &mut |sweep| over.push(sweep));
        sweeps.forget(1);
        sweeps.observe(moment(Moment::Drained, 90), &mut |sweep| over.push(sweep));
        assert_eq!(over, []);
    }
}
