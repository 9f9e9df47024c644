//! Which of the processes that showed themselves are still there, and still run the program.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use crate::model::process;

use super::Left;
use super::Target;
use super::process::ProcessId;

/// A process that is there no more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gone {
    /// Its number.
    pub process: u32,
    /// The file of the program that it runs instead, if it has just become another one.
    pub became: Option<String>,
}

/// Processes met while observing, so that what is remembered of them can be forgotten when they end.
#[derive(Debug, Default)]
pub struct Watch {
    met: HashMap<u32, Option<ProcessId>>,
    /// Of which it was told that they run another program: records of theirs may come later.
    others: HashMap<u32, ProcessId>,
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
            ..Self::default()
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
        if let Entry::Vacant(place) = self.met.entry(process)
            // What cannot be looked at may be there: the next time.
            && let Ok(found) = ProcessId::find(process.cast_signed())
        {
            place.insert(found);
        }
    }

    /// Whether the first process outside of grtmon's PID namespace has shown itself since the last call.
    pub fn take_stranger(&mut self) -> bool {
        let met = self.stranger == Meeting::Met;
        if met {
            self.stranger = Meeting::Told;
        }
        met
    }

    /// The processes that have ended since the last call, or have become another program than the target's.
    pub fn take_gone(&mut self, target: &Target) -> Vec<Gone> {
        self.take(|process| target.left(process))
    }

    fn take(&mut self, left: impl Fn(&ProcessId) -> Option<Left>) -> Vec<Gone> {
        let mut gone = Vec::new();
        let others = &mut self.others;
        self.met.retain(|process, id| {
            let how = match id {
                Some(id) => left(id),
                None => Some(Left::Ended),
            };
            let became = match (how, id) {
                (None, _) => return true,
                (Some(Left::Became(file)), Some(id)) if others.get(process) != Some(id) => {
                    others.insert(*process, id.clone());
                    Some(file)
                }
                (Some(_), _) => None,
            };
            gone.push(Gone {
                process: *process,
                became,
            });
            false
        });
        others.retain(|_, id| id.is_alive());
        gone
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
        let ended = |process: &ProcessId| (!process.is_alive()).then_some(Left::Ended);
        let gone = Gone {
            process: child.id(),
            became: None,
        };
        assert_eq!(watch.take(ended), [gone]);
        assert!(watch.take(ended).is_empty());
    }

    #[test]
    fn who_became_another_is_told_once() {
        let me = std::process::id();
        let other = |_: &ProcessId| Some(Left::Became("other".to_owned()));
        let mut watch = Watch::default();
        watch.meet(me);
        let told = watch.take(other);
        assert_eq!(told[0].became.as_deref(), Some("other"));
        // A record that was made before.
        watch.meet(me);
        let again = watch.take(other);
        assert_eq!((again[0].process, again[0].became.clone()), (me, None));
    }

    #[test]
    fn strangers_do_not_end_and_are_told_once() {
        let mut watch = Watch::default();
        assert!(!watch.take_stranger());
        watch.meet(1 << 31 | 17);
        assert!(watch.take(|_| Some(Left::Ended)).is_empty());
        assert!(watch.take_stranger());
        watch.meet(1 << 31 | 18);
        assert!(!watch.take_stranger());
    }
}
