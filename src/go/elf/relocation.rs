//! The dynamic relocations of an image, as far as they make pointers: RELA entries of the relative and absolute kinds.
//!
//! In a position-independent program a pointer in initialised data is completed by the loader. With RELA its value is
//! in the relocation entry (Go's own linker writes nothing in place; GNU ld neither), with RELR (`-z pack-relative-relocs`)
//! it is in place and needs no look here. Found by `PT_DYNAMIC`, so section headers are not needed. Formats: System V
//! gABI; relocation numbers: the psABI of x86-64 and of AArch64.

use std::sync::OnceLock;

use super::contents::Contents;
use super::headers::Machine;
use super::word::word;

/// Size of an `Elf64_Rela`: offset u64, type u32, symbol u32, addend i64.
const RELA: usize = 24;

const DT_NULL: u64 = 0;
const DT_SYMTAB: u64 = 6;
const DT_RELA: u64 = 7;
const DT_RELASZ: u64 = 8;

/// The RELA table of an image; entries are read where they lie.
#[derive(Debug, Default)]
pub(in crate::go) struct Relocations {
    vaddr: u64,
    size: usize,
    symbols: Option<u64>,
    /// Made when first needed.
    order: OnceLock<Order>,
}

/// The entries by ascending offset. Linkers put the relative relocations first, by offset, and all others behind them.
#[derive(Debug, Default)]
struct Order {
    /// So many entries are in that order where they lie.
    sorted: usize,
    /// The numbers of the others.
    others: Vec<u32>,
}

impl Relocations {
    /// Reads the dynamic table at `vaddr`. Without one, or if it is damaged, there are no relocations.
    pub(in crate::go) fn find(contents: Contents<'_>, vaddr: u64, size: u64) -> Self {
        let mut found = Self::default();
        let available = contents.slice_from(vaddr).unwrap_or_default();
        let size = usize::try_from(size)
            .unwrap_or(usize::MAX)
            .min(available.len());
        for entry in available.get(..size).unwrap_or_default().chunks_exact(16) {
            let (Some(tag), Some(value)) = (word(entry), entry.get(8..).and_then(word)) else {
                break;
            };
            match tag {
                DT_NULL => break,
                DT_SYMTAB => found.symbols = Some(value),
                DT_RELA => found.vaddr = value,
                DT_RELASZ => found.size = usize::try_from(value).unwrap_or(0),
                _ => {}
            }
        }
        found
    }

    fn table<'i>(&self, contents: Contents<'i>) -> &'i [u8] {
        let table = contents.slice_from(self.vaddr).unwrap_or_default();
        table.get(..self.size.min(table.len())).unwrap_or_default()
    }

    /// Whether the table itself covers an address: what looks like a pointer there is an addend.
    pub(in crate::go) fn contains(&self, vaddr: u64) -> bool {
        let end = self.vaddr.saturating_add(self.size as u64);
        (self.vaddr..end).contains(&vaddr)
    }

    /// The pointer that the loader writes at `vaddr` at bias 0, if it writes one there.
    pub(in crate::go) fn at(&self, contents: Contents<'_>, vaddr: u64) -> Option<u64> {
        let table = self.table(contents);
        let order = self.order.get_or_init(|| Order::of(table));
        let entry = |i: usize| table.get(i.checked_mul(RELA)?..)?.get(..RELA);
        let other = |i: usize| entry(usize::try_from(*order.others.get(i)?).ok()?);
        let found = search(order.sorted, vaddr, entry);
        let entry = found.or_else(|| search(order.others.len(), vaddr, other))?;
        self.value(contents, entry)
    }

    /// Addresses of the words that get this pointer, in table order.
    pub(in crate::go) fn holding<'a>(
        &'a self,
        contents: Contents<'a>,
        value: u64,
    ) -> impl Iterator<Item = u64> + 'a {
        self.all(contents)
            .filter(move |(_, pointer)| *pointer == value)
            .map(|(vaddr, _)| vaddr)
    }

    /// All words that get a pointer, as (address, pointer), in table order.
    pub(in crate::go) fn all<'a>(
        &'a self,
        contents: Contents<'a>,
    ) -> impl Iterator<Item = (u64, u64)> + 'a {
        let entries = self.table(contents).chunks_exact(RELA);
        entries.filter_map(move |entry| Some((word(entry)?, self.value(contents, entry)?)))
    }

    /// What the loader writes for one entry at bias 0.
    fn value(&self, contents: Contents<'_>, entry: &[u8]) -> Option<u64> {
        let info = word(entry.get(8..)?)?;
        let addend = word(entry.get(16..)?)?;
        let (relative, absolute) = match contents.machine {
            Machine::X86_64 => (8, 1),
            Machine::Aarch64 => (1027, 257),
        };
        let (kind, symbol) = (info & 0xffff_ffff, info >> 32);
        if kind == relative {
            return Some(addend);
        }
        if kind != absolute {
            return None;
        }
        let at = self
            .symbols?
            .checked_add(symbol.checked_mul(24)?)?
            .checked_add(8)?;
        Some(word(contents.slice(at, 8)?)?.wrapping_add(addend))
    }
}

impl Order {
    fn of(table: &[u8]) -> Self {
        let offset = |i: usize| table.get(i.checked_mul(RELA)?..).and_then(word);
        let count = table.len() / RELA;
        let falls = |i: &usize| offset(*i) < offset(i - 1);
        let sorted = (1..count).find(falls).unwrap_or(count);
        let mut others: Vec<u32> = (sorted..count)
            .filter_map(|i| u32::try_from(i).ok())
            .collect();
        others.sort_by_cached_key(|i| usize::try_from(*i).ok().and_then(offset));
        Self { sorted, others }
    }
}

/// The entry with this offset among `count` by ascending offset.
fn search<'t>(
    count: usize,
    vaddr: u64,
    nth: impl Fn(usize) -> Option<&'t [u8]>,
) -> Option<&'t [u8]> {
    let (mut low, mut high) = (0, count);
    while low < high {
        let middle = low + (high - low) / 2;
        if word(nth(middle)?)? < vaddr {
            low = middle + 1
        } else {
            high = middle
        }
    }
    let entry = nth(low).filter(|_| low < count)?;
    (word(entry)? == vaddr).then_some(entry)
}
