//! When the code of a binary has said enough to believe that it is built as was measured.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::list::{Entry, List};
use super::votes::AllVotes;
use crate::go::layout::{Fact, Field, Layout};
use crate::go::site::runtime_functions::Runtime;

/// So many bytes of code cost as much as a function does that is asked, however short it is.
const EACH: u64 = 64;

/// What was measured, as it is compared.
pub(super) struct Enough<'l>(pub(super) &'l Layout);

/// A function that can be asked, and the fields that it can tell of, each once.
struct Candidate<'e, 't> {
    entry: &'e Entry<'t>,
    fields: Vec<Field>,
    /// Bytes of its code, and what each function costs besides.
    size: u64,
}

/// The functions that can tell of fields that count.
pub(super) struct Candidates<'e, 't> {
    all: Vec<Candidate<'e, 't>>,
    /// What a field costs that one tells of, as it was when that was last asked, and its place among all. It only grows.
    costs: BinaryHeap<Reverse<(u64, usize)>>,
}

impl Enough<'_> {
    /// Whether it matters what is said of a field: not of what this version does not have.
    pub(super) fn counts(&self, field: Field) -> bool {
        matches!(self.0.fact(field), Fact::Known(..))
    }

    /// All functions that can tell of fields that count.
    pub(super) fn candidates<'e, 't>(
        &self,
        list: &'t List,
        entries: &'e [Entry<'t>],
        runtime: &Runtime<'_>,
    ) -> Candidates<'e, 't> {
        let candidate = |entry: &'e Entry<'t>| {
            let fields = list.told(entry).filter(|field| self.counts(*field));
            let fields: Vec<Field> = fields.collect();
            let size = match fields.is_empty() {
                true => 0,
                false => runtime.size(entry.function),
            };
            let size = size.saturating_add(EACH);
            Candidate {
                entry,
                fields,
                size,
            }
        };
        let all = entries.iter().filter(|entry| entry.has_shapes());
        let all = all.map(candidate).filter(|it| !it.fields.is_empty());
        let all: Vec<Candidate<'_, '_>> = all.collect();
        let costs = all.iter().enumerate();
        let costs = costs.filter_map(|(at, it)| Some(Reverse((it.cost(it.fields.len())?, at))));
        let costs = costs.collect();
        Candidates { all, costs }
    }

    /// Whether nothing else was said than what was measured.
    pub(super) fn agree(&self, votes: &AllVotes<'_>) -> bool {
        votes.iter().all(|(field, votes)| {
            let measured = self.0.offset(*field);
            votes.keys().all(|offset| measured == Some(*offset))
        })
    }
}

impl Candidate<'_, '_> {
    /// What a field costs if it tells of so many; `None` if of none.
    fn cost(&self, fields: usize) -> Option<u64> {
        self.size.saturating_mul(256).checked_div(fields as u64)
    }
}

impl<'e, 't> Candidates<'e, 't> {
    /// Who is to be asked next: the one that can tell of many fields for little code, of which nobody has told yet. `None` when
    /// nobody has news any more.
    pub(super) fn next(&mut self, votes: &AllVotes<'_>) -> Option<&'e Entry<'t>> {
        while let Some(Reverse((cost, at))) = self.costs.pop() {
            let candidate = self.all.get(at)?;
            let fields = candidate.fields.iter();
            let news = fields.filter(|field| !votes.contains_key(field)).count();
            match candidate.cost(news) {
                Some(now) if now <= cost => return Some(candidate.entry),
                Some(now) => self.costs.push(Reverse((now, at))),
                None => {}
            }
        }
        None
    }
}
