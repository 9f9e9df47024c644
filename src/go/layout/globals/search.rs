//! The ways in which a variable is found that do not depend on which it is: by what a function says, or passes to
//! another, or is called for.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use crate::go::layout::string_table::StringTable;
use crate::go::site::go_statements;
use crate::go::site::pieces::Piece;
use crate::go::site::receivers;
use crate::go::site::runtime_functions::Runtime;

/// Somebody who looks for variables.
pub(super) struct Search<'r, 'b> {
    pub(super) runtime: &'r Runtime<'b>,
    /// Code of functions that keep registers.
    keeping: Vec<Range<u64>>,
    /// What methods are called for anywhere.
    receivers: OnceCell<BTreeMap<&'static str, BTreeSet<u64>>>,
}

impl<'r, 'b> Search<'r, 'b> {
    pub(super) fn new(runtime: &'r Runtime<'b>) -> Self {
        Self {
            runtime,
            keeping: go_statements::keeping(runtime),
            receivers: OnceCell::new(),
        }
    }

    /// `found` if it is plausible, else what the symbol table says.
    pub(super) fn variable(&self, name: &str, found: Option<u64>) -> Option<u64> {
        let image = self.runtime.binary().image();
        found
            .filter(|address| self.is_variable(*address))
            .or_else(|| image.symbol(name))
    }

    pub(super) fn is_variable(&self, address: u64) -> bool {
        let segments = self.runtime.binary().image().segments();
        segments.iter().any(|segment| {
            segment.write
                && address
                    .checked_sub(segment.vaddr)
                    .is_some_and(|distance| distance < segment.memsz)
        })
    }

    pub(super) fn own(&self, name: &str) -> Option<Piece<'b>> {
        Piece::own(self.runtime, name)
    }

    /// What the function's own code says.
    pub(super) fn said(&self, name: &str, says: impl Fn(&Piece<'b>) -> Option<u64>) -> Option<u64> {
        says(&self.own(name)?)
    }

    /// What all copies of the function say that say something, if they say the same. To find them takes a pass over the whole
    /// function table: for when all else has failed.
    pub(super) fn said_by_copies(
        &self,
        name: &str,
        says: impl Fn(&Piece<'b>) -> Option<u64>,
    ) -> Option<u64> {
        only(Piece::of(self.runtime, name).iter().filter_map(says))
    }

    /// The address that `caller` passes as the first argument in its first call of `callee`.
    pub(super) fn argument(&self, caller: &str, callee: &str) -> Option<u64> {
        self.said(caller, self.passing(callee))
    }

    /// The same where a function with one call of one of `callees`, by whatever name, is inlined.
    pub(super) fn argument_in_copies(&self, caller: &str, callees: [&str; 2]) -> Option<u64> {
        let mut callees = callees.into_iter();
        callees.find_map(|callee| self.said_by_copies(caller, self.passing(callee)))
    }

    fn passing(&self, callee: &str) -> impl Fn(&Piece<'b>) -> Option<u64> {
        let callees = self.runtime.entries(callee);
        move |piece| piece.first_argument(&callees, &self.keeping)
    }

    /// The only variable for which methods of this type are called.
    pub(super) fn receiver(&self, of: &str) -> Option<u64> {
        only(self.receivers(of).into_iter())
    }

    /// All variables for which methods of this type are called.
    pub(super) fn receivers(&self, of: &str) -> BTreeSet<u64> {
        let receivers = || receivers::receivers(self.runtime, &self.keeping);
        let found = self.receivers.get_or_init(receivers).get(of).cloned();
        let mut found = found.unwrap_or_default();
        found.retain(|address| self.is_variable(*address));
        found
    }

    /// The table of strings that one of `functions` indexes.
    pub(super) fn strings(&self, functions: &[&str]) -> Option<StringTable> {
        functions
            .iter()
            .filter_map(|name| self.runtime.find(name))
            .find_map(|body| StringTable::find(body.code()))
            .filter(|table| self.is_variable(table.address))
    }
}

/// What those say that say something, if they say the same; what the last one says where nobody else does.
pub(super) fn agreed(found: [Option<u64>; 2], last: impl Fn() -> Option<u64>) -> Option<u64> {
    match found {
        [None, None] => last(),
        _ => only(found.into_iter().flatten()),
    }
}

/// The only value, which may come several times.
pub(super) fn only(mut values: impl Iterator<Item = u64>) -> Option<u64> {
    let first = values.next()?;
    values.all(|value| value == first).then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Witnesses that contradict each other are no witnesses, and nobody else is asked then.
    #[test]
    fn contradictions_refuse() {
        let last = || Some(3);
        assert_eq!(agreed([Some(1), Some(2)], last), None);
        assert_eq!(agreed([Some(1), Some(1)], last), Some(1));
        assert_eq!(agreed([None, Some(1)], last), Some(1));
        assert_eq!(agreed([None, None], last), Some(3));
        assert_eq!(only([1, 1, 2].into_iter()), None);
        assert_eq!(only([].into_iter()), None);
    }
}
