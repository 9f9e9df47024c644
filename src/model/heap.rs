//! What a heap is made of, by type.

/// What an object is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum What {
    /// Of this type.
    Type(String),
    /// A value of this type lies in front; of which type the whole is, is not known.
    Begins(String),
    /// A block that small things without pointers share.
    Tiny,
    /// Not known.
    Unknown {
        /// Whether it can hold pointers.
        has_pointers: bool,
        /// Bytes of its slot; `None`: it is a large object.
        size: Option<u64>,
    },
}

impl What {
    /// Whether its type is known.
    pub fn is_known(&self) -> bool {
        matches!(self, What::Type(_) | What::Tiny)
    }

    /// In words.
    pub fn words(&self) -> String {
        match self {
            What::Type(name) => name.clone(),
            What::Begins(name) => format!("[something that begins with {name}]"),
            What::Tiny => "[16 bytes of small objects without pointers]".to_owned(),
            What::Unknown { has_pointers, size } => {
                let size = match size {
                    Some(size) => format!("{size} bytes"),
                    None => "large".to_owned(),
                };
                match has_pointers {
                    true => format!("[unknown, {size}, with pointers]"),
                    false => format!("[unknown, {size}, without pointers]"),
                }
            }
        }
    }
}

/// Objects that are the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// What they are.
    pub what: What,
    /// How many there are.
    pub objects: u64,
    /// Bytes of their slots.
    pub bytes: u64,
}

/// What may be wrong with the numbers, or is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shortcoming {
    /// Spans changed while they were read.
    Torn,
    /// Spans could not be read, or contradict themselves.
    Spans,
    /// Contents could not be read.
    Contents,
    /// Objects so large that only their beginnings were followed.
    Cut,
    /// Following references was given up.
    GivenUp,
    /// A collection went on meanwhile.
    Collected,
}

/// All objects of a heap that have been allocated and not been swept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Composition {
    /// In no order.
    pub groups: Vec<Group>,
    /// Why no type is known, if that is so.
    pub no_types: Option<String>,
    /// How often what was short.
    pub shortcomings: Vec<(u64, Shortcoming)>,
}

impl Composition {
    /// Objects and bytes of those groups that are meant.
    pub fn total(&self, is_meant: impl Fn(&What) -> bool) -> (u64, u64) {
        let groups = self.groups.iter().filter(|group| is_meant(&group.what));
        groups.fold((0, 0), |(objects, bytes), group| {
            (objects + group.objects, bytes.saturating_add(group.bytes))
        })
    }
}
