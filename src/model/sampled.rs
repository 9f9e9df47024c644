//! What goroutines did, as looks at some of them tell, and how sure that is.

use std::collections::HashMap;
use std::sync::Arc;

use super::process::Named;

/// What a goroutine was seen to do, and which goroutine: what is not told apart is `None`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Doing {
    /// The state in words: `running`, or what is waited for, as the runtime says it.
    pub state: Arc<str>,
    /// Whether it is a wait, for the reason that `state` names.
    pub waits: bool,
    /// Whether it is one of the runtime's own goroutines.
    pub system: bool,
    /// Its start function.
    pub function: Option<Arc<str>>,
    /// Its process.
    pub process: Option<Named>,
}

/// What the looks at one process add up to.
#[derive(Debug, Default)]
pub struct Tally {
    looks: u64,
    /// The sum of the squares of the seconds between looks.
    squares_of_time: f64,
    sums: HashMap<Doing, Sum>,
}

#[derive(Debug, Default)]
struct Sum {
    samples: u64,
    seconds: f64,
    /// How many goroutines that stands for at each look: the sum, and the sum of the squares.
    goroutines: f64,
    squares: f64,
}

/// How long goroutines did one thing.
#[derive(Debug, Clone, PartialEq)]
pub struct Time {
    /// What they did.
    pub doing: Doing,
    /// How often it was seen.
    pub samples: u64,
    /// The time of all of them together, in seconds, as estimated.
    pub seconds: f64,
    /// The square of the estimate's standard deviation.
    pub variance: f64,
}

/// 19 of 20 times an estimate is within so many standard deviations of the truth.
const DEVIATIONS: f64 = 1.96;

impl Time {
    /// How far the estimate is from the truth, 19 of 20 times at the most.
    pub fn error_seconds(&self) -> f64 {
        DEVIATIONS * self.variance.max(0.0).sqrt()
    }
}

impl Tally {
    /// Adds a look that stands for `seconds`, at which goroutines were seen so often to do this; each of them stands for
    /// so many.
    pub fn add(&mut self, seconds: f64, each: f64, seen: HashMap<Doing, u64>) {
        self.looks += 1;
        self.squares_of_time += seconds * seconds;
        for (doing, samples) in seen {
            let goroutines = each * samples as f64;
            let sum = self.sums.entry(doing).or_default();
            sum.samples += samples;
            sum.seconds += goroutines * seconds;
            sum.goroutines += goroutines;
            sum.squares += goroutines * goroutines;
        }
    }

    /// The times. How sure they are follows from how looks differ: goroutines may do the same at the same time, so that many
    /// of one look tell no more than one.
    pub fn times(&self) -> Vec<Time> {
        let looks = (self.looks as f64).max(1.0);
        let times = self.sums.iter().map(|(doing, sum)| {
            let mean = sum.goroutines / looks;
            let spread = match self.looks {
                // Of one look alone nothing follows.
                0 | 1 => f64::INFINITY,
                _ => (sum.squares / looks - mean * mean).max(0.0) * looks / (looks - 1.0),
            };
            Time {
                doing: doing.clone(),
                samples: sum.samples,
                seconds: sum.seconds,
                variance: spread * self.squares_of_time,
            }
        });
        times.collect()
    }
}

/// What came of all looks.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// How long the observation took, in ns.
    pub elapsed_ns: u64,
    /// Looks at a process.
    pub looks: u64,
    /// Looks at which nothing could be read.
    pub missed: u64,
    /// Goroutines that were seen, each as often as it was.
    pub samples: u64,
    /// Goroutines that were met but could not be read, and are not counted.
    pub unread: u64,
    /// The times of each state.
    pub states: Vec<Time>,
    /// The same for each start function, if that was wanted.
    pub by_fn: Option<Vec<Time>>,
    /// The same for each process, if that was wanted.
    pub by_pid: Option<Vec<Time>>,
}

/// Adds the times of another process: what is not told apart is one.
pub fn merge(all: &mut Vec<Time>, more: Vec<Time>) {
    for time in more {
        match all.iter_mut().find(|known| known.doing == time.doing) {
            Some(known) => {
                known.samples += time.samples;
                known.seconds += time.seconds;
                // The looks at one process know nothing of those at another.
                known.variance += time.variance;
            }
            None => all.push(time),
        }
    }
}

/// All of them together, in seconds.
pub fn total<'t>(times: impl IntoIterator<Item = &'t Time>) -> f64 {
    times.into_iter().map(|time| time.seconds).sum()
}

/// Those of each of these, most time first, and in them too.
pub fn apart<K: Ord + Clone>(times: &[Time], whose: impl Fn(&Doing) -> K) -> Vec<(K, Vec<Time>)> {
    let mut all: Vec<(K, Vec<Time>)> = Vec::new();
    for time in times {
        let key = whose(&time.doing);
        match all.iter_mut().find(|(known, _)| *known == key) {
            Some((_, known)) => known.push(time.clone()),
            None => all.push((key, vec![time.clone()])),
        }
    }
    all.iter_mut().for_each(|(_, times)| sort(times));
    all.sort_by(|(a, one), (b, other)| {
        let times = total(other).total_cmp(&total(one));
        times.then_with(|| a.cmp(b))
    });
    all
}

/// Most time first.
pub fn sort(times: &mut [Time]) {
    times.sort_by(|one, other| {
        let times = other.seconds.total_cmp(&one.seconds);
        times.then_with(|| one.doing.cmp(&other.doing))
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn doing(state: &str) -> Doing {
        Doing {
            state: state.into(),
            waits: false,
            system: false,
            function: None,
            process: None,
        }
    }

    fn seen(running: u64, runnable: u64) -> HashMap<Doing, u64> {
        let all = [(doing("running"), running), (doing("runnable"), runnable)];
        all.into_iter().filter(|(_, count)| *count > 0).collect()
    }

    #[test]
    fn what_never_changes_is_sure() {
        let mut tally = Tally::default();
        for _ in 0..100 {
            tally.add(0.1, 10.0, seen(3, 0));
        }
        let times = tally.times();
        assert_eq!(times.len(), 1);
        assert_eq!(times[0].samples, 300);
        // 30 goroutines for 10 seconds.
        assert!((times[0].seconds - 300.0).abs() < 1e-6);
        assert!(times[0].error_seconds() < 1e-3);
    }

    #[test]
    fn what_comes_and_goes_together_tells_no_more_than_one() {
        // 64 goroutines, each time all of them or none.
        let mut state = 7_u64;
        let mut coin = || {
            // Knuth's numbers: MMIX.
            state = state.wrapping_mul(6_364_136_223_846_793_005);
            state = state.wrapping_add(1_442_695_040_888_963_407);
            state >> 63 == 1
        };
        let mut within = 0;
        for _ in 0..200 {
            let mut tally = Tally::default();
            for _ in 0..100 {
                let all = coin();
                tally.add(0.1, 1.0, seen(64 * u64::from(all), 64 * u64::from(!all)));
            }
            let times = tally.times();
            let running = times.iter().find(|it| &*it.doing.state == "running");
            let running = running.unwrap();
            within += u32::from((running.seconds - 320.0).abs() <= running.error_seconds());
        }
        // 190 of 200, give or take four deviations of 3.1.
        assert!((177..=200).contains(&within), "{within}");
    }

    #[test]
    fn processes_add_up() {
        let mut one = Tally::default();
        one.add(1.0, 1.0, seen(1, 1));
        one.add(1.0, 1.0, seen(2, 1));
        let mut all = one.times();
        merge(&mut all, one.times());
        sort(&mut all);
        assert_eq!(all.len(), 2);
        assert_eq!(all[0].samples, 6);
        assert!((all[0].seconds - 6.0).abs() < 1e-9);
        let single = one.times();
        let single = single.iter().find(|it| it.doing == all[0].doing).unwrap();
        assert!((all[0].variance - 2.0 * single.variance).abs() < 1e-9);
        assert!((total(&all) - 10.0).abs() < 1e-9);
    }
}
