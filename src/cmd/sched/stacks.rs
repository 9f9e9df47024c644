//! Where goroutines block: the stacks in words, and how long.

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::Result;

use crate::go::code_address::CodeAddress;
use crate::go::trace_table::TraceTable;
use crate::go::unwind::Trace;
use crate::model::dump::Stack;
use crate::model::sched::Blocking;
use crate::model::sched::Open;
use crate::probe::sched::Pcs;
use crate::target::Target;

use super::Observed;
use super::still;

/// Names the stacks of one binary.
#[derive(Debug)]
pub(super) struct Stacks<'a> {
    table: TraceTable<'a>,
}

impl<'a> Stacks<'a> {
    pub(super) fn of(target: &'a Target) -> Self {
        Self {
            table: TraceTable::new(&target.binary),
        }
    }

    fn describe(&mut self, pcs: &Pcs) -> Option<Stack> {
        let at = |pc: &u64| CodeAddress {
            pc: *pc,
            is_return: true,
        };
        let trace = Trace {
            inner: pcs.pcs.iter().map(at).collect(),
            ..Trace::default()
        };
        let number = self.table.number(&trace);
        self.table.stack(number).cloned()
    }
}

/// Everything by which one place where goroutines block differs from another.
type Place = (Arc<str>, bool, Option<Vec<(String, u32)>>);

/// Where the goroutines of one binary blocked.
pub(super) fn blocking(one: &mut Observed<'_>, now_ns: u64) -> Result<Vec<Blocking>> {
    let pcs = one.probes.stacks()?;
    let mut all: HashMap<Place, Blocking> = HashMap::new();
    let mut add =
        |reason: Arc<str>, system, stack: Option<Stack>, deeper, ended: Open, open: Open| {
            let place = (reason.clone(), system, stack.as_ref().map(lines));
            let blocking = all.entry(place).or_insert_with(|| Blocking {
                reason,
                system,
                stack,
                deeper,
                ended: Open::default(),
                open: Open::default(),
            });
            blocking.ended.merge(&ended);
            blocking.open.merge(&open);
        };
    for (stack, key, ended) in one.probes.blocks()? {
        let known = pcs.get(&stack);
        let described = known.and_then(|pcs| one.stacks.describe(pcs));
        let deeper = known.is_some_and(|pcs| pcs.deeper);
        let (reason, _) = one.word(key.doing);
        add(
            reason,
            key.system,
            described,
            deeper,
            ended,
            Open::default(),
        );
    }
    for known in one.probes.known()? {
        let Some((key, since, stack)) = known.now else {
            continue;
        };
        let (reason, waits) = one.word(key.doing);
        if !waits {
            continue;
        }
        let known = stack.and_then(|stack| pcs.get(&stack));
        let described = known.and_then(|pcs| one.stacks.describe(pcs));
        let deeper = known.is_some_and(|pcs| pcs.deeper);
        let mut open = Open::default();
        open.add(now_ns.saturating_sub(since));
        add(reason, key.system, described, deeper, Open::default(), open);
    }
    let unmoved_ns = still::unmoved_ns(one, now_ns);
    for elder in still::unmoved(one)?.into_iter().filter(|elder| elder.waits) {
        let stack = elder.stack.map(|stack| Stack::clone(&stack));
        let mut open = Open::default();
        open.add(unmoved_ns);
        add(
            elder.state,
            elder.system,
            stack,
            false,
            Open::default(),
            open,
        );
    }
    Ok(all.into_values().collect())
}

/// What a reader sees of a stack. The reader of goroutines and the programs may see more or less of the runtime below.
fn lines(stack: &Stack) -> Vec<(String, u32)> {
    let shown = stack.frames.iter().filter(|frame| !frame.hidden);
    shown
        .map(|frame| (frame.place.function.clone(), frame.place.line))
        .collect()
}
