//! What values of a type refer to, and where in them.
//!
//! Members of structures and elements of arrays are told one by one; of long arrays once, with their number. Whatever a
//! descriptor claims, edges lie in order and within the value, so that going through them ends.

use std::rc::Rc;

use super::edge::{Edge, To, TypeId};
use super::types::{HEAD, Kind, Type, Types};

/// More edges are not told one by one.
const MOST: usize = 1024;

/// Arrays of no more elements are told one by one.
const FEW: u64 = 4;

/// Members of all structures together that are looked at.
const MOST_MEMBERS: u64 = 1 << 22;

/// No type is made of others so deep.
const DEEPEST: u32 = 32;

impl Types<'_> {
    /// What values of a type refer to, by ascending offsets; nothing if that cannot be told.
    pub(super) fn edges(&mut self, id: TypeId) -> Rc<[Edge]> {
        self.edges_of(id, 0)
    }

    fn edges_of(&mut self, id: TypeId, depth: u32) -> Rc<[Edge]> {
        let Some(of) = self.get(id).cloned() else {
            return Rc::new([]);
        };
        if let Some(known) = of.edges {
            return known;
        }
        // What claims to be a part of itself has none.
        let none: Rc<[Edge]> = Rc::new([]);
        self.keep(id, &none);
        let mut found = match of.pointers {
            0 => Vec::new(),
            _ if depth > DEEPEST => Vec::new(),
            _ => self.find(&of, depth).unwrap_or_default(),
        };
        let mut end = 0;
        let is_in_order = found.iter().all(|edge| {
            let is_behind = edge.at >= end && edge.at.is_multiple_of(8);
            end = edge.at.saturating_add(edge.size());
            is_behind
        });
        if !is_in_order || end > of.size || found.len() > MOST {
            found = Vec::new();
        }
        let edges: Rc<[Edge]> = found.into();
        self.keep(id, &edges);
        edges
    }

    fn keep(&mut self, id: TypeId, edges: &Rc<[Edge]>) {
        if let Some(of) = self.get_mut(id) {
            of.edges = Some(Rc::clone(edges));
        }
    }

    fn find(&mut self, of: &Type, depth: u32) -> Option<Vec<Edge>> {
        let first = |to| Some(vec![Edge { at: 0, to }]);
        let (addr, own) = (of.addr, self.at(of.addr)?);
        match of.kind {
            Kind::Pointer => match self.linked(addr.wrapping_add(HEAD)) {
                Some(to) => first(To::Value(to)),
                None => Some(Vec::new()),
            },
            Kind::Slice => match self.linked(addr.wrapping_add(HEAD)) {
                Some(of) => first(To::Elements(of)),
                None => Some(Vec::new()),
            },
            Kind::Text => first(To::Text),
            Kind::Map => first(To::Map(own)),
            Kind::Chan => first(To::Chan(own)),
            Kind::Func => first(To::Func),
            Kind::Interface => match self.chunks.word(addr.wrapping_add(64))? {
                0 => first(To::Any),
                _ => first(To::Methods),
            },
            Kind::Array => self.of_array(addr, depth),
            Kind::Struct => self.of_struct(of, depth),
            Kind::Unsafe | Kind::Plain => Some(Vec::new()),
        }
    }

    /// The type whose address lies there.
    pub(super) fn linked(&mut self, addr: u64) -> Option<TypeId> {
        let to = self.chunks.word(addr)?;
        self.at(to)
    }

    fn of_array(&mut self, addr: u64, depth: u32) -> Option<Vec<Edge>> {
        let element = self.linked(addr.wrapping_add(HEAD))?;
        let count = self.chunks.word(addr.wrapping_add(64))?;
        let stride = self.get(element)?.size;
        let edges = self.edges_of(element, depth + 1);
        if edges.is_empty() || count == 0 || stride == 0 {
            return Some(Vec::new());
        }
        if count > FEW {
            let to = To::Repeated {
                count,
                stride,
                edges,
            };
            return Some(vec![Edge { at: 0, to }]);
        }
        let each = (0..count).flat_map(|index| moved(&edges, index * stride));
        Some(each.collect())
    }

    fn of_struct(&mut self, of: &Type, depth: u32) -> Option<Vec<Edge>> {
        let (first, count) = (
            self.chunks.word(of.addr.wrapping_add(HEAD + 8))?,
            self.chunks.word(of.addr.wrapping_add(HEAD + 16))?,
        );
        self.members = self.members.saturating_add(count);
        if self.members > MOST_MEMBERS {
            return None;
        }
        let mut edges = Vec::new();
        // `atomic.Pointer[T]` is an `unsafe.Pointer` behind an array of no `*T` (sync/atomic/type.go).
        let mut meant = None;
        for index in 0..count {
            let field = first.checked_add(24 * index)?;
            let id = self.linked(field.wrapping_add(8));
            let offset = self.chunks.word(field.wrapping_add(16))?;
            let Some(id) = id else {
                continue;
            };
            let member = self.get(id)?.clone();
            match member.kind {
                Kind::Array if member.size == 0 => {
                    let element = self.linked(member.addr.wrapping_add(HEAD))?;
                    let pointer = self.get(element).filter(|it| it.kind == Kind::Pointer);
                    if let Some(pointer) = pointer.map(|it| it.addr) {
                        meant = self.linked(pointer.wrapping_add(HEAD));
                    }
                    continue;
                }
                Kind::Unsafe => {
                    if let Some(to) = meant.take()
                        && self.is_atomic_pointer(of.addr)
                    {
                        let to = To::Value(to);
                        edges.push(Edge { at: offset, to });
                    }
                    continue;
                }
                _ => {}
            }
            let inner = self.edges_of(id, depth + 1);
            edges.extend(moved(&inner, offset));
            if edges.len() > MOST {
                return None;
            }
        }
        Some(edges)
    }

    fn is_atomic_pointer(&mut self, addr: u64) -> bool {
        let id = self.at(addr);
        id.is_some_and(|id| self.name(id).starts_with("sync/atomic.Pointer["))
    }
}

fn moved(edges: &[Edge], by: u64) -> impl Iterator<Item = Edge> + '_ {
    edges.iter().map(move |edge| Edge {
        at: edge.at.saturating_add(by),
        to: edge.to.clone(),
    })
}
