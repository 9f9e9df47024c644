//! From a function's name to the function: two small indices, each made when it is first needed.
//!
//! The first finds a name in the table of names. Names are asked for by the dozen from few packages (most from the
//! runtime), so one pass over the table remembers where all names of a package stand.
//!
//! The second finds the function that has the name there. The linker (cmd/link/internal/ld/pcln.go,
//! `generateFuncnametab`, Go 1.18 to 1.27) writes a name when it first meets its owner, walking the functions in table
//! order and after each one those inlined into it. So names come in the order of the functions, except of functions
//! that were inlined somewhere before their turn: less than 2 % of them. That is used for speed only; what is found does
//! not depend on it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// What is remembered between look-ups by name.
#[derive(Debug, Default)]
pub(in crate::go) struct NameIndex {
    /// Where the names with a certain beginning stand, ascending.
    packages: Mutex<HashMap<String, Arc<[u32]>>>,
    /// Functions whose names do not come in order.
    stragglers: OnceLock<Vec<(u32, u32)>>,
}

/// No package has more names; what does is no table of names.
const MAX_NAMES: usize = 1 << 20;

/// Functions of one name that are believed: a function and its wrapper, or the same one for several types.
const MAX_SAME: usize = 1 << 8;

/// How far from its expected place a function is looked for before all records are read.
const WINDOW: usize = 128;

impl NameIndex {
    /// Where in the table of names this name stands, ascending: more than once if functions share it.
    pub(in crate::go) fn offsets(&self, table: &[u8], name: &str) -> Vec<u32> {
        let is_name = |at: &u32| {
            let rest = usize::try_from(*at).ok().and_then(|at| table.get(at..));
            let rest = rest.and_then(|rest| rest.strip_prefix(name.as_bytes()));
            rest.is_some_and(|rest| rest.first() == Some(&0))
        };
        let known = self.of_package(table, package(name));
        let found = known.iter().copied().filter(is_name);
        found.take(MAX_SAME).collect()
    }

    /// Where in the table of names those of a package stand (`runtime.`), ascending.
    pub(in crate::go) fn of_package(&self, table: &[u8], package: &str) -> Arc<[u32]> {
        let mut packages = self.packages.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = packages.get(package) {
            return Arc::clone(known);
        }
        let found: Arc<[u32]> = beginning_with(table, package).take(MAX_NAMES).collect();
        packages.insert(package.to_owned(), Arc::clone(&found));
        found
    }

    /// The number of the function whose name stands at `wanted`; `None` if no function has it (all its uses have been
    /// inlined). `offset_of` gives the offset of a function's name by the function's number, below `count`.
    pub(in crate::go) fn function(
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

/// The package of a function with the dot behind it, `runtime.` of `runtime.(*timers).check`; the whole name of those
/// few that have none.
fn package(name: &str) -> &str {
    // A path may have dots before the last slash, and type arguments may have slashes.
    let path = name
        .find('[')
        .map_or(name, |bracket| name.get(..bracket).unwrap_or(name));
    let base = path.rfind('/').map_or(0, |slash| slash + 1);
    let dot = path.get(base..).and_then(|rest| rest.find('.'));
    dot.and_then(|dot| name.get(..=base + dot)).unwrap_or(name)
}

/// Where the names stand that begin like this, ascending; those in the first 4 GiB.
fn beginning_with(table: &[u8], beginning: &str) -> impl Iterator<Item = u32> {
    let first = table.starts_with(beginning.as_bytes()).then_some(0);
    let needle = [b"\0", beginning.as_bytes()].concat();
    let finder = memchr::memmem::Finder::new(&needle).into_owned();
    let mut from = 0;
    let others = std::iter::from_fn(move || {
        let at = from + finder.find(table.get(from..)?)?;
        from = at + 1;
        u32::try_from(at + 1).ok()
    });
    first.into_iter().chain(others)
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
        let offsets = index.offsets(TABLE, name);
        offsets
            .into_iter()
            .map(|at| index.function(at, functions.len(), offset_of))
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
    fn packages() {
        for (name, expected) in [
            ("runtime.newproc", "runtime."),
            ("runtime.(*timers).check", "runtime."),
            (
                "internal/runtime/maps.(*Map).grow",
                "internal/runtime/maps.",
            ),
            ("gopkg.in/yaml%2ev3.(*parser).parse", "gopkg.in/yaml%2ev3."),
            ("main.Map[go.shape.int,a/b.c].func1", "main."),
            ("crosscall2", "crosscall2"),
            ("type:.eq.[2]runtime.Frame", "type:."),
            ("example.com/x", "example.com/x"),
            ("", ""),
        ] {
            assert_eq!(package(name), expected, "{name}");
        }
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
