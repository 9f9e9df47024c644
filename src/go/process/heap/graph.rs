//! What is known of the slots of a heap, and how one that is known says what others are.

use std::collections::{HashMap, VecDeque};
use std::ops::Range;

use super::edge::TypeId;
use super::kinds::{Key, Kinds, UNKNOWN};
use super::span::Span;
use super::spans::Spans;
use super::types::Types;
use crate::go::binary::plugins::Tables;
use crate::go::binary::size_classes::Limits;

/// Tables of methods, and addresses of functions, that are remembered.
pub(super) const MOST: usize = 1 << 18;

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
    pub(super) modules: Vec<Range<u64>>,
    /// By the address of a table of methods, the type that has them.
    pub(super) methods: HashMap<u64, Option<TypeId>>,
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
    pub(super) fn of_type(&mut self, id: TypeId, which: usize) -> u16 {
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
    pub(super) fn claim(&mut self, span: usize, slot: usize, number: u16) {
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
    pub(super) fn find(&self, addr: u64) -> Option<(usize, Span, usize, i64)> {
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
