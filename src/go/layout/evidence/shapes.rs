//! Which members of structures functions touch, in which order: `shapes.txt`, and how it is read.
//!
//! ```text
//! runtime.casgstatus g - -              a function, and what its arguments point to, register by register
//! runtime.malg - > g                    what it returns
//! g 4r 8r: g.atomicstatus g.goid        a structure, how it is touched first at each offset, and which members those are
//! p 8w 4r: p.runnext _                  an underscore: a member that grtmon does not know, or that versions disagree on
//! ```

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::OnceLock;

use crate::go::elf::image::Machine;
use crate::go::isa::typed::{Access, Pointer};
use crate::go::layout::{Field, structure_named};

/// What a function takes and returns, as far as it points to a structure.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signature {
    /// By register.
    pub arguments: Vec<Option<&'static str>>,
    /// The first result.
    pub result: Option<&'static str>,
}

impl Signature {
    /// Reads the line of a function: its name, and what it takes and returns.
    pub(super) fn parse(line: &str) -> (&str, Self) {
        let (head, result) = match line.split_once(" > ") {
            Some((head, result)) => (head, structure_named(result)),
            None => (line, None),
        };
        let (name, arguments) = head.split_once(' ').unwrap_or((head, ""));
        let arguments = arguments
            .split_terminator(' ')
            .map(structure_named)
            .collect();
        (name, Self { arguments, result })
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for argument in &self.arguments {
            write!(f, " {}", argument.unwrap_or("-"))?;
        }
        match self.result {
            Some(result) => write!(f, " > {result}"),
            None => Ok(()),
        }
    }
}

/// How a function touches a structure: the first access of each member, in order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Shape {
    /// The structure.
    pub structure: &'static str,
    /// Each member, in order.
    pub touches: Vec<Touch>,
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.structure)?;
        let mut touches = self.touches.iter();
        touches.try_for_each(|touch| write!(f, " {touch}"))
    }
}

/// How a member is touched first: `8r`, `4w`, `0a`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Touch {
    /// Bytes read or written.
    pub width: u8,
    /// As [`Access::how`].
    pub how: char,
}

impl Touch {
    fn parse(word: &str) -> Option<Self> {
        let (at, how) = word.char_indices().next_back()?;
        let width = word.get(..at)?.parse().ok()?;
        Some(Self { width, how })
    }
}

impl fmt::Display for Touch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.width, self.how)
    }
}

/// The shapes in a list of accesses, and the offsets of their members.
pub(super) fn of(accesses: &[Access]) -> Vec<(Shape, Vec<u32>)> {
    let mut all: Vec<(Shape, Vec<u32>)> = Vec::new();
    // The address of the whole is that of no member.
    let is_member = |it: &&Access| it.at.offset > 0 || !it.how.eq_ignore_ascii_case(&'a');
    for access in accesses.iter().filter(is_member) {
        let Pointer { structure, offset } = access.at;
        let (width, how) = (access.width, access.how);
        let touch = Touch { width, how };
        match all.iter_mut().find(|(it, _)| it.structure == structure) {
            Some((_, offsets)) if offsets.contains(&offset) => {}
            Some((shape, offsets)) => {
                offsets.push(offset);
                shape.touches.push(touch);
            }
            None => {
                let touches = vec![touch];
                all.push((Shape { structure, touches }, vec![offset]));
            }
        }
    }
    all
}

/// The list that grtmon carries for a machine; see the top for its form.
pub(super) fn carried(machine: Machine) -> &'static str {
    match machine {
        Machine::X86_64 => include_str!("shapes.txt"),
        Machine::Aarch64 => include_str!("shapes_arm64.txt"),
    }
}

/// The same as it is used when code is asked.
pub(super) fn carried_compact(machine: Machine) -> &'static [u8] {
    match machine {
        Machine::X86_64 => include_bytes!(concat!(env!("OUT_DIR"), "/shapes.bin")),
        Machine::Aarch64 => include_bytes!(concat!(env!("OUT_DIR"), "/shapes_arm64.bin")),
    }
}

/// The shapes of one function, each with its members.
type Known = BTreeMap<Shape, Vec<Option<Field>>>;

/// All shapes that are known.
#[derive(Debug, Default, Clone)]
pub struct Shapes {
    functions: BTreeMap<(String, Signature), Known>,
}

impl Shapes {
    /// Those that grtmon carries for a machine.
    pub fn embedded(machine: Machine) -> &'static Shapes {
        static AMD64: OnceLock<Shapes> = OnceLock::new();
        static ARM64: OnceLock<Shapes> = OnceLock::new();
        let shapes = match machine {
            Machine::X86_64 => &AMD64,
            Machine::Aarch64 => &ARM64,
        };
        shapes.get_or_init(|| Shapes::parse(carried(machine)).unwrap_or_default())
    }

    /// Reads the text form.
    ///
    /// # Errors
    /// The first line that is not of that form.
    pub fn parse(text: &str) -> Result<Shapes, String> {
        let fields: HashMap<&str, Field> = Field::ALL.iter().map(|it| (it.name(), *it)).collect();
        let mut shapes = Shapes::default();
        let mut function = None;
        for line in text
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
        {
            let wrong = || format!("not a line of the list of shapes: {line}");
            if let Some((head, members)) = line.split_once(": ") {
                let mut words = head.split(' ');
                let structure = words.next().and_then(structure_named).ok_or_else(wrong)?;
                let touches = words.map(Touch::parse).collect::<Option<_>>();
                let touches = touches.ok_or_else(wrong)?;
                let shape = Shape { structure, touches };
                let members = members.split(' ').map(|name| fields.get(name).copied());
                let known: &mut Known = shapes
                    .functions
                    .entry(Option::clone(&function).ok_or_else(wrong)?)
                    .or_default();
                known.insert(shape, members.collect());
                continue;
            }
            let (name, signature) = Signature::parse(line);
            let key = (name.to_owned(), signature);
            shapes.functions.entry(key.clone()).or_default();
            function = Some(key);
        }
        Ok(shapes)
    }

    /// Adds what was seen in one binary: members by the truth of that binary. What two binaries disagree on is no member.
    pub fn add(
        &mut self,
        function: &str,
        signature: &Signature,
        shape: Shape,
        members: Vec<Option<Field>>,
    ) {
        let known = self
            .functions
            .entry((function.to_owned(), signature.clone()))
            .or_default();
        match known.get_mut(&shape) {
            Some(before) => {
                for (before, now) in before.iter_mut().zip(members) {
                    if *before != now {
                        *before = None;
                    }
                }
            }
            None => {
                known.insert(shape, members);
            }
        }
    }

    /// All of them: function, what it takes, shape, and its members.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Signature, &Shape, &[Option<Field>])> {
        self.functions
            .iter()
            .flat_map(|((name, signature), known)| {
                known.iter().map(move |(shape, members)| {
                    (name.as_str(), signature, shape, members.as_slice())
                })
            })
    }

    /// Notes what a function returns, though it may have no shape.
    pub fn declare(&mut self, function: &str, signature: &Signature) {
        let key = (function.to_owned(), signature.clone());
        self.functions.entry(key).or_default();
    }

    /// Keeps the shapes of some functions only, and of all others what they return.
    pub fn retain(&mut self, mut keep: impl FnMut(&str) -> bool) {
        self.functions.retain(|(name, signature), known| {
            let is_kept = keep(name);
            known.retain(|_, members| is_kept && members.iter().any(Option::is_some));
            is_kept || signature.result.is_some()
        });
    }

    /// The functions that have a shape.
    pub fn telling(&self) -> impl Iterator<Item = (&str, &Signature)> {
        let all = self.functions.iter().filter(|(_, known)| !known.is_empty());
        all.map(|((name, signature), _)| (name.as_str(), signature))
    }

    /// The functions, each with what it takes and returns.
    pub fn signatures(&self) -> impl Iterator<Item = (&str, &Signature)> {
        self.functions
            .keys()
            .map(|(name, signature)| (name.as_str(), signature))
    }

    /// The members of a shape of a function, with their offsets.
    pub fn members(
        &self,
        function: &str,
        signature: &Signature,
        shape: &Shape,
        offsets: &[u32],
    ) -> Vec<(Field, u32)> {
        let known = self
            .functions
            .get(&(function.to_owned(), signature.clone()));
        let members = known.and_then(|known| known.get(shape));
        let members = members.map(Vec::as_slice).unwrap_or_default();
        let found = members.iter().zip(offsets);
        found
            .filter_map(|(field, offset)| Some(((*field)?, *offset)))
            .collect()
    }
}

impl fmt::Display for Shapes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for ((name, signature), known) in &self.functions {
            writeln!(f, "{name}{signature}")?;
            for (shape, members) in known {
                write!(f, "{shape}:")?;
                for member in members {
                    write!(f, " {}", member.map_or("_", Field::name))?;
                }
                writeln!(f)?;
            }
        }
        Ok(())
    }
}

/// What all fields of a structure are called by their offsets.
pub fn labels(layout: &crate::go::layout::Layout) -> HashMap<(&'static str, u32), Field> {
    let members = Field::ALL
        .iter()
        .filter(|field| !field.name().contains(' '));
    members
        .filter_map(|field| Some(((field.structure(), layout.offset(*field)?), *field)))
        .collect()
}
