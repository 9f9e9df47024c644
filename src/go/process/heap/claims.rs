//! What those who refer to slots say of them.

use super::edge::{To, TypeId};
use super::graph::{Graph, MOST};
use super::kinds::{Key, Part};
use super::span::Span;
use super::types::Kind;

/// Bytes of `maps.Map` and of `hmap`; of the smallest `hchan` (runtime/chan.go).
const MAP_HEAD: u64 = 48;
const CHAN_HEAD: u64 = 96;

impl Graph<'_> {
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
            Kind::Array if self.types.chunks.word(addr.wrapping_add(64)) == Some(1) => {
                addr.wrapping_add(48)
            }
            Kind::Struct if self.types.chunks.word(addr.wrapping_add(64)) == Some(1) => {
                match self.types.chunks.word(addr.wrapping_add(56)) {
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
}
