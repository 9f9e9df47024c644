//! The list of all Go processes: what is in it, in which order, which one is selected.

use std::cmp::Ordering;
use std::cmp::Reverse;

use crate::model::top::Listed;

use super::filter::Filter;
use super::growth::Growth;
use super::rows::Selection;

/// What the list is sorted by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Sort {
    /// Most goroutines first.
    #[default]
    Goroutines,
    /// Most grown first.
    Growth,
    /// Largest heap first.
    Heap,
    /// Most collections first.
    Collections,
    /// Most CPU time first.
    Cpu,
    /// Youngest first.
    Uptime,
    /// By process id.
    Pid,
    /// By command.
    Command,
}

impl Sort {
    const ALL: [Self; 8] = [
        Self::Goroutines,
        Self::Growth,
        Self::Heap,
        Self::Collections,
        Self::Cpu,
        Self::Uptime,
        Self::Pid,
        Self::Command,
    ];

    /// The next one.
    pub fn next(self) -> Self {
        next(&Self::ALL, self)
    }
}

/// What comes after `one` in `all`, and the first after the last.
pub(super) fn next<T: Copy + PartialEq>(all: &[T], one: T) -> T {
    let after = all.iter().skip_while(|known| **known != one).nth(1);
    after.or(all.first()).copied().unwrap_or(one)
}

/// The list.
#[derive(Debug, Default)]
pub struct ProcessList {
    all: Vec<Listed>,
    goroutines: Growth<i32>,
    /// Processes that may be Go programs or not: we may not look.
    pub closed: usize,
    /// Whether there are others that /proc hides from us.
    pub hidden: bool,
    /// What it is sorted by.
    pub sort: Sort,
    /// The other way round.
    pub reversed: bool,
    /// Which are shown.
    pub filter: Filter,
    /// Process ids.
    pub selection: Selection<i32>,
    /// Whether it has been filled yet.
    pub filled: bool,
}

/// A row of the list.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    /// The process.
    pub listed: &'a Listed,
    /// How many goroutines more than when the view was opened.
    pub grown: Option<i64>,
}

impl ProcessList {
    /// What there is `at` seconds after the view was opened.
    pub fn set(&mut self, at: f64, all: Vec<Listed>, closed: usize) {
        let known = all.iter().filter_map(|listed| {
            let goroutines = listed.process.goroutines?;
            Some((&listed.process.pid, goroutines))
        });
        self.goroutines.push(at, known);
        self.all = all;
        self.closed = closed;
        self.filled = true;
    }

    /// How many there are, shown or not.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// A process by its id.
    pub fn get(&self, pid: i32) -> Option<&Listed> {
        self.all.iter().find(|listed| listed.process.pid == pid)
    }

    /// What is shown, in order.
    pub fn rows(&self) -> Vec<Row<'_>> {
        let shown = self.all.iter().filter(|listed| {
            let process = &listed.process;
            let pid = process.pid.to_string();
            let module = process.module.as_deref().unwrap_or_default();
            self.filter
                .takes(&[&process.command, &process.user, &pid, module])
        });
        let mut rows: Vec<Row<'_>> = shown
            .map(|listed| Row {
                listed,
                grown: listed
                    .process
                    .goroutines
                    .map(|_| self.goroutines.since_start(&listed.process.pid)),
            })
            .collect();
        rows.sort_by(|a, b| {
            let order = self.compare(a, b);
            if self.reversed {
                order.reverse()
            } else {
                order
            }
        });
        rows
    }

    /// The ids of the processes that are shown, in order.
    pub fn keys(&self) -> Vec<i32> {
        self.rows()
            .iter()
            .map(|row| row.listed.process.pid)
            .collect()
    }

    fn compare(&self, a: &Row<'_>, b: &Row<'_>) -> Ordering {
        let (one, other) = (&a.listed.process, &b.listed.process);
        let by_pid = one.pid.cmp(&other.pid);
        let order = match self.sort {
            Sort::Goroutines => other.goroutines.cmp(&one.goroutines),
            Sort::Growth => b.grown.cmp(&a.grown),
            Sort::Heap => other.heap_bytes.cmp(&one.heap_bytes),
            Sort::Collections => other.gc_cycles.cmp(&one.gc_cycles),
            Sort::Cpu => {
                let cpu = |row: &Row<'_>| row.listed.cpu.unwrap_or(-1.0);
                cpu(b).total_cmp(&cpu(a))
            }
            Sort::Uptime => {
                let age = |uptime| (Option::is_none(&uptime), uptime);
                age(one.uptime).cmp(&age(other.uptime))
            }
            Sort::Pid => by_pid,
            Sort::Command => one.command.cmp(&other.command),
        };
        order.then(by_pid)
    }
}

/// Orders by a number, largest first; what is not known comes last.
pub(super) fn largest_first(a: Option<f64>, b: Option<f64>) -> Ordering {
    let known = |value: Option<f64>| Reverse(value.is_some());
    known(a).cmp(&known(b)).then_with(|| match (a, b) {
        (Some(a), Some(b)) => b.total_cmp(&a),
        _ => Ordering::Equal,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ps::GoProcess;

    fn listed(pid: i32, goroutines: Option<u64>, command: &str) -> Listed {
        Listed {
            process: GoProcess {
                pid,
                goroutines,
                command: command.to_owned(),
                ..GoProcess::default()
            },
            cpu: None,
        }
    }

    #[test]
    fn the_list_is_sorted_and_filtered() {
        let mut list = ProcessList::default();
        let all = vec![
            listed(7, Some(10), "a"),
            listed(8, Some(30), "b"),
            listed(9, None, "c"),
        ];
        list.set(0.0, all.clone(), 0);
        assert_eq!(list.keys(), [8, 7, 9]);
        list.reversed = true;
        assert_eq!(list.keys(), [9, 7, 8]);
        list.reversed = false;
        let mut later = all;
        later[0].process.goroutines = Some(15);
        list.set(1.0, later, 0);
        list.sort = Sort::Growth;
        assert_eq!(list.keys(), [7, 8, 9]);
        let grown: Vec<_> = list.rows().iter().map(|row| row.grown).collect();
        assert_eq!(grown, [Some(5), Some(0), None]);
        list.filter.begin();
        list.filter.add('b');
        assert_eq!(list.keys(), [8]);
    }

    #[test]
    fn every_order_comes_round() {
        let mut sort = Sort::default();
        let mut list = ProcessList::default();
        list.set(0.0, vec![listed(1, None, "x"), listed(2, Some(1), "y")], 0);
        for _ in Sort::ALL {
            list.sort = sort;
            assert_eq!(list.keys().len(), 2);
            sort = sort.next();
        }
        assert_eq!(sort, Sort::default());
    }

    #[test]
    fn the_unknown_comes_last() {
        let mut values = [None, Some(1.0), None, Some(2.0)];
        values.sort_by(|a, b| largest_first(*a, *b));
        assert_eq!(values, [Some(2.0), Some(1.0), None, None]);
    }
}
