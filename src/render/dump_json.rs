//! Goroutines as JSON: one object for each goroutine, or group of them, or site that grew, and one at the end.

use crate::model::dump::{
    Dump, Goroutine, Labels, Missing, SourcePlace, Stack, StackFrame, StackState,
};
use crate::model::groups::{Group, SiteGrowth};

use super::json::Object;

/// What the last line counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Goroutines of the program, and the runtime's if they were asked for.
    pub goroutines: u64,
    /// Those of them that passed the filters.
    pub shown: u64,
    /// Goroutines of the runtime that were left out.
    pub system: u64,
    /// What could not be read.
    pub missing: Missing,
}

/// The process that the following lines are of, up to `end`, where there are several.
pub fn process(out: &mut Vec<u8>, pid: i32, name: &str) {
    let mut object = Object::begin(out);
    object
        .text("event", "process")
        .number("pid", u64::from(pid.cast_unsigned()))
        .text("name", name);
    object.end();
}

/// One goroutine.
pub fn goroutine(out: &mut Vec<u8>, dump: &Dump, goroutine: &Goroutine) {
    let mut object = Object::begin(out);
    object
        .text("event", "goroutine")
        .number("goid", goroutine.goid)
        .text("state", goroutine.state.word())
        .text_or_null("wait_reason", goroutine.wait_reason.as_deref())
        .number_or_null("waiting_about_ns", goroutine.waited_ns(dump.at_ns))
        .number_or_null(
            "waiting_at_least_ns",
            goroutine.waited_at_least_ns(dump.at_ns),
        )
        .number_or_null("synctest_bubble", goroutine.bubble)
        .truth("durable", goroutine.durable)
        .truth_or_null("locked_to_thread", goroutine.locked)
        .truth("system", goroutine.system)
        .text_or_null(
            "start",
            goroutine.start.as_deref().map(|it| it.function.as_str()),
        );
    created(&mut object, goroutine.created.as_deref());
    object.number_or_null("creator_goid", goroutine.creator);
    labels(&mut object, &goroutine.labels);
    stack(&mut object, goroutine.stack, dump.stack_of(goroutine));
    object.end();
}

/// `labels`: an object, empty if there are none; `null` if they are not known.
fn labels(object: &mut Object<'_>, labels: &Labels) {
    match labels {
        Labels::Lost | Labels::Unknown => drop(object.null("labels")),
        Labels::None => drop(object.object("labels", |_| {})),
        Labels::These(set) => drop(object.object("labels", |inner| {
            for (key, value) in set.iter() {
                inner.text(key, value);
            }
        })),
    }
}

/// One group.
pub fn group(out: &mut Vec<u8>, group: &Group<'_>, at_ns: Option<u64>) {
    let mut object = Object::begin(out);
    object.text("event", "group");
    members(&mut object, group, at_ns);
    if let Some(first) = group.goroutines.first() {
        object.text_or_null(
            "start",
            first.start.as_deref().map(|it| it.function.as_str()),
        );
        created(&mut object, first.created.as_deref());
        object.number_or_null("creator_goid", group.creator());
        object.list("labels", group.label_sets(), |inner, (set, count)| {
            inner.number("count", count as u64);
            labels(inner, set);
        });
        stack(&mut object, first.stack, group.stack);
    }
    object.end();
}

/// One creation site whose goroutines became more.
pub fn growth(out: &mut Vec<u8>, site: &SiteGrowth<'_>, at_ns: Option<u64>) {
    let mut object = Object::begin(out);
    object
        .text("event", "growth")
        .number("before", site.before as u64)
        .number("after", site.after as u64)
        .text_or_null(
            "start",
            site.example.start.as_deref().map(|it| it.function.as_str()),
        );
    created(&mut object, site.example.created.as_deref());
    object.list("stacks", &site.stacks, |inner, growth| {
        inner.number("before", growth.before as u64);
        members(inner, &growth.group, at_ns);
        if let Some(first) = growth.group.goroutines.first() {
            stack(inner, first.stack, growth.group.stack);
        }
    });
    object.end();
}

/// The last line.
pub fn end(out: &mut Vec<u8>, totals: &Totals) {
    let mut object = Object::begin(out);
    object
        .text("event", "end")
        .number("goroutines", totals.goroutines)
        .number("shown", totals.shown)
        .number("system_hidden", totals.system)
        .number("unreadable", totals.missing.goroutines)
        .number("moving", totals.missing.moving)
        .number("unwalkable", totals.missing.unwalkable)
        .number("cut_off", totals.missing.cut_off);
    object.end();
}

fn members(object: &mut Object<'_>, group: &Group<'_>, at_ns: Option<u64>) {
    object.number("count", group.goroutines.len() as u64);
    object.list("states", group.activities(), |inner, (state, count)| {
        inner.text("state", state).number("count", count as u64);
    });
    let waits = group.waited_ns(at_ns);
    object
        .number_or_null("waiting_about_ns_min", waits.map(|(least, _)| least))
        .number_or_null("waiting_about_ns_max", waits.map(|(_, most)| most))
        .number_or_null("goid", group.goroutines.first().map(|it| it.goid));
}

fn created(object: &mut Object<'_>, by: Option<&SourcePlace>) {
    match by {
        Some(by) => object.object("created_by", |inner| place(inner, by)),
        None => object.null("created_by"),
    };
}

fn stack(object: &mut Object<'_>, state: StackState, stack: Option<&Stack>) {
    let state = match state {
        StackState::Read(_) => "read",
        StackState::Running => "running",
        StackState::Moving => "moving",
        StackState::Unwalkable => "unwalkable",
        StackState::NotInCore => "not_in_core",
    };
    object.text("stack_state", state);
    let frames = stack.map(|stack| stack.frames.as_slice());
    object.list("stack", frames.unwrap_or_default(), frame);
    if let Some((after, elided)) = stack.and_then(|stack| stack.elided) {
        object.object("elided", |inner| {
            inner.number("after", after as u64).number("frames", elided);
        });
    }
}

pub(super) fn frame(object: &mut Object<'_>, frame: &StackFrame) {
    place(object, &frame.place);
    object
        .truth("inlined", frame.place.offset.is_none())
        .truth("hidden", frame.hidden);
}

fn place(object: &mut Object<'_>, place: &SourcePlace) {
    object
        .text("function", &place.function)
        .text("file", &place.file)
        .number("line", u64::from(place.line))
        .number("pc", place.pc);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::dump::sample;
    use crate::model::groups::{Grouper, growth as grown};

    fn read(write: impl Fn(&mut Vec<u8>)) -> serde_json::Value {
        let mut out = Vec::new();
        write(&mut out);
        serde_json::from_slice(&out).unwrap()
    }

    #[test]
    fn everything_is_there() {
        let mut deep = sample::stack(&[("runtime.gopark", 1, true), ("main.worker", 10, false)]);
        deep.elided = Some((1, 99));
        let dump = Dump {
            goroutines: vec![
                sample::goroutine(18, StackState::Read(0)),
                sample::goroutine(19, StackState::Running),
            ],
            stacks: vec![deep],
            ..Dump::default()
        };
        let one = read(|out| goroutine(out, &dump, &dump.goroutines[0]));
        assert_eq!(one["stack"][1]["line"], 10);
        assert_eq!(one["stack"][0]["hidden"], true);
        assert_eq!(one["elided"]["frames"], 99);
        assert_eq!(one["created_by"]["function"], "main.main");
        assert!(one["waiting_about_ns"].is_null());
        let two = read(|out| goroutine(out, &dump, &dump.goroutines[1]));
        assert_eq!(two["stack_state"], "running");
        assert!(two["wait_reason"].is_null());

        let mut grouper = Grouper::new(false);
        let groups = grouper.groups(&dump, |_| true);
        let first = read(|out| group(out, &groups[0], None));
        assert_eq!(first["states"][0]["state"], "chan receive");
        let sites = grown(&[], groups);
        let site = read(|out| growth(out, &sites[0], None));
        assert_eq!((&site["before"], &site["after"]), (&0.into(), &2.into()));
        assert_eq!(site["stacks"].as_array().unwrap().len(), 2);
    }
}
