//! The functions of Go's runtime in one binary, by name.
//!
//! A plan asks for a few dozen of them; one pass over a part of the function table finds all.

use std::hash::{Hash, Hasher};
use std::sync::{Arc, OnceLock};

use super::body::Body;
use super::copied::Copied;
use super::inlined::{Inlined, PACKAGE};
use super::starts::Starts;
use crate::go::binary::Binary;
use crate::go::isa::code::Code;
use crate::go::pclntab::Function;
use crate::go::quick_hash::QuickHash;
use crate::go::site::NoSite;

/// Functions that every program has, and that are in the runtime's largest block of code.
const LANDMARKS: [&str; 2] = ["runtime.mallocgc", "runtime.newproc1"];

/// How many functions of other packages in a row mean that the runtime's block is over. Inside of it there are never
/// more than a few dozen (what other packages take from the runtime by `//go:linkname`).
const GAP: usize = 2048;

/// Functions of one name that are believed: a function and its wrapper.
const MAX_SAME: usize = 4;

/// The runtime's functions of a binary.
#[derive(Debug)]
pub struct Runtime<'b> {
    binary: &'b Binary,
    /// By the number that stands for the name; those of one name by address.
    functions: Vec<(u64, Function<'b>)>,
    inlined: Arc<Inlined<'b>>,
    /// What its `go` statements start, once somebody has asked.
    pub(super) starts: OnceLock<Result<Starts, NoSite>>,
}

/// A number that stands for a name.
fn number(name: &str) -> u64 {
    let mut hasher = QuickHash::default();
    name.hash(&mut hasher);
    hasher.finish()
}

impl<'b> Runtime<'b> {
    /// Looks at the names of functions until the runtime's are over. The linker lays out packages one by one, each
    /// after those that it imports, so they are among the first (cmd/link/internal/ld/data.go, `textaddress`); if not,
    /// all names are looked at. Copies of generic functions, which come later, may be missed.
    pub fn of(binary: &'b Binary) -> Self {
        let mut functions: Vec<Function<'b>> = Vec::new();
        let mut others = 0;
        for function in binary.functions().iter() {
            if function.name.starts_with(PACKAGE) {
                functions.push(function);
                others = 0;
            } else {
                others += 1;
                let has = |name: &&str| functions.iter().any(|it| it.name == *name);
                if others == GAP && LANDMARKS.iter().all(has) {
                    break;
                }
            }
        }
        // Names lie in the file, and whoever writes to that would have them change their order meanwhile.
        let numbered = functions.into_iter().map(|it| (number(it.name), it));
        let mut functions: Vec<(u64, Function<'b>)> = numbered.collect();
        functions.sort_by_key(|(number, _)| *number);
        let mut same = 0;
        let mut before = None;
        functions.retain(|(number, _)| {
            let is_same = before.replace(*number) == Some(*number);
            same = if is_same { same + 1 } else { 1 };
            same <= MAX_SAME
        });
        functions.shrink_to_fit();
        Self {
            binary,
            functions,
            inlined: Arc::new(Inlined::new(binary)),
            starts: OnceLock::new(),
        }
    }

    /// The binary.
    pub fn binary(&self) -> &'b Binary {
        self.binary
    }

    /// The names of all functions of the package, in no particular order.
    pub fn names(&self) -> impl Iterator<Item = &'b str> + '_ {
        let groups = self.functions.chunk_by(|(one, _), (next, _)| one == next);
        groups.filter_map(|same| Some(same.first()?.1.name))
    }

    /// All functions of the package, in no particular order.
    pub fn functions(&self) -> impl Iterator<Item = &Function<'b>> + '_ {
        self.functions.iter().map(|(_, function)| function)
    }

    /// Whether there is a function of that name with code of its own (not only inlined into others).
    pub fn has(&self, name: &str) -> bool {
        self.named(name).next().is_some()
    }

    /// The addresses at which functions of that name begin: several if assembly and Go code call it by different
    /// conventions, since the compiler then adds a wrapper of the same name.
    pub fn entries(&self, name: &str) -> Vec<u64> {
        self.named(name).map(|it| it.entry).collect()
    }

    /// Bytes of code of the functions of that name.
    pub(in crate::go) fn size(&self, name: &str) -> u64 {
        let sizes = self.named(name).map(|it| it.end.saturating_sub(it.entry));
        sizes.fold(0, u64::saturating_add)
    }

    /// The functions of that name, by address.
    fn named<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'s Function<'b>> + Clone {
        let wanted = number(name);
        let start = self.functions.partition_point(|(it, _)| *it < wanted);
        let rest = self.functions.get(start..).unwrap_or_default().iter();
        let same = rest.take_while(move |(it, _)| *it == wanted);
        same.map(|(_, function)| function)
            .filter(move |it| it.name == name)
    }

    /// Where bodies of these functions stand in the code of others.
    pub fn inlined(&self) -> &Inlined<'b> {
        &self.inlined
    }

    /// Whether the program has the function, be it inlined wherever it is called.
    ///
    /// # Errors
    /// As for [`Inlined::copies`].
    pub fn has_somewhere(&self, name: &str) -> Result<bool, NoSite> {
        Ok(self.has(name) || !self.inlined.copies(name)?.is_empty())
    }

    /// The bodies of that function in the code of others, decoded.
    ///
    /// # Errors
    /// As for [`Inlined::copies`], or the code is not in the file.
    pub fn copies(&self, name: &str) -> Result<Vec<Copied<'b>>, NoSite> {
        let image = self.binary.image();
        let copies = self.inlined.copies(name)?;
        if copies.is_empty() {
            return Ok(Vec::new());
        }
        let no_return: Arc<[u64]> = self
            .functions()
            .filter(|function| does_not_return(function.name))
            .map(|function| function.entry)
            .collect();
        copies
            .into_iter()
            .map(|copy| {
                let code = decode(self.binary, &copy.within).ok_or_else(|| {
                    NoSite::new(format!("the file has no code for {}", copy.within.name))
                })?;
                Ok(Copied::new(
                    Body::new(image, copy.within.name, code),
                    copy,
                    no_return.clone(),
                ))
            })
            .collect()
    }

    /// The function of that name, decoded. Of a function and its wrapper this is the function: the one that does not
    /// call, or jump to, the other (cmd/compile/internal/ssagen/abi.go, `makeABIWrapper`).
    ///
    /// # Errors
    /// There is no such function, or its code cannot be told from another of the same name.
    pub fn body(&self, name: &str) -> Result<Body<'b>, NoSite> {
        let found = self.own(name)?;
        // Why there is none takes a pass over the whole function table.
        found.ok_or_else(|| match self.inlined.has_none(name) {
            Err(inlined) if !self.has(name) => inlined,
            _ => NoSite::new(format!("this program has no function {name}")),
        })
    }

    /// As [`body`](Self::body), for who does not ask why there is none.
    pub fn find(&self, name: &str) -> Option<Body<'b>> {
        self.own(name).ok()?
    }

    /// The function's own code; `None` if it has none.
    fn own(&self, name: &str) -> Result<Option<Body<'b>>, NoSite> {
        let image = self.binary.image();
        let all = self.named(name);
        let mut found = None;
        for function in all.clone() {
            let code = decode(self.binary, function)
                .ok_or_else(|| NoSite::new(format!("the file has no code for {name}")))?;
            let is_other = |to| to != function.entry && all.clone().any(|it| it.entry == to);
            let mut instructions = code.instructions().iter();
            let wraps = all.clone().nth(1).is_some()
                && instructions.any(|i| i.call_target().or(i.jump_target()).is_some_and(is_other));
            if wraps {
                continue;
            }
            if found.is_some() {
                return Err(NoSite::new(format!(
                    "several functions bear the name {name}"
                )));
            }
            found = Some(Body::of_runtime(
                image,
                function.name,
                code,
                self.inlined.clone(),
            ));
        }
        Ok(found)
    }
}

/// Whether the compiler knows that a call of the function does not come back; what stands behind it is reached otherwise
/// (runtime/panic.go).
fn does_not_return(name: &str) -> bool {
    let bare = name.strip_prefix(PACKAGE).unwrap_or_default();
    matches!(
        bare,
        "throw" | "fatal" | "fatalthrow" | "fatalpanic" | "gopanic"
    ) || ["panic", "goPanic"].iter().any(|prefix| {
        // panicIndex, panicdivide and the like; `panicCheck1` and `panicCheck2` come back.
        bare.strip_prefix(prefix)
            .is_some_and(|rest| !rest.is_empty() && !rest.starts_with("Check"))
    })
}

/// The decoded code of a function; `None` if the file does not hold it.
pub fn decode<'b>(binary: &'b Binary, function: &Function<'b>) -> Option<Code<'b>> {
    let image = binary.image();
    Some(Code::decode(
        image.machine(),
        function.code(image)?,
        function.entry,
    ))
}
