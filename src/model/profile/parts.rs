//! Profiles of several processes as one.

use std::ops::Range;

use super::{FunctionId, LocationId, Mapping, Part, Profile, Sample};

/// Keys under which those who know no processes find them: these, but where the program has labels of the same name.
const KEYS: [[&str; 2]; 2] = [["pid", "process"], ["grtmon.pid", "grtmon.process"]];

impl Profile {
    /// The profiles of these processes as one; it is the first one's if there is no other. `None`: there is none.
    pub fn of_processes(all: impl IntoIterator<Item = (u32, Self)>) -> Option<Self> {
        let mut all = all.into_iter();
        let (pid, mut first) = all.next()?;
        first.parts = vec![first.part(pid, 0..first.samples.len())];
        for (pid, more) in all {
            first.join(pid, more);
        }
        Some(first)
    }

    fn part(&self, pid: u32, samples: Range<usize>) -> Part {
        Part {
            pid,
            mapping: self.mapping.clone(),
            sampling: self.sampling.clone(),
            notes: self.notes.clone(),
            samples,
        }
    }

    fn join(&mut self, pid: u32, more: Self) {
        let from = self.samples.len();
        let mapping = self.mapping_number(&more.mapping);
        let mut part = more.part(pid, from..from);
        let functions = more.functions.all.into_iter();
        let functions: Vec<FunctionId> = functions
            .map(|it| FunctionId(self.functions.number(it)))
            .collect();
        let mut locations = Vec::new();
        for mut location in more.locations.all {
            location.mapping = mapping;
            for line in &mut location.lines {
                let function = functions.get(line.function.0);
                line.function = function.copied().unwrap_or(line.function);
            }
            locations.push(LocationId(self.locations.number(location)));
        }
        for sample in more.samples {
            let stack = sample.stack.iter();
            self.samples.push(Sample {
                stack: stack
                    .filter_map(|id| locations.get(id.0).copied())
                    .collect(),
                ..sample
            });
        }
        part.samples.end = self.samples.len();
        self.parts.push(part);
        self.unix_ns = self.unix_ns.max(more.unix_ns);
        self.duration_ns = self.duration_ns.max(more.duration_ns);
        self.is_partial |= more.is_partial;
        self.sampling = match (self.sampling.take(), more.sampling) {
            (Some(these), Some(those)) => Some(these.with(&those)),
            (these, those) => these.or(those),
        };
    }

    fn mapping_number(&mut self, mapping: &Mapping) -> usize {
        if let Some(known) = self.mappings().position(|it| it == mapping) {
            return known;
        }
        self.others.push(mapping.clone());
        self.others.len()
    }

    /// The programs, by their numbers.
    pub fn mappings(&self) -> impl Iterator<Item = &Mapping> {
        std::iter::once(&self.mapping).chain(&self.others)
    }

    /// The processes that it is of, where that is known.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// Whether they are more than one.
    pub fn is_of_several(&self) -> bool {
        self.parts.len() > 1
    }

    /// The samples of one of them.
    pub fn samples_of(&self, part: &Part) -> &[Sample] {
        self.samples.get(part.samples.clone()).unwrap_or_default()
    }

    /// All samples; where there are several processes, each with its own.
    pub fn samples_with_parts(&self) -> impl Iterator<Item = (&Sample, Option<&Part>)> {
        let parts = if self.is_of_several() {
            self.parts.as_slice()
        } else {
            &[]
        };
        let owners = parts
            .iter()
            .flat_map(|part| part.samples.clone().map(move |_| Some(part)));
        self.samples
            .iter()
            .zip(owners.chain(std::iter::repeat(None)))
    }

    /// Under which keys a process is named in labels.
    pub fn keys_of_processes(&self) -> [&'static str; 2] {
        let [usual, own] = KEYS;
        let mut labels = self.samples.iter().flat_map(|it| &it.labels);
        match labels.any(|label| usual.iter().any(|key| label.key == *key)) {
            true => own,
            false => usual,
        }
    }

    /// What it is of, for people: names of programs.
    pub fn name(&self) -> String {
        let mut names: Vec<&str> = Vec::new();
        for name in self.mappings().map(|it| it.file.as_str()) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names.join(", ")
    }

    /// The same with how many processes they are, if they are several.
    pub fn title(&self) -> String {
        let name = self.name();
        match self.parts.len() {
            ..=1 => name,
            many => format!("{name} ({many} processes)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::profile::{Label, LabelValue, sample};

    #[test]
    fn each_has_its_own() {
        let mut other = sample::heap();
        other.mapping.file = "api".to_owned();
        other.mapping.build_id = None;
        other.retain(|name| name == "main.leaf");
        let same = sample::heap();
        let all = [(7, sample::heap()), (8, other), (9, same)];
        let joined = Profile::of_processes(all).unwrap();
        assert_eq!(joined.total(1), 4000 + 3000 + 4000);
        let counts = joined.parts().iter().map(|part| {
            let samples = joined.samples_of(part).iter();
            (part.pid, samples.map(|it| it.values[1]).sum::<u64>())
        });
        assert_eq!(
            counts.collect::<Vec<_>>(),
            [(7, 4000), (8, 3000), (9, 4000)]
        );
        // The same program is there once; what another one has at the same address is something else.
        assert_eq!(joined.mappings().count(), 2);
        assert_eq!(joined.locations().len(), 6);
        assert_eq!(joined.functions().len(), 4);
        let pids = joined.samples_with_parts();
        let pids: Vec<u32> = pids.map(|(_, part)| part.unwrap().pid).collect();
        assert_eq!(pids, [7, 7, 8, 9, 9]);
        let third = joined.samples_of(&joined.parts()[1]);
        let outermost = joined.lines(&third[0].stack).next_back();
        assert_eq!(outermost.map(|it| &*it.1.name), Some("main.main"));
        assert_eq!(joined.name(), "server, api");
    }

    #[test]
    fn what_a_program_calls_pid_stays_its_own() {
        let mut profile = sample::heap();
        assert_eq!(profile.keys_of_processes(), KEYS[0]);
        let stack = profile.samples()[0].stack.clone();
        profile.add(Sample {
            stack,
            values: vec![1, 1],
            labels: vec![Label {
                key: "process".into(),
                value: LabelValue::Number(1),
            }],
        });
        assert_eq!(profile.keys_of_processes(), KEYS[1]);
    }
}
