//! A reference from a value to something else.

use std::rc::Rc;

/// A type, by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct TypeId(pub(super) u32);

/// What a member refers to.
#[derive(Debug, Clone)]
pub(super) enum To {
    /// A value of that type.
    Value(TypeId),
    /// Elements of that type: a slice.
    Elements(TypeId),
    /// Bytes: a string.
    Text,
    /// A value, of the type that is named beside it: an interface without methods, or with.
    Any,
    Methods,
    /// A map, or a channel, of that type.
    Map(TypeId),
    Chan(TypeId),
    /// A function, with the variables that it has caught.
    Func,
    /// What is known by another number than a type's.
    Exactly(u16),
    /// The same again and again.
    Repeated {
        count: u64,
        stride: u64,
        edges: Rc<[Edge]>,
    },
}

/// A member that refers to something.
#[derive(Debug, Clone)]
pub(super) struct Edge {
    /// Its offset.
    pub(super) at: u64,
    pub(super) to: To,
}

impl Edge {
    /// Bytes that it takes.
    pub(super) fn size(&self) -> u64 {
        match &self.to {
            To::Value(_) | To::Map(_) | To::Chan(_) | To::Func | To::Exactly(_) => 8,
            To::Text | To::Any | To::Methods => 16,
            To::Elements(_) => 24,
            To::Repeated { count, stride, .. } => count.saturating_mul(*stride),
        }
    }
}
