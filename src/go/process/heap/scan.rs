//! Reads what a slot holds, and follows what that refers to.

use std::rc::Rc;

use super::edge::{Edge, To, TypeId};
use super::graph::Graph;
use super::kinds::{Key, Part, Shape, UNKNOWN};

/// The word at an offset.
#[inline]
fn word(bytes: &[u8], at: u64) -> Option<u64> {
    let at = usize::try_from(at).ok()?;
    let word = bytes.get(at..at.checked_add(8)?)?;
    Some(u64::from_le_bytes(word.try_into().ok()?))
}

/// How to go through a large object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// There is nothing in it.
    None,
    /// At once.
    Whole,
    /// In parts of so many bytes, each with so many of the next.
    Parts(u64, u64),
}

/// Where the parts of maps have their types (`abi.MapType`: the type of a group, or of a bucket).
const MAP_OF: u64 = 64;

impl Graph<'_> {
    /// What is to be read of slots of a kind.
    pub(super) fn shape(&mut self, number: u16) -> Shape {
        let index = usize::from(number);
        if let Some(Some(known)) = self.kinds.shapes.get(index) {
            return known.clone();
        }
        let shape = self.new_shape(self.kinds.key(number));
        if let Some(known) = self.kinds.shapes.get_mut(index) {
            *known = Some(shape.clone());
        }
        shape
    }

    fn new_shape(&mut self, key: Key) -> Shape {
        match key {
            Key::Unknown | Key::Closure(_) => Shape::Guess,
            Key::Text | Key::TextPart | Key::Tiny => Shape::Nothing,
            Key::Func => Shape::Func,
            Key::One(id) | Key::Begins(id) | Key::BeginsMany(id) => {
                let edges = self.types.edges(id);
                match edges.is_empty() {
                    true => Shape::Nothing,
                    false => Shape::Once(edges),
                }
            }
            Key::Many(id) => self.each(id, None),
            Key::Chan(id) => {
                let buffer = self.kinds.number(Key::Buffer(id));
                Shape::Once(exactly(&[(16, buffer)]))
            }
            Key::Buffer(id) => {
                let addr = self.types.get(id).map_or(0, |it| it.addr);
                match self.types.linked(addr.wrapping_add(48)) {
                    Some(element) => self.each(element, None),
                    None => Shape::Nothing,
                }
            }
            Key::Map(part, id) => self.of_map(part, id),
        }
    }

    fn of_map(&mut self, part: Part, id: TypeId) -> Shape {
        let mut number = |part| self.kinds.number(Key::Map(part, id));
        match part {
            Part::Head if self.has_tables => Shape::MapHead {
                groups: number(Part::Groups),
                directory: number(Part::Directory),
            },
            Part::Head => {
                let (buckets, extra) = (number(Part::Buckets), number(Part::Extra));
                Shape::Once(exactly(&[(16, buckets), (24, buckets), (40, extra)]))
            }
            Part::Directory => Shape::Each {
                stride: 8,
                edges: exactly(&[(0, number(Part::Table))]),
            },
            Part::Table => Shape::Once(exactly(&[(16, number(Part::Groups))])),
            Part::Extra => {
                let (overflow, buckets) = (number(Part::Overflow), number(Part::Buckets));
                Shape::Once(exactly(&[(0, overflow), (8, overflow), (16, buckets)]))
            }
            Part::Overflow => Shape::Once(exactly(&[(0, number(Part::OverflowList))])),
            Part::OverflowList => Shape::Each {
                stride: 8,
                edges: exactly(&[(0, number(Part::Buckets))]),
            },
            Part::Groups | Part::Buckets => {
                let next = (part == Part::Buckets).then(|| number(Part::Buckets));
                let addr = self.types.get(id).map_or(0, |it| it.addr);
                match self.types.linked(addr.wrapping_add(MAP_OF)) {
                    Some(of) => self.each(of, next),
                    None => Shape::Nothing,
                }
            }
        }
    }

    /// As many values as there is room for; the last word of each leads to more of them, if so.
    fn each(&mut self, id: TypeId, next: Option<u16>) -> Shape {
        let stride = self.types.get(id).map_or(0, |it| it.size);
        let mut edges = self.types.edges(id);
        if let Some(next) = next
            && let Some(at) = stride.checked_sub(8)
            && edges.last().is_none_or(|last| last.at < at)
        {
            let to = To::Exactly(next);
            edges = edges.iter().cloned().chain([Edge { at, to }]).collect();
        }
        match edges.is_empty() || stride == 0 {
            true => Shape::Nothing,
            false => Shape::Each { stride, edges },
        }
    }

    /// How to go through a large object of a kind, in parts of at most so many bytes.
    pub(super) fn step(&mut self, number: u16, most: u64) -> Step {
        let parts = |stride: u64| match most / stride.max(1) * stride {
            0 => Step::Whole,
            step => Step::Parts(step, 0),
        };
        match self.shape(number) {
            Shape::Nothing => Step::None,
            Shape::Each { stride, .. } => parts(stride),
            // A pointer can lie at the end of one part, and its type before.
            Shape::Guess => Step::Parts(most, 8),
            Shape::Once(edges) => match &edges[..] {
                // An array.
                [
                    Edge {
                        at: 0,
                        to: To::Repeated { stride, .. },
                    },
                ] => parts(*stride),
                _ => Step::Whole,
            },
            Shape::MapHead { .. } | Shape::Func => Step::Whole,
        }
    }

    /// Follows what a later part of a large object refers to.
    pub(super) fn go_on(&mut self, slot: usize, bytes: &[u8]) {
        let number = self.numbers.get(slot).copied().unwrap_or(UNKNOWN);
        match self.shape(number) {
            Shape::Guess => self.interfaces(bytes),
            _ => self.follow(slot, bytes),
        }
    }

    /// Follows what an object refers to, of which these are the bytes, or the first of them.
    pub(super) fn follow(&mut self, slot: usize, bytes: &[u8]) {
        let number = self.numbers.get(slot).copied().unwrap_or(UNKNOWN);
        match self.shape(number) {
            Shape::Nothing => {}
            Shape::Once(edges) => self.edges(&edges, bytes, 0),
            Shape::Each { stride, edges } => {
                let len = bytes.len() as u64;
                let mut base = 0;
                while base + stride <= len {
                    self.edges(&edges, bytes, base);
                    base += stride;
                }
            }
            Shape::MapHead { groups, directory } => {
                // {used, seed, dirPtr, dirLen, …}, internal/runtime/maps/map.go.
                let part = match word(bytes, 24) {
                    Some(0) => groups,
                    _ => directory,
                };
                self.pointer(&To::Exactly(part), word(bytes, 16).unwrap_or(0));
            }
            Shape::Func | Shape::Guess => {
                let first = word(bytes, 0).unwrap_or(0);
                if self.is_function(first) {
                    let closure = self.kinds.number(Key::Closure(first));
                    self.set(slot, closure);
                }
                self.interfaces(bytes);
            }
        }
    }

    /// Follows all interfaces that there seem to be.
    pub(super) fn interfaces(&mut self, bytes: &[u8]) {
        let mut last = 0;
        let (words, _) = bytes.as_chunks::<8>();
        for now in words {
            let now = u64::from_le_bytes(*now);
            if last != 0 && now != 0 {
                self.guess(last, now);
            }
            last = now;
        }
    }

    fn edges(&mut self, edges: &Rc<[Edge]>, bytes: &[u8], base: u64) {
        for edge in edges.iter() {
            let at = base + edge.at;
            let Some(first) = word(bytes, at) else {
                // They are in order.
                return;
            };
            match &edge.to {
                To::Repeated {
                    count,
                    stride,
                    edges,
                } => {
                    let len = bytes.len() as u64;
                    for index in 0..*count {
                        let inner = at + index * stride;
                        if inner >= len {
                            break;
                        }
                        self.edges(edges, bytes, inner);
                    }
                }
                _ if first == 0 => {}
                to @ (To::Text | To::Any | To::Methods) => {
                    if let Some(second) = word(bytes, at + 8).filter(|it| *it != 0) {
                        self.pair(to, [first, second]);
                    }
                }
                To::Elements(of) => {
                    if let Some((len, room)) = word(bytes, at + 8).zip(word(bytes, at + 16)) {
                        self.slice(*of, [first, len, room]);
                    }
                }
                to => self.pointer(to, first),
            }
        }
    }
}

/// Pointers to what is known by numbers.
fn exactly(to: &[(u64, u16)]) -> Rc<[Edge]> {
    let edges = to.iter().map(|(at, number)| Edge {
        at: *at,
        to: To::Exactly(*number),
    });
    edges.collect()
}
