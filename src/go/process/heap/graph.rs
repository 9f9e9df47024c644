//! What is known of the slots of a heap, and how one that is known says what others are.

use std::collections::{HashMap, VecDeque};
use std::ops::Range;

use super::edges::To;
use super::kinds::{Key, Kinds, Part, UNKNOWN};
use super::spans::{Span, Spans};
use super::types::{Kind, TypeId, Types};
use crate::go::binary::plugins::Tables;
use crate::go::binary::size_classes::Limits;

/// Bytes of `maps.Map` and of `hmap`; of the smallest `hchan` (runtime/chan.go).
const MAP_HEAD: u64 = 48;
const CHAN_HEAD: u64 = 96;

/// Tables of methods, and addresses of functions, that are remembered.
const MOST: usize = 1 << 18;

/// All of it.
pub(super) struct Graph<'v> {
    pub(super) spans: Spans,
    pub(super) types: Types<'v>,
    pub(super) kinds: Kinds,
    pub(super) limits: Limits,
    /// Whether maps are those of Go 1.24 and later.
    pub(super) has_tables: bool,
    /// Of each slot, the number of its kind.
    pub(super) numbers: Vec<u16>,
    /// Of each slot, whether what it refers to is still to be followed.
    pending: Vec<u64>,
    /// Spans with such slots.
    queue: VecDeque<u32>,
    queued: Vec<bool>,
    codes: Tables<'v>,
    /// What to add to a link-time address.
    bias: u64,
    /// Where the variables of programs and plugins lie, and their tables of methods.
    modules: Vec<Range<u64>>,
    /// By the address of a table of methods, the type that has them.
    methods: HashMap<u64, Option<TypeId>>,
    functions: HashMap<u64, bool>,
    /// By type: the numbers of one, of many, and of what begins with one.
    of_types: Vec<[u16; 3]>,
}

/// What the graph is made of.
pub(super) struct Parts<'v> {
    pub(super) spans: Spans,
    pub(super) types: Types<'v>,
    pub(super) limits: Limits,
    pub(super) has_tables: bool,
    pub(super) codes: Tables<'v>,
    pub(super) bias: u64,
    pub(super) modules: Vec<Range<u64>>,
}

impl<'v> Graph<'v> {
    pub(super) fn new(parts: Parts<'v>) -> Self {
        let (slots, words) = (parts.spans.slots, parts.spans.used.len());
        let spans = parts.spans.all.len();
        Self {
            spans: parts.spans,
            types: parts.types,
            kinds: Kinds::new(),
            limits: parts.limits,
            has_tables: parts.has_tables,
            numbers: vec![UNKNOWN; slots],
            pending: vec![0; words],
            queue: VecDeque::new(),
            queued: vec![false; spans],
            codes: parts.codes,
            bias: parts.bias,
            modules: parts.modules,
            methods: HashMap::new(),
            functions: HashMap::new(),
            of_types: Vec::new(),
        }
    }

    /// Bytes of a slot before the object: its header.
    #[inline]
    pub(super) fn header(&self, span: &Span) -> u64 {
        match self.limits.header_above {
            Some(above) if span.has_pointers && span.class != 0 && span.slot > u64::from(above) => {
                u64::from(self.limits.header_bytes)
            }
            _ => 0,
        }
    }

    /// The number of a kind that is a type.
    fn of_type(&mut self, id: TypeId, which: usize) -> u16 {
        let index = id.0 as usize;
        if self.of_types.len() <= index {
            self.of_types.resize(index + 1, [UNKNOWN; 3]);
        }
        let known = self.of_types.get(index).and_then(|of| of.get(which));
        if let Some(known) = known
            && *known != UNKNOWN
        {
            return *known;
        }
        let number = self.kinds.number(match which {
            0 => Key::One(id),
            1 => Key::Many(id),
            _ => Key::Begins(id),
        });
        if let Some(of) = self
            .of_types
            .get_mut(index)
            .and_then(|of| of.get_mut(which))
        {
            *of = number;
        }
        number
    }

    /// A slot holds that, says one who refers to it.
    #[inline]
    fn claim(&mut self, span: usize, slot: usize, number: u16) {
        let Some(old) = self.numbers.get_mut(slot) else {
            return;
        };
        if *old == number || !self.kinds.is_better(number, *old) || !self.spans.is_used(slot) {
            return;
        }
        *old = number;
        self.mark(span, slot);
    }

    /// What the slot refers to is to be followed.
    fn mark(&mut self, span: usize, slot: usize) {
        if let Some(word) = self.pending.get_mut(slot / 64) {
            *word |= 1 << (slot % 64);
        }
        if let Some(queued) = self.queued.get_mut(span)
            && !*queued
        {
            *queued = true;
            self.queue.push_back(span as u32);
        }
    }

    /// What a slot holds is known by itself.
    pub(super) fn set(&mut self, slot: usize, number: u16) {
        if let Some(old) = self.numbers.get_mut(slot) {
            *old = number;
        }
    }

    /// The next span with slots that are to be followed.
    pub(super) fn next_span(&mut self) -> Option<usize> {
        let span = self.queue.pop_front()? as usize;
        if let Some(queued) = self.queued.get_mut(span) {
            *queued = false;
        }
        Some(span)
    }

    /// The next slot of a span that is to be followed; it is not any more.
    pub(super) fn next_slot(&mut self, span: &Span) -> Option<usize> {
        let first = span.first as usize / 64;
        let words = (span.count as usize).div_ceil(64);
        let pending = self.pending.get_mut(first..first + words)?;
        let (index, word) = pending
            .iter_mut()
            .enumerate()
            .find(|(_, word)| **word != 0)?;
        let bit = word.trailing_zeros() as usize;
        *word &= *word - 1;
        Some((first + index) * 64 + bit)
    }

    /// A slot is not to be followed any more: it is being.
    pub(super) fn take(&mut self, slot: usize) {
        if let Some(word) = self.pending.get_mut(slot / 64) {
            *word &= !(1 << (slot % 64));
        }
    }

    /// The slot that an address lies in: the number of its span, the span, the slot, and how far in the object.
    #[inline]
    fn find(&self, addr: u64) -> Option<(usize, Span, usize, i64)> {
        let index = self.spans.pages.find(&self.spans.all, addr)?;
        let span = *self.spans.all.get(index)?;
        let (number, offset) = span.slot_of(addr)?;
        let offset = offset.cast_signed() - self.header(&span).cast_signed();
        Some((index, span, span.first as usize + number as usize, offset))
    }

    /// Whether an address lies in the heap.
    pub(super) fn is_heap(&self, addr: u64) -> bool {
        addr != 0 && self.find(addr).is_some()
    }

    /// There is a value of the type.
    #[inline]
    pub(super) fn value(&mut self, addr: u64, id: TypeId) {
        let Some((index, span, slot, offset)) = self.find(addr) else {
            return;
        };
        let Some(of) = self.types.get(id) else {
            return;
        };
        let (size, fits, has_pointers) = (of.size, of.slot == span.slot, of.pointers > 0);
        if size == 0 {
            return;
        }
        if !has_pointers && !span.has_pointers && self.is_tiny(&span, size) {
            let tiny = self.kinds.number(Key::Tiny);
            return self.claim(index, slot, tiny);
        }
        let room = span.slot - self.header(&span);
        if offset != 0 || has_pointers && !span.has_pointers || size > room {
            return;
        }
        let is_whole = fits && has_pointers == span.has_pointers;
        // Something without pointers, in front of something with pointers, says nothing of it.
        if !is_whole && !has_pointers && span.has_pointers {
            return;
        }
        let number = self.of_type(id, if is_whole { 0 } else { 2 });
        self.claim(index, slot, number);
    }

    /// Whether so small a thing without pointers shares its slot with others (`mallocgc`, runtime/malloc.go).
    fn is_tiny(&self, span: &Span, size: u64) -> bool {
        size < u64::from(self.limits.tiny_below) && span.slot == u64::from(self.limits.tiny_below)
    }

    /// There are so many elements of the type, with room for so many.
    fn elements(&mut self, addr: u64, room: u64, id: TypeId) {
        let Some((index, span, slot, offset)) = self.find(addr) else {
            return;
        };
        let Some(of) = self.types.get(id) else {
            return;
        };
        let (size, has_pointers) = (of.size, of.pointers > 0);
        let Some(bytes) = room.checked_mul(size).filter(|bytes| *bytes > 0) else {
            return;
        };
        if !has_pointers && !span.has_pointers && self.is_tiny(&span, bytes) {
            let tiny = self.kinds.number(Key::Tiny);
            return self.claim(index, slot, tiny);
        }
        let Ok(before) = u64::try_from(offset) else {
            return;
        };
        let whole = before.saturating_add(bytes);
        if has_pointers != span.has_pointers || whole > span.slot || before % size != 0 {
            return;
        }
        let number = match self.types.slot(whole, has_pointers) == span.slot {
            true => self.of_type(id, 1),
            false if before == 0 => self.kinds.number(Key::BeginsMany(id)),
            false => return,
        };
        self.claim(index, slot, number);
    }

    /// There are so many bytes of a string.
    fn text(&mut self, addr: u64, len: u64) {
        let Some((index, span, slot, offset)) = self.find(addr) else {
            return;
        };
        if span.has_pointers || len == 0 || len > span.slot {
            return;
        }
        let key = if self.is_tiny(&span, len) {
            Key::Tiny
        } else if offset == 0 && self.types.slot(len, false) == span.slot {
            Key::Text
        } else {
            Key::TextPart
        };
        let number = self.kinds.number(key);
        self.claim(index, slot, number);
    }

    /// The object there is of that kind, if its slot has a size that is right.
    fn exactly(&mut self, addr: u64, number: u16, is_right: impl Fn(u64) -> bool) {
        if let Some((index, span, slot, 0)) = self.find(addr)
            && is_right(span.slot)
        {
            self.claim(index, slot, number);
        }
    }

    /// Where an interface says which type it holds: the type, and the word behind it.
    pub(super) fn any(&mut self, of: u64, word: u64) {
        if let Some(id) = self.types.at(of) {
            self.held(id, word);
        }
    }

    /// The same where it says by which methods.
    pub(super) fn with_methods(&mut self, table: u64, word: u64) {
        if let Some(id) = self.with_table(table) {
            self.held(id, word);
        }
    }

    /// The type that a table of methods is for: `itab` is {interface, type, …} (internal/abi/iface.go).
    fn with_table(&mut self, table: u64) -> Option<TypeId> {
        if let Some(known) = self.methods.get(&table) {
            return *known;
        }
        let interface = self
            .types
            .chunks
            .word(table)
            .and_then(|it| self.types.at(it));
        let interface = interface.and_then(|id| self.types.get(id));
        let is_one = interface.is_some_and(|it| it.kind == Kind::Interface);
        let of = self.types.chunks.word(table.wrapping_add(8));
        let found = of.filter(|_| is_one).and_then(|of| self.types.at(of));
        if self.methods.len() < MOST {
            self.methods.insert(table, found);
        }
        found
    }

    /// An interface holds a value of the type; or, if that is a pointer, the pointer itself.
    fn held(&mut self, id: TypeId, word: u64) {
        if !self.is_direct(id, 0) {
            return self.value(word, id);
        }
        let edges = self.types.edges(id);
        if let Some(edge) = edges.first() {
            let to = edge.to.clone();
            self.pointer(&to, word);
        }
    }

    /// `isdirectiface`, cmd/compile.
    fn is_direct(&mut self, id: TypeId, depth: u32) -> bool {
        let Some(of) = self.types.get(id) else {
            return false;
        };
        let (addr, kind) = (of.addr, of.kind);
        let element = match kind {
            Kind::Pointer | Kind::Chan | Kind::Map | Kind::Func | Kind::Unsafe => return true,
            Kind::Array if self.types.chunks.word(addr + 64) == Some(1) => addr + 48,
            Kind::Struct if self.types.chunks.word(addr + 64) == Some(1) => {
                match self.types.chunks.word(addr + 56) {
                    Some(first) => first.wrapping_add(8),
                    None => return false,
                }
            }
            _ => return false,
        };
        depth < 32
            && self
                .types
                .linked(element)
                .is_some_and(|element| self.is_direct(element, depth + 1))
    }

    /// Follows a word that is a pointer.
    #[inline]
    pub(super) fn pointer(&mut self, to: &To, word: u64) {
        match to {
            To::Value(id) => self.value(word, *id),
            To::Map(id) => {
                let number = self.kinds.number(Key::Map(Part::Head, *id));
                self.exactly(word, number, |slot| slot == MAP_HEAD);
            }
            To::Chan(id) => {
                let number = self.kinds.number(Key::Chan(*id));
                self.exactly(word, number, |slot| slot >= CHAN_HEAD);
            }
            To::Func => {
                let number = self.kinds.number(Key::Func);
                self.exactly(word, number, |_| true);
            }
            To::Exactly(number) => self.exactly(word, *number, |_| true),
            _ => {}
        }
    }

    /// Follows two words, or three.
    #[inline]
    pub(super) fn pair(&mut self, to: &To, words: [u64; 2]) {
        match to {
            To::Text => self.text(words[0], words[1]),
            To::Any => self.any(words[0], words[1]),
            To::Methods => self.with_methods(words[0], words[1]),
            _ => {}
        }
    }

    pub(super) fn slice(&mut self, of: TypeId, words: [u64; 3]) {
        let [addr, len, room] = words;
        if len <= room {
            self.elements(addr, room, of);
        }
    }

    /// Two words that may be an interface: follows them if they are.
    #[inline]
    pub(super) fn guess(&mut self, first: u64, second: u64) {
        if !self.modules.iter().any(|range| range.contains(&first))
            || !first.is_multiple_of(8)
            || !self.is_heap(second)
        {
            return;
        }
        match self.types.at(first) {
            Some(id) => self.held(id, second),
            None => self.with_methods(first, second),
        }
    }

    /// Whether a function begins there.
    pub(super) fn is_function(&mut self, addr: u64) -> bool {
        let pc = addr.wrapping_sub(self.bias);
        if !self.codes.contains(pc) {
            return false;
        }
        if let Some(known) = self.functions.get(&pc) {
            return *known;
        }
        let function = self.codes.at(pc).at(pc);
        let is_one = function.is_some_and(|it| it.entry == pc);
        if self.functions.len() < MOST {
            self.functions.insert(pc, is_one);
        }
        is_one
    }

    /// The name of the function that begins there.
    pub(super) fn function(&self, addr: u64) -> String {
        let pc = addr.wrapping_sub(self.bias);
        let function = self.codes.at(pc).at(pc);
        function.map_or_else(|| "?".to_owned(), |it| it.name.to_owned())
    }
}
