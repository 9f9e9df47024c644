//! What a flame graph is drawn from, as compact JSON: each text, function and stack once, by numbers (flame/tree.js
//! says how).

use std::collections::HashMap;
use std::hash::Hash;

use crate::model::foreign;
use crate::model::profile::Label;
use crate::model::profile::LabelValue;
use crate::model::profile::Profile;
use crate::model::profile::Sample;
use crate::render::json::Object;

/// All of it; of a difference, with the samples that there were before.
pub(super) fn json(profile: &Profile, base: Option<&Profile>, pid: Option<u32>) -> Vec<u8> {
    let mut data = Data::default();
    let now = data.samples(profile);
    let base = base.map(|base| data.samples(base));
    let mut out = Vec::new();
    let mut object = Object::begin(&mut out);
    object
        .text("kind", profile.kind)
        .text("name", &foreign::line(&profile.title()))
        .number_or_null("pid", pid.map(u64::from))
        .text_or_null("build_id", profile.mapping.build_id.as_deref())
        .number_or_null("unix_ns", profile.unix_ns)
        .number_or_null("duration_ns", profile.duration_ns)
        .list("types", &profile.types, |inner, value| {
            inner.text("name", value.name).text("unit", value.unit);
        })
        .number("default", profile.default as u64);
    let notes: Vec<_> = profile.notes.iter().map(|it| foreign::line(it)).collect();
    object.texts("notes", notes.iter().map(|it| &**it));
    object.texts("strings", data.strings.all.iter().map(String::as_str));
    object.numbers("functions", data.functions.all.into_iter().flatten());
    object.numbers("nodes", data.nodes.all.into_iter().flatten());
    object.list("labels", data.labels.all, |inner, set| {
        inner.numbers("set", set);
    });
    object.numbers("now", now);
    if let Some(base) = base {
        object.numbers("base", base);
    }
    object.end();
    out
}

/// What has been numbered so far.
#[derive(Default)]
struct Data {
    strings: Numbers<String>,
    /// Name and file.
    functions: Numbers<[u64; 2]>,
    /// Number of the caller plus 1, function, line.
    nodes: Numbers<[u64; 3]>,
    /// Keys and values.
    labels: Numbers<Vec<u64>>,
}

impl Data {
    /// Of each: its stack, its labels, and what it counts.
    fn samples(&mut self, profile: &Profile) -> Vec<u64> {
        let functions: Vec<u64> = profile
            .functions()
            .iter()
            .map(|it| {
                let names = [self.string(&it.name), self.string(&it.file)];
                self.functions.number(names)
            })
            .collect();
        let keys = profile.keys_of_processes();
        let mut out = Vec::new();
        for (sample, part) in profile.samples_with_parts() {
            let process = part.map(|it| it.labels(keys));
            let process = process.as_ref().map_or(&[][..], |it| it);
            let mut above = 0;
            for (.., line) in profile.lines(&sample.stack).rev() {
                let function = functions.get(line.function.number());
                let node = [above, *function.unwrap_or(&0), u64::from(line.line)];
                above = self.nodes.number(node) + 1;
            }
            let Some(node) = above.checked_sub(1) else {
                continue;
            };
            out.extend([node, self.labels(sample, process)]);
            // As many as there are types.
            let values = profile.types.iter().enumerate();
            out.extend(values.map(|(at, _)| sample.values.get(at).copied().unwrap_or(0)));
        }
        out
    }

    fn labels(&mut self, sample: &Sample, process: &[Label]) -> u64 {
        let mut set = Vec::new();
        for label in sample.labels.iter().chain(process) {
            set.push(self.string(&label.key));
            set.push(match &label.value {
                LabelValue::Text(text) => self.string(text),
                LabelValue::Number(number) => self.string(&number.to_string()),
            });
        }
        self.labels.number(set)
    }

    fn string(&mut self, text: &str) -> u64 {
        self.strings.number(foreign::line(text).into_owned())
    }
}

/// Things, each once, by their numbers.
struct Numbers<T> {
    all: Vec<T>,
    numbers: HashMap<T, u64>,
}

impl<T> Default for Numbers<T> {
    fn default() -> Self {
        Self {
            all: Vec::new(),
            numbers: HashMap::new(),
        }
    }
}

impl<T: Clone + Eq + Hash> Numbers<T> {
    fn number(&mut self, thing: T) -> u64 {
        if let Some(number) = self.numbers.get(&thing) {
            return *number;
        }
        let number = self.all.len() as u64;
        self.all.push(thing.clone());
        self.numbers.insert(thing, number);
        number
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::profile::sample;

    #[test]
    fn everything_is_there_once() {
        let profile = sample::heap();
        let read: serde_json::Value =
            serde_json::from_slice(&json(&profile, Some(&profile), None)).unwrap();
        let strings = &read["strings"];
        assert_eq!(strings.as_array().unwrap().len(), 8, "{strings}");
        // main, work, inner, and leaf below it.
        assert_eq!(read["functions"].as_array().unwrap().len(), 2 * 4);
        let nodes = &read["nodes"];
        assert_eq!(nodes.as_array().unwrap().len(), 3 * 4, "{nodes}");
        assert_eq!(nodes[0], 0, "main is called by nobody");
        assert_eq!(
            read["now"],
            serde_json::json!([3, 0, 3, 3000, 2, 1, 10, 1000])
        );
        assert_eq!(read["base"], read["now"]);
        assert_eq!(read["default"], 1);
    }
}
