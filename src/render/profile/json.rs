//! A profile as JSON: a line that says what it is, one for each sample, and one at the end.

use crate::model::profile::LabelValue;
use crate::model::profile::Part;
use crate::model::profile::Profile;
use crate::model::profile::Sampling;
use crate::model::profile::ValueType;

use crate::render::account::losses;
use crate::render::json::Object;

/// All of it. `pid` is the process, if it is of one; where there are several, each sample says of which it is, and what is
/// known of each is at the end.
pub fn json(out: &mut Vec<u8>, profile: &Profile, pid: Option<u32>) {
    let mut object = Object::begin(out);
    object
        .text("event", "profile")
        .text("kind", profile.kind)
        .number_or_null("pid", pid.map(u64::from))
        .text("name", &profile.name())
        .text_or_null("build_id", profile.mapping.build_id.as_deref())
        .number_or_null("unix_ns", profile.unix_ns)
        .number_or_null("duration_ns", profile.duration_ns)
        .list("types", &profile.types, value_type);
    let (period_type, period) = profile.period;
    object
        .object("period_type", |inner| value_type(inner, &period_type))
        .number("period", period);
    if profile.is_of_several() {
        object.list("processes", profile.parts(), process);
    }
    object.end();
    for (sample, part) in profile.samples_with_parts() {
        let mut object = Object::begin(out);
        object.text("event", "sample");
        if let Some(part) = part {
            object.number("pid", part.pid.into());
        }
        object.object("values", |inner| {
            for (value, count) in profile.types.iter().zip(&sample.values) {
                inner.number(value.name, *count);
            }
        });
        object.object("labels", |inner| {
            for label in &sample.labels {
                match &label.value {
                    LabelValue::Text(text) => inner.text(&label.key, text),
                    LabelValue::Number(number) => inner.number(&label.key, *number),
                };
            }
        });
        let lines = profile.lines(&sample.stack);
        object.list("stack", lines, |inner, (location, function, line)| {
            inner
                .text("function", &function.name)
                .text("file", &function.file)
                .number("line", u64::from(line.line))
                .number("address", location.address)
                .truth("inlined", location.lines.last() != Some(&line));
        });
        object.end();
    }
    let mut object = Object::begin(out);
    object
        .text("event", "end")
        .number("samples", profile.samples().len() as u64)
        .object("totals", |inner| {
            for (index, value) in profile.types.iter().enumerate() {
                inner.number(value.name, profile.total(index));
            }
        });
    if let Some(sampling) = &profile.sampling {
        object.object("sampling", |inner| self::sampling(inner, sampling));
    }
    if profile.is_of_several() {
        object.list("processes", profile.parts(), |inner, part| {
            process(inner, part);
            let samples = profile.samples_of(part);
            inner
                .number("samples", samples.len() as u64)
                .object("totals", |inner| {
                    for (index, value) in profile.types.iter().enumerate() {
                        let values = samples.iter().filter_map(|it| it.values.get(index));
                        let total = values.fold(0, |sum: u64, value| sum.saturating_add(*value));
                        inner.number(value.name, total);
                    }
                });
            if let Some(sampling) = &part.sampling {
                inner.object("sampling", |inner| self::sampling(inner, sampling));
            }
            notes(inner, &part.notes);
        });
    }
    notes(&mut object, &profile.notes);
    object.end();
}

fn process(object: &mut Object<'_>, part: &Part) {
    object
        .number("pid", part.pid.into())
        .text("name", &part.mapping.file)
        .text_or_null("build_id", part.mapping.build_id.as_deref());
}

fn notes(object: &mut Object<'_>, notes: &[String]) {
    object.list("notes", notes, |inner, note| {
        inner.text("text", note);
    });
}

/// All that is known of how it was sampled. `cpu_ns` is the kernel's account, `seen` the part of it that the samples
/// stand for.
fn sampling(object: &mut Object<'_>, sampling: &Sampling) {
    object
        .number("hz", u64::from(sampling.hz))
        .number("elapsed_ns", sampling.elapsed_ns)
        .text("ended", sampling.end.name())
        .number("samples", sampling.count())
        .number("proved", sampling.proved)
        .number("cut", sampling.cut)
        .number("chained", sampling.chained)
        .number("bare", sampling.bare)
        .number("labelled", sampling.labelled)
        .number("labels_unknown", sampling.unlabelled)
        .number_or_null("cpu_ns", sampling.cpu_ns);
    match sampling.coverage() {
        Some(part) => object.fraction("seen", part),
        None => object.null("seen"),
    };
    losses(object, &sampling.losses);
}

fn value_type(object: &mut Object<'_>, value: &ValueType) {
    object.text("name", value.name).text("unit", value.unit);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::profile::{Label, sample};

    #[test]
    fn everything_is_there() {
        let mut out = Vec::new();
        json(&mut out, &sample::heap(), Some(42));
        let lines = std::str::from_utf8(&out).unwrap().lines();
        let lines: Vec<serde_json::Value> =
            lines.map(|it| serde_json::from_str(it).unwrap()).collect();
        assert_eq!(lines.len(), 4);
        assert_eq!(lines[0]["types"][1]["name"], "inuse_space");
        assert_eq!(lines[0]["period"], 524_288);
        assert_eq!(lines[1]["values"]["inuse_space"], 3000);
        assert_eq!(lines[1]["labels"]["bytes"], 1000);
        assert_eq!(lines[1]["stack"][1]["inlined"], true);
        assert_eq!(lines[1]["stack"][2]["function"], "main.work");
        assert_eq!(lines[3]["totals"]["inuse_objects"], 13);
    }

    #[test]
    fn keys_of_labels_are_foreign_text() {
        let key = "\":1},\n\u{1b}[2J\u{202e}";
        let mut profile = sample::heap();
        let mut samples = profile.take_samples();
        samples.truncate(1);
        samples[0].labels = vec![
            Label {
                key: key.into(),
                value: LabelValue::Text("a".to_owned()),
            },
            Label {
                key: format!("{key}2").into(),
                value: LabelValue::Number(2),
            },
        ];
        samples.into_iter().for_each(|it| profile.add(it));
        let mut out = Vec::new();
        json(&mut out, &profile, None);
        assert!(!out.contains(&0x1b));
        let lines = std::str::from_utf8(&out).unwrap().lines();
        let lines: Vec<serde_json::Value> =
            lines.map(|it| serde_json::from_str(it).unwrap()).collect();
        assert_eq!(lines.len(), 3);
        assert_eq!(lines[1]["labels"].as_object().unwrap().len(), 2);
        assert_eq!(lines[1]["labels"][key], "a");
    }
}
