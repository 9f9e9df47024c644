//! Metrics of runtime/metrics: one line each, distributions with their buckets below.

use std::io::Write;

use crate::model::human::counted;
use crate::model::metric::{Distribution, Metric, Value};

use super::json::Object;

/// Name and value; a distribution has its number of values, and a line for each bucket that is not empty.
pub fn text(out: &mut Vec<u8>, metrics: &[Metric]) {
    for metric in metrics {
        let name = metric.name;
        let _ = match &metric.value {
            Ok(Value::Count(count)) => writeln!(out, "{name} {count}"),
            Ok(Value::Fraction(fraction)) => writeln!(out, "{name} {fraction}"),
            Ok(Value::Distribution(distribution)) => {
                let _ = writeln!(out, "{name} {}", counted(distribution.total(), "value"));
                buckets(out, distribution)
            }
            Err(why) => writeln!(out, "{name} not read: {why}"),
        };
    }
}

fn buckets(out: &mut Vec<u8>, distribution: &Distribution) -> std::io::Result<()> {
    for bucket in distribution.buckets() {
        writeln!(
            out,
            "   [{}, {}) {}",
            bound(bucket.from),
            bound(bucket.to),
            bucket.count
        )?;
    }
    Ok(())
}

/// As Go writes infinity.
fn bound(value: f64) -> String {
    if value.is_finite() {
        value.to_string()
    } else if value > 0.0 {
        "+Inf".to_owned()
    } else {
        "-Inf".to_owned()
    }
}

/// One object per metric: `name`, and `value`, or `buckets` (those that are not empty; a bound that is infinite is `null`),
/// or `not_read` with the reason.
pub fn json(out: &mut Vec<u8>, metrics: &[Metric]) {
    for metric in metrics {
        let mut object = Object::begin(out);
        object.text("name", metric.name);
        match &metric.value {
            Ok(Value::Count(count)) => {
                object.number("value", *count);
            }
            Ok(Value::Fraction(fraction)) => {
                object.fraction("value", *fraction);
            }
            Ok(Value::Distribution(distribution)) => {
                object.number("values", distribution.total());
                object.list("buckets", distribution.buckets(), |inner, bucket| {
                    inner.fraction("from", bucket.from);
                    inner.fraction("to", bucket.to);
                    inner.number("count", bucket.count);
                });
            }
            Err(why) => {
                object.text("not_read", why);
            }
        }
        object.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Vec<Metric> {
        let distribution = Distribution {
            bounds: vec![f64::NEG_INFINITY, 0.0, 6.4e-8, f64::INFINITY],
            counts: vec![0, 3, 1],
        };
        vec![
            Metric {
                name: "/gc/heap/live:bytes",
                value: Ok(Value::Count(4_194_304)),
            },
            Metric {
                name: "/sched/latencies:seconds",
                value: Ok(Value::Distribution(distribution)),
            },
            Metric {
                name: "/x:y",
                value: Err("nobody knows".to_owned()),
            },
        ]
    }

    #[test]
    fn text_names_everything() {
        let mut out = Vec::new();
        text(&mut out, &sample());
        let expected = "\
/gc/heap/live:bytes 4194304
/sched/latencies:seconds 4 values
   [0, 0.000000064) 3
   [0.000000064, +Inf) 1
/x:y not read: nobody knows
";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn json_is_one_object_each() {
        let mut out = Vec::new();
        json(&mut out, &sample());
        let text = String::from_utf8(out).unwrap();
        let lines: Vec<serde_json::Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(lines[0]["value"], 4_194_304);
        assert_eq!(lines[1]["buckets"][1]["to"], serde_json::Value::Null);
        assert_eq!(lines[2]["not_read"], "nobody knows");
    }
}
