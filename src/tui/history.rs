//! What was read, refresh by refresh: a ring of slots of equal length. A slot without a reading is a gap and stays one.

use std::collections::VecDeque;

use crate::model::top::Point;

/// Refreshes that are kept: an hour at one a second.
pub const SLOTS: usize = 3600;

/// The readings of one process.
#[derive(Debug, Clone, Default)]
pub struct History {
    slots: VecDeque<Option<Point>>,
    /// Number of the slot after the last.
    next: u64,
}

impl History {
    /// Adds what was read in slot `slot`, counted from when the view was opened; `None` if it could not be read. Slots
    /// that were passed over are gaps; of two readings in one slot the later one counts, and the collections of both.
    pub fn push(&mut self, slot: u64, point: Option<Point>) {
        if slot < self.next {
            let Some(Some(last)) = self.slots.back_mut() else {
                if let Some(last) = self.slots.back_mut() {
                    *last = point;
                }
                return;
            };
            if let Some(point) = point {
                let cycles = last.gc_cycles.zip(point.gc_cycles).map(|(a, b)| a + b);
                *last = Point {
                    gc_cycles: cycles.or(point.gc_cycles),
                    ..point
                };
            }
            return;
        }
        let skipped = slot - self.next;
        if skipped >= SLOTS as u64 {
            self.slots.clear();
        } else {
            (0..skipped).for_each(|_| self.slots.push_back(None));
        }
        self.slots.push_back(point);
        self.next = slot + 1;
        while self.slots.len() > SLOTS {
            self.slots.pop_front();
        }
    }

    /// How many refreshes there have been, gaps included, as far as they are kept.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether there was none.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// The last reading that is no gap.
    pub fn last(&self) -> Option<&Point> {
        self.slots.iter().rev().find_map(Option::as_ref)
    }

    /// Whether the last slot is a gap.
    pub fn ends_in_gap(&self) -> bool {
        matches!(self.slots.back(), Some(None))
    }

    /// The last `columns` columns of `per_column` slots each, oldest first: the readings in each. Where a column begins
    /// does not depend on when one looks, so that a picture moves as a whole.
    pub fn columns(&self, columns: usize, per_column: usize) -> Vec<Vec<&Point>> {
        let per_column = per_column.max(1) as u64;
        let mut all: Vec<Vec<&Point>> = vec![Vec::new(); columns];
        let Some(last) = self.next.checked_sub(1) else {
            return all;
        };
        let first_slot = self.next - self.slots.len() as u64;
        let last_column = last / per_column;
        for (slot, point) in (first_slot..).zip(&self.slots) {
            let age = usize::try_from(last_column - slot / per_column).unwrap_or(usize::MAX);
            let at = columns
                .checked_sub(1)
                .and_then(|last| last.checked_sub(age));
            if let Some(column) = at.and_then(|at| all.get_mut(at)) {
                column.extend(point);
            }
        }
        all
    }

    /// The largest value in each of the columns, `None` where there is none.
    pub fn largest(
        &self,
        columns: usize,
        per_column: usize,
        value: impl Fn(&Point) -> Option<f64>,
    ) -> Vec<Option<f64>> {
        let columns = self.columns(columns, per_column).into_iter();
        columns
            .map(|points| points.into_iter().filter_map(&value).reduce(f64::max))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(goroutines: u64) -> Option<Point> {
        Some(Point {
            goroutines: Some(goroutines),
            gc_cycles: Some(1),
            ..Point::default()
        })
    }

    fn shown(history: &History, columns: usize, per_column: usize) -> Vec<Option<f64>> {
        history.largest(columns, per_column, |point| {
            point.goroutines.map(|number| number as f64)
        })
    }

    #[test]
    fn a_gap_stays_a_gap() {
        let mut history = History::default();
        history.push(0, point(1));
        history.push(1, None);
        history.push(4, point(5));
        assert_eq!(history.len(), 5);
        assert_eq!(
            shown(&history, 7, 1),
            [None, None, Some(1.0), None, None, None, Some(5.0)]
        );
        assert_eq!(history.last(), point(5).as_ref());
        assert!(!history.ends_in_gap());
        history.push(5, None);
        assert!(history.ends_in_gap());
        assert_eq!(history.last(), point(5).as_ref());
    }

    #[test]
    fn columns_of_several_slots_do_not_shift() {
        let mut history = History::default();
        for slot in 0..6 {
            history.push(slot, point(slot + 1));
        }
        assert_eq!(shown(&history, 3, 2), [Some(2.0), Some(4.0), Some(6.0)]);
        history.push(6, point(7));
        assert_eq!(shown(&history, 3, 2), [Some(4.0), Some(6.0), Some(7.0)]);
    }

    #[test]
    fn what_comes_twice_in_a_slot_is_not_lost() {
        let mut history = History::default();
        history.push(0, None);
        history.push(0, point(2));
        history.push(0, point(3));
        let last = history.last().unwrap();
        assert_eq!((last.goroutines, last.gc_cycles), (Some(3), Some(2)));
        history.push(0, None);
        assert_eq!(history.last().unwrap().goroutines, Some(3));
        assert_eq!(history.len(), 1);
    }

    #[test]
    fn the_ring_is_bounded() {
        let mut history = History::default();
        for slot in 0..2 * SLOTS as u64 {
            history.push(slot, point(slot));
        }
        assert_eq!(history.len(), SLOTS);
        history.push(u64::MAX - 1, point(1));
        assert_eq!(history.len(), 1);
    }
}
