//! What is counted of one process.

use std::collections::HashMap;
use std::sync::Arc;

use crate::go::process::label_sets::LabelSet;
use crate::go::process::unwind::Trace;
use crate::model::profile::Sampling;

/// Where threads were, and how often.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Where {
    /// The stack, in link-time addresses; empty if nothing is known of it.
    pub trace: Trace,
    /// Not in code of Go: what the first frame has called, by the name of its file.
    pub elsewhere: Option<Arc<str>>,
    /// The labels of the goroutine.
    pub labels: Labels,
    /// The goroutine, where goroutines are to be told apart.
    pub goroutine: Option<u64>,
    /// The outermost frames are missing.
    pub is_cut: bool,
}

/// What is known of labels.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Labels {
    /// These; none, if nothing has labelled it.
    Known(Option<Arc<LabelSet>>),
    /// There were some.
    Lost,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct CpuProfile {
    /// How many samples were taken where.
    pub samples: HashMap<Where, u64>,
    /// How, and what is known of them.
    pub sampling: Sampling,
    /// What cannot be shown of it, each with the reason, in words.
    pub shortcomings: Vec<String>,
}
