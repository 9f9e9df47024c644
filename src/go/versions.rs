//! What depends on the Go version and is no offset: each fact once, with the source that it is from, and up to which version
//! it was looked up. The table of offsets is in `layout`; everything else that knows a version is here, or reads it from here.
//!
//! A version that is newer than all that was tested is taken for the newest. To add one: raise [`NEWEST_TESTED`], and the
//! tests of this file fail for every fact that does not speak of it.

/// The N of the oldest Go 1.N that is known.
pub const OLDEST_TESTED: u16 = 19;

/// The N of the newest Go 1.N that everything here was looked up in.
pub const NEWEST_TESTED: u16 = 27;

/// A fact: its values by version, from the oldest to the newest that it was looked up in.
struct Fact<T: 'static> {
    /// Each the first version with this value.
    since: &'static [(u16, T)],
    /// Up to where it was looked up.
    until: u16,
}

impl<T: Copy> Fact<T> {
    /// Its value in Go 1.`minor`; `None` before the first, and where nobody has looked it up.
    fn known(&self, minor: u16) -> Option<T> {
        let since = self.since.iter().rev();
        let mut known = since.skip_while(|(first, _)| *first > minor);
        known
            .next()
            .filter(|_| minor <= self.until)
            .map(|(_, value)| *value)
    }

    /// The same, where newer versions are taken for the newest that was looked up, and older ones for the oldest.
    fn assumed(&self, minor: u16) -> Option<T> {
        let first = self.since.first().map_or(0, |(first, _)| *first);
        self.known(minor.clamp(first, self.until))
    }
}

/// The number by which the function table marks functions that the compiler made only to call another one
/// (`FuncIDWrapper`, internal/abi/symtab.go; `funcID_wrapper`, runtime/symtab.go, until Go 1.20).
const WRAPPER_ID: Fact<u8> = Fact {
    since: &[(19, 21), (22, 22), (25, 23)],
    until: 27,
};

/// See [`WRAPPER_ID`]; `None` for versions where it is not known.
pub(in crate::go) fn wrapper_id(minor: u16) -> Option<u8> {
    WRAPPER_ID.known(minor)
}

/// Whether the labels of a goroutine are a slice, and not a map (`LabelSet`, runtime/pprof/label.go).
const LABELS_ARE_A_LIST: Fact<bool> = Fact {
    since: &[(19, false), (24, true)],
    until: 27,
};

/// See [`LABELS_ARE_A_LIST`]. What is read is no set of labels if they are something else by then.
pub(in crate::go) fn labels_are_a_list(minor: u16) -> bool {
    LABELS_ARE_A_LIST.assumed(minor).unwrap_or_default()
}

/// Whether tracebacks show exported methods of the runtime, not only functions (`showfuncinfo`, runtime/traceback.go).
const SHOWS_METHODS: Fact<bool> = Fact {
    since: &[(19, false), (23, true)],
    until: 27,
};

/// See [`SHOWS_METHODS`].
pub(in crate::go) fn shows_methods(minor: u16) -> bool {
    SHOWS_METHODS.assumed(minor).unwrap_or_default()
}

/// Whether tracebacks show the frames of `runFinalizers` and `runCleanups` (`isSystemGoroutine` and `showframe`,
/// runtime/traceback.go).
const SHOWS_CALLERS: Fact<bool> = Fact {
    since: &[(19, false), (25, true)],
    until: 27,
};

/// See [`SHOWS_CALLERS`].
pub(in crate::go) fn shows_callers(minor: u16) -> bool {
    SHOWS_CALLERS.assumed(minor).unwrap_or_default()
}

/// Whether scheduling latencies have a zero for goroutines that come back from a system call: `casgstatus` (runtime/proc.go)
/// tracked them also when they went into one, and counted a time of zero when they came back.
const COUNTS_SYSTEM_CALLS: Fact<bool> = Fact {
    since: &[(19, true), (26, false)],
    until: 27,
};

/// See [`COUNTS_SYSTEM_CALLS`].
pub(in crate::go) fn counts_system_calls(minor: u16) -> bool {
    COUNTS_SYSTEM_CALLS.assumed(minor).unwrap_or_default()
}

/// Whether `gctrace` means the largest stack scan by "stacks", not the last (`gcMarkTermination`, runtime/mgc.go).
const TRACES_MAX_STACK_SCAN: Fact<bool> = Fact {
    since: &[(19, true), (20, false)],
    until: 27,
};

/// See [`TRACES_MAX_STACK_SCAN`].
pub(in crate::go) fn traces_max_stack_scan(minor: u16) -> bool {
    TRACES_MAX_STACK_SCAN.assumed(minor).unwrap_or_default()
}

/// How far below the memory limit the heap's goal is kept (`memoryLimitHeapGoal`, runtime/mgcpacer.go).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::go) enum Headroom {
    /// By `memoryLimitHeapGoalHeadroom`.
    Constant,
    /// By 3 % of the goal, at least `memoryLimitMinHeapGoalHeadroom`.
    Share,
    /// It was not looked up.
    Unknown,
}

const HEADROOM: Fact<Headroom> = Fact {
    since: &[
        (19, Headroom::Constant),
        (20, Headroom::Unknown),
        (21, Headroom::Share),
    ],
    until: 27,
};

/// See [`Headroom`].
pub(in crate::go) fn headroom(minor: u16) -> Headroom {
    HEADROOM.assumed(minor).unwrap_or(Headroom::Unknown)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A new version makes this fail for each fact that nobody has looked up in it.
    #[test]
    fn every_fact_speaks_of_the_newest_version() {
        let all = [
            ("WRAPPER_ID", WRAPPER_ID.until),
            ("LABELS_ARE_A_LIST", LABELS_ARE_A_LIST.until),
            ("SHOWS_METHODS", SHOWS_METHODS.until),
            ("SHOWS_CALLERS", SHOWS_CALLERS.until),
            ("COUNTS_SYSTEM_CALLS", COUNTS_SYSTEM_CALLS.until),
            ("TRACES_MAX_STACK_SCAN", TRACES_MAX_STACK_SCAN.until),
            ("HEADROOM", HEADROOM.until),
        ];
        let old = all.iter().filter(|(_, until)| *until != NEWEST_TESTED);
        let old: Vec<&str> = old.map(|(name, _)| *name).collect();
        assert!(
            old.is_empty(),
            "not looked up in Go 1.{NEWEST_TESTED}: {old:?}"
        );
        // Each of them is in the list. What lies beside what it is about has a test there: the marks of versions in
        // `binary::implied`, the metrics, the table of offsets.
        let here = include_str!("versions.rs");
        assert_eq!(here.matches(concat!(": Fact", "<")).count(), all.len());
    }

    #[test]
    fn values_hold_from_their_version_on() {
        let ids: Vec<Option<u8>> = (18..=28).map(wrapper_id).collect();
        let wanted = [0, 21, 21, 21, 22, 22, 22, 23, 23, 23, 0].map(|it| (it > 0).then_some(it));
        assert_eq!(ids, wanted);
        assert!(!shows_methods(22) && shows_methods(23) && shows_methods(40));
        assert!(counts_system_calls(25) && !counts_system_calls(26) && !counts_system_calls(40));
    }
}
