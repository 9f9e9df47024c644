//! What happens to the observed file and processes that hides a part of what they do: said once, as it is noticed.

use std::time::Duration;
use std::time::Instant;

use crate::model::account::Remark;
use crate::probe::place::Place;
use crate::target::Target;
use crate::target::fork_copy;
use crate::target::guard;
use crate::target::process::Loaded;
use crate::target::process::ProcessId;
use crate::target::watch::Watch;

/// Something that has happened.
#[derive(Debug)]
pub(super) enum Change {
    /// It is to be known, and the observation goes on.
    Note(Remark),
    /// It is told, and nothing is the worse for it.
    Said(String),
    /// It ends the observation of a process.
    Ends(Remark),
    /// It ends the observation of the binary and all its processes.
    EndsAll(Remark),
}

/// What was last known, and what was said already.
#[derive(Debug)]
pub(super) struct Changes {
    place: Place,
    replaced: Replaced,
    said_changed: bool,
    confined: Vec<Confined>,
    /// What was said of which processes: see [`Changes::unseen`].
    said_of: Vec<(&'static str, ProcessId)>,
}

/// How far it is with a file that was put in the place of the target's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Replaced {
    Not,
    /// It could not be observed at first.
    Since(Instant),
    Said,
}

/// So long a file may take to become complete.
const COMPLETE: Duration = Duration::from_secs(5);

/// A process to which the kernel confines the probes.
#[derive(Debug)]
struct Confined {
    process: ProcessId,
    /// The program it runs (see [`ProcessId::loaded`]).
    image: Option<Loaded>,
    said: bool,
}

impl Changes {
    /// Nothing has happened yet.
    pub(super) fn of(target: &Target, place: &Place) -> Self {
        // A command that has not begun has no image of the target's yet.
        let image = |process: &ProcessId| {
            target
                .runs(process)
                .then(|| process.loaded().ok())
                .flatten()
                .flatten()
        };
        let confined = |process: &ProcessId| Confined {
            process: process.clone(),
            image: image(process),
            said: false,
        };
        Self {
            place: place.clone(),
            replaced: Replaced::Not,
            said_changed: false,
            confined: place.confined_to().iter().map(confined).collect(),
            said_of: Vec::new(),
        }
    }

    /// Whether another file is at the target's path, which is to be seen to.
    pub(super) fn has_been_replaced(&self, target: &Target) -> bool {
        self.replaced != Replaced::Said && !self.said_changed && target.was_replaced()
    }

    /// What is there could not be observed: whether that may be tried again.
    pub(super) fn may_try_again(&mut self) -> bool {
        match self.replaced {
            Replaced::Not => {
                self.replaced = Replaced::Since(Instant::now());
                true
            }
            Replaced::Since(since) => since.elapsed() < COMPLETE,
            Replaced::Said => false,
        }
    }

    /// It has been seen to.
    pub(super) fn said_replaced(&mut self) {
        self.replaced = Replaced::Said;
    }

    /// What has happened since the last look.
    pub(super) fn look(&mut self, target: &Target, watch: &mut Watch) -> Vec<Change> {
        let mut happened = Vec::new();
        if let Some(change) = target.file_change() {
            if !self.said_changed {
                self.said_changed = true;
                happened.push(Change::EndsAll(Remark {
                    cause: "file_changed",
                    process: None,
                    text: changed(target, change),
                }));
            }
            return happened;
        }
        let confined = self.confined.iter_mut();
        happened.extend(confined.filter_map(|one| one.look(target)));
        if watch.take_stranger() {
            happened.push(Change::Said(
                "Processes outside of grtmon's PID namespace run this file too: they are observed, but have no number here (?)."
                    .to_owned(),
            ));
        }
        let news = self.place.look();
        happened.extend(
            news.warnings
                .into_iter()
                .map(|text| Change::Note(code(text))),
        );
        if let Some(why) = news.over {
            let text = format!("{}: {why}", target.name);
            happened.push(Change::EndsAll(Remark {
                cause: "debugger",
                process: None,
                text,
            }));
        }
        happened
    }

    /// What is to be said of processes of which something passes no probe: they have loaded plugins since the last time,
    /// or are mere copies.
    pub(super) fn unseen(&mut self, target: &Target) -> Vec<Remark> {
        let mut remarks = Vec::new();
        let copies = fork_copy::notes(target).into_iter();
        let copies = copies.map(|(process, text)| ("fork_copy", process, text));
        let plugins = target.plugins().into_iter();
        let plugins = plugins.map(|(process, text)| ("plugin", process, text));
        for (cause, process, text) in copies.chain(plugins) {
            let pid = process.pid.cast_unsigned();
            if !self.said_of.contains(&(cause, process.clone())) {
                self.said_of.push((cause, process));
                remarks.push(Remark {
                    cause,
                    process: Some(pid),
                    text,
                });
            }
        }
        remarks
    }

    /// What is to be said of the code where probes were: they are gone.
    pub(super) fn look_back(&self) -> Vec<Remark> {
        self.place.look_back().into_iter().map(code).collect()
    }
}

/// Of the code in a process.
fn code(text: String) -> Remark {
    Remark {
        cause: "code",
        process: None,
        text,
    }
}

/// What is said when a file is changed in place: the end of its observation.
fn changed(target: &Target, change: guard::Change) -> String {
    // A path in /proc tells nobody anything.
    let shown = match target.program.path.starts_with("/proc") {
        true => target.name.clone(),
        false => target.program.path.display().to_string(),
    };
    match change {
        guard::Change::Coming => format!(
            "{shown} was opened to be written to: its probes were taken away before that, and its observation has ended; start grtmon again"
        ),
        guard::Change::Begun => format!(
            "{shown} was changed in place: its probes were taken away at once, and its observation has ended; what was started in that moment may have died of them; start grtmon again"
        ),
    }
}

impl Confined {
    /// The kernel confines probes to a task. An exec by a thread that is not the main one puts another in its place.
    fn look(&mut self, target: &Target) -> Option<Change> {
        if self.said || !target.runs(&self.process) {
            return None;
        }
        let image = self.process.loaded().ok()??;
        if *self.image.get_or_insert(image) == image {
            return None;
        }
        self.said = true;
        Some(Change::Ends(Remark {
            cause: "exec_of_the_same",
            process: Some(self.process.pid.cast_unsigned()),
            text: format!(
                "process {} has replaced itself by exec: what it does from now on may not be seen; start grtmon again",
                self.process.pid
            ),
        }))
    }
}
