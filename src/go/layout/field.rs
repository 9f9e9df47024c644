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
        }
    };
}

mod list;

pub use list::Field;

impl Field {
    /// Whether this is a size or a length: these prove themselves, for what is read by them is checked for plausibility.
    pub fn is_size(self) -> bool {
        self.name().contains(' ')
    }

    /// The queries that have an answer in some version, newest name first.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        self.queries().split(" | ")
    }

    /// The newest of its names, as in the runtime's source: `g.goid`, `sizeof g`.
    pub fn name(self) -> &'static str {
        // Asked for often; looking for one character is much quicker than for three.
        let first = self.queries().split('|').next();
        first.unwrap_or_default().trim_end()
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
