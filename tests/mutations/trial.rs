//! One run of some tests, and what came of it.

use std::{
    fmt,
    fs::{self, File},
    os::unix::process::CommandExt,
    path::Path,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};

use crate::table::Tests;

/// Longer than a build and the tests of one entry ever take; a broken product may hang.
const LIMIT: Duration = Duration::from_secs(900);

#[derive(Debug)]
pub(crate) enum Outcome {
    /// So many tests ran and found nothing wrong.
    Green(usize),
    /// These tests failed, the first for this reason.
    Red { tests: Vec<String>, why: String },
    /// It did not end.
    Hung,
    /// No test ran.
    NotBuilt(String),
}

impl Outcome {
    pub(crate) fn is_red(&self) -> bool {
        matches!(self, Self::Red { .. } | Self::Hung)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Green(count) => write!(f, "NONE of {count}"),
            Self::Red { tests, why } => write!(f, "{}  ({why})", tests.join(" ")),
            Self::Hung => write!(f, "hung"),
            Self::NotBuilt(why) => write!(f, "DOES NOT BUILD: {why}"),
        }
    }
}

/// Builds them in `tree` and runs them.
pub(crate) fn run(tree: &Path, built: &Path, tests: &Tests<'_>) -> Outcome {
    fs::create_dir_all(built).unwrap();
    let log = built.join("log");
    let output = File::create(&log).unwrap();
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["test", "--locked", "--no-fail-fast"]);
    match tests.executable {
        "lib" => cargo.arg("--lib"),
        executable => cargo.args(["--test", executable]),
    };
    cargo
        .args(["--", tests.filter])
        .current_dir(tree)
        .env("CARGO_TARGET_DIR", built)
        .env_remove("CARGO_MANIFEST_DIR")
        .envs(tests.go.map(|version| ("GRTMON_TEST_GO", version)))
        .process_group(0)
        .stdout(output.try_clone().unwrap())
        .stderr(output);
    let mut cargo = cargo.spawn().unwrap();
    let group = Pid::from_raw(cargo.id().cast_signed());
    let begin = Instant::now();
    let status = loop {
        if let Some(status) = cargo.try_wait().unwrap() {
            break status;
        }
        if begin.elapsed() > LIMIT {
            killpg(group, Signal::SIGKILL).unwrap();
            cargo.wait().unwrap();
            return Outcome::Hung;
        }
        thread::sleep(Duration::from_millis(100));
    };
    let text = String::from_utf8_lossy(&fs::read(&log).unwrap()).into_owned();
    let ended = |how: &str| -> Vec<String> {
        let names = text.lines().filter_map(|line| {
            let name = line.strip_prefix("test ")?.strip_suffix(how)?;
            Some(name.to_owned())
        });
        names.collect()
    };
    let (green, red) = (ended(" ... ok"), ended(" ... FAILED"));
    match (red.is_empty(), status.success()) {
        (false, _) => Outcome::Red {
            tests: red,
            why: reason(&text),
        },
        (true, true) => Outcome::Green(green.len()),
        (true, false) => Outcome::NotBuilt(first(&text, |line| line.starts_with("error"))),
    }
}

/// What the first test that failed said.
fn reason(text: &str) -> String {
    let mut lines = text
        .lines()
        .skip_while(|line| !line.contains("panicked at "));
    lines.next();
    let said = lines.next().unwrap_or_default();
    said.chars().take(100).collect()
}

fn first(text: &str, is_it: impl Fn(&str) -> bool) -> String {
    text.lines()
        .find(|line| is_it(line))
        .unwrap_or_default()
        .to_owned()
}
