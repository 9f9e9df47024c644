//! What goroutines did with their time.

use std::sync::Arc;

use super::dump::Stack;
use super::histogram::Histogram;
use super::process::Named;

/// What a goroutine does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Doing {
    /// It runs.
    Running,
    /// It waits for its turn to run.
    Runnable,
    /// It is in a system call, or in C code.
    Syscall,
    /// It waits, for the reason that has this number in the runtime.
    Waiting(u8),
}

/// The time that goroutines spent in one state.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Times {
    /// Intervals whose beginning and end were seen.
    pub whole: Histogram,
    /// Intervals that had begun before the observation, and ended in it: how many.
    pub cut: Open,
    /// Intervals that had not ended when the observation did, or their process.
    pub open: Open,
}

/// Intervals of which only a part lies within the observation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Open {
    /// How many.
    pub count: u64,
    /// The part of them within the observation, summed up, in ns.
    pub sum_ns: u64,
    /// The longest such part, in ns.
    pub max_ns: u64,
}

impl Open {
    /// Adds one.
    pub fn add(&mut self, ns: u64) {
        self.count += 1;
        self.sum_ns = self.sum_ns.saturating_add(ns);
        self.max_ns = self.max_ns.max(ns);
    }

    /// Adds others.
    pub fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.sum_ns = self.sum_ns.saturating_add(other.sum_ns);
        self.max_ns = self.max_ns.max(other.max_ns);
    }
}

impl Times {
    /// Adds others.
    pub fn merge(&mut self, other: &Self) {
        self.whole.merge(&other.whole);
        self.cut.merge(&other.cut);
        self.open.merge(&other.open);
    }

    /// The time within the observation, in ns.
    pub fn total_ns(&self) -> u64 {
        let parts = self.cut.sum_ns.saturating_add(self.open.sum_ns);
        self.whole.sum_ns.saturating_add(parts)
    }

    /// Intervals that have ended.
    pub fn ended(&self) -> u64 {
        self.whole.count + self.cut.count
    }

    /// The longest interval in ns, and whether it may have been longer: only a part of it lies within the observation.
    pub fn longest(&self) -> Option<(u64, bool)> {
        let part = self.cut.max_ns.max(self.open.max_ns);
        let parts = self.cut.count + self.open.count;
        match (self.whole.count, parts) {
            (0, 0) => None,
            (_, 0) => Some((self.whole.max_ns, false)),
            (0, _) => Some((part, true)),
            _ if part > self.whole.max_ns => Some((part, true)),
            _ => Some((self.whole.max_ns, false)),
        }
    }
}

/// One row: goroutines that began with one function, or all, in one state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The state in words: `running`, or what is waited for, as the runtime says it.
    pub state: Arc<str>,
    /// Whether it is a wait, for the reason that `state` names.
    pub waits: bool,
    /// Whether the goroutines are the runtime's own.
    pub system: bool,
    /// The start function; `None` for all, or if it is not known.
    pub function: Option<Arc<str>>,
    /// The process; `None` for all, or if there was no room to tell it apart.
    pub process: Option<Named>,
    /// The times.
    pub times: Times,
}

/// Where goroutines blocked.
#[derive(Debug, Clone)]
pub struct Blocking {
    /// What was waited for.
    pub reason: Arc<str>,
    /// Whether the goroutines are the runtime's own.
    pub system: bool,
    /// The process; `None` for all.
    pub process: Option<Named>,
    /// The stack; `None` if it could not be kept.
    pub stack: Option<Stack>,
    /// Whether the stack goes on beyond the frames that were kept.
    pub deeper: bool,
    /// Waits that have ended: how many, sum and longest.
    pub ended: Open,
    /// Waits that have not.
    pub open: Open,
    /// How many of these were under way before the observation began.
    pub unmoved: u64,
}

impl Blocking {
    /// Whether all that is known is that goroutines waited there all the time.
    pub fn is_idle(&self) -> bool {
        self.ended.count == 0 && self.open.count == self.unmoved
    }

    /// The time within the observation, in ns.
    pub fn total_ns(&self) -> u64 {
        self.ended.sum_ns.saturating_add(self.open.sum_ns)
    }
}

/// What an observation found.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// How long it took, in ns.
    pub elapsed_ns: u64,
    /// One of so many goroutines was looked at.
    pub sample: u32,
    /// The times, by start function too where that was wanted.
    pub rows: Vec<Row>,
    /// Whether the rows tell start functions.
    pub by_fn: bool,
    /// Whether they tell processes.
    pub by_pid: bool,
    /// Where goroutines blocked, if that was wanted.
    pub blocking: Option<Vec<Blocking>>,
    /// Whether goroutines that have not changed their state are among the rows; if not, it is not known what they did.
    pub has_unmoved: bool,
}

impl Report {
    /// The rows of the program's goroutines, or of the runtime's own, without regard to start functions and processes.
    pub fn totals(&self, system: bool) -> Vec<Row> {
        let mut totals = Vec::new();
        for row in self.rows.iter().filter(|row| row.system == system) {
            let all = Row {
                function: None,
                process: None,
                ..row.clone()
            };
            merge(&mut totals, all);
        }
        sort(&mut totals);
        totals
    }

    /// The same for each start function, most time first; those whose goroutines did nothing at all come last.
    pub fn by_function(&self, system: bool) -> Vec<(Option<Arc<str>>, Vec<Row>)> {
        let mut all = self.apart(system, |row| row.function.clone());
        // What never did anything comes last, however long that took.
        let is_idle = |rows: &[Row]| rows.iter().all(|row| row.times.ended() == 0);
        all.sort_by_key(|(_, rows)| is_idle(rows));
        all
    }

    /// The same for each process, most time first.
    pub fn by_process(&self, system: bool) -> Vec<(Option<Named>, Vec<Row>)> {
        self.apart(system, |row| row.process.clone())
    }

    /// The rows for each of these, most time first.
    fn apart<K: Ord>(&self, system: bool, whose: impl Fn(&Row) -> K) -> Vec<(K, Vec<Row>)> {
        let mut all: Vec<(K, Vec<Row>)> = Vec::new();
        for row in self.rows.iter().filter(|row| row.system == system) {
            let key = whose(row);
            match all.iter_mut().find(|(known, _)| *known == key) {
                Some((_, rows)) => rows.push(row.clone()),
                None => all.push((key, vec![row.clone()])),
            }
        }
        for (_, rows) in &mut all {
            sort(rows);
        }
        all.sort_by(|(a, one), (b, other)| {
            let times = total_ns(other).cmp(&total_ns(one));
            times.then_with(|| a.cmp(b))
        });
        all
    }
}

/// The word for goroutines that wait for their turn to run.
pub const RUNNABLE: &str = "runnable";

/// The times from runnable to running.
pub fn latency(rows: &[Row]) -> Histogram {
    let mut latency = Histogram::default();
    for row in rows
        .iter()
        .filter(|row| !row.waits && &*row.state == RUNNABLE)
    {
        latency.merge(&row.times.whole);
    }
    latency
}

/// Most time first.
fn sort(rows: &mut [Row]) {
    rows.sort_by(|one, other| {
        let times = other.times.total_ns().cmp(&one.times.total_ns());
        times.then_with(|| one.state.cmp(&other.state))
    });
}

/// Adds rows of the same state, function and process.
pub fn merge(rows: &mut Vec<Row>, more: Row) {
    let same = |row: &&mut Row| {
        row.state == more.state
            && row.waits == more.waits
            && row.system == more.system
            && row.function == more.function
            && row.process == more.process
    };
    match rows.iter_mut().find(same) {
        Some(row) => row.times.merge(&more.times),
        None => rows.push(more),
    }
}

/// The time of all these rows, in ns.
pub fn total_ns<'r>(rows: impl IntoIterator<Item = &'r Row>) -> u64 {
    rows.into_iter()
        .fold(0, |sum, row| sum.saturating_add(row.times.total_ns()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(count: u64, sum_ns: u64, max_ns: u64) -> Open {
        Open {
            count,
            sum_ns,
            max_ns,
        }
    }

    #[test]
    fn what_is_longest_may_have_been_longer() {
        let mut times = Times::default();
        assert_eq!(times.longest(), None);
        times.whole = Histogram::from_parts(30, 20, &[2]);
        times.open = part(1, 5, 5);
        assert_eq!(times.longest(), Some((20, false)));
        times.cut = part(2, 40, 25);
        assert_eq!(times.longest(), Some((25, true)));
        assert_eq!((times.total_ns(), times.ended()), (75, 4));
        let only_open = Times {
            open: part(1, 7, 7),
            ..Times::default()
        };
        assert_eq!(only_open.longest(), Some((7, true)));
    }

    #[test]
    fn rows_of_the_same_thing_are_one() {
        let row = |state: &str, system| Row {
            state: state.into(),
            waits: false,
            system,
            function: None,
            process: None,
            times: Times {
                cut: part(1, 10, 10),
                ..Times::default()
            },
        };
        let mut rows = vec![row("running", false)];
        merge(&mut rows, row("running", false));
        merge(&mut rows, row("running", true));
        merge(&mut rows, row("syscall", false));
        assert_eq!(rows.len(), 3);
        assert_eq!(rows[0].times.cut, part(2, 20, 10));
        assert_eq!(total_ns(&rows), 40);
    }
}
