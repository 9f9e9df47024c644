//! What a profile has of one process.

use std::ops::Range;

use super::label::{Label, LabelValue};
use super::mapping::Mapping;
use super::sampling::Sampling;

/// A process that a profile is of, and its part of it.
#[derive(Debug, Clone)]
pub struct Part {
    /// The process.
    pub pid: u32,
    /// Its program.
    pub mapping: Mapping,
    /// How it was sampled, if it was.
    pub sampling: Option<Sampling>,
    /// What is to be known of it besides, for people.
    pub notes: Vec<String>,
    /// Its samples, which follow each other.
    pub(super) samples: Range<usize>,
}

impl Part {
    /// The process for people: `server (pid 42)`.
    pub fn describe(&self) -> String {
        format!("{} (pid {})", self.mapping.file, self.pid)
    }

    /// As labels say it.
    pub fn labels(&self, [pid, process]: [&'static str; 2]) -> [Label; 2] {
        [
            (pid, self.pid.to_string()),
            (process, self.mapping.file.clone()),
        ]
        .map(|(key, text)| Label {
            key: key.into(),
            value: LabelValue::Text(text),
        })
    }
}
