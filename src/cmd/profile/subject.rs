//! A process that is profiled.

use anyhow::Result;

use crate::go::process::mapping::mapping;
use crate::model::profile::Mapping;
use crate::observe::cpu_profile;
use crate::observe::reader;
use crate::target::Target;
use crate::target::live::Live;

use crate::cmd::incarnation::Incarnation;
use crate::cmd::output;

/// So many are named each for itself.
const NAMED: usize = 8;

/// A process, opened for reading.
pub(super) struct Subject {
    /// Its program, of which it alone is meant.
    pub(super) target: Target,
    pub(super) live: Live,
    /// What it was then; `None`: it is a command that waits to be started.
    incarnation: Option<Incarnation>,
}

impl Subject {
    /// One that runs.
    ///
    /// # Errors
    /// It cannot be read.
    pub(super) fn open(target: Target) -> Result<Self> {
        let live = reader::open(&target)?;
        if let Some(note) = live.copy_note() {
            output::warn(&note);
        }
        Ok(Self {
            incarnation: Some(Incarnation::of(&live)?),
            target,
            live,
        })
    }

    /// A command that waits to be started.
    pub(super) fn waiting(target: Target, live: Live) -> Self {
        Self {
            incarnation: None,
            target,
            live,
        }
    }

    pub(super) fn has_begun(&self) -> bool {
        self.incarnation.is_some()
    }

    pub(super) fn pid(&self) -> u32 {
        self.live.process.pid.cast_unsigned()
    }

    pub(super) fn mapping(&self) -> Mapping {
        mapping(&self.target.name, &self.target.program.binary)
    }

    /// As whoever samples processors wants it.
    pub(super) fn for_samples(&self) -> cpu_profile::Subject<'_> {
        cpu_profile::Subject {
            target: &self.target,
            live: &self.live,
            has_begun: self.has_begun(),
        }
    }

    /// Fails unless it still is what it was.
    pub(super) fn check(&self) -> Result<()> {
        match &self.incarnation {
            Some(incarnation) => incarnation.check(&self.live),
            None => Ok(()),
        }
    }
}

/// Who they are, for people.
pub(super) fn describe(subjects: &[Subject]) -> String {
    if let [one] = subjects {
        return one.target.describe();
    }
    let mut names: Vec<&str> = Vec::new();
    for subject in subjects {
        if !names.contains(&&*subject.target.name) {
            names.push(&subject.target.name);
        }
    }
    let names = names.join(", ");
    if subjects.len() > NAMED {
        return format!("{names} ({} processes)", subjects.len());
    }
    let pids = subjects.iter().map(|it| it.pid().to_string());
    format!("{names} (pid {})", pids.collect::<Vec<_>>().join(", "))
}
