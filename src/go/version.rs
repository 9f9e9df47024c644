//! Go versions, as Go toolchains spell them.
//!
//! The spellings come from `runtime.Version` (runtime/extern.go), from the linker, which appends the experiments that
//! differ from the version's default (internal/buildcfg, cmd/link/internal/ld/main.go: ` X:a,b` up to Go 1.25, `-X:a,b`
//! since Go 1.26), and from vendors, who append what they like.

use std::cmp::Ordering;
use std::fmt;

/// A Go version: `go1.MINOR.PATCH`.
///
/// Ordered by minor, patch and pre-release; experiments only tell versions apart that are otherwise equal.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct GoVersion {
    /// 25 of `go1.25.5`.
    pub minor: u16,
    /// 5 of `go1.25.5`; 0 if it has none.
    pub patch: u16,
    /// Set if this is not a release.
    pub pre: Option<PreRelease>,
    /// Experiments that differ from the version's default, as recorded: `greenteagc`, `nogreenteagc`. Sorted.
    pub experiments: Vec<String>,
}

/// What a version is that is not a release yet, in the order in which they come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PreRelease {
    /// Built from the development branch.
    Devel,
    /// `beta1` and so on.
    Beta(u16),
    /// `rc1` and so on.
    Candidate(u16),
}

impl GoVersion {
    /// The release `go1.MINOR.PATCH` without experiments.
    pub fn new(minor: u16, patch: u16) -> Self {
        Self {
            minor,
            patch,
            pre: None,
            experiments: Vec::new(),
        }
    }

    /// Reads a version as recorded in a binary: `go1.25.5`, `go1.20`, `go1.27rc1`, `go1.25.5 X:greenteagc`,
    /// `go1.27.3-X:nogreenteagc`, `go1.24.4 (Debian 1.24.4-1)`, `devel go1.26-0a1b2c3 Mon Jan 2 …`, `go1.26-devel_0a1b2c3`.
    ///
    /// `None` if no version is to be seen in it, as in `devel +0a1b2c3`.
    pub fn parse(text: &str) -> Option<Self> {
        let (devel, rest) = match text.strip_prefix("devel ") {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (minor, mut rest) = number(rest.strip_prefix("go1.")?)?;
        let mut version = Self::new(minor, 0);
        if let Some((patch, after)) = rest.strip_prefix('.').and_then(number) {
            (version.patch, rest) = (patch, after);
        }
        let counted = |word, kind: fn(u16) -> PreRelease| {
            rest.strip_prefix(word)
                .and_then(number)
                .map(|(n, _)| kind(n))
        };
        version.pre = if devel || rest.starts_with("-devel") {
            Some(PreRelease::Devel)
        } else {
            counted("beta", PreRelease::Beta).or_else(|| counted("rc", PreRelease::Candidate))
        };
        if let Some((_, experiments)) = rest.split_once(" X:").or_else(|| rest.split_once("-X:")) {
            let list = experiments.split_whitespace().next().unwrap_or_default();
            version.experiments = list
                .split(',')
                .filter(|name| !name.is_empty())
                .map(str::to_owned)
                .collect();
            version.experiments.sort_unstable();
        }
        Some(version)
    }

    /// Whether it was built with this experiment explicitly switched on or off: `greenteagc`, `nogreenteagc`.
    pub fn has_experiment(&self, name: &str) -> bool {
        self.experiments.iter().any(|experiment| experiment == name)
    }
}

/// The decimal number at the start of the text, and what follows.
fn number(text: &str) -> Option<(u16, &str)> {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (digits, rest) = text.split_at_checked(end)?;
    Some((digits.parse().ok()?, rest))
}

impl Ord for GoVersion {
    fn cmp(&self, other: &Self) -> Ordering {
        // A release comes after all its pre-releases.
        let release = |v: &Self| (v.minor, v.patch, v.pre.is_none(), v.pre);
        release(self)
            .cmp(&release(other))
            .then_with(|| self.experiments.cmp(&other.experiments))
    }
}

impl PartialOrd for GoVersion {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for GoVersion {
    /// As Go spells it: `go1.20`, `go1.21.0`, `go1.27rc1`, `go1.25.5 X:greenteagc`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "go1.{}", self.minor)?;
        // The first release of a minor version is called `.0` since Go 1.21.
        if self.patch != 0 || (self.minor >= 21 && self.pre.is_none()) {
            write!(f, ".{}", self.patch)?;
        }
        match self.pre {
            None => {}
            Some(PreRelease::Devel) => f.write_str("-devel")?,
            Some(PreRelease::Beta(n)) => write!(f, "beta{n}")?,
            Some(PreRelease::Candidate(n)) => write!(f, "rc{n}")?,
        }
        if self.experiments.is_empty() {
            return Ok(());
        }
        write!(f, " X:{}", self.experiments.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings() {
        for (text, shown) in [
            ("go1.25.5", "go1.25.5"),
            ("go1.20", "go1.20"),
            ("go1.21.0", "go1.21.0"),
            ("go1.27rc1", "go1.27rc1"),
            ("go1.18beta2", "go1.18beta2"),
            ("go1.25.5 X:greenteagc", "go1.25.5 X:greenteagc"),
            (
                "go1.27.3-X:nogreenteagc,jsonv2",
                "go1.27.3 X:jsonv2,nogreenteagc",
            ),
            ("go1.24.4 (Debian 1.24.4-1)", "go1.24.4"),
            (
                "go1.21.9 (Red Hat 1.21.9-1.el9_4) X:strictfipsruntime",
                "go1.21.9 X:strictfipsruntime",
            ),
            ("go1.18.1b7", "go1.18.1"),
            ("go1.22.3-microsoft", "go1.22.3"),
            (
                "devel go1.22-0123abc Thu Jan 4 10:00:00 2024 +0000",
                "go1.22-devel",
            ),
            ("go1.26-devel_9f3b3e5 Thu Jan 4", "go1.26-devel"),
        ] {
            assert_eq!(GoVersion::parse(text).unwrap().to_string(), shown, "{text}");
        }
    }

    #[test]
    fn no_version() {
        for text in [
            "",
            "go",
            "go1",
            "go1.",
            "go2.1",
            "devel +abc",
            "go1.99999",
            "1.25.5",
        ] {
            assert_eq!(GoVersion::parse(text), None, "{text}");
        }
    }

    #[test]
    fn order() {
        let versions = [
            "go1.26-devel_1",
            "go1.26beta1",
            "go1.26rc1",
            "go1.26rc2",
            "go1.26.0",
            "go1.26.1",
            "go1.27rc1",
        ];
        let versions: Vec<_> = versions
            .iter()
            .map(|v| GoVersion::parse(v).unwrap())
            .collect();
        assert!(versions.is_sorted());
        assert!(GoVersion::new(9, 3) < GoVersion::new(10, 0));
    }
}
