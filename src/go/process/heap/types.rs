//! What the program says of its types: the descriptors by which the runtime itself knows them.
//!
//! `abi.Type` (internal/abi/type.go; `_type` of runtime/type.go until Go 1.20) and what follows it in types of each kind
//! lie the same in Go 1.19 to 1.27. What is read is checked: where most of what should be types is none, there are no types
//! (`heap/mod.rs`).

use std::collections::HashMap;
use std::ops::Range;
use std::rc::Rc;

use super::chunks::Chunks;
use super::edge::{Edge, TypeId};
use crate::go::binary::size_classes::{CLASS_BYTES, Limits, PAGE_BYTES, class_of};
use crate::go::memory::ReadMemory;

/// Members of a descriptor.
const PTR_BYTES: u64 = 8;
const TFLAG: u64 = 20;
const NAME: u64 = 40;
/// Bytes of what all descriptors begin with.
pub(super) const HEAD: u64 = 48;

/// `abi.TFlagExtraStar`: the name has a star in front that is not meant.
const EXTRA_STAR: u8 = 2;
/// `abi.TFlagUncommon`: there is a package behind it; `abi.TFlagNamed`.
const UNCOMMON: u8 = 1;
const NAMED: u8 = 4;

/// Longer names are not believed.
const LONGEST: usize = 4096;

/// More types are not kept.
const MOST: usize = 200_000;

/// Addresses that turned out to be no types are remembered, so many.
const MOST_NOT: usize = 1 << 20;

/// How many are found without a search.
const RECENT: usize = 1024;

/// The part of `abi.Kind_` that says which it is.
const KIND_MASK: u8 = 31;

/// Kinds of types that matter here (`abi.Kind`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Array,
    Chan,
    Func,
    Interface,
    Map,
    Pointer,
    Slice,
    Text,
    Struct,
    Unsafe,
    /// Numbers.
    Plain,
}

fn kind(number: u8) -> Option<Kind> {
    Some(match number & KIND_MASK {
        17 => Kind::Array,
        18 => Kind::Chan,
        19 => Kind::Func,
        20 => Kind::Interface,
        21 => Kind::Map,
        22 => Kind::Pointer,
        23 => Kind::Slice,
        24 => Kind::Text,
        25 => Kind::Struct,
        26 => Kind::Unsafe,
        1..=16 => Kind::Plain,
        _ => return None,
    })
}

/// A type.
#[derive(Debug, Clone)]
pub(super) struct Type {
    /// Where its descriptor lies.
    pub(super) addr: u64,
    /// Bytes of a value.
    pub(super) size: u64,
    /// Bytes of it up to the last pointer.
    pub(super) pointers: u64,
    pub(super) kind: Kind,
    /// Bytes of the slot that one value is allocated in.
    pub(super) slot: u64,
    /// What it refers to, once that was asked for.
    pub(super) edges: Option<Rc<[Edge]>>,
}

/// All types that were asked for.
pub(super) struct Types<'v> {
    pub(super) chunks: Chunks<'v>,
    /// Live addresses of the descriptors of the program, then of each plugin.
    ranges: Vec<Range<u64>>,
    limits: Limits,
    all: Vec<Type>,
    numbers: HashMap<u64, Option<TypeId>>,
    /// Some of the same that were asked for last.
    recent: Vec<(u64, Option<TypeId>)>,
    /// Members of structures that were looked at.
    pub(super) members: u64,
}

impl<'v> Types<'v> {
    pub(super) fn new(memory: &'v dyn ReadMemory, ranges: Vec<Range<u64>>, limits: Limits) -> Self {
        Self {
            chunks: Chunks::new(memory),
            ranges,
            limits,
            all: Vec::new(),
            numbers: HashMap::new(),
            recent: vec![(0, None); RECENT],
            members: 0,
        }
    }

    /// Whether a descriptor may lie there.
    pub(super) fn contains(&self, addr: u64) -> bool {
        self.ranges.iter().any(|range| range.contains(&addr))
    }

    pub(super) fn get(&self, id: TypeId) -> Option<&Type> {
        self.all.get(id.0 as usize)
    }

    pub(super) fn get_mut(&mut self, id: TypeId) -> Option<&mut Type> {
        self.all.get_mut(id.0 as usize)
    }

    /// The type whose descriptor lies there, if one does.
    pub(super) fn at(&mut self, addr: u64) -> Option<TypeId> {
        if !self.contains(addr) {
            return None;
        }
        let place = (addr / 8) as usize % RECENT;
        if let Some((recent, known)) = self.recent.get(place)
            && *recent == addr
        {
            return *known;
        }
        let known = match self.numbers.get(&addr) {
            Some(known) => *known,
            None => self.new_at(addr),
        };
        if let Some(recent) = self.recent.get_mut(place) {
            *recent = (addr, known);
        }
        known
    }

    fn new_at(&mut self, addr: u64) -> Option<TypeId> {
        let found = self.read(addr).filter(|_| self.all.len() < MOST);
        let id = found.map(|found| {
            self.all.push(found);
            TypeId(self.all.len() as u32 - 1)
        });
        if id.is_some() || self.numbers.len() < MOST_NOT {
            self.numbers.insert(addr, id);
        }
        id
    }

    fn read(&mut self, addr: u64) -> Option<Type> {
        let size = self.chunks.word(addr)?;
        let pointers = self.chunks.word(addr.wrapping_add(PTR_BYTES))?;
        let [_, align, field_align, number] = self.bytes::<4>(addr.wrapping_add(TFLAG))?;
        let is_one = pointers <= size
            && pointers.is_multiple_of(8)
            && (pointers == 0 || align == 8)
            && align.is_power_of_two()
            && field_align.is_power_of_two();
        let kind = kind(number).filter(|_| is_one)?;
        let name = self.name_at(addr)?;
        if name.is_empty() {
            return None;
        }
        Some(Type {
            addr,
            size,
            pointers,
            kind,
            slot: slot(size, pointers > 0, &self.limits),
            edges: None,
        })
    }

    /// Bytes of the slot that so many bytes are allocated in.
    pub(super) fn slot(&self, size: u64, has_pointers: bool) -> u64 {
        slot(size, has_pointers, &self.limits)
    }

    pub(super) fn bytes<const N: usize>(&mut self, addr: u64) -> Option<[u8; N]> {
        let mut out = [0; N];
        self.chunks.fill(addr, &mut out)?;
        Some(out)
    }

    /// As its descriptor says it: `[]main.T`.
    fn name_at(&mut self, addr: u64) -> Option<String> {
        let [flags] = self.bytes(addr.wrapping_add(TFLAG))?;
        let offset = i32::from_le_bytes(self.bytes(addr.wrapping_add(NAME))?);
        let name = self.text(addr, offset)?;
        Some(match name.strip_prefix('*') {
            Some(rest) if flags & EXTRA_STAR != 0 => rest.to_owned(),
            _ => name,
        })
    }

    /// The name of a type, with the whole path of the package if it has a name of its own.
    pub(super) fn name(&mut self, id: TypeId) -> String {
        let Some(Type { addr, kind, .. }) = self.get(id).cloned() else {
            return "?".to_owned();
        };
        let name = self.name_at(addr).unwrap_or_else(|| "?".to_owned());
        let Some(package) = self.package(addr, kind) else {
            return name;
        };
        // Type arguments have dots, too.
        let of = name.split_once('[').map_or(name.as_str(), |(of, _)| of);
        match of.split_once('.') {
            Some((short, _)) => format!("{package}{}", name.get(short.len()..).unwrap_or_default()),
            None => name,
        }
    }

    /// The path of the package that a named type is from.
    fn package(&mut self, addr: u64, kind: Kind) -> Option<String> {
        let [flags] = self.bytes(addr.wrapping_add(TFLAG))?;
        if flags & UNCOMMON == 0 || flags & NAMED == 0 {
            return None;
        }
        let behind = match kind {
            Kind::Struct | Kind::Interface => 80,
            Kind::Array => 72,
            Kind::Chan => 64,
            Kind::Pointer | Kind::Slice | Kind::Func => 56,
            Kind::Plain | Kind::Text | Kind::Unsafe => 48,
            // It grew.
            Kind::Map => return None,
        };
        let offset = i32::from_le_bytes(self.bytes(addr.wrapping_add(behind))?);
        self.text(addr, offset).filter(|path| !path.is_empty())
    }

    /// The name at an offset from the beginning of the descriptors (`abi.Name`: flags, length, text).
    fn text(&mut self, of: u64, offset: i32) -> Option<String> {
        let range = self
            .ranges
            .iter()
            .find(|range| range.contains(&of))?
            .clone();
        let at = range.start.checked_add(u64::try_from(offset).ok()?)?;
        if offset == 0 || at >= range.end {
            return None;
        }
        let (mut len, mut shift, mut next) = (0_usize, 0, at + 1);
        loop {
            let [byte] = self.bytes(next)?;
            len |= usize::from(byte & 0x7f) << shift;
            next += 1;
            shift += 7;
            match byte & 0x80 {
                0 => break,
                _ if shift > 14 => return None,
                _ => {}
            }
        }
        if len > LONGEST {
            return None;
        }
        let mut text = vec![0; len];
        self.chunks.fill(next, &mut text)?;
        String::from_utf8(text).ok()
    }
}

/// Bytes of the slot that so many bytes are allocated in (`roundupsize`, runtime/msize.go; `allocLarge`).
fn slot(size: u64, has_pointers: bool, limits: &Limits) -> u64 {
    let header = match limits.header_above {
        Some(above) if has_pointers && size > u64::from(above) => u64::from(limits.header_bytes),
        _ => 0,
    };
    let whole = size.saturating_add(header);
    let small = u32::try_from(whole).ok().and_then(class_of);
    match small.and_then(|class| CLASS_BYTES.get(usize::from(class))) {
        Some(bytes) => u64::from(*bytes),
        None => {
            let pages = size.div_ceil(u64::from(PAGE_BYTES));
            pages.saturating_mul(u64::from(PAGE_BYTES))
        }
    }
}
