//! What the runtime leaves out when it prints goroutines: its own frames and goroutines, and wrappers that the compiler
//! made. The rules are those of `showfuncinfo` and `isSystemGoroutine` in runtime/traceback.go, Go 1.19 to 1.27, at
//! the default `GOTRACEBACK`.

use crate::go::binary::implied::VersionRange;
use crate::go::pclntab::inline::Frame;
use crate::go::versions::{shows_callers, shows_methods, wrapper_id};

/// What the names of the runtime's functions begin with.
const RUNTIME: &str = "runtime.";

/// The functions whose frames tell a wrapper apart that panics (`elideWrapperCalling`).
const PANICS: [&str; 3] = ["runtime.gopanic", "runtime.sigpanic", "runtime.panicwrap"];

/// The start functions of the goroutines that call finalizers and cleanups: `runfinq` until Go 1.24.
const CALLERS: [&str; 3] = [
    "runtime.runfinq",
    "runtime.runFinalizers",
    "runtime.runCleanups",
];

/// The rules of one version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// `abi.FuncIDWrapper`; `None` if the version is not known well enough.
    wrapper: Option<u8>,
    /// Whether exported methods of the runtime are shown (Go 1.23); before, only functions.
    methods: bool,
    /// Whether the frames of `runFinalizers` and `runCleanups` are shown (Go 1.25).
    callers: bool,
}

impl Rules {
    /// For a binary that may have been built with any of these versions.
    pub fn of(versions: VersionRange) -> Self {
        let oldest = wrapper_id(versions.oldest);
        let newest = versions.newest.and_then(wrapper_id);
        Self {
            wrapper: oldest.filter(|_| oldest == newest),
            methods: shows_methods(versions.oldest),
            callers: shows_callers(versions.oldest),
        }
    }

    /// The same for a binary whose own wrappers bear this number.
    pub(in crate::go) fn marked(self, wrapper: Option<u8>) -> Self {
        Self {
            wrapper: wrapper.or(self.wrapper),
            ..self
        }
    }

    /// Which frames of a stack are hidden, given innermost first. If all would be, none is.
    pub fn hidden(&self, frames: &[Frame<'_>]) -> Vec<bool> {
        let mut callee = "";
        let mut first = true;
        let mut hidden: Vec<bool> = frames
            .iter()
            .map(|frame| {
                let shown = self.shows(frame, first, callee);
                first &= !shown;
                callee = frame.function;
                !shown
            })
            .collect();
        if first {
            hidden.fill(false);
        }
        hidden
    }

    /// Whether the runtime says by whom a goroutine was created, if it was by that function.
    pub fn shows_creator(&self, function: &str) -> bool {
        self.shows_name(function)
    }

    /// Whether a frame is left out of every stack since it is a wrapper that only calls `callee`.
    pub fn elides(&self, frame: &Frame<'_>, callee: &str) -> bool {
        self.wrapper == Some(frame.id) && !PANICS.contains(&callee)
    }

    fn shows(&self, frame: &Frame<'_>, first: bool, callee: &str) -> bool {
        let name = frame.function;
        if self.elides(frame, callee) {
            return false;
        }
        (self.callers && name != "runtime.runfinq" && CALLERS.contains(&name))
            || (name == "runtime.gopanic" && !first)
            || self.shows_name(name)
    }

    fn shows_name(&self, name: &str) -> bool {
        let Some(rest) = name.strip_prefix(RUNTIME) else {
            return name.contains('.');
        };
        let exported = |name: &str| name.starts_with(|c: char| c.is_ascii_uppercase());
        match rest.rsplit_once('.') {
            Some((receiver, method)) if self.methods => {
                let pointer = receiver
                    .strip_prefix("(*")
                    .and_then(|rest| rest.strip_suffix(')'));
                exported(method) && exported(pointer.unwrap_or(receiver))
            }
            _ => exported(rest),
        }
    }
}

/// Whether a goroutine belongs to the runtime, told by the name of its start function (empty if there is none).
///
/// `calls_out` says whether there is a function of the program on its stack: the goroutine that calls finalizers counts
/// as the program's while it does. (The runtime has a flag for that, `fingStatus`, which is set a moment longer.)
pub fn is_system(start: &str, calls_out: bool) -> bool {
    let Some(rest) = start.strip_prefix(RUNTIME) else {
        return false;
    };
    match rest {
        "main" | "corostart" | "handleAsyncEvent" => false,
        _ if CALLERS.contains(&start) => !calls_out,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(function: &str, id: u8) -> Frame<'_> {
        Frame {
            function,
            file: "",
            line: 0,
            start_line: 0,
            inlined: false,
            id,
        }
    }

    fn hidden(minor: u16, names: &[&str]) -> Vec<bool> {
        let frames: Vec<Frame<'_>> = names
            .iter()
            .map(|name| {
                frame(
                    name,
                    u8::from(name.ends_with("-fm")) * wrapper_id(minor).unwrap(),
                )
            })
            .collect();
        Rules::of(VersionRange::only(minor)).hidden(&frames)
    }

    #[test]
    fn the_runtimes_own_frames_are_hidden() {
        let stack = [
            "runtime.gopark",
            "runtime.chanrecv",
            "main.f",
            "main.T.g-fm",
            "runtime.main",
        ];
        assert_eq!(hidden(27, &stack), [true, true, false, true, true]);
        assert_eq!(hidden(19, &stack), [true, true, false, true, true]);
    }

    #[test]
    fn a_stack_of_nothing_else_is_shown_whole() {
        assert_eq!(
            hidden(27, &["runtime.gopark", "runtime.forcegchelper"]),
            [false, false]
        );
    }

    #[test]
    fn panics_are_shown_between_others() {
        let stack = ["main.deferred", "runtime.gopanic", "main.T.g-fm", "main.f"];
        assert_eq!(hidden(27, &stack), [false; 4]);
        assert_eq!(hidden(27, &["runtime.gopanic", "main.f"]), [true, false]);
    }

    #[test]
    fn what_is_exported_is_shown() {
        let stack = ["runtime.GC", "runtime.(*Pinner).Pin", "runtime.(*hmap).Get"];
        assert_eq!(hidden(27, &stack), [false, false, true]);
        assert_eq!(hidden(22, &stack), [false, true, true]);
    }

    #[test]
    fn goroutines_of_the_runtime() {
        assert!(is_system("runtime.bgsweep", false));
        assert!(!is_system("runtime.main", false));
        assert!(!is_system("runtime.corostart", false));
        assert!(is_system("runtime.runFinalizers", false) && !is_system("runtime.runfinq", true));
        assert!(!is_system("main.f", false) && !is_system("", false));
    }
}
