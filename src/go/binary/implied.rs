//! The Go version of a binary that does not say it: what follows from the function table.
//!
//! Two clues bound the minor version: the magic of the function table, and functions that the runtime has had since a
//! certain version and that the linker never leaves out (checked against hello-world programs and the runtime's source
//! of every patch release at hand, Go 1.18 to 1.27).

use std::fmt;

use crate::go::pclntab::FuncTable;
use crate::go::pclntab::header::Format;

/// A range of minor versions of Go 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VersionRange {
    /// The oldest that it can be: 18 for Go 1.18.
    pub oldest: u16,
    /// The newest that it can be; `None` if it is open, because nothing newer is known here.
    pub newest: Option<u16>,
}

impl VersionRange {
    /// Exactly this minor version.
    pub fn only(minor: u16) -> Self {
        Self {
            oldest: minor,
            newest: Some(minor),
        }
    }

    /// Whether a minor version lies in the range.
    pub fn contains(&self, minor: u16) -> bool {
        self.oldest <= minor && self.newest.is_none_or(|newest| minor <= newest)
    }
}

impl fmt::Display for VersionRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let oldest = self.oldest;
        match self.newest {
            Some(newest) if newest == oldest => write!(f, "go1.{oldest}"),
            Some(newest) => write!(f, "go1.{oldest} to go1.{newest}"),
            None => write!(f, "go1.{oldest} or later"),
        }
    }
}

/// Functions that came with a minor version, newest first; either of the two will do.
const SINCE: [(u16, [&str; 2]); 9] = [
    // runtime/type.go, runtime/symtab.go
    (27, ["runtime.moduleTypelinks", "runtime.addModuleItabs"]),
    // runtime/proc.go, runtime/mgc.go
    (26, ["runtime.exitsyscallTryGetP", "runtime.gcBeginWork"]),
    // runtime/proc.go
    (
        25,
        ["runtime.globrunqgetbatch", "runtime.sysmonUpdateGOMAXPROCS"],
    ),
    // runtime/malloc.go
    (
        24,
        [
            "runtime.mallocgcSmallScanNoHeader",
            "runtime.postMallocgcDebug",
        ],
    ),
    // runtime/time.go
    (
        23,
        ["runtime.(*timers).check", "runtime.(*timer).unlockAndRun"],
    ),
    // runtime/proc.go, runtime/rand.go
    (22, ["runtime.gdestroy", "runtime.mrandinit"]),
    // runtime/proc.go, runtime/runtime1.go
    (21, ["runtime.doInit1", "runtime.parsegodebug"]),
    // runtime/runtime.go, runtime/os_linux.go
    (20, ["runtime.getGodebugEarly", "runtime.pidlegetSpinning"]),
    // runtime/proc.go, runtime/mgcpacer.go
    (19, ["runtime.findRunnable", "runtime.readGOMEMLIMIT"]),
];

/// The range that a function table implies, and why, in one line for people.
pub(in crate::go) fn implied(functions: &FuncTable<'_>) -> (VersionRange, String) {
    let (range, magic) = match functions.format {
        Format::Go118 => (
            VersionRange {
                oldest: 18,
                newest: Some(19),
            },
            "0xfffffff0",
        ),
        Format::Go120 => (
            VersionRange {
                oldest: 20,
                newest: None,
            },
            "0xfffffff1",
        ),
    };
    let magic = format!("function table magic {magic}");
    if functions.by_name("runtime.mallocgc").is_empty() {
        return (
            range,
            format!("{magic}; the names of the runtime's functions are not readable"),
        );
    }
    let present = |names: &[&'static str; 2]| {
        names
            .iter()
            .copied()
            .find(|n| !functions.by_name(n).is_empty())
    };
    let newest_mark = SINCE
        .iter()
        .enumerate()
        .find_map(|(i, (minor, names))| Some((i, *minor, present(names)?)));
    let Some((i, minor, name)) = newest_mark.filter(|(_, minor, _)| range.contains(*minor)) else {
        let oldest = VersionRange::only(range.oldest);
        return (
            oldest,
            format!("{magic}, no {}", SINCE[SINCE.len() - 1].1[0]),
        );
    };
    match i.checked_sub(1).and_then(|next| SINCE.get(next)) {
        Some((_, [missing, _])) => (
            VersionRange::only(minor),
            format!("{magic}, has {name} but no {missing}"),
        ),
        None => (
            VersionRange {
                oldest: minor,
                newest: None,
            },
            format!("{magic}, has {name}"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::go::versions::{NEWEST_TESTED, OLDEST_TESTED};

    #[test]
    fn ranges() {
        assert_eq!(VersionRange::only(25).to_string(), "go1.25");
        assert_eq!(
            VersionRange {
                oldest: 18,
                newest: Some(19)
            }
            .to_string(),
            "go1.18 to go1.19"
        );
        let open = VersionRange {
            oldest: 27,
            newest: None,
        };
        assert_eq!(open.to_string(), "go1.27 or later");
        assert!(open.contains(30) && !open.contains(26));
    }

    #[test]
    fn marks_are_ordered() {
        assert!(SINCE.is_sorted_by_key(|(minor, _)| std::cmp::Reverse(*minor)));
        // A function that each version brought: also the newest.
        let minors: Vec<u16> = SINCE.iter().rev().map(|(minor, _)| *minor).collect();
        let all: Vec<u16> = (OLDEST_TESTED..=NEWEST_TESTED).collect();
        assert_eq!(minors, all);
    }
}
