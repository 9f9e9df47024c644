//! What `go tool trace -d=parsed` says of goroutines: one line for each change of state, then the stacks.

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
};

use crate::common::{Toolchain, newest};

/// How often goroutines left a state: the state, and why they were in it.
pub(crate) type Left = BTreeMap<(String, String), u64>;

/// What goroutines that began within the trace did, by start function.
#[derive(Debug, Default)]
pub(crate) struct ParsedTrace {
    pub(crate) left: BTreeMap<String, Left>,
    /// Changes from a system call to the run queue, by start function.
    pub(crate) out_of_syscalls: BTreeMap<String, u64>,
}

/// One line about a goroutine.
struct Change<'t> {
    goid: &'t str,
    from: &'t str,
    to: &'t str,
    reason: &'t str,
}

impl<'t> Change<'t> {
    /// `M=1 P=0 G=1 StateTransition Time=2 GoID=25 Running->Waiting Reason="chan receive"`; by the tool of Go 1.25
    /// `… Time=2 Resource=Goroutine(25) Reason="chan receive" GoID=25 Running->Waiting`.
    fn parse(line: &'t str) -> Option<Self> {
        let (_, rest) = line.split_once(" StateTransition ")?;
        let (_, reason) = rest.split_once(" Reason=\"")?;
        let (reason, _) = reason.split_once('"')?;
        let (_, rest) = rest.split_once("GoID=")?;
        let (goid, rest) = rest.split_once(' ')?;
        let (from, to) = rest.split(' ').next()?.trim_end().split_once("->")?;
        Some(Self {
            goid,
            from,
            to,
            reason,
        })
    }
}

impl ParsedTrace {
    /// Has the newest toolchain's tool parse a trace; it reads those of all versions from Go 1.22 on.
    pub(crate) fn of(file: &Path) -> Self {
        let tool: &Toolchain = newest();
        let output = tool
            .command()
            .args(["tool", "trace", "-d=parsed"])
            .arg(file)
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{errors}");
        Self::parse(&String::from_utf8(output.stdout).unwrap())
    }

    fn parse(text: &str) -> Self {
        let mut trace = Self::default();
        // What each goroutine that was created in the trace began with, and why it is in its state.
        let mut began: HashMap<&str, &str> = HashMap::new();
        let mut why: HashMap<&str, &str> = HashMap::new();
        let mut created = None;
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            // The stack of the one that is created; the other is its creator's.
            if let (Some(goid), "TransitionStack=") = (created, line) {
                let frame = lines.next().unwrap_or_default().trim();
                began.insert(goid, frame.split(" @").next().unwrap_or_default());
                created = None;
                continue;
            }
            let Some(change) = Change::parse(line) else {
                continue;
            };
            created = (change.from == "NotExist").then_some(change.goid);
            let reason = why.insert(change.goid, change.reason).unwrap_or("");
            let Some(function) = began.get(change.goid) else {
                continue;
            };
            let reason = if change.from == "Waiting" { reason } else { "" };
            let state = (change.from.to_lowercase(), reason.to_owned());
            let left = trace.left.entry((*function).to_owned()).or_default();
            *left.entry(state).or_default() += 1;
            if (change.from, change.to) == ("Syscall", "Runnable") {
                let out = &mut trace.out_of_syscalls;
                *out.entry((*function).to_owned()).or_default() += 1;
            }
        }
        trace
    }
}

#[test]
fn changes_are_told_apart_by_goroutine() {
    let text = "M=1 P=0 G=1 StateTransition Time=1 GoID=7 NotExist->Runnable Reason=\"\"
TransitionStack=
	main.f @ 0x1
		/f.go:1

Stack=
	main.main @ 0x2
		/f.go:2

M=1 P=0 G=-1 StateTransition Time=2 GoID=7 Runnable->Running Reason=\"\"
M=1 P=0 G=7 StateTransition Time=3 GoID=7 Running->Waiting Reason=\"chan receive\"
M=1 P=0 G=1 StateTransition Time=3 GoID=1 Running->Waiting Reason=\"sleep\"
M=1 P=0 G=-1 StateTransition Time=4 GoID=7 Waiting->Runnable Reason=\"\"
M=1 P=0 G=-1 StateTransition Time=4 ProcID=0 Running->Idle Reason=\"\"
";
    let trace = ParsedTrace::parse(text);
    assert_eq!(trace.left.len(), 1);
    let left = &trace.left["main.f"];
    let times = |state: &str, why: &str| left.get(&(state.to_owned(), why.to_owned()));
    assert_eq!(times("waiting", "chan receive"), Some(&1));
    assert_eq!(times("runnable", ""), Some(&1));
    assert_eq!(times("running", ""), Some(&1));
    assert_eq!(left.len(), 3);
}
