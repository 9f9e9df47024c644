//! Histograms in JSON, and what `gr seq` says of them.

use crate::model::histogram::Histogram;
use crate::model::histogram::LifeTimes;
use crate::model::histogram::Unseen;
use crate::render::account::About;
use crate::render::json::Object;
use crate::render::process;

/// One line of `gr seq`.
pub fn report(out: &mut Vec<u8>, times: &LifeTimes, about: &About<'_>) {
    let mut object = about.begin(out);
    fields(&mut object, &times.total);
    unseen(&mut object, times.unseen);
    if let Some(by_fn) = &times.by_fn {
        object.list("by_fn", by_fn, |inner, (name, histogram)| {
            inner.text("fn", name);
            fields(inner, histogram);
        });
    }
    if let Some(by_pid) = &times.by_pid {
        object.list("by_pid", by_pid, |inner, (process, own)| {
            process::pid(inner, Some(process));
            fields(inner, &own.total);
            unseen(inner, own.unseen);
        });
    }
    about.account(&mut object);
    object.end();
}

fn unseen(object: &mut Object<'_>, unseen: Unseen) {
    object
        .number("unseen_older", unseen.older)
        .number("unseen_unwatched", unseen.unwatched);
}

/// The histogram's fields: count, sum, quantiles (upper bounds, at most 12.5 % above), maximum, and the bars that are
/// not empty.
pub fn fields(object: &mut Object<'_>, histogram: &Histogram) {
    object
        .number("count", histogram.count)
        .number("sum_ns", histogram.sum_ns);
    for (key, percent) in [("p50_ns", 50), ("p90_ns", 90), ("p99_ns", 99)] {
        object.number_or_null(key, histogram.quantile_ns(percent));
    }
    object.number_or_null("max_ns", (histogram.count > 0).then_some(histogram.max_ns));
    let bars = histogram.bars();
    object.list(
        "buckets",
        bars.iter().filter(|bar| bar.count > 0),
        |inner, bar| {
            inner
                .number("low_us", bar.low_us)
                .number_or_null("high_us", bar.high_us)
                .number("count", bar.count);
        },
    );
}
