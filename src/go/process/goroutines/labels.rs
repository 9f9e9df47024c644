//! Labels of goroutines that were read, before a collection may have freed them.

use std::collections::HashMap;

use super::{Found, GoroutineReader, Slot};
use crate::go::memory::ReadMemory;
use crate::model::cpu::LabelsSeen;
use crate::model::dump::Labels;

/// How often goroutines are looked at whose labels may have been freed meanwhile.
const ATTEMPTS: usize = 3;

/// Sets of labels that are read at a time: each takes some calls of the kernel.
const MOST: usize = 1 << 16;

impl GoroutineReader<'_> {
    /// The labels of all that are alive and have some, by where their `g`s are; `None`: whether they have is not known.
    /// `begun` is how many collections had begun before the first of these was looked at.
    pub(super) fn labels(
        &mut self,
        memory: &dyn ReadMemory,
        slots: &[Slot],
        begun: Option<u32>,
    ) -> Option<HashMap<u64, Labels>> {
        let mut cycles = begun?;
        let mut sets = self.label_sets.take()?;
        let mut found = HashMap::new();
        let mut open: Vec<(u64, u64, u64)> = slots
            .iter()
            .filter_map(|slot| match &slot.found {
                Found::Alive(g, _) if g.labels != 0 => Some((slot.addr, g.goid, g.labels)),
                _ => None,
            })
            .collect();
        for attempt in 0..ATTEMPTS {
            let (mut lost, mut read) = (Vec::new(), 0);
            for (addr, goid, pointer) in open {
                let seen = LabelsSeen { pointer, cycles };
                read += usize::from(!sets.has(seen));
                let set = if read <= MOST {
                    sets.read(memory, seen)
                } else {
                    None
                };
                match set {
                    Some(set) if set.is_empty() => {}
                    Some(set) => drop(found.insert(addr, Labels::These(set))),
                    None => lost.push((addr, goid, pointer)),
                }
            }
            let is_last = attempt + 1 == ATTEMPTS || read > MOST;
            found.extend(lost.iter().map(|(addr, ..)| (*addr, Labels::Lost)));
            // In the same collection the same is read again.
            let now = sets.begun(memory);
            if lost.is_empty() || is_last || now == Some(cycles) {
                break;
            }
            let Some(now) = now else { break };
            cycles = now;
            open = self.look_again(memory, lost, &mut found);
        }
        self.label_sets = Some(sets);
        Some(found)
    }

    /// What these point to now; those that have no labels any more, or have ended, keep what is known of them.
    fn look_again(
        &self,
        memory: &dyn ReadMemory,
        lost: Vec<(u64, u64, u64)>,
        found: &mut HashMap<u64, Labels>,
    ) -> Vec<(u64, u64, u64)> {
        let mut slots: Vec<Slot> = lost.iter().map(|(addr, ..)| Slot::new(*addr)).collect();
        let slots: Vec<&mut Slot> = slots.iter_mut().collect();
        let Ok(records) = self.records(memory, &slots) else {
            return Vec::new();
        };
        let mut open = Vec::new();
        for ((addr, goid, _), g) in lost.into_iter().zip(records) {
            match g {
                Some(g) if g.goid == goid && !g.is_free() && g.labels != 0 => {
                    found.remove(&addr);
                    open.push((addr, goid, g.labels));
                }
                _ => {}
            }
        }
        open
    }
}
