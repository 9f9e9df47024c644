//! What slots of the heap hold, by small numbers: two bytes for each slot are all that is kept of it.

use std::collections::HashMap;
use std::rc::Rc;

use super::edge::{Edge, TypeId};

/// A part of a map.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Part {
    /// What it begins with: `maps.Map`, or `hmap` until Go 1.23.
    Head,
    /// Pointers to tables (`maps.table`), and a table.
    Directory,
    Table,
    /// Groups of keys and elements, or buckets.
    Groups,
    Buckets,
    /// What keeps buckets alive that have no pointers: `mapextra`, a slice, its elements.
    Extra,
    Overflow,
    OverflowList,
}

/// What a slot holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Key {
    /// Nobody has said it.
    Unknown,
    /// A value of the type,
    One(TypeId),
    /// several, one behind the other,
    Many(TypeId),
    /// one with more behind it: the type of the whole is not known.
    Begins(TypeId),
    /// The same of several.
    BeginsMany(TypeId),
    /// The bytes of a string, or some of several.
    Text,
    TextPart,
    /// Small things without pointers.
    Tiny,
    /// A function with the variables that it has caught, before it is known which, and then by its entry.
    Func,
    Closure(u64),
    /// A part of a map of that type.
    Map(Part, TypeId),
    /// A channel of that type, and its buffer.
    Chan(TypeId),
    Buffer(TypeId),
}

impl Key {
    /// How much is known by it: what says more is believed more.
    fn rank(self) -> u8 {
        match self {
            Key::Unknown => 0,
            Key::Begins(_) | Key::BeginsMany(_) | Key::TextPart | Key::Func => 1,
            Key::One(_) | Key::Text | Key::Tiny => 2,
            Key::Many(_) => 3,
            Key::Closure(_) | Key::Map(..) | Key::Chan(_) | Key::Buffer(_) => 4,
        }
    }
}

/// What is to be read of a slot of that kind.
#[derive(Debug, Clone)]
pub(super) enum Shape {
    /// Nothing.
    Nothing,
    /// One value.
    Once(Rc<[Edge]>),
    /// As many values as there is room for.
    Each { stride: u64, edges: Rc<[Edge]> },
    /// The head of a map of Go 1.24 and later.
    MapHead { groups: u16, directory: u16 },
    /// Which function it is.
    Func,
    /// Interfaces, wherever they are.
    Guess,
}

/// The number of what is not known.
pub(super) const UNKNOWN: u16 = 0;

/// All that was found.
pub(super) struct Kinds {
    keys: Vec<Key>,
    ranks: Vec<u8>,
    pub(super) shapes: Vec<Option<Shape>>,
    numbers: HashMap<Key, u16>,
}

impl Kinds {
    pub(super) fn new() -> Self {
        let mut kinds = Self {
            keys: Vec::new(),
            ranks: Vec::new(),
            shapes: Vec::new(),
            numbers: HashMap::new(),
        };
        kinds.number(Key::Unknown);
        kinds
    }

    /// The number of a kind; that of the unknown if there are too many.
    pub(super) fn number(&mut self, key: Key) -> u16 {
        if let Some(number) = self.numbers.get(&key) {
            return *number;
        }
        let Ok(number) = u16::try_from(self.keys.len()) else {
            return UNKNOWN;
        };
        self.keys.push(key);
        self.ranks.push(key.rank());
        self.shapes.push(None);
        self.numbers.insert(key, number);
        number
    }

    pub(super) fn key(&self, number: u16) -> Key {
        self.keys
            .get(usize::from(number))
            .copied()
            .unwrap_or(Key::Unknown)
    }

    /// All numbers there are.
    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether what was found now says more than what was found before.
    #[inline]
    pub(super) fn is_better(&self, new: u16, old: u16) -> bool {
        let rank = |number: u16| self.ranks.get(usize::from(number)).copied().unwrap_or(0);
        if rank(new) <= rank(old) {
            return false;
        }
        match (self.key(old), self.key(new)) {
            (Key::One(one), Key::Many(many)) => one == many,
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_knows_more_is_believed() {
        let mut kinds = Kinds::new();
        let (a, b) = (TypeId(1), TypeId(2));
        let keys = [
            Key::Begins(a),
            Key::One(a),
            Key::Many(a),
            Key::Many(b),
            Key::Closure(7),
        ];
        let [begins, one, many, other, closure] = keys.map(|key| kinds.number(key));
        for (new, old, expected) in [
            (begins, UNKNOWN, true),
            (one, begins, true),
            (begins, one, false),
            (many, one, true),
            (other, one, false),
            (closure, other, true),
            (one, one, false),
        ] {
            assert_eq!(kinds.is_better(new, old), expected, "{new} {old}");
        }
        assert_eq!(kinds.number(Key::One(a)), one);
        for pc in 0..1 << 17 {
            kinds.number(Key::Closure(pc));
        }
        assert_eq!(kinds.number(Key::Closure(1 << 17)), UNKNOWN);
    }
}
