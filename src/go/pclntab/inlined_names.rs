//! Into which functions those of the runtime are inlined, without a look at what is inlined into each of all functions.
//!
//! The arrays of inlined calls lie side by side, some MB in a large program, and a function is named there by where its name
//! stands in the table of names. So one pass over them, from each to the next, finds every place that may name a function of
//! the runtime. To which function the array around such a place belongs is asked only for the names that somebody wants to
//! know of.

use super::header::Format;
use super::inline::{FUNCDATA_INL_TREE, Layout, PCDATA_INL_TREE_INDEX, layout};
use crate::go::pclntab::FuncTable;

/// What the names of the runtime's functions begin with.
pub(in crate::go) const PACKAGE: &str = "runtime.";

/// Functions whose records are looked at before what was read of the file is given back.
const AT_ONCE: usize = 8192;

/// Where functions of the runtime are named as inlined ones.
#[derive(Debug)]
pub(in crate::go) struct InlinedNames {
    hosts: Vec<Host>,
    /// Where a name stands, and where it is named, as an offset from the start of all funcdata; ascending. Some places may be
    /// those of other things.
    places: Vec<(u32, u32)>,
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
        let all = table.image.slice_from(funcdata).unwrap_or_default();
        let places = places(all, table.format, &hosts, &names);
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
        let groups = self.places.chunk_by(|(one, _), (next, _)| one == next);
        let words = groups.filter_map(|same| Some(same.first()?.0));
        words.filter_map(move |word| table.name(usize::try_from(word).ok()?))
    }

    /// The places at which a name is named that stands there.
    fn naming(&self, word: u32) -> impl Iterator<Item = u32> + '_ {
        let start = self.places.partition_point(|(it, _)| *it < word);
        let rest = self.places.get(start..).unwrap_or_default().iter();
        let same = rest.take_while(move |(it, _)| *it == word);
        same.map(|(_, place)| *place)
    }

    /// The entries of the functions into which that one is inlined, ascending.
    pub(in crate::go) fn hosts(&self, table: &FuncTable<'_>, name: &str) -> Vec<u64> {
        let words = table.index.offsets(table.names, name).into_iter();
        let mut places: Vec<u32> = words.flat_map(|word| self.naming(word)).collect();
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
    let format = table.format;
    let fixed = Fixed {
        size: format.size(),
        npcdata: format.npcdata(),
        nfuncdata: format.nfuncdata(),
    };
    let mut hosts = Vec::new();
    for number in 0..table.len() {
        if number.is_multiple_of(AT_ONCE) {
            table.image.release_all();
        }
        if let Some(host) = fixed.host(table.functions, number) {
            hosts.push(host);
        }
    }
    hosts.shrink_to_fit();
    hosts
}

/// The fixed part of a function's record.
struct Fixed {
    size: usize,
    npcdata: usize,
    nfuncdata: usize,
}

impl Fixed {
    /// What the record of a function says of what is inlined into it.
    #[inline]
    fn host(&self, functions: &[u8], number: usize) -> Option<Host> {
        let of_it: &[u8; 12] = functions.get(8 * number..)?.first_chunk()?;
        let record = functions.get(word(of_it, 4)? as usize..)?;
        let npcdata = word(record, self.npcdata)? as usize;
        let nfuncdata = usize::from(*record.get(self.nfuncdata)?);
        if npcdata <= PCDATA_INL_TREE_INDEX || nfuncdata <= FUNCDATA_INL_TREE {
            return None;
        }
        let behind = record.get(self.size..)?;
        let array = npcdata.checked_add(FUNCDATA_INL_TREE)?.checked_mul(4)?;
        let array = word(behind, array)?;
        let index = word(behind, 4 * PCDATA_INL_TREE_INDEX)?;
        (array != u32::MAX && index != 0).then_some(Host {
            number: u32::try_from(number).ok()?,
            array,
            most: word(of_it, 8)?.checked_sub(word(of_it, 0)?)?,
        })
    }
}

#[inline]
fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..)?.first_chunk()?;
    Some(u32::from_le_bytes(*bytes))
}

/// The places in the arrays of inlined calls that name one of `names`, which are ascending; `all` is what funcdata there is.
/// An array is taken to reach to the next one, unless its function has less code than that.
fn places(all: &[u8], format: Format, hosts: &[Host], names: &[u32]) -> Vec<(u32, u32)> {
    let Layout { size, name, .. } = layout(format);
    let pair = |high: u32, low: u32| u64::from(high) << 32 | u64::from(low);
    let parts = |pair: u64| ((pair >> 32) as u32, pair as u32);
    let mut arrays: Vec<u64> = hosts.iter().map(|it| pair(it.array, it.most)).collect();
    arrays.sort_unstable();
    let few = Few::of(names);
    let mut found: Vec<u64> = Vec::new();
    for (number, array) in arrays.iter().enumerate() {
        let (start, most) = parts(*array);
        let next = arrays.get(number + 1).map(|next| parts(*next).0);
        // Of several functions that share one, the longest counts.
        if next == Some(start) {
            continue;
        }
        let start = start as usize;
        let end = start.saturating_add(size.saturating_mul(most as usize));
        let next = next.map_or(all.len(), |next| next as usize);
        let array = all.get(start..end.min(next).min(all.len()));
        let entries = array.unwrap_or_default().chunks_exact(size);
        for (number, entry) in entries.enumerate() {
            if let Some(word) = word(entry, name)
                && few.may_have(word)
                && names.binary_search(&word).is_ok()
                && let Ok(at) = u32::try_from(start + size * number + name)
            {
                found.push(pair(word, at));
            }
        }
    }
    found.sort_unstable();
    found.into_iter().map(parts).collect()
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

    /// Arrays in another order than their functions, of which two share one, with a gap behind the first, and one that begins at
    /// no multiple of a word's size: names are found in all entries, and only where an entry has one.
    #[test]
    fn names_are_found_in_every_array() {
        const WANTED: [u32; 3] = [7, 4000, 80_000];
        for format in [Format::Go118, Format::Go120] {
            let Layout { size, name, .. } = layout(format);
            let starts = [20 * size, size, 40 * size + 3];
            let mut all = vec![0; 50 * size];
            // A word of another member says nothing.
            all[size + name + 4] = 7;
            let mut expected = Vec::new();
            for (start, word) in starts.iter().zip(WANTED) {
                for entry in [0, 1, 4] {
                    let at = start + size * entry + name;
                    all[at..at + 4].copy_from_slice(&word.to_le_bytes());
                    expected.push((word, u32::try_from(at).unwrap()));
                }
            }
            let host = |start: usize, most| Host {
                number: 0,
                array: u32::try_from(start).unwrap(),
                most,
            };
            let [first, second, third] = starts;
            let hosts = [
                host(first, 5),
                host(second, 2),
                host(second, 300),
                host(second, 1),
                host(third, 300),
            ];
            assert_eq!(places(&all, format, &hosts, &WANTED), expected);
            // Of as much code as that there are no more.
            let hosts = [host(first, 2)];
            assert_eq!(places(&all, format, &hosts, &WANTED), expected[..2]);
            assert_eq!(places(&all, format, &hosts, &[]), []);
        }
    }
}
