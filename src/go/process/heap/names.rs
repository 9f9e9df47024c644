//! What was found, in words and numbers.

use std::collections::HashMap;

use super::edge::TypeId;
use super::graph::Graph;
use super::kinds::{Key, Part, UNKNOWN};
use super::types::Kind;
use crate::model::heap::{Composition, Group, Shortcoming, What};

/// Objects and their bytes, by the number of the kind; what is not known by what can be told of it.
#[derive(Default)]
struct Counts {
    known: Vec<(u64, u64)>,
    unknown: HashMap<(bool, Option<u64>), (u64, u64)>,
}

/// All objects. `why` there are no types, if there are none.
pub(super) fn composition(mut graph: Graph<'_>, why: Option<String>) -> Composition {
    let mut counts = Counts {
        known: vec![(0, 0); graph.kinds.len()],
        ..Counts::default()
    };
    for span in &graph.spans.all {
        let size = (span.class != 0).then_some(span.slot);
        for slot in span.first as usize..(span.first + span.count) as usize {
            if !graph.spans.is_used(slot) {
                continue;
            }
            let number = graph.numbers.get(slot).copied().unwrap_or(UNKNOWN);
            let counted = match number {
                UNKNOWN => Some(counts.unknown.entry((span.has_pointers, size)).or_default()),
                _ => counts.known.get_mut(usize::from(number)),
            };
            if let Some((objects, bytes)) = counted {
                *objects += 1;
                *bytes = bytes.saturating_add(span.slot);
            }
        }
    }
    let mut groups: HashMap<What, (u64, u64)> = HashMap::new();
    let mut add = |what, (objects, bytes): (u64, u64)| {
        if objects > 0 {
            let sum = groups.entry(what).or_default();
            *sum = (sum.0 + objects, sum.1.saturating_add(bytes));
        }
    };
    for (number, counted) in (0..).zip(&counts.known) {
        if counted.0 > 0 {
            add(graph.what(number), *counted);
        }
    }
    for ((has_pointers, size), counted) in counts.unknown {
        add(What::Unknown { has_pointers, size }, counted);
    }
    let groups = groups.into_iter().map(|(what, (objects, bytes))| Group {
        what,
        objects,
        bytes,
    });
    let mut shortcomings = Vec::new();
    if graph.spans.torn > 0 {
        shortcomings.push((graph.spans.torn, Shortcoming::Torn));
    }
    if graph.spans.unread > 0 {
        shortcomings.push((graph.spans.unread, Shortcoming::Spans));
    }
    Composition {
        groups: groups.collect(),
        no_types: why,
        shortcomings,
    }
}

impl Graph<'_> {
    /// Forgets what was found.
    pub(super) fn forget(&mut self) {
        self.numbers.fill(UNKNOWN);
    }

    /// What slots of a kind hold.
    fn what(&mut self, number: u16) -> What {
        match self.kinds.key(number) {
            Key::Unknown => What::Unknown {
                has_pointers: true,
                size: None,
            },
            Key::One(id) => What::Type(self.one(id)),
            Key::Many(id) => What::Type(self.many(id)),
            Key::Begins(id) => What::Begins(self.types.name(id)),
            Key::BeginsMany(id) => What::Begins(self.many(id)),
            Key::Text => What::Type("string".to_owned()),
            Key::TextPart => What::Type("string (in parts)".to_owned()),
            Key::Tiny => What::Tiny,
            Key::Func => What::Type("func".to_owned()),
            Key::Closure(entry) => What::Type(format!("func {}", self.function(entry))),
            Key::Chan(id) => What::Type(self.types.name(id)),
            Key::Buffer(id) => What::Type(format!("{} (buffer)", self.types.name(id))),
            Key::Map(part, id) => {
                let name = self.types.name(id);
                What::Type(match part {
                    Part::Head => name,
                    Part::Groups | Part::Buckets => format!("{name} (contents)"),
                    _ => format!("{name} (tables)"),
                })
            }
        }
    }

    /// The name of one value. What a slice, a string or the like refers to goes by its name; so this is a variable that does.
    fn one(&mut self, id: TypeId) -> String {
        let name = of_map(self.types.name(id));
        match self.types.get(id).map(|it| it.kind) {
            Some(Kind::Slice | Kind::Text | Kind::Map | Kind::Chan | Kind::Func) => {
                format!("{name} (variable)")
            }
            _ => name,
        }
    }

    /// The name of several values, one behind the other.
    fn many(&mut self, id: TypeId) -> String {
        let name = self.types.name(id);
        match of_map(name.clone()) {
            of if of == name => format!("[]{name}"),
            of => of,
        }
    }
}

/// Buckets and groups have types of their own, which are named after the map's.
fn of_map(name: String) -> String {
    for own in ["map.bucket", "map.group"] {
        if let Some(rest) = name.strip_prefix(own) {
            return format!("map{rest} (contents)");
        }
    }
    name
}
