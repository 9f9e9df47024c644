//! Stacks of goroutines, as Go prints them.

use std::borrow::Cow;
use std::io::Write;

use crate::model::dump::SourcePlace;
use crate::model::dump::Stack;
use crate::model::dump::StackState;
use crate::model::foreign::shown;

pub(super) fn frames(out: &mut Vec<u8>, stack: &Stack, all: bool) {
    let (gap, elided) = stack.elided.unwrap_or((usize::MAX, 0));
    for (index, frame) in stack.frames.iter().enumerate() {
        if index == gap {
            let _ = writeln!(out, "...{elided} frames elided...");
        }
        if all || !frame.hidden {
            let _ = writeln!(out, "{}(...)", printed(&frame.place.function));
            place(out, &frame.place);
        }
    }
}

pub(super) fn no_stack(out: &mut Vec<u8>, state: StackState) {
    let line = match state {
        StackState::Read(_) => return,
        // The runtime's own words.
        StackState::Running => "goroutine running on other thread; stack unavailable",
        StackState::Moving => "goroutine kept moving; stack unavailable",
        StackState::Unwalkable => {
            "goroutine in a state without a readable stack; stack unavailable"
        }
        StackState::NotInCore => "stack not in the core dump",
    };
    let _ = writeln!(out, "\t{line}");
}

pub(super) fn created(out: &mut Vec<u8>, by: Option<&SourcePlace>, creator: Option<u64>) {
    let Some(by) = by else {
        return;
    };
    let _ = match creator {
        Some(goid) => writeln!(
            out,
            "created by {} in goroutine {goid}",
            printed(&by.function)
        ),
        None => writeln!(out, "created by {}", printed(&by.function)),
    };
    place(out, by);
}

pub(super) fn place(out: &mut Vec<u8>, place: &SourcePlace) {
    let _ = write!(out, "\t{}:{}", shown(&place.file), place.line);
    match place.offset {
        Some(offset) if offset > 0 => {
            let _ = writeln!(out, " +{offset:#x}");
        }
        _ => out.push(b'\n'),
    }
}

/// The name in a traceback (`printFuncName` of runtime/traceback.go).
pub(super) fn printed(function: &str) -> Cow<'_, str> {
    match function {
        "runtime.gopanic" => "panic".into(),
        other => shown(other),
    }
}
