//! Goroutines as the runtime prints them when a program panics, one by one or grouped.
//!
//! One by one, the text is what `runtime.Stack` and `/debug/pprof/goroutine?debug=2` give, so that what reads those
//! reads this; only the arguments of functions are not there, and what a terminal would obey is escaped.

use std::io::Write;

use crate::model::dump::{Dump, Goroutine, Labels, Missing};
use crate::model::foreign::shown;
use crate::model::groups::{Group, SiteGrowth};
use crate::model::human::counted;

use super::dump_stack::{created, frames, no_stack, printed};

/// Goroutine numbers shown of a group.
const NUMBERS: usize = 5;

const NS_PER_SECOND: u64 = 1_000_000_000;

/// The process that what follows is of, where there are several.
pub fn process(out: &mut Vec<u8>, pid: i32, name: &str) {
    let _ = writeln!(out, "== process {pid} ({})", shown(name));
}

/// One goroutine with its stack, and an empty line. `all_frames`: those of the runtime too.
pub fn goroutine(out: &mut Vec<u8>, dump: &Dump, goroutine: &Goroutine, all_frames: bool) {
    let _ = write!(
        out,
        "goroutine {} [{}",
        goroutine.goid,
        shown(goroutine.activity())
    );
    if goroutine.scanned {
        out.extend_from_slice(b" (scan)");
    }
    if goroutine.durable && !goroutine.activity().ends_with("(durable)") {
        out.extend_from_slice(b" (durable)");
    }
    // As the runtime has it: whole minutes.
    let minutes = goroutine
        .waited_ns(dump.at_ns)
        .map_or(0, |waited| waited / NS_PER_SECOND / 60);
    if minutes > 0 {
        let _ = write!(out, ", {minutes} minutes");
    }
    if goroutine.locked == Some(true) {
        out.extend_from_slice(b", locked to thread");
    }
    if let Some(bubble) = goroutine.bubble {
        let _ = write!(out, ", synctest bubble {bubble}");
    }
    out.push(b']');
    labels(out, &goroutine.labels);
    out.extend_from_slice(b":\n");
    match dump.stack_of(goroutine) {
        Some(stack) => frames(out, stack, all_frames),
        None => no_stack(out, goroutine.stack),
    }
    created(out, goroutine.created.as_deref(), goroutine.creator);
    out.push(b'\n');
}

/// One group, and an empty line.
pub fn group(out: &mut Vec<u8>, group: &Group<'_>, at_ns: Option<u64>, all_frames: bool) {
    let count = group.goroutines.len();
    let _ = write!(out, "{} [", counted(count as u64, "goroutine"));
    activities(out, group);
    waits(out, group, at_ns);
    let locked = group
        .goroutines
        .iter()
        .filter(|it| it.locked == Some(true))
        .count();
    match locked {
        0 => {}
        _ if locked == count => out.extend_from_slice(b", locked to thread"),
        _ => {
            let _ = write!(out, ", {locked} locked to thread");
        }
    }
    bubbles(out, group);
    out.extend_from_slice(b"] (");
    for (index, goroutine) in group.goroutines.iter().take(NUMBERS).enumerate() {
        let comma = if index == 0 { "" } else { ", " };
        let _ = write!(out, "{comma}{}", goroutine.goid);
    }
    let more = if count > NUMBERS { ", …" } else { "" };
    let _ = write!(out, "{more})");
    match group.labels() {
        Some(same) => labels(out, same),
        None => out.extend_from_slice(b" {labels differ}"),
    }
    out.extend_from_slice(b":\n");
    body(out, group, all_frames);
    out.push(b'\n');
}

/// As Go 1.27 has them (`goroutineheader`, runtime/traceback.go): ` {key: value, key: value}`, in quotes where they have
/// other letters than those of names and paths.
fn labels(out: &mut Vec<u8>, labels: &Labels) {
    let set = match labels {
        Labels::None | Labels::Unknown => return,
        Labels::Lost => return out.extend_from_slice(b" {labels not known}"),
        Labels::These(set) => set,
    };
    let mut before = " {";
    for (key, value) in set.iter() {
        let _ = write!(out, "{before}{}: {}", quoted(key), quoted(value));
        before = ", ";
    }
    out.push(b'}');
}

fn quoted(text: &str) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "./_".contains(letter);
    match text.chars().all(is_plain) {
        true => text.to_owned(),
        false => format!(
            "\"{}\"",
            shown(&text.replace('\\', "\\\\").replace('"', "\\\""))
        ),
    }
}

/// What became more at one creation site, and an empty line.
pub fn growth(out: &mut Vec<u8>, site: &SiteGrowth<'_>, at_ns: Option<u64>, all_frames: bool) {
    let start = site.example.start.as_deref();
    let name = start.map_or("?".into(), |start| shown(&start.function));
    let (before, after) = (site.before, site.after);
    let sign = if after >= before { "+" } else { "-" };
    let change = after.abs_diff(before);
    let _ = write!(
        out,
        "{sign}{} of {name} ({before} → {after})",
        counted(change as u64, "goroutine")
    );
    match site.example.created.as_deref() {
        Some(created) => {
            let _ = writeln!(
                out,
                ", created by {} at {}:{}",
                printed(&created.function),
                shown(&created.file),
                created.line
            );
        }
        None => out.push(b'\n'),
    }
    for growth in &site.stacks {
        let (before, after) = (growth.before, growth.group.goroutines.len());
        let _ = write!(out, "\n+{} ({before} → {after}) [", growth.grown());
        activities(out, &growth.group);
        waits(out, &growth.group, at_ns);
        out.extend_from_slice(b"]:\n");
        body(out, &growth.group, all_frames);
    }
    out.push(b'\n');
}

/// What a dump lacks, one line each, for people.
pub fn missing(missing: &Missing) -> Vec<String> {
    let lines = [
        (
            missing.goroutines,
            "changing too fast to be read, and not shown",
        ),
        (
            missing.moving,
            "moving too fast for a stack, and shown without",
        ),
        (
            missing.unwalkable,
            "shown without the stack, which does not lead to the first function",
        ),
        (
            missing.cut_off,
            "in the part of the core dump that is cut off, and not shown",
        ),
    ];
    let lines = lines.into_iter().filter(|(count, _)| *count > 0);
    lines
        .map(|(count, what)| format!("{what}: {}", counted(count, "goroutine")))
        .collect()
}

fn body(out: &mut Vec<u8>, group: &Group<'_>, all_frames: bool) {
    let Some(first) = group.goroutines.first() else {
        return;
    };
    match group.stack {
        Some(stack) => frames(out, stack, all_frames),
        None => {
            no_stack(out, first.stack);
            if let Some(start) = first.start.as_deref() {
                let _ = writeln!(
                    out,
                    "started at {}\n\t{}:{}",
                    shown(&start.function),
                    shown(&start.file),
                    start.line
                );
            }
        }
    }
    created(out, first.created.as_deref(), group.creator());
}

fn activities(out: &mut Vec<u8>, group: &Group<'_>) {
    let activities = group.activities();
    for (index, (activity, count)) in activities.iter().enumerate() {
        let activity = shown(activity);
        let comma = if index == 0 { "" } else { ", " };
        let _ = match activities.len() {
            1 => write!(out, "{activity}"),
            _ => write!(out, "{comma}{count} {activity}"),
        };
    }
}

fn waits(out: &mut Vec<u8>, group: &Group<'_>, at_ns: Option<u64>) {
    let Some((least, most)) = group.waited_ns(at_ns) else {
        return;
    };
    let (least, most) = (rough(least), rough(most));
    let _ = if least == most {
        write!(out, ", about {most}")
    } else {
        write!(out, ", about {least} to {most}")
    };
}

/// The bubble of package testing/synctest, or how many goroutines are in one.
fn bubbles(out: &mut Vec<u8>, group: &Group<'_>) {
    let inside = group.goroutines.iter().filter(|one| one.bubble.is_some());
    let first = group.goroutines.first().and_then(|one| one.bubble);
    let _ = match (inside.count(), first) {
        (0, _) => return,
        (_, Some(bubble)) if group.goroutines.iter().all(|one| one.bubble == first) => {
            write!(out, ", synctest bubble {bubble}")
        }
        (count, _) => write!(out, ", {count} in synctest bubbles"),
    };
}

/// A duration as roughly as it is known: `40s`, `12m`, `3h`, `5d`.
fn rough(ns: u64) -> String {
    let seconds = ns / NS_PER_SECOND;
    match seconds {
        ..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m", seconds / 60),
        3_600..172_800 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::dump::StackState;
    use crate::model::dump::sample;
    use crate::model::groups::{Grouper, growth as grown};

    const MINUTE: u64 = 60 * NS_PER_SECOND;

    fn dump(waiting: u64) -> Dump {
        let stack = sample::stack(&[("runtime.gopark", 1, true), ("main.worker", 10, false)]);
        let mut goroutines: Vec<_> = (0..waiting)
            .map(|index| {
                let mut one = sample::goroutine(18 + index, StackState::Read(0));
                one.since_ns = Some(MINUTE * (1 + index));
                one
            })
            .collect();
        let mut running = sample::goroutine(7, StackState::Running);
        running.locked = Some(true);
        goroutines.push(running);
        Dump {
            goroutines,
            stacks: vec![stack],
            at_ns: Some(MINUTE * 60),
            ..Dump::default()
        }
    }

    #[test]
    fn one_by_one_it_is_what_go_prints() {
        let dump = dump(1);
        let mut out = Vec::new();
        for one in &dump.goroutines {
            goroutine(&mut out, &dump, one, false);
        }
        let expected = "goroutine 18 [chan receive, 59 minutes]:
main.worker(...)
	/src/main.go:10 +0x10
created by main.main in goroutine 1
	/src/main.go:5 +0x10

goroutine 7 [running, locked to thread]:
	goroutine running on other thread; stack unavailable
created by main.main in goroutine 1
	/src/main.go:5 +0x10

";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn groups_have_counts_times_and_numbers() {
        let dump = dump(7);
        let mut out = Vec::new();
        for one in Grouper::new(false).groups(&dump, |it| it.goid != 7) {
            group(&mut out, &one, dump.at_ns, false);
        }
        let expected = "7 goroutines [chan receive, about 53m to 59m] (18, 19, 20, 21, 22, …):
main.worker(...)
	/src/main.go:10 +0x10
created by main.main in goroutine 1
	/src/main.go:5 +0x10

";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn names_are_shown_not_obeyed() {
        let mut dump = dump(1);
        let place = sample::place("main.\x1b[2J\n", 7);
        dump.goroutines[0].wait_reason = Some("chan\u{202e}".into());
        dump.goroutines[0].created = Some(place.clone());
        dump.stacks[0].frames[1].place = place;
        let mut out = Vec::new();
        goroutine(&mut out, &dump, &dump.goroutines[0], false);
        let expected = "goroutine 18 [chan\\u{202e}, 59 minutes]:
main.\\x1b[2J\\n(...)
	/src/main.go:7 +0x10
created by main.\\x1b[2J\\n in goroutine 1
	/src/main.go:7 +0x10

";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn bubbles_are_as_go_prints_them() {
        let mut dump = dump(3);
        for one in &mut dump.goroutines[..2] {
            one.wait_reason = Some("sleep".into());
            (one.bubble, one.durable) = (Some(4), true);
        }
        dump.goroutines[1].wait_reason = Some("select (durable)".into());
        let head = |index: usize| {
            let mut out = Vec::new();
            goroutine(&mut out, &dump, &dump.goroutines[index], false);
            let text = String::from_utf8(out).unwrap();
            text.lines().next().unwrap().to_owned()
        };
        assert_eq!(
            head(0),
            "goroutine 18 [sleep (durable), 59 minutes, synctest bubble 4]:"
        );
        assert_eq!(
            head(1),
            "goroutine 19 [select (durable), 58 minutes, synctest bubble 4]:"
        );
        assert_eq!(head(2), "goroutine 20 [chan receive, 57 minutes]:");
        let mut out = Vec::new();
        for one in Grouper::new(false).groups(&dump, |it| it.goid != 7) {
            group(&mut out, &one, None, false);
        }
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains(", 2 in synctest bubbles]"), "{text}");
    }

    #[test]
    fn growth_names_the_site_first() {
        let (one, two) = (dump(2), dump(5));
        let mut grouper = Grouper::new(false);
        let before = grouper.groups(&one, |_| true);
        let after = grouper.groups(&two, |_| true);
        let mut out = Vec::new();
        for site in grown(&before, after) {
            growth(&mut out, &site, None, false);
        }
        let expected =
            "+3 goroutines of main.worker (3 → 6), created by main.main at /src/main.go:5

+3 (2 → 5) [chan receive]:
main.worker(...)
	/src/main.go:10 +0x10
created by main.main in goroutine 1
	/src/main.go:5 +0x10

";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
