//! From a function's name to the function: two small indices, each made when it is first needed.
//!
//! The linker (cmd/link/internal/ld/pcln.go, `generateFuncnametab`, Go 1.18 to 1.27) writes a name when it first meets
//! its owner, walking the functions in table order and after each one those inlined into it. So names come in the order
//! of the functions, except of functions that were inlined somewhere before their turn: less than 2 % of them. That is
//! used for speed only; what is found does not depend on it.

use std::sync::OnceLock;

/// What is remembered between look-ups by name.
#[derive(Debug, Default)]
pub(super) struct NameIndex {
    names: OnceLock<Option<Vec<u64>>>,
    stragglers: OnceLock<Vec<(u32, u32)>>,
}

/// More names than this per function are not indexed (bounds memory on damaged files): real tables have up to 1.5.
const NAMES_PER_FUNCTION: usize = 4;

/// How far from its expected place a function is looked for before all records are read.
const WINDOW: usize = 128;

impl NameIndex {
    /// Where in the table of names this name stands, ascending: more than once if functions share it.
    pub(super) fn offsets(&self, table: &[u8], functions: usize, name: &str) -> Vec<usize> {
        let index = self
            .names
            .get_or_init(|| index(table, functions.saturating_mul(NAMES_PER_FUNCTION)));
        let is_name = |at: &usize| {
            let rest = table
                .get(*at..)
                .and_then(|rest| rest.strip_prefix(name.as_bytes()));
            rest.is_some_and(|rest| rest.first() == Some(&0))
        };
        match index {
            Some(index) => {
                let hash = u64::from(hash(name.as_bytes())) << 32;
                let first = index.partition_point(|entry| *entry < hash);
                let same_hash = index
                    .iter()
                    .skip(first)
                    .take_while(|entry| *entry >> 32 == hash >> 32);
                same_hash
                    .filter_map(|entry| usize::try_from(entry & 0xffff_ffff).ok())
                    .filter(is_name)
                    .collect()
            }
            None => memchr::memmem::find_iter(table, name)
                .filter(|at| *at == 0 || table.get(at - 1) == Some(&0))
                .filter(is_name)
                .collect(),
        }
    }

    /// The number of the function whose name stands at `wanted`; `None` if no function has it (all its uses have been
    /// inlined). `offset_of` gives the offset of a function's name by the function's number, below `count`.
    pub(super) fn function(
        &self,
        wanted: u32,
        count: usize,
        offset_of: impl Fn(usize) -> Option<u32>,
    ) -> Option<usize> {
        let has_it = |i: &usize| *i < count && offset_of(*i) == Some(wanted);
        if self.stragglers.get().is_none() {
            // A straggler may mislead the search; the maximum over a few neighbours makes that rare.
            let before =
                |i: usize| (i.saturating_sub(3)..=i).filter_map(&offset_of).max() < Some(wanted);
            let (mut near, mut high) = (0, count);
            while near < high {
                let middle = near + (high - near) / 2;
                if before(middle) {
                    near = middle + 1
                } else {
                    high = middle
                }
            }
            let found = (near.saturating_sub(WINDOW)..near.saturating_add(WINDOW)).find(has_it);
            if found.is_some() {
                return found;
            }
        }
        let stragglers = self
            .stragglers
            .get_or_init(|| stragglers(count, &offset_of));
        if let Ok(at) = stragglers.binary_search_by_key(&wanted, |(offset, _)| *offset) {
            return usize::try_from(stragglers.get(at)?.1).ok();
        }
        // Exact: all others are in order.
        let in_order = |i: &usize| {
            let is_straggler = |offset| {
                stragglers
                    .binary_search_by_key(&offset, |(offset, _)| *offset)
                    .is_ok()
            };
            offset_of(*i).filter(|offset| !is_straggler(*offset))
        };
        let (mut low, mut high) = (0, count);
        while low < high {
            let middle = low + (high - low) / 2;
            match (low..=middle).rev().find_map(|i| Some((i, in_order(&i)?))) {
                Some((i, offset)) if offset == wanted => return Some(i),
                Some((i, offset)) if offset > wanted => high = i,
                _ => low = middle + 1,
            }
        }
        None
    }
}

/// The functions whose names do not come in order, as (offset of the name, number of the function), by offset.
fn stragglers(count: usize, offset_of: impl Fn(usize) -> Option<u32>) -> Vec<(u32, u32)> {
    let mut found = Vec::new();
    let mut highest = None;
    for i in 0..count {
        let offset = offset_of(i);
        match (offset, u32::try_from(i)) {
            (Some(offset), Ok(i)) if highest.is_some_and(|h| offset <= h) => {
                found.push((offset, i))
            }
            _ => highest = offset.or(highest),
        }
    }
    found.sort_unstable();
    found
}

/// All names as (hash, offset) in one word each, ascending; `None` if there are more than `limit`, or 4 GiB of them.
fn index(table: &[u8], limit: usize) -> Option<Vec<u64>> {
    let mut entries = Vec::new();
    let mut start = 0;
    for end in memchr::memchr_iter(0, table) {
        if end > start {
            if entries.len() >= limit {
                return None;
            }
            let offset = u32::try_from(start).ok()?;
            entries.push(u64::from(hash(table.get(start..end)?)) << 32 | u64::from(offset));
        }
        start = end + 1;
    }
    entries.sort_unstable();
    Some(entries)
}

/// A quick hash; what it collides on is compared afterwards.
fn hash(name: &[u8]) -> u32 {
    let mut state = name.len() as u64;
    for chunk in name.chunks(8) {
        let word = chunk
            .iter()
            .rev()
            .fold(0, |word, byte| word << 8 | u64::from(*byte));
        state = (state ^ word)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .rotate_left(29);
    }
    (state >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names in the order of the functions, except that `late` was written with `a` and `never` belongs to nobody.
    const TABLE: &[u8] = b"a\0late\0b\0never\0c\0twice\0twice\0";

    fn functions() -> Vec<u32> {
        vec![0, 7, 15, 17, 2, 23]
    }

    fn find(index: &NameIndex, name: &str) -> Vec<Option<usize>> {
        let functions = functions();
        let offset_of = |i: usize| functions.get(i).copied();
        let offsets = index.offsets(TABLE, functions.len(), name);
        offsets
            .into_iter()
            .map(|at| index.function(at.try_into().unwrap(), functions.len(), offset_of))
            .collect()
    }

    #[test]
    fn finds_every_function() {
        let check = |index: &NameIndex| {
            assert_eq!(find(index, "a"), [Some(0)]);
            assert_eq!(find(index, "b"), [Some(1)]);
            assert_eq!(find(index, "late"), [Some(4)]);
            assert_eq!(find(index, "twice"), [Some(3), Some(5)]);
            assert_eq!(find(index, "never"), [None]);
            assert!(find(index, "wice").is_empty());
            assert!(find(index, "unknown").is_empty());
            assert!(find(index, "").is_empty());
        };
        let index = NameIndex::default();
        check(&index);
        assert!(
            index.stragglers.get().is_some(),
            "a name without function makes the exact index"
        );
        check(&index);
    }

    #[test]
    fn too_many_names_are_searched_instead() {
        assert_eq!(index(TABLE, 3), None);
        let all: Vec<u8> = [b"x\0".repeat(100), TABLE.to_vec()].concat();
        let index = NameIndex::default();
        assert_eq!(index.offsets(&all, 1, "late"), [202]);
        assert!(index.offsets(&all, 1, "ate").is_empty());
        assert_eq!(index.names.get(), Some(&None));
    }

    #[test]
    fn exact_search_steps_over_stragglers() {
        // Odd functions are in order; even ones come from one block of names at the start.
        let offsets: Vec<u32> = (0..2000)
            .map(|i| if i % 2 == 0 { 1 + i } else { 10_000 + i })
            .collect();
        let offset_of = |i: usize| {
            if i % 7 == 3 {
                None
            } else {
                offsets.get(i).copied()
            }
        };
        let index = NameIndex::default();
        assert_eq!(index.function(6, offsets.len(), offset_of), None);
        for (i, offset) in offsets.iter().enumerate() {
            assert_eq!(
                index.function(*offset, offsets.len(), offset_of),
                (i % 7 != 3).then_some(i)
            );
        }
    }
}
