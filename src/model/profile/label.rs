//! What is said of samples besides their stacks.

use std::borrow::Cow;

/// What is said of a sample besides its stack.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Label {
    /// About what.
    pub key: Cow<'static, str>,
    /// What.
    pub value: LabelValue,
}

/// A label that says in place of others that they are not known.
pub const LABELS: &str = "labels";
/// What it says.
pub const NOT_KNOWN: &str = "[not known]";

/// A label that says of which goroutine a sample is, in numbers.
pub const GOROUTINE: &str = "goroutine";

impl Label {
    /// Whether it says that others are not known.
    pub fn is_not_known(&self) -> bool {
        self.key == LABELS && self.value.is(NOT_KNOWN)
    }
}

impl LabelValue {
    /// Whether it is this, as people write it.
    pub fn is(&self, wanted: &str) -> bool {
        match self {
            Self::Text(text) => text == wanted,
            Self::Number(number) => number.to_string() == wanted,
        }
    }
}

/// What a label says.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum LabelValue {
    /// In words.
    Text(String),
    /// In numbers.
    Number(u64),
}
