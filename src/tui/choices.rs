//! What can be chosen in the view of one process, and what is chosen.

use std::sync::Arc;

use crate::model::census::Origin;
use crate::model::top::Probes;
use crate::model::top::RunCost;

/// What the lower half shows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Tab {
    /// Goroutines by where they were created.
    #[default]
    Sites,
    /// Goroutines by start function.
    Functions,
    /// Goroutines that ended, by start function: takes probes.
    Lifetimes,
    /// What the collector does, event by event: takes probes.
    Collector,
}

impl Tab {
    /// All, in the order of their keys.
    pub const ALL: [Self; 4] = [
        Self::Sites,
        Self::Functions,
        Self::Lifetimes,
        Self::Collector,
    ];

    /// The probes that it shows the findings of.
    pub fn probes(self) -> Option<Probes> {
        match self {
            Self::Sites | Self::Functions => None,
            Self::Lifetimes => Some(Probes::Lifetimes),
            Self::Collector => Some(Probes::Collector),
        }
    }
}

/// What the goroutines are sorted by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Sort {
    /// Most first.
    #[default]
    Count,
    /// Most grown first.
    Growth,
    /// Fastest growing first.
    Rate,
    /// Longest waiting first.
    Waiting,
    /// By what they do.
    Activity,
    /// By the name of the function.
    Function,
}

impl Sort {
    pub(super) const ALL: [Self; 6] = [
        Self::Count,
        Self::Growth,
        Self::Rate,
        Self::Waiting,
        Self::Activity,
        Self::Function,
    ];
}

/// Probes, as far as the view knows.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Panel {
    /// They are not set.
    #[default]
    Off,
    /// They were asked for.
    Starting,
    /// They are set, and cost this.
    On(Option<RunCost>),
    /// They are being taken away.
    Stopping,
    /// They could not be set, or were taken away again: why.
    Failed(String),
}

impl Panel {
    /// Whether they are set, or about to be.
    pub fn is_running(&self) -> bool {
        matches!(self, Self::Starting | Self::On(_))
    }
}

/// One row of the goroutines.
#[derive(Debug, Clone)]
pub struct Row {
    /// Where they come from; of a function with several origins none in particular.
    pub origin: Option<Origin>,
    /// What they began with.
    pub start: Option<Arc<str>>,
    /// From how many origins.
    pub origins: usize,
    /// How many there are.
    pub count: u64,
    /// How many more than when the view was opened.
    pub grown: i64,
    /// How many more per second, lately.
    pub per_second: Option<f64>,
    /// What most of them do, and how many that are.
    pub activity: (Arc<str>, u64),
    /// Since when the one has been waiting that waits longest, ns of CLOCK_MONOTONIC.
    pub since_ns: Option<u64>,
}

/// Goroutines that belong together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Chosen {
    /// Those that come from one place.
    Origin(Origin),
    /// Those with this start function; `None`: those whose start function is not known.
    Function(Option<Arc<str>>),
}

/// The stacks of some goroutines, as text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// Whose.
    pub title: String,
    /// Line by line.
    pub lines: Vec<String>,
    /// The first line shown.
    pub top: usize,
}

/// Why a view shows nothing new any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// The process has ended.
    Gone,
    /// The process runs another program now, by exec.
    Replaced,
    /// It cannot be read any more: why.
    Unreadable(String),
}
