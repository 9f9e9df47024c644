//! When the code of a binary has said enough to believe that it is built as was measured.

use super::list::{Entry, List};
use super::votes::AllVotes;
use crate::go::layout::{Fact, Field, Layout};
use crate::go::site::runtime_functions::Runtime;

/// So many bytes of code cost as much as a function does that is asked, however short it is.
const EACH: u64 = 64;

/// What was measured, as it is compared.
pub(super) struct Enough<'l>(pub(super) &'l Layout);

/// A function that can be asked, and the fields that it can tell of, each once.
pub(super) struct Candidate<'e, 't> {
    pub(super) entry: &'e Entry<'t>,
    fields: Vec<Field>,
}

impl Enough<'_> {
    /// Whether it matters what is said of a field: not of what this version does not have.
    pub(super) fn counts(&self, field: Field) -> bool {
        matches!(self.0.fact(field), Fact::Known(..))
    }

    /// All functions that can tell of fields that count, in the order in which they are to be asked: first those that can
    /// tell of many for little code.
    pub(super) fn candidates<'e, 't>(
        &self,
        list: &List<'t>,
        entries: &'e [Entry<'t>],
        runtime: &Runtime<'_>,
    ) -> Vec<Candidate<'e, 't>> {
        let candidate = |entry: &'e Entry<'t>| {
            let mut fields = Vec::new();
            for field in entry.names().filter_map(|name| list.field(name)) {
                if self.counts(field) && !fields.contains(&field) {
                    fields.push(field);
                }
            }
            Candidate { entry, fields }
        };
        let all = entries.iter().filter(|entry| entry.has_shapes());
        let all = all.map(candidate).filter(|it| !it.fields.is_empty());
        let mut candidates: Vec<Candidate<'_, '_>> = all.collect();
        candidates.sort_by_cached_key(|it| {
            let size = runtime.size(it.entry.function).saturating_add(EACH);
            size.saturating_mul(256) / it.fields.len() as u64
        });
        candidates
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
    /// Whether it can tell of a field of which nobody has told yet.
    pub(super) fn has_news(&self, votes: &AllVotes<'_>) -> bool {
        self.fields.iter().any(|field| !votes.contains_key(field))
    }
}
