//! A fact about the runtime's data structures that grtmon knows how to use, and its names.

use std::fmt;

macro_rules! fields {
    ($($name:ident = $query:literal, $what:literal;)*) => {
        /// An offset, size or array length in the runtime of some Go version. Offsets, sizes: bytes.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u16)]
        pub enum Field {
            $(#[doc = concat!("`", $query, "`: ", $what, ".")] $name,)*
        }

        impl Field {
            /// Every field, in the order of declaration, which is that of their numbers.
            pub const ALL: &'static [Field] = &[$(Field::$name),*];

            /// The query as written in the declaration.
            pub(super) fn queries(self) -> &'static str {
                match self {
                    $(Field::$name => $query,)*
                }
            }

            /// The newest of its names, as in the runtime's source: `g.goid`, `sizeof g`.
            pub fn name(self) -> &'static str {
                match self {
                    $(Field::$name => const { super::until($query, b' ', b'|') },)*
                }
            }

            /// The structure that it is a member of: `g` of `g.sched.sp`. (Of a size or a length it is none.)
            pub fn structure(self) -> &'static str {
                match self {
                    $(Field::$name => const { super::until(super::until($query, b' ', b'|'), b'.', 0) },)*
                }
            }
        }
    };
}

mod list;

pub use list::Field;

/// A text up to the byte `end`, or, if `then` is not 0, to `end` with `then` behind it: for what is known when grtmon is built.
const fn until(text: &'static str, end: u8, then: u8) -> &'static str {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let is_end = bytes[at] == end;
        if is_end && (then == 0 || at + 1 < bytes.len() && bytes[at + 1] == then) {
            return text.split_at(at).0;
        }
        at += 1;
    }
    text
}

impl Field {
    /// Whether this is a size or a length: these prove themselves, for what is read by them is checked for plausibility.
    pub fn is_size(self) -> bool {
        self.name().contains(' ')
    }

    /// The queries that have an answer in some version, newest name first.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        self.queries().split(" | ")
    }

    /// The one of that name. Who asks for many in their order says where the next one is expected.
    pub(super) fn named(name: &str, expected: usize) -> Option<Field> {
        let (before, behind) = Self::ALL.split_at_checked(expected)?;
        let mut all = behind.iter().chain(before);
        all.find(|field| field.name() == name).copied()
    }

    /// Its place in [`Field::ALL`].
    pub(super) fn index(self) -> usize {
        usize::from(self as u16)
    }
}

impl fmt::Display for Field {
    /// As in the runtime's source.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn each_field_has_its_own_name_and_number() {
        let names: HashSet<&str> = Field::ALL.iter().map(|field| field.name()).collect();
        assert_eq!(names.len(), Field::ALL.len());
        for (number, field) in Field::ALL.iter().enumerate() {
            assert_eq!(field.index(), number);
        }
    }
}
