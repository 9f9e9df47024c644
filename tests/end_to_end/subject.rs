//! The fixture under observation, over the matrix of this run.

use std::{
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    path::{Path, PathBuf},
};

use serde_json::Value;

use crate::common::{
    Build, Fixture, Grtmon, Output, Toolchain, builds, fixture, methods, newest,
    require_capabilities_or_skip, toolchains,
};

/// A build of the fixture.
#[derive(Debug)]
pub(crate) struct Subject {
    pub(crate) toolchain: &'static Toolchain,
    pub(crate) build: Build,
    pub(crate) program: PathBuf,
}

/// Calls `check` with every toolchain in every build; in the end fails for all that failed.
pub(crate) fn each(check: impl Fn(&Subject)) {
    over(
        toolchains()
            .iter()
            .flat_map(|it| builds(it).into_iter().map(move |build| (it, build))),
        check,
    );
}

/// As [`each`], with one build of every toolchain: for what does not depend on how it was linked.
pub(crate) fn each_toolchain(check: impl Fn(&Subject)) {
    over(
        toolchains()
            .iter()
            .map(|it| (it, Build::STRIPPED_PIE.or_prebuilt())),
        check,
    );
}

/// With the newest toolchain only: for what does not depend on the Go version either.
pub(crate) fn once(check: impl Fn(&Subject)) {
    over([(newest(), Build::STRIPPED.or_prebuilt())], check);
}

fn over(subjects: impl IntoIterator<Item = (&'static Toolchain, Build)>, check: impl Fn(&Subject)) {
    if !require_capabilities_or_skip() {
        return;
    }
    let mut failed = Vec::new();
    for (toolchain, build) in subjects {
        let name = format!("Go {} {}", toolchain.version, build.name());
        let program = fixture(toolchain, build);
        let subject = Subject {
            toolchain,
            build,
            program,
        };
        let run = || undisturbed(|| check(&subject));
        if catch_unwind(AssertUnwindSafe(run)).is_err() {
            eprintln!("^^^ {name}");
            failed.push(name);
        }
    }
    assert!(failed.is_empty(), "failed with {}", failed.join(", "));
}

/// Start functions that no `go` statement names: grtmon meets them at their first creation or exit, so
/// that the running times of the first few of their goroutines are unknown, and said to be.
pub(crate) const UNNAMED: [&str; 3] = ["main.dynamicEven", "main.dynamicOdd", "main.timerFired"];

impl Subject {
    /// How probes are attached.
    pub(crate) fn methods(&self) -> &'static [&'static str] {
        methods(self.build)
    }
}

/// What came of a run.
#[derive(Debug)]
pub(crate) struct Observed {
    /// The fixture's own account.
    pub(crate) truth: Value,
    /// grtmon's stdout.
    pub(crate) output: Output,
    /// The fixture's pid.
    pub(crate) pid: u32,
}

impl Observed {
    /// grtmon's lines but the last.
    pub(crate) fn rows(&self) -> Vec<Value> {
        let mut lines = self.output.json();
        lines.pop();
        lines
    }

    /// grtmon's last line.
    pub(crate) fn end(&self) -> Value {
        let end = self.output.json().pop().expect("no output");
        assert_eq!(end["event"], "end", "{end}");
        end
    }
}

/// Runs a mode of the fixture from beginning to end under `grtmon COMMAND… --pid`.
pub(crate) fn observe(program: &Path, mode: &[&str], command: &[&str]) -> Observed {
    let mut target = Fixture::start(program, mode);
    let pid = target.pid();
    let pid_arg = target.pid_arg();
    let mut arguments = command.to_vec();
    arguments.extend(["--pid", &pid_arg]);
    let tool = Grtmon::start(&arguments);
    target.work();
    let output = tool.stop().success();
    let truth = target.finish();
    Observed { truth, output, pid }
}

/// The number in a field.
pub(crate) fn number(value: &Value, field: &str) -> u64 {
    value[field]
        .as_u64()
        .unwrap_or_else(|| panic!("no number {field} in {value}"))
}

/// The text in a field.
pub(crate) fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field]
        .as_str()
        .unwrap_or_else(|| panic!("no text {field} in {value}"))
}

/// The list in a field.
pub(crate) fn list<'a>(value: &'a Value, field: &str) -> &'a [Value] {
    value[field]
        .as_array()
        .map_or_else(|| panic!("no list {field} in {value}"), Vec::as_slice)
}

/// How many events were lost for this cause.
pub(crate) fn lost(end: &Value, cause: &str) -> u64 {
    list(end, "lost")
        .iter()
        .filter(|it| it["cause"] == cause)
        .map(|it| number(it, "events"))
        .sum()
}

/// How often what was disturbed is tried.
const TRIES: usize = 5;

/// That a machine was so busy that grtmon, or who reads what it writes, did not keep up; with what it said of that.
struct Disturbed(String);

/// Does this again where losses were reported that tell of a busy machine only (see [`nothing_lost`]): what was not seen
/// then can prove nothing, nor disprove it.
pub(crate) fn undisturbed<T>(mut check: impl FnMut() -> T) -> T {
    for _ in 1..TRIES {
        match catch_unwind(AssertUnwindSafe(&mut check)) {
            Ok(done) => return done,
            Err(why) => match why.downcast_ref::<Disturbed>() {
                Some(Disturbed(end)) => eprintln!("once more, since the machine is busy: {end}"),
                None => resume_unwind(why),
            },
        }
    }
    let last = catch_unwind(AssertUnwindSafe(&mut check));
    last.unwrap_or_else(|why| match why.downcast_ref::<Disturbed>() {
        Some(Disturbed(end)) => panic!("something was lost {TRIES} times: {end}"),
        None => resume_unwind(why),
    })
}

/// Fails if anything at all was lost. Where that was rows that were not taken in time, what [`undisturbed`] does is done
/// again.
pub(crate) fn nothing_lost(end: &Value) {
    let lost = list(end, "lost");
    if lost.is_empty() {
        return;
    }
    let is_load = |loss: &Value| {
        let cause = text(loss, "cause");
        cause == "not_written" || cause.starts_with("ring_full")
    };
    assert!(lost.iter().all(is_load), "{end}");
    resume_unwind(Box::new(Disturbed(end.to_string())));
}

/// Of so many events as many were seen, or the rest is reported lost. The runtime's own, a few, may be among the lost.
pub(crate) fn adds_up(end: &Value, seen: usize, truth: usize) {
    let lost: u64 = list(end, "lost")
        .iter()
        .map(|it| number(it, "events"))
        .sum();
    let all = seen + usize::try_from(lost).unwrap();
    match lost {
        0 => assert_eq!(seen, truth, "{end}"),
        _ => assert!(
            seen <= truth && (truth..truth + 50).contains(&all),
            "{seen} of {truth}: {end}"
        ),
    }
}
