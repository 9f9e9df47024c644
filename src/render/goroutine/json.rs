//! What `gr` says in JSON: one object for each event, and one at the end.

use crate::model::account::Account;
use crate::model::goroutine::GoroutineEvent;
use crate::model::goroutine::Names;
use crate::model::goroutine::Summary;
use crate::model::goroutine::What;
use crate::model::process;
use crate::render::account;
use crate::render::json::Object;

use super::moved;
use super::word;

/// One event as a JSON line. `unix_offset_ns` turns the event's clock into nanoseconds since 1970.
pub fn event(out: &mut Vec<u8>, event: &GoroutineEvent, names: Names<'_>, unix_offset_ns: i128) {
    let unix_ns = u64::try_from(i128::from(event.time_ns) + unix_offset_ns).ok();
    let mut object = Object::begin(out);
    object
        .text("event", word(&event.what))
        .number_or_null("time_unix_ns", unix_ns);
    object
        .number_or_null("pid", process::id(event.process).map(u64::from))
        .number_or_null("p", event.p.map(u64::from));
    if let Some(goroutine) = event.goroutine() {
        object
            .text_or_null("fn", names.function)
            .text_or_null("start_fn", names.start)
            .number("goid", goroutine.goid);
        object.number_or_null("start_pc", goroutine.start_pc);
        if !matches!(event.what, What::PutGlobal { .. }) {
            object.number_or_null("creator_goid", goroutine.creator);
            object.text_or_null("created_file", names.created_at.map(|(file, _)| file));
            object.number_or_null(
                "created_line",
                names.created_at.map(|(_, line)| u64::from(line)),
            );
        }
    }
    if let What::Exit { .. } = event.what {
        object
            .number_or_null("running_ns", event.running_ns())
            .number_or_null("running_at_least_ns", event.running_at_least_ns())
            .number_or_null("wait_ns", event.waited_ns());
    }
    if let What::Alive { state, .. } = event.what {
        object.text("state", state.word());
    }
    if let Some(moved) = moved(&event.what) {
        object.number("moved", moved);
    }
    object.end();
}

/// The last line.
pub fn end(out: &mut Vec<u8>, summary: &Summary, account: &Account) {
    let mut object = Object::begin(out);
    object
        .text("event", "end")
        .number("sites", summary.sites)
        .number_or_null("alive_before", summary.alive_before)
        .number("created", summary.created)
        .number("exited", summary.exited)
        .number("created_seen", summary.created_seen)
        .number("exited_seen", summary.exited_seen)
        .number("shown", summary.shown)
        .number("untimed", summary.untimed);
    account::json(&mut object, account);
    object.end();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::goroutine::Identity;

    #[test]
    fn json_says_null_for_what_is_unknown() {
        let goroutine = Identity {
            goid: 92,
            start_pc: Some(0x4d_3160),
            created_pc: Some(0x4d_3100),
            creator: Some(1),
        };
        let exit = GoroutineEvent {
            time_ns: 5_000,
            process: 4242,
            p: Some(1),
            what: What::Exit {
                goroutine,
                created_ns: None,
                started_ns: None,
                begun_ns: None,
            },
        };
        let names = Names {
            created_at: Some(("/src/server/main.go", 42)),
            ..Names::default()
        };
        let mut out = Vec::new();
        event(&mut out, &exit, names, 1);
        let read: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(read["event"], "exit");
        assert_eq!(read["time_unix_ns"], 5001);
        assert!(read["running_ns"].is_null());
        assert!(read["running_at_least_ns"].is_null());
        assert_eq!(read["created_line"], 42);
    }
}
