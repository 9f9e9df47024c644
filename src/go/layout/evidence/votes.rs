//! What functions say of members, and what of that is believed.

use std::collections::BTreeMap;

use super::said::{Doubts, Said};
use crate::go::layout::{Field, Layout};

/// Who says where each member is.
pub(super) type AllVotes<'f> = BTreeMap<Field, BTreeMap<u32, Votes<'f>>>;

/// Who says that a member is at an offset.
#[derive(Default)]
pub(super) struct Votes<'f> {
    pub(super) functions: Vec<&'f str>,
    /// How often they touch the structure.
    pub(super) touches: usize,
}

/// What witnesses agree on, and what they do not.
pub(super) fn believed(votes: AllVotes<'_>, layout: &Layout) -> (BTreeMap<Field, Said>, Doubts) {
    let (mut found, mut doubts) = (BTreeMap::new(), Doubts::new());
    for (field, votes) in votes {
        match agreed(&votes, layout.offset(field), layout.hint(field)) {
            Some(said) => drop(found.insert(field, said)),
            None => drop(doubts.insert(field, votes.into_keys().collect())),
        }
    }
    doubt_neighbours(&mut found, &mut doubts);
    (found, doubts)
}

/// Two members do not lie in one place: of those that are said to, the one that most functions speak of counts.
fn doubt_neighbours(found: &mut BTreeMap<Field, Said>, doubts: &mut Doubts) {
    let holds = |whole: Field, part: Field| {
        let rest = part.name().strip_prefix(whole.name());
        rest.is_some_and(|rest| rest.starts_with('.'))
    };
    // Those of one place side by side.
    let mut all: Vec<(&str, u32, Field, usize)> = found
        .iter()
        .map(|(field, said)| (field.structure(), said.offset, *field, said.functions))
        .collect();
    all.sort_unstable();
    let mut losers: Vec<Field> = Vec::new();
    for rivals in all.chunk_by(|one, next| (one.0, one.1) == (next.0, next.1)) {
        let loses = |field: Field, functions: usize| {
            rivals.iter().any(|(.., other, others)| {
                *other != field
                    && *others >= functions
                    && !holds(*other, field)
                    && !holds(field, *other)
            })
        };
        let all = rivals.iter();
        losers.extend(all.filter(|it| loses(it.2, it.3)).map(|it| it.2));
    }
    for field in losers {
        if let Some(said) = found.remove(&field) {
            doubts.insert(field, vec![said.offset]);
        }
    }
}

/// So many witnesses it takes for something that was not expected,
const SEVERAL: usize = 3;

/// or functions that touch so many members altogether: one that touches that many in the order that is known does not do
/// so by accident.
const MANY: usize = 7;

/// The same for what was measured of another version only.
const FEW: usize = 3;

/// What the witnesses agree on: less is enough for what was measured, of this version (`known`) or another (`likely`), than
/// for something else.
fn agreed(
    votes: &BTreeMap<u32, Votes<'_>>,
    known: Option<u32>,
    likely: Option<u32>,
) -> Option<Said> {
    let mut votes = votes.iter();
    let (offset, for_it) = votes.next()?;
    let count = for_it.functions.len();
    let is_known = known == Some(*offset);
    let is_likely = likely == Some(*offset) && for_it.touches >= FEW;
    let is_enough = is_known || is_likely || count >= SEVERAL || for_it.touches >= MANY;
    if votes.next().is_some() || !is_enough {
        return None;
    }
    Some(Said {
        offset: *offset,
        functions: count,
        one: (*for_it.functions.iter().min_by_key(|name| name.len())?).to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each so many functions that touch two members.
    fn votes(votes: &[(u32, usize)]) -> BTreeMap<u32, Votes<'static>> {
        let all = votes.iter();
        let all = all.map(|(offset, functions)| {
            let votes = Votes {
                functions: vec!["runtime.f"; *functions],
                touches: 2 * functions,
            };
            (*offset, votes)
        });
        all.collect()
    }

    #[test]
    fn two_members_do_not_lie_in_one_place() {
        let said = |field, offset, functions| {
            let one = "runtime.f".to_owned();
            let said = Said {
                offset,
                functions,
                one,
            };
            (field, said)
        };
        let mut found = BTreeMap::from([
            said(Field::WorkPauseNs, 752, 3),
            said(Field::WorkHeap0, 752, 1),
            said(Field::GGoid, 752, 1),
            said(Field::SchedGFree, 8, 1),
            said(Field::SchedGFreeN, 8, 1),
        ]);
        let mut doubts = Doubts::new();
        doubt_neighbours(&mut found, &mut doubts);
        assert_eq!(doubts, Doubts::from([(Field::WorkHeap0, vec![752])]));
        assert_eq!(found.len(), 4);
    }

    #[test]
    fn witnesses_that_disagree_prove_nothing() {
        let offset = |all: &[(u32, usize)], known, likely| {
            agreed(&votes(all), known, likely).map(|said| said.offset)
        };
        assert_eq!(offset(&[(160, 1)], Some(160), None), Some(160));
        // What was not expected takes several.
        assert_eq!(offset(&[(160, 2)], Some(152), None), None);
        assert_eq!(offset(&[(160, 3)], None, None), Some(160));
        assert_eq!(offset(&[(160, 1)], None, Some(160)), None);
        assert_eq!(offset(&[(160, 2)], None, Some(160)), Some(160));
        assert_eq!(offset(&[(160, 9), (168, 1)], Some(160), None), None);
        assert_eq!(offset(&[], Some(160), None), None);
    }
}
