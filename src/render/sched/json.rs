//! Where the time of goroutines goes, for programs.

use crate::model::sched::Blocking;
use crate::model::sched::Open;
use crate::model::sched::Report;
use crate::model::sched::Row;
use crate::model::sched::latency;
use crate::render::account::About;
use crate::render::dump_json;
use crate::render::histogram::json as histogram;
use crate::render::json::Object;
use crate::render::process;

/// One line.
pub fn report(out: &mut Vec<u8>, report: &Report, about: &About<'_>) {
    let mut object = about.begin(out);
    object
        .number("elapsed_ns", report.elapsed_ns)
        .text("source", "probes")
        .number("sample", u64::from(report.sample))
        .truth("has_unmoved", report.has_unmoved);
    object.object("latency", |inner| {
        histogram::fields(inner, &latency(&report.totals(false)));
    });
    let totals = report.totals(false);
    let own = report.totals(true);
    object.list("states", totals.iter().chain(&own), times);
    if report.by_fn {
        object.list("by_fn", &report.rows, |inner, row| {
            inner.text_or_null("fn", row.function.as_deref());
            times(inner, row);
        });
    }
    if report.by_pid {
        object.list("by_pid", &report.rows, |inner, row| {
            process::pid(inner, row.process.as_ref());
            times(inner, row);
        });
    }
    if let Some(blocking) = &report.blocking {
        object.list("blocking", blocking, |inner, found| {
            if report.by_pid {
                process::pid(inner, found.process.as_ref());
            }
            place(inner, found);
        });
    }
    about.account(&mut object);
    object.end();
}

/// The times of one row. `count` to `buckets` are of the intervals that were seen from beginning to end.
fn times(object: &mut Object<'_>, row: &Row) {
    object
        .text("state", if row.waits { "waiting" } else { &row.state })
        .text_or_null("reason", row.waits.then_some(&*row.state))
        .truth("system", row.system)
        .number("total_ns", row.times.total_ns());
    histogram::fields(object, &row.times.whole);
    open(object, "cut", &row.times.cut);
    open(object, "open", &row.times.open);
}

fn open(object: &mut Object<'_>, key: &str, open: &Open) {
    object.object(key, |inner| {
        inner
            .number("count", open.count)
            .number("sum_ns", open.sum_ns)
            .number("max_ns", open.max_ns);
    });
}

fn place(object: &mut Object<'_>, place: &Blocking) {
    object
        .text("reason", &place.reason)
        .truth("system", place.system)
        .number("total_ns", place.total_ns());
    open(object, "ended", &place.ended);
    open(object, "open", &place.open);
    object.number("unmoved", place.unmoved);
    let frames = place.stack.as_ref().map(|stack| stack.frames.as_slice());
    object
        .truth("stack_known", frames.is_some())
        .truth("stack_deeper", place.deeper)
        .list("stack", frames.unwrap_or_default(), dump_json::frame);
}
