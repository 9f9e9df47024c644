//! Allocations counted by size class.

use std::time::Duration;

use super::process::Named;

/// How many objects, and how much of the heap they took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count {
    /// Objects allocated.
    pub objects: u64,
    /// Bytes. Tiny objects: as asked for. Classes: of the class. Large objects: in whole pages.
    pub bytes: u64,
}

/// Allocations of each kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Allocations {
    /// Pointer-free objects below 16 bytes, which share blocks.
    pub tiny: Count,
    /// By size class: bytes of the class, and what was allocated in it. Ascending, without class 0.
    pub classes: Vec<(u16, Count)>,
    /// Objects above 32 KiB, which have pages of their own.
    pub large: Count,
}

/// What was allocated during an observation, by one process or by all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Allocated {
    /// By kind.
    pub meanwhile: Allocations,
    /// What the runtime's own counters say besides, if they were asked.
    pub counters: Option<Counters>,
}

/// What the runtime's own counters say besides what was allocated meanwhile.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counters {
    /// How many processes it is of.
    pub processes: u64,
    /// What was allocated since they began.
    pub since_start: Allocations,
    /// How long a process may have allocated unseen before its end, at most.
    pub unseen: Duration,
}

/// What an observation found.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Of all processes.
    pub total: Allocated,
    /// Of each, if they are told apart.
    pub by_pid: Option<Vec<(Named, Allocated)>>,
}

impl Allocated {
    /// Adds that of another process.
    pub fn merge(&mut self, other: &Self) {
        self.meanwhile.merge(&other.meanwhile);
        if let Some(more) = &other.counters {
            let counters = self.counters.get_or_insert_default();
            counters.processes += more.processes;
            counters.since_start.merge(&more.since_start);
            counters.unseen = counters.unseen.max(more.unseen);
        }
    }
}

impl Count {
    fn add(&mut self, other: Self) {
        self.objects += other.objects;
        self.bytes += other.bytes;
    }

    /// What came after `before` was counted.
    pub fn since(self, before: Self) -> Self {
        Self {
            objects: self.objects.saturating_sub(before.objects),
            bytes: self.bytes.saturating_sub(before.bytes),
        }
    }
}

impl Allocations {
    /// Everything together.
    pub fn total(&self) -> Count {
        let mut total = self.tiny;
        total.add(self.large);
        self.classes.iter().for_each(|(_, count)| total.add(*count));
        total
    }

    /// Adds the allocations of another source with the same classes.
    pub fn merge(&mut self, other: &Self) {
        self.tiny.add(other.tiny);
        self.large.add(other.large);
        if self.classes.is_empty() {
            self.classes.clone_from(&other.classes);
            return;
        }
        for ((_, count), (_, more)) in self.classes.iter_mut().zip(&other.classes) {
            count.add(*more);
        }
    }

    /// What was allocated after `before` was, by kind.
    pub fn since(&self, before: &Self) -> Self {
        let earlier = |bytes: u16| before.classes.iter().find(|(of, _)| *of == bytes);
        let classes = self.classes.iter().map(|(bytes, count)| {
            let before = earlier(*bytes).map(|(_, before)| *before);
            (*bytes, count.since(before.unwrap_or_default()))
        });
        Self {
            tiny: self.tiny.since(before.tiny),
            classes: classes.collect(),
            large: self.large.since(before.large),
        }
    }

    /// What was allocated in all after `before` was.
    pub fn total_since(&self, before: &Self) -> Count {
        self.total().since(before.total())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some(n: u64) -> Allocations {
        let count = |objects| Count {
            objects,
            bytes: objects * 8,
        };
        Allocations {
            tiny: count(n),
            classes: vec![(8, count(2 * n)), (16, count(0))],
            large: count(1),
        }
    }

    #[test]
    fn totals_add_up() {
        assert_eq!(
            some(3).total(),
            Count {
                objects: 10,
                bytes: 80
            }
        );
        let mut both = some(3);
        both.merge(&some(1));
        assert_eq!(both.total().objects, 14);
        assert_eq!(both.total_since(&some(3)).objects, 4);
        let since = both.since(&some(3));
        assert_eq!(since.tiny, some(1).tiny);
        assert_eq!(since.classes, some(1).classes);
        let mut from_nothing = Allocations::default();
        from_nothing.merge(&some(2));
        assert_eq!(from_nothing, some(2));
    }
}
