//! What is told of goroutines that were read.

use std::collections::HashMap;

use super::{Found, GoroutineReader, Slot, Wanted};
use crate::go::constant;
use crate::go::memory::ReadMemory;
use crate::go::process::bubbles;
use crate::go::process::g::RawG;
use crate::go::process::wait_marks::WaitMarks;
use crate::go::symbolize::code_address::CodeAddress;
use crate::go::symbolize::shown;
use crate::model::dump::{Dump, Goroutine, Labels, StackState, State};

/// What takes all goroutines to be known of one of them.
struct About {
    marks: WaitMarks,
    /// The ids of synctest's bubbles, by their addresses.
    bubbles: HashMap<u64, u64>,
    /// The labels of those that have some, by where their `g`s are; `None`: whether they have is not known.
    labels: Option<HashMap<u64, Labels>>,
}

impl GoroutineReader<'_> {
    /// What takes all goroutines to be known of one of them.
    fn about(&mut self, memory: &dyn ReadMemory, slots: &[Slot], wanted: &Wanted) -> About {
        let labels = match *wanted {
            Wanted::Labels { begun } | Wanted::All { begun } => self.labels(memory, slots, begun),
            Wanted::Counted => None,
        };
        let alive = || {
            slots.iter().filter_map(|slot| match &slot.found {
                Found::Alive(g, _) => Some((slot.addr, g)),
                _ => None,
            })
        };
        let mut marks = WaitMarks::default();
        if matches!(wanted, Wanted::All { .. }) {
            marks = self.marks.read(memory);
            marks.settle(alive().map(|(_, g)| g.waitsince));
        }
        About {
            marks,
            labels,
            bubbles: bubbles::ids(memory, alive().map(|(addr, g)| (addr, g.bubble))),
        }
    }

    /// All that was found.
    pub(super) fn dump(
        &mut self,
        memory: &dyn ReadMemory,
        slots: &[Slot],
        wanted: &Wanted,
    ) -> Dump {
        let about = &self.about(memory, slots, wanted);
        let mut dump = Dump::default();
        for slot in slots {
            match &slot.found {
                Found::Free => {}
                Found::Nothing(_) => dump.missing.goroutines += 1,
                Found::CutOff => dump.missing.cut_off += 1,
                Found::Alive(g, stack) => {
                    match stack {
                        StackState::Moving => dump.missing.moving += 1,
                        StackState::Unwalkable => dump.missing.unwalkable += 1,
                        _ => {}
                    }
                    let goroutine = self.describe(slot.addr, g, *stack, about);
                    dump.goroutines.push(goroutine);
                }
            }
        }
        dump.stacks = self.traces.take();
        dump
    }

    fn describe(&mut self, address: u64, g: &RawG, stack: StackState, about: &About) -> Goroutine {
        let state = state(g.state());
        let waits = matches!(state, State::Waiting | State::Leaked);
        let reason = self.wait_reasons.get(usize::from(g.waitreason));
        // Number 0 is "no reason given" (`waitReasonZero`).
        let reason = reason.filter(|_| waits && g.waitreason != 0).cloned();
        let blocked = waits || state == State::Syscall;
        let since_ns = Some(g.waitsince).filter(|since| blocked && *since != 0);
        let bubble = about.bubbles.get(&g.bubble).copied();
        let durable = bubble.is_some() && reason.as_deref().is_some_and(bubbles::is_durable);
        let link_time = |pc: u64| {
            let known = pc.wrapping_sub(self.bias);
            (pc != 0 && self.tables.contains(known)).then_some(known)
        };
        let (start, created) = (link_time(g.startpc), link_time(g.gopc));
        let at = |pc, is_return| CodeAddress { pc, is_return };
        let own_start = start.and_then(|pc| self.traces.function(at(pc, false)));
        let start = start.and_then(|pc| self.traces.start(pc));
        let created = created.and_then(|pc| self.traces.function(at(pc, true)));
        let calls_out = match stack {
            StackState::Read(number) => self.traces.stack(number).is_some_and(|stack| {
                let mut names = stack.frames.iter().map(|frame| &frame.place.function);
                names.any(|name| {
                    !name.starts_with("runtime.") && !name.starts_with("internal/runtime/")
                })
            }),
            _ => false,
        };
        let name = own_start
            .as_ref()
            .map_or("", |start| start.function.as_str());
        let shown_creator = |name: &str| self.traces.rules().shows_creator(name);
        Goroutine {
            goid: g.goid,
            address,
            state,
            wait_reason: reason,
            since_ns,
            blocked_by_ns: since_ns.and_then(|since| about.marks.latest(since)),
            bubble,
            durable,
            scanned: g.status & constant::G_SCAN != 0,
            locked: g.locked,
            system: shown::is_system(name, calls_out),
            stack,
            labels: match &about.labels {
                Some(labels) => labels.get(&address).cloned().unwrap_or(Labels::None),
                None => Labels::Unknown,
            },
            creator: g.parent_goid.filter(|goid| *goid != 0),
            created: created.filter(|created| g.goid != 1 && shown_creator(&created.function)),
            start,
        }
    }
}

fn state(status: u32) -> State {
    match status {
        constant::G_RUNNABLE => State::Runnable,
        constant::G_RUNNING => State::Running,
        constant::G_SYSCALL => State::Syscall,
        constant::G_COPYSTACK => State::Copystack,
        constant::G_PREEMPTED => State::Preempted,
        constant::G_LEAKED => State::Leaked,
        _ => State::Waiting,
    }
}
