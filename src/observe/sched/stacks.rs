//! The stacks on which goroutines block, in words.

use crate::go::process::trace_table::TraceTable;
use crate::go::process::unwind::Trace;
use crate::go::symbolize::code_address::CodeAddress;
use crate::model::dump::Stack;
use crate::probe::sched::Pcs;
use crate::target::Target;

/// Names the stacks of one binary.
#[derive(Debug)]
pub(super) struct Stacks<'a> {
    table: TraceTable<'a>,
}

impl<'a> Stacks<'a> {
    pub(super) fn of(target: &'a Target) -> Self {
        Self {
            table: TraceTable::new(&target.program.binary),
        }
    }

    pub(super) fn describe(&mut self, pcs: &Pcs) -> Option<Stack> {
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
