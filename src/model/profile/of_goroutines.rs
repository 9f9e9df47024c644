//! Goroutines as a profile, like that of `/debug/pprof/goroutine`: one sample for each stack, with the number of
//! goroutines on it. Labels of a sample say what they do and where they were created.

use crate::model::dump::{Dump, Goroutine, SourcePlace, Stack, StackFrame, StackState};
use crate::model::groups::Grouper;

use super::{GOROUTINE, Label, LabelValue, Line, LocationId, Profile, Sample};

impl Profile {
    /// Adds the goroutines of a dump that are wanted: one sample for each stack and state.
    pub fn add_goroutines(&mut self, dump: &Dump, wanted: impl Fn(&Goroutine) -> bool) {
        for group in Grouper::new(true).groups(dump, wanted) {
            for (activity, count) in group.activities() {
                let mut members = group.goroutines.iter();
                if let Some(example) = members.find(|one| one.activity() == activity) {
                    self.add_goroutine(example, group.stack, vec![count as u64]);
                }
            }
        }
    }

    /// Adds goroutines like `example`, which are on `stack` if it was read, with a number for each of the profile's types.
    pub fn add_goroutine(&mut self, example: &Goroutine, stack: Option<&Stack>, values: Vec<u64>) {
        let mut locations = Vec::new();
        match stack {
            Some(stack) => self.locate(&mut locations, stack, |frame| !is_wrapper(frame)),
            None => {
                locations.push(self.words(no_stack(example.stack)));
                self.start(&mut locations, example);
            }
        }
        self.add_with_labels(example, locations, values);
    }

    /// The same by what it does: this stands in place of the functions of the runtime by which it does it, which are the
    /// same for all that wait.
    pub fn add_activity(&mut self, example: &Goroutine, stack: Option<&Stack>, values: Vec<u64>) {
        let mut locations = vec![self.words(&format!("[{}]", example.activity()))];
        match stack {
            Some(stack) => self.locate(&mut locations, stack, |frame| !frame.hidden),
            None => self.start(&mut locations, example),
        }
        self.add_with_labels(example, locations, values);
    }

    /// The function it began with.
    fn start(&mut self, locations: &mut Vec<LocationId>, example: &Goroutine) {
        if let Some(start) = example.start.as_deref() {
            let (address, line) = self.line(start);
            locations.push(self.location(address, vec![line]));
        }
    }

    fn add_with_labels(
        &mut self,
        example: &Goroutine,
        locations: Vec<LocationId>,
        values: Vec<u64>,
    ) {
        let text = |key: &'static str, text: &str| Label {
            key: key.into(),
            value: LabelValue::Text(text.to_owned()),
        };
        let mut labels = vec![text("state", example.activity())];
        let created = example.created.as_deref();
        labels.extend(created.map(|created| text("created_by", &created.function)));
        labels.extend(self.tells_goroutines.then(|| Label {
            key: GOROUTINE.into(),
            value: LabelValue::Number(example.goid),
        }));
        self.add(Sample {
            stack: locations,
            values,
            labels,
        });
    }

    /// The locations of a stack: one for each function with code of its own, and those inlined into it, if they are wanted.
    fn locate(
        &mut self,
        locations: &mut Vec<LocationId>,
        stack: &Stack,
        wanted: impl Fn(&StackFrame) -> bool,
    ) {
        let (gap, elided) = stack.elided.unwrap_or((usize::MAX, 0));
        let (mut first, mut lines) = (None, Vec::new());
        for (index, frame) in stack.frames.iter().enumerate() {
            if index == gap {
                locations.push(self.words(&format!("[{elided} frames elided]")));
            }
            if wanted(frame) {
                let (address, line) = self.line(&frame.place);
                first.get_or_insert(address);
                lines.push(line);
            }
            if let (Some(address), Some(_)) = (first, frame.place.offset) {
                locations.push(self.location(address, std::mem::take(&mut lines)));
                first = None;
            }
        }
    }

    fn line(&mut self, place: &SourcePlace) -> (u64, Line) {
        let function = self.function(&place.function, &place.file);
        // Of a return address, pprof wants the call; at offset 0 nothing has been called.
        let address = match place.offset {
            Some(0) => place.pc,
            _ => place.pc.saturating_sub(1),
        };
        let line = place.line;
        (address, Line { function, line })
    }
}

/// Whether the compiler made the function only to call another: profiles do not have these. (What is hidden otherwise is the
/// runtime's own.)
fn is_wrapper(frame: &StackFrame) -> bool {
    let name = &frame.place.function;
    frame.hidden && name.contains('.') && !name.starts_with("runtime.")
}

/// What stands in place of a stack that could not be read.
fn no_stack(state: StackState) -> &'static str {
    match state {
        StackState::Running => "[running: stack unavailable]",
        StackState::Moving => "[moving: stack unavailable]",
        StackState::Read(_) | StackState::Unwalkable | StackState::NotInCore => {
            "[stack unavailable]"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::dump::sample;
    use crate::model::profile::sample::mapping;

    #[test]
    fn goroutines_on_one_stack_are_one_sample() {
        let mut stack = sample::stack(&[
            ("runtime.gopark", 1, true),
            ("main.f", 3, false),
            ("main.g", 4, false),
            ("main.g.gowrap1", 5, true),
        ]);
        stack.elided = Some((2, 9));
        let goroutines = [1, 2, 3].map(|goid| {
            let state = match goid {
                3 => StackState::Running,
                _ => StackState::Read(0),
            };
            sample::goroutine(goid, state)
        });
        let dump = Dump {
            goroutines: goroutines.to_vec(),
            stacks: vec![stack],
            ..Dump::default()
        };
        let mut profile = Profile::counting("goroutine", mapping());
        profile.add_goroutines(&dump, |_| true);
        let mut counts: Vec<u64> = profile.samples().iter().map(|it| it.values[0]).collect();
        counts.sort_unstable();
        assert_eq!(counts, [1, 2]);
        let of = |count| profile.samples().iter().find(|it| it.values[0] == count);
        let names = |count: u64| {
            let sample = of(count).unwrap();
            let lines = profile.lines(&sample.stack);
            lines.map(|it| it.1.name.clone()).collect::<Vec<_>>()
        };
        let expected = ["runtime.gopark", "main.f", "[9 frames elided]", "main.g"];
        assert_eq!(names(2), expected);
        assert_eq!(names(1)[0], "[running: stack unavailable]");
        let state = &of(2).unwrap().labels[0];
        assert_eq!(state.value, LabelValue::Text("chan receive".to_owned()));

        let mut profile = Profile::counting("wall", mapping());
        profile.add_activity(&dump.goroutines[0], dump.stacks.first(), vec![1]);
        let lines = profile.lines(&profile.samples()[0].stack);
        let names: Vec<&str> = lines.map(|it| it.1.name.as_str()).collect();
        let expected = ["[chan receive]", "main.f", "[9 frames elided]", "main.g"];
        assert_eq!(names, expected);
    }
}
