//! Go versions.

use std::fmt;

/// A Go version: `go1.MINOR.PATCH`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct GoVersion {
    /// 25 of `go1.25.5`.
    pub minor: u16,
    /// 5 of `go1.25.5`.
    pub patch: u16,
    /// Experiments that differ from the version's defaults, as recorded: `greenteagc`, `nogreenteagc`.
    pub experiments: Vec<String>,
}

impl GoVersion {
    /// Parses the spellings seen in binaries. In progress.
    pub fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix("go1.")?;
        let end = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(rest.len());
        let mut numbers = rest.get(..end)?.split('.');
        let minor = numbers.next()?.parse().ok()?;
        let patch = numbers.next().and_then(|p| p.parse().ok()).unwrap_or(0);
        let experiments = rest
            .split_once("X:")
            .map(|(_, x)| {
                x.split_whitespace()
                    .next()
                    .unwrap_or("")
                    .split(',')
                    .map(str::to_owned)
                    .collect()
            })
            .unwrap_or_default();
        Some(Self {
            minor,
            patch,
            experiments,
        })
    }
}

impl fmt::Display for GoVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "go1.{}.{}", self.minor, self.patch)
    }
}

/// How a version has been learnt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VersionSource {
    /// The binary says so.
    BuildInfo,
    /// The binary does not say; what follows from its contents, and why.
    Implied {
        /// One line for people.
        why: String,
    },
}
