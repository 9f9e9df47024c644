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

/// What a label says.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum LabelValue {
    /// In words.
    Text(String),
    /// In numbers.
    Number(u64),
}
