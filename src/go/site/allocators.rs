//! The functions through which every heap allocation goes exactly once.
//!
//! Until Go 1.23 that is `runtime.mallocgc`. Since Go 1.24 `mallocgc` hands over to one function per way of allocating
//! (runtime/malloc.go), and since Go 1.27 (1.26 with `GOEXPERIMENT=sizespecializedmalloc`) the compiler calls copies of
//! those that are specialised for a size (runtime/malloc_generated.go, named `…SC2` or `…Size8`) without `mallocgc`.
//! Which of them exist depends on version, experiment and `-race`, so the set is read off the binary: each function
//! `runtime.mallocgcTiny…`, `…Small…` and `…Large…`. Functions `…SlowPath` are called by those.
//!
//! In all of them the first argument is the size in bytes that was asked for and the second the type descriptor or 0; `mallocgc` itself
//! (kind [`AllocKind::Generic`]) also sees allocations of size 0, which allocate nothing.

use std::collections::BTreeSet;

use super::body::Body;
use super::go_statements::each_caller;
use super::runtime_functions::{Runtime, decode};
use crate::go::binary::size_classes::CLASS_BYTES;
use crate::go::isa::code::Code;
use crate::go::isa::instruction::Instruction;
use crate::go::site::{NoSite, Site};

/// How an allocation function allocates: what BPF needs to know for the size class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AllocKind {
    /// Combines several pointer-free objects smaller than 16 bytes in one block of 16.
    Tiny,
    /// A small object as it is: size class of its size.
    NoHeader,
    /// A small object with pointers, larger than 512 bytes: a header of 8 bytes is added to its size.
    Header,
    /// An object larger than the largest size class: pages of its own.
    Large,
    /// Any of these. Allocations of fewer bytes than this go on to a function for one size, which sees them.
    Generic {
        /// 0 if there are none such.
        from: u16,
    },
}

/// An allocation function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allocator {
    /// Where its calls are seen.
    pub site: Site,
    /// How it allocates.
    pub kind: AllocKind,
}

/// The functions that together see every heap allocation once, by address.
///
/// # Errors
/// One of them has no site: then counting the rest would be wrong.
pub fn allocators(runtime: &Runtime<'_>) -> Result<Vec<Allocator>, NoSite> {
    let inlined = runtime.inlined().names(|name| leaf_kind(name).is_some())?;
    let names: BTreeSet<&str> = runtime.names().chain(inlined).collect();
    let mut leaves: Vec<(&str, AllocKind)> = names
        .into_iter()
        .filter_map(|name| Some((name, leaf_kind(name)?)))
        .collect();
    if leaves.is_empty() {
        leaves.push((ANY, AllocKind::Generic { from: 0 }));
    }
    let at_entry = |(name, kind): &(&str, AllocKind)| {
        Ok(Allocator {
            site: runtime.body(name)?.function_site()?,
            kind: *kind,
        })
    };
    let mut found = match leaves.iter().map(at_entry).collect::<Result<Vec<_>, _>>() {
        Ok(found) => found,
        Err(why) => by_callers(runtime, &leaves)?.ok_or(why)?,
    };
    found.sort_by_key(|allocator| allocator.site.vaddr);
    Ok(found)
}

/// The function that hands over to the others.
const ANY: &str = "runtime.mallocgc";

/// Where some of these functions are inlined into `mallocgc`, and into nothing else: `mallocgc` itself, and all calls of
/// them from elsewhere (from copies of `mallocgc`). Those for one size, which are called through tables as well, are seen in
/// themselves. `None` if that would not be all.
fn by_callers(
    runtime: &Runtime<'_>,
    leaves: &[(&str, AllocKind)],
) -> Result<Option<Vec<Allocator>>, NoSite> {
    let binary = runtime.binary();
    let any = runtime.body(ANY)?.besides_copies();
    let entry = any.code().entry();
    let (for_one_size, leaves): (Vec<_>, Vec<_>) = leaves
        .iter()
        .copied()
        .partition(|(name, _)| is_for_one_size(name));
    for (name, _) in &leaves {
        let copies = runtime.inlined().copies(name)?;
        if copies.iter().any(|copy| copy.within.entry != entry) {
            return Ok(None);
        }
    }
    let Some(from) = first_of_any_size(for_one_size.iter().map(|(name, _)| *name), any.code())
    else {
        return Ok(None);
    };
    let mut found = vec![Allocator {
        site: any.function_site()?,
        kind: AllocKind::Generic { from },
    }];
    for (name, kind) in for_one_size {
        found.push(Allocator {
            site: runtime.body(name)?.function_site()?,
            kind,
        });
    }
    for (name, kind) in &leaves {
        let entries = runtime.entries(name);
        let mut problem = None;
        each_caller(binary, &entries, |caller| {
            // A function's second entry only passes on to the first.
            if caller.entry == entry || caller.name == *name {
                return;
            }
            let Some(code) = decode(binary, caller) else {
                return;
            };
            let body = Body::new(binary.image(), caller.name, code);
            match body.call_sites(&entries, name) {
                Ok(sites) => found.extend(
                    sites
                        .into_iter()
                        .map(|site| Allocator { site, kind: *kind }),
                ),
                Err(why) => problem = Some(why),
            }
        });
        if let Some(why) = problem {
            return Err(why);
        }
    }
    Ok(Some(found))
}

/// The smallest allocation for which there is no function for one size; 0 where there are none such. `mallocgc` compares sizes
/// with it (`size < uintptr(len(mallocNoScanTable))`), and the functions are for all size classes below, with pointers and
/// without; `None` if that is not so.
fn first_of_any_size<'n>(
    for_one_size: impl Iterator<Item = &'n str> + Clone,
    any: &Code<'_>,
) -> Option<u16> {
    if for_one_size.clone().next().is_none() {
        return Some(0);
    }
    let largest = |kind: &str| -> Option<usize> {
        let classes = for_one_size.clone().filter_map(|name| {
            let class = name.strip_prefix(ANY)?.strip_prefix(kind)?;
            class.strip_prefix("SC")?.parse().ok()
        });
        classes.max()
    };
    let class = largest("SmallNoScan")?;
    let size = *CLASS_BYTES.get(class)?;
    let first = size.checked_add(1)?;
    let mut compared = any
        .instructions()
        .iter()
        .filter_map(Instruction::compared_with);
    let is_it = largest("SmallScanNoHeader") == Some(class)
        && compared.any(|with| [size, first].map(u64::from).contains(&with));
    is_it.then_some(first)
}

/// `mallocgcTinySize8`, `mallocgcSmallNoScanSC7`.
fn is_for_one_size(name: &str) -> bool {
    let bare = name.trim_end_matches(|c: char| c.is_ascii_digit());
    bare.len() < name.len() && (bare.ends_with("SC") || bare.ends_with("Size"))
}

/// Whether a header of 8 bytes is added to small objects with pointers that are larger than 512 bytes, which
/// [`AllocKind::Generic`] leaves open: since Go 1.22, unless built with `GOEXPERIMENT=noallocheaders`.
///
/// `runtime.(*mspan).typePointersOfUnchecked` is how the garbage collector reads those headers
/// (runtime/mbitmap_allocheaders.go in Go 1.22, runtime/mbitmap.go later).
pub fn has_headers(runtime: &Runtime<'_>) -> bool {
    runtime.has("runtime.(*mspan).typePointersOfUnchecked")
}

/// The kind of a function that allocates itself, by its name.
fn leaf_kind(name: &str) -> Option<AllocKind> {
    let name = name.strip_prefix("runtime.mallocgc")?;
    if name.ends_with("SlowPath") || !name.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return None;
    }
    if name.starts_with("Tiny") {
        Some(AllocKind::Tiny)
    } else if name.starts_with("SmallScanHeader") {
        Some(AllocKind::Header)
    } else if name.starts_with("Small") {
        Some(AllocKind::NoHeader)
    } else if name.starts_with("Large") {
        Some(AllocKind::Large)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_size_by_name() {
        for (name, one) in [
            ("runtime.mallocgcTinySize8", true),
            ("runtime.mallocgcSmallNoScanSC7", true),
            ("runtime.mallocgcTiny", false),
            ("runtime.mallocgcSmallScanHeader", false),
        ] {
            assert_eq!(is_for_one_size(name), one, "{name}");
        }
    }

    /// Names of all versions, experiments included.
    #[test]
    fn kinds_by_name() {
        for (name, kind) in [
            ("runtime.mallocgc", None),
            ("runtime.mallocgcTiny", Some(AllocKind::Tiny)),
            ("runtime.mallocgcTinySC2", Some(AllocKind::Tiny)),
            ("runtime.mallocgcTinySize15", Some(AllocKind::Tiny)),
            ("runtime.mallocgcTinySlowPath", None),
            ("runtime.mallocgcSmallNoscan", Some(AllocKind::NoHeader)),
            ("runtime.mallocgcSmallNoScanSC7", Some(AllocKind::NoHeader)),
            (
                "runtime.mallocgcSmallScanNoHeader",
                Some(AllocKind::NoHeader),
            ),
            (
                "runtime.mallocgcSmallScanNoHeaderSC26",
                Some(AllocKind::NoHeader),
            ),
            ("runtime.mallocgcSmallScanSlowPath", None),
            ("runtime.mallocgcSmallScanHeader", Some(AllocKind::Header)),
            ("runtime.mallocgcLarge", Some(AllocKind::Large)),
            ("runtime.mallocgcLarge.func1", None),
            ("runtime.mallocgcSmallNoscan.func1", None),
            ("main.mallocgcTiny", None),
        ] {
            assert_eq!(leaf_kind(name), kind, "{name}");
        }
    }
}
