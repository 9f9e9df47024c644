//! Which of the processes that showed themselves are still there.

use std::collections::HashMap;

use crate::model::process;

use super::process::ProcessId;

/// Processes met while observing, so that what is remembered of them can be forgotten when they end.
#[derive(Debug, Default)]
pub struct Watch {
    met: HashMap<u32, Option<ProcessId>>,
    stranger: Meeting,
}

/// Whether a process has shown itself that is outside of grtmon's PID namespace. Of such a one nothing is known, nor
/// whether it has ended.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Meeting {
    #[default]
    NotYet,
    Met,
    Told,
}

impl Watch {
    /// Begins with those that run already.
    pub fn of(processes: &[ProcessId]) -> Self {
        let met = |process: &ProcessId| (process.pid.cast_unsigned(), Some(process.clone()));
        Self {
            met: processes.iter().map(met).collect(),
            stranger: Meeting::NotYet,
        }
    }

    /// A process showed itself.
    pub fn meet(&mut self, process: u32) {
        if process::id(process).is_none() {
            if self.stranger == Meeting::NotYet {
                self.stranger = Meeting::Met;
            }
            return;
        }
        self.met
            .entry(process)
            .or_insert_with(|| ProcessId::of(process.cast_signed()).ok());
    }

    /// Whether the first process outside of grtmon's PID namespace has shown itself since the last call.
    pub fn take_stranger(&mut self) -> bool {
        let met = self.stranger == Meeting::Met;
        if met {
            self.stranger = Meeting::Told;
        }
        met
    }

    /// The processes that have ended since the last call.
    pub fn take_ended(&mut self) -> Vec<u32> {
        let ended: Vec<u32> = self
            .met
            .iter()
            .filter(|(_, id)| !id.as_ref().is_some_and(ProcessId::is_alive))
            .map(|(process, _)| *process)
            .collect();
        for process in &ended {
            self.met.remove(process);
        }
        ended
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_living_stay_and_the_dead_are_told_once() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let mut watch = Watch::default();
        watch.meet(std::process::id());
        watch.meet(child.id());
        child.wait().unwrap();
        assert_eq!(watch.take_ended(), [child.id()]);
        assert!(watch.take_ended().is_empty());
    }

    #[test]
    fn strangers_do_not_end_and_are_told_once() {
        let mut watch = Watch::default();
        assert!(!watch.take_stranger());
        watch.meet(1 << 31 | 17);
        assert!(watch.take_ended().is_empty());
        assert!(watch.take_stranger());
        watch.meet(1 << 31 | 18);
        assert!(!watch.take_stranger());
    }
}
