//! Where goroutines block, and how long.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use anyhow::Result;

use crate::model::dump::Stack;
use crate::model::process::Named;
use crate::model::sched::Blocking;
use crate::model::sched::Doing;
use crate::model::sched::Open;
use crate::probe::sched::Key;
use crate::probe::sched::Pcs;
use crate::probe::sched::SchedProbes;

use super::Followed;
use super::unmoved::Moved;
use super::unmoved::OpenStates;
use super::unmoved::Unmoved;

/// Everything by which one place where goroutines block differs from another.
type GroupKey = (Arc<str>, bool, Option<Named>, Option<Vec<(String, u32)>>);

impl Followed<'_> {
    /// Where the goroutines of one program blocked, and block in these states.
    pub(super) fn blocking(
        &mut self,
        probes: &SchedProbes,
        open: &OpenStates,
    ) -> Result<Vec<Blocking>> {
        let pcs = probes.stacks()?;
        let mut all: HashMap<GroupKey, Blocking> = HashMap::new();
        let mut add = |found: Blocking| {
            let place = (
                found.reason.clone(),
                found.system,
                found.process.clone(),
                found.stack.as_ref().map(lines),
            );
            match all.entry(place) {
                Entry::Vacant(free) => {
                    free.insert(found);
                }
                Entry::Occupied(taken) => {
                    let known = taken.into_mut();
                    known.ended.merge(&found.ended);
                    known.open.merge(&found.open);
                    known.unmoved += found.unmoved;
                }
            }
        };
        for (stack, key, ended) in probes.blocks()? {
            let place = self.place(key, pcs.get(&stack));
            add(Blocking { ended, ..place });
        }
        for Moved { key, stack, ns } in &open.moved {
            if let Doing::Waiting(_) = key.doing {
                let mut place = self.place(*key, stack.and_then(|stack| pcs.get(&stack)));
                place.open.add(*ns);
                add(place);
            }
        }
        for Unmoved { elder, ns } in &open.unmoved {
            if elder.waits {
                let mut place = Blocking {
                    reason: elder.state.clone(),
                    system: elder.system,
                    process: self.process(probes.by_process().then_some(elder.process)),
                    stack: elder.stack.as_deref().cloned(),
                    deeper: false,
                    ended: Open::default(),
                    open: Open::default(),
                    unmoved: 1,
                };
                place.open.add(*ns);
                add(place);
            }
        }
        Ok(all.into_values().collect())
    }

    /// A place where nobody has waited yet.
    fn place(&mut self, key: Key, pcs: Option<&Pcs>) -> Blocking {
        let (reason, _) = self.word(key.doing);
        Blocking {
            reason,
            system: key.system,
            process: self.process(key.process),
            stack: pcs.and_then(|pcs| self.stacks.describe(pcs)),
            deeper: pcs.is_some_and(|pcs| pcs.deeper),
            ended: Open::default(),
            open: Open::default(),
            unmoved: 0,
        }
    }
}

/// What a reader sees of a stack. The reader of goroutines and the programs may see more or less of the runtime below.
fn lines(stack: &Stack) -> Vec<(String, u32)> {
    let shown = stack.frames.iter().filter(|frame| !frame.hidden);
    shown
        .map(|frame| (frame.place.function.clone(), frame.place.line))
        .collect()
}
