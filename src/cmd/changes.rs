//! What happens to the observed file and processes that hides a part of what they do: said once, as it is noticed.

use crate::probe::attach::Place;
use crate::target::Target;
use crate::target::guard::Change;
use crate::target::process::Loaded;
use crate::target::process::ProcessId;
use crate::target::watch::Watch;

use super::output;

/// What was last known, and what was said already.
#[derive(Debug)]
pub(super) struct Changes {
    said_replaced: bool,
    said_changed: bool,
    confined: Vec<Confined>,
}

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
        let image = |process: &ProcessId| target.runs(process).then(|| process.loaded()).flatten();
        let confined = |process: &ProcessId| Confined {
            process: process.clone(),
            image: image(process),
            said: false,
        };
        Self {
            said_replaced: false,
            said_changed: false,
            confined: place.confined_to().iter().map(confined).collect(),
        }
    }

    /// Looks, and says what has happened since.
    pub(super) fn warn(&mut self, target: &Target) {
        if let Some(change) = target.file_change() {
            if !self.said_changed {
                self.said_changed = true;
                output::warn(&changed(target, change));
            }
            return;
        }
        if !self.said_replaced && target.was_replaced() {
            self.said_replaced = true;
            output::warn(&format!(
                "{} was replaced on disk: processes started from now on run another binary and are not seen",
                target.path.display()
            ));
        }
        for one in &mut self.confined {
            one.warn(target);
        }
    }
}

/// What is said when a file is changed in place: the end of its observation.
fn changed(target: &Target, change: Change) -> String {
    let shown = target.path.display();
    match change {
        Change::Coming => format!(
            "{shown} was opened to be written to: its probes were taken away before that, and its observation has ended; start grtmon again"
        ),
        Change::Begun => format!(
            "{shown} was changed in place: its probes were taken away at once, and its observation has ended; what was started in that moment may have died of them; start grtmon again"
        ),
    }
}

/// Says, once, that a process showed itself which is outside of grtmon's PID namespace.
pub(super) fn tell_of_strangers(watch: &mut Watch) {
    if watch.take_stranger() {
        output::note(
            "Processes outside of grtmon's PID namespace run this file too: they are observed, but have no number here (?).",
        );
    }
}

impl Confined {
    /// The kernel confines probes to a task. An exec by a thread that is not the main one puts another in its place.
    fn warn(&mut self, target: &Target) {
        if self.said || !target.runs(&self.process) {
            return;
        }
        let Some(image) = self.process.loaded() else {
            return;
        };
        if *self.image.get_or_insert(image) == image {
            return;
        }
        self.said = true;
        output::warn(&format!(
            "process {} has replaced itself by exec: what it does from now on may not be seen; start grtmon again",
            self.process.pid
        ));
    }
}
