//! Into which functions those of the runtime are inlined, without a look at what is inlined into each of all functions.
//!
//! The arrays of inlined calls lie side by side, some MB in a large program, and a function is named there by where its name
//! stands in the table of names. So one pass over the words finds every place that may name a function of the runtime. To
//! which function the array around such a place belongs is asked only for the names that somebody wants to know of.

use std::collections::BTreeMap;

use super::inline::{FUNCDATA_INL_TREE, Layout, PCDATA_INL_TREE_INDEX, layout};
use crate::go::pclntab::FuncTable;

/// What the names of the runtime's functions begin with.
pub(in crate::go) const PACKAGE: &str = "runtime.";

/// Functions whose records are looked at before what was read of the file is given back.
const AT_ONCE: usize = 8192;

/// Words that are looked at together.
const TOGETHER: usize = 16;

/// Where functions of the runtime are named as inlined ones.
#[derive(Debug)]
pub(in crate::go) struct InlinedNames {
    hosts: Vec<Host>,
    /// By where a name stands: offsets from the start of all funcdata. Some may be those of other things.
    places: BTreeMap<u32, Vec<u32>>,
}

/// A function that has an array of inlined calls.
#[derive(Clone, Copy, Debug)]
struct Host {
    /// Its number.
    number: u32,
    /// Where the array begins, as an offset from the start of all funcdata.
    array: u32,
    /// How many entries it may have at most: not more than there are bytes of code.
    most: u32,
}

impl Host {
    /// How many it has.
    fn count(&self, table: &FuncTable<'_>) -> usize {
        let number = usize::try_from(self.number).ok();
        let function = number.and_then(|number| table.nth_unnamed(number));
        function.map_or(0, |function| table.count_inlined(&function))
    }
}

impl InlinedNames {
    /// Reads them; `None` if the table does not say what is inlined.
    pub(in crate::go) fn of(table: &FuncTable<'_>) -> Option<Self> {
        let funcdata = table.funcdata?;
        let hosts = hosts(table);
        table.image.release_all();
        let names = table.index.of_package(table.names, PACKAGE);
        table.image.release_all();
        let Layout { size, name, .. } = layout(table.format);
        let size = u32::try_from(size).ok()?;
        let (mut start, mut end) = (u32::MAX, 0);
        for host in &hosts {
            start = start.min(host.array);
            end = end.max(host.array.saturating_add(host.most.saturating_mul(size)));
        }
        // An address that is a multiple of the size of a word, as all arrays are.
        let start = start.min(end) / 4 * 4;
        let all = table.image.slice_from(funcdata.checked_add(start.into())?);
        let all = all.unwrap_or_default();
        let all = all.get(..all.len().min(usize::try_from(end - start).ok()?))?;
        let mut places: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        each_of(all, &names, |at, word| {
            let at = u32::try_from(at).ok().and_then(|at| start.checked_add(at));
            places.entry(word).or_default().extend(at);
        });
        // None such was ever seen.
        for host in hosts.iter().filter(|host| host.array % 4 != 0) {
            let first = host.array.saturating_add(u32::try_from(name).ok()?);
            for number in 0..host.count(table) {
                let at = first.saturating_add(size.saturating_mul(u32::try_from(number).ok()?));
                let word = funcdata.checked_add(at.into());
                let Some(word) = word.and_then(|word| table.image.slice(word, 4)) else {
                    break;
                };
                let word = u32::from_le_bytes(word.try_into().ok()?);
                if names.binary_search(&word).is_ok() {
                    places.entry(word).or_default().push(at);
                }
            }
        }
        table.image.release_all();
        // What was not there any more when it was read names nothing.
        table.believed(Self { hosts, places })
    }

    /// The names of functions that may be inlined somewhere.
    pub(in crate::go) fn names<'i>(
        &self,
        table: &FuncTable<'i>,
    ) -> impl Iterator<Item = &'i str> + use<'i, '_> {
        let table = *table;
        let words = self.places.keys();
        words.filter_map(move |word| table.name(usize::try_from(*word).ok()?))
    }

    /// The entries of the functions into which that one is inlined, ascending.
    pub(in crate::go) fn hosts(&self, table: &FuncTable<'_>, name: &str) -> Vec<u64> {
        let words = table.index.offsets(table.names, name).into_iter();
        let places = words.filter_map(|word| self.places.get(&word));
        let mut places: Vec<u32> = places.flatten().copied().collect();
        places.sort_unstable();
        if places.is_empty() {
            return Vec::new();
        }
        let Layout { size, name, .. } = layout(table.format);
        let entry_of = |host: &Host| {
            let first = usize::try_from(host.array).ok()?.checked_add(name)?;
            let distance = |place: &u32| usize::try_from(*place).ok()?.checked_sub(first);
            let behind = places.partition_point(|place| distance(place).is_none());
            let behind = places.get(behind..)?.iter().filter_map(distance);
            let most = size.saturating_mul(usize::try_from(host.most).ok()?);
            let mut entries = behind.take_while(|distance| *distance < most);
            let first = entries.find(|distance| distance % size == 0)?;
            (first / size < host.count(table)).then_some(())?;
            let function = table.nth_unnamed(usize::try_from(host.number).ok()?)?;
            Some(function.entry)
        };
        self.hosts.iter().filter_map(entry_of).collect()
    }
}

/// The functions into which others are inlined.
fn hosts(table: &FuncTable<'_>) -> Vec<Host> {
    let mut hosts = Vec::new();
    for number in 0..table.len() {
        if number.is_multiple_of(AT_ONCE) {
            table.image.release_all();
        }
        hosts.extend(host(table, number));
    }
    hosts.shrink_to_fit();
    hosts
}

/// What the record of a function says of what is inlined into it.
fn host(table: &FuncTable<'_>, number: usize) -> Option<Host> {
    let array = table.functions.get(8 * number..)?.first_chunk::<12>()?;
    let word = |at: usize| Some(u32::from_le_bytes(*array.get(at..)?.first_chunk()?));
    let (entry, record, end) = (word(0)?, usize::try_from(word(4)?).ok()?, word(8)?);
    let format = table.format;
    let record = table.functions.get(record..)?;
    let fixed = record.get(..format.size())?;
    let npcdata = u32::from_le_bytes(*fixed.get(format.npcdata()..)?.first_chunk()?);
    let npcdata = usize::try_from(npcdata).ok()?;
    let nfuncdata = usize::from(*fixed.get(format.nfuncdata())?);
    if npcdata <= PCDATA_INL_TREE_INDEX || nfuncdata <= FUNCDATA_INL_TREE {
        return None;
    }
    let behind = record.get(format.size()..)?;
    let word = |at: usize| {
        let bytes = behind.get(at.checked_mul(4)?..)?.first_chunk()?;
        Some(u32::from_le_bytes(*bytes))
    };
    let index = word(PCDATA_INL_TREE_INDEX)?;
    let array = word(npcdata.checked_add(FUNCDATA_INL_TREE)?)?;
    (array != u32::MAX && index != 0).then_some(Host {
        number: u32::try_from(number).ok()?,
        array,
        most: end.checked_sub(entry)?,
    })
}

/// Tells the words in `all` that are among `wanted`, which are ascending, each with where it lies.
fn each_of(all: &[u8], wanted: &[u32], mut tell: impl FnMut(usize, u32)) {
    // Nearly all stand in one place, with those of other packages between the last few.
    let gaps = wanted.windows(2).enumerate();
    let widest = gaps.max_by_key(|(_, pair)| pair[1].abs_diff(pair[0]));
    let (low, high) = wanted.split_at(widest.map_or(0, |(at, _)| at + 1));
    let bounds = |part: &[u32]| Some((*part.first()?, part.last()?.abs_diff(*part.first()?)));
    let Some((high, high_span)) = bounds(high) else {
        return;
    };
    let (low, low_span) = bounds(low).unwrap_or((high, high_span));
    let is_near =
        |word: u32| (word.wrapping_sub(low) <= low_span) | (word.wrapping_sub(high) <= high_span);
    let few = Few::of(wanted);
    let (words, _) = all.as_chunks::<4>();
    for (number, together) in words.chunks(TOGETHER).enumerate() {
        // Without a branch, so that several are compared at once.
        let mut any = false;
        for word in together {
            any |= is_near(u32::from_le_bytes(*word));
        }
        if !any {
            continue;
        }
        for (at, word) in together.iter().enumerate() {
            let word = u32::from_le_bytes(*word);
            if is_near(word) && few.may_have(word) && wanted.binary_search(&word).is_ok() {
                tell(4 * (number * TOGETHER + at), word);
            }
        }
    }
}

/// Which of most words are not among some thousand, at first glance.
struct Few(Vec<u64>);

impl Few {
    const BITS: u32 = 16;

    fn of(words: &[u32]) -> Self {
        let mut few = Self(vec![0; 1 << (Self::BITS - 6)]);
        for word in words {
            let (at, bit) = Self::place(*word);
            if let Some(bits) = few.0.get_mut(at) {
                *bits |= bit;
            }
        }
        few
    }

    fn may_have(&self, word: u32) -> bool {
        let (at, bit) = Self::place(word);
        self.0.get(at).is_some_and(|bits| bits & bit != 0)
    }

    fn place(word: u32) -> (usize, u64) {
        let mixed = word.wrapping_mul(0x9e37_79b1) >> (32 - Self::BITS);
        (mixed as usize >> 6, 1 << (mixed & 63))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_wherever_they_lie() {
        let words: Vec<u32> = (0..1000).map(|at| 7 * at).collect();
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        let mut found = Vec::new();
        each_of(&bytes, &[0, 8, 21, 3500, 6993], |at, word| {
            found.push((at, word));
        });
        assert_eq!(found, [(0, 0), (12, 21), (2000, 3500), (3996, 6993)]);
        each_of(&bytes, &[], |_, _| panic!("nothing was asked for"));
    }
}
