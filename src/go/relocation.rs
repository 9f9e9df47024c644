//! The dynamic relocations of an image, as far as they make pointers: RELA entries of the relative and absolute kinds.
//!
//! In a position-independent program a pointer in initialised data is completed by the loader. With RELA its value is
//! in the relocation entry (Go's own linker writes nothing in place; GNU ld neither), with RELR (`-z pack-relative-relocs`)
//! it is in place and needs no look here. Found by `PT_DYNAMIC`, so section headers are not needed. Formats: System V
//! gABI; relocation numbers: the psABI of x86-64 and of AArch64.

use std::sync::OnceLock;

use super::elf::Machine;
use super::image::{Image, word};

/// Size of an `Elf64_Rela`: offset u64, type u32, symbol u32, addend i64.
const RELA: usize = 24;

const DT_NULL: u64 = 0;
const DT_SYMTAB: u64 = 6;
const DT_RELA: u64 = 7;
const DT_RELASZ: u64 = 8;

/// The RELA table of an image; entries are read where they lie.
#[derive(Debug, Default)]
pub(super) struct Relocations {
    vaddr: u64,
    size: usize,
    symbols: Option<u64>,
    /// Entry numbers by ascending offset, or `None` if the table is in that order already; made when first needed.
    order: OnceLock<Option<Vec<u32>>>,
}

impl Relocations {
    /// Reads the dynamic table at `vaddr`. Without one, or if it is damaged, there are no relocations.
    pub(super) fn find(image: &Image, vaddr: u64, size: u64) -> Self {
        let mut found = Self::default();
        let available = image.slice_from(vaddr).unwrap_or_default();
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

    fn table<'i>(&self, image: &'i Image) -> &'i [u8] {
        let table = image.slice_from(self.vaddr).unwrap_or_default();
        table.get(..self.size.min(table.len())).unwrap_or_default()
    }

    /// Whether the table itself covers an address: what looks like a pointer there is an addend.
    pub(super) fn contains(&self, vaddr: u64) -> bool {
        let end = self.vaddr.saturating_add(self.size as u64);
        (self.vaddr..end).contains(&vaddr)
    }

    /// The pointer that the loader writes at `vaddr` at bias 0, if it writes one there.
    pub(super) fn at(&self, image: &Image, vaddr: u64) -> Option<u64> {
        let table = self.table(image);
        let count = table.len() / RELA;
        let entry = |i: usize| table.get(i * RELA..)?.get(..RELA);
        let order = self.order.get_or_init(|| sort(table));
        let nth = |i: usize| match order {
            None => entry(i),
            Some(order) => entry(usize::try_from(*order.get(i)?).ok()?),
        };
        let (mut low, mut high) = (0, count);
        while low < high {
            let middle = low + (high - low) / 2;
            if word(nth(middle)?)? < vaddr {
                low = middle + 1
            } else {
                high = middle
            }
        }
        let entry = nth(low)?;
        if word(entry)? != vaddr {
            return None;
        }
        self.value(image, entry)
    }

    /// Addresses of the words that get this pointer, in table order.
    pub(super) fn holding<'a>(
        &'a self,
        image: &'a Image,
        value: u64,
    ) -> impl Iterator<Item = u64> + 'a {
        self.all(image)
            .filter(move |(_, pointer)| *pointer == value)
            .map(|(vaddr, _)| vaddr)
    }

    /// All words that get a pointer, as (address, pointer), in table order.
    pub(super) fn all<'a>(&'a self, image: &'a Image) -> impl Iterator<Item = (u64, u64)> + 'a {
        let entries = self.table(image).chunks_exact(RELA);
        entries.filter_map(|entry| Some((word(entry)?, self.value(image, entry)?)))
    }

    /// What the loader writes for one entry at bias 0.
    fn value(&self, image: &Image, entry: &[u8]) -> Option<u64> {
        let info = word(entry.get(8..)?)?;
        let addend = word(entry.get(16..)?)?;
        let (relative, absolute) = match image.machine() {
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
        Some(word(image.slice(at, 8)?)?.wrapping_add(addend))
    }
}

/// Entry numbers in the order of their offsets; `None` if that is the table's own order.
fn sort(table: &[u8]) -> Option<Vec<u32>> {
    let offset = |i: u32| {
        usize::try_from(i)
            .ok()
            .and_then(|i| word(table.get(i * RELA..)?))
    };
    if table.chunks_exact(RELA).is_sorted_by_key(word) {
        return None;
    }
    let mut order: Vec<u32> = (0..u32::try_from(table.len() / RELA).ok()?).collect();
    order.sort_by_key(|i| offset(*i));
    Some(order)
}
