//! What is attached to a file, and can be taken away by two: by whoever attached it, and by the guard of the file, in its
//! own thread and at any moment.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::Weak;

use anyhow::Result;
use libbpf_rs::Link;

use crate::go::site::Site;
use crate::target::ProgramFile;
use crate::target::guard::Guard;

use super::detach::detach;
use super::trace_event::TraceEvent;

/// A program attached to some sites. It detaches when dropped; until then the file is guarded.
#[derive(Debug)]
#[expect(dead_code, reason = "to exist is what it does")]
pub(super) struct Attached {
    // Goes first.
    slot: Arc<Slot>,
    held: Arc<Held>,
}

type Slot = Mutex<Option<Kind>>;

/// How it is attached.
#[derive(Debug)]
#[expect(dead_code, reason = "to exist is what they do")]
pub(super) enum Kind {
    /// By the kernel's link.
    Link(Link),
    /// By an event of tracefs.
    Event(TraceEvent),
}

/// All that is attached to a file in one place.
#[derive(Debug, Default)]
pub(super) struct Held {
    guard: Option<Arc<Guard>>,
    slots: Mutex<Vec<Weak<Slot>>>,
}

impl Held {
    /// Nothing yet, in a file that is guarded from now on.
    ///
    /// # Errors
    /// The file is not what was read, or somebody writes to it.
    pub(super) fn guarded(file: &ProgramFile) -> Result<Arc<Self>> {
        let guard = file.guard()?;
        let held = Arc::new(Self {
            guard: Some(Arc::clone(&guard)),
            slots: Mutex::default(),
        });
        let revoked = Arc::downgrade(&held);
        guard.before_change(move || {
            if let Some(held) = revoked.upgrade() {
                held.revoke();
            }
        });
        Ok(held)
    }

    /// Attaches with `act`, which adds what it attached to its argument, also where it fails. Nothing where the file has
    /// changed.
    pub(super) fn attach(
        self: &Arc<Self>,
        act: impl FnOnce(&mut Vec<Kind>) -> Result<()>,
    ) -> Result<Vec<Attached>> {
        let hold = || {
            let mut kinds = Vec::new();
            let done = act(&mut kinds);
            // What was attached before it failed goes with this.
            done.map(|()| self.hold(kinds))
        };
        match &self.guard {
            Some(guard) => guard.unless_changed(hold).unwrap_or(Ok(Vec::new())),
            None => hold(),
        }
    }

    /// From now on the code of these sites must stay in the file as it was decoded.
    pub(super) fn must_keep(&self, sites: &[Site]) {
        for site in sites {
            if let Some(guard) = &self.guard {
                guard.must_keep(site.file_offset.saturating_sub(site.offset), &site.code);
            }
        }
    }

    fn hold(self: &Arc<Self>, kinds: Vec<Kind>) -> Vec<Attached> {
        let mut slots = lock(&self.slots);
        slots.retain(|slot| slot.strong_count() > 0);
        let attached = kinds.into_iter().map(|kind| {
            let slot = Arc::new(Mutex::new(Some(kind)));
            slots.push(Arc::downgrade(&slot));
            let held = Arc::clone(self);
            Attached { slot, held }
        });
        attached.collect()
    }

    /// Takes all of it away.
    fn revoke(&self) {
        let slots: Vec<_> = lock(&self.slots).iter().filter_map(Weak::upgrade).collect();
        let kinds: Vec<Kind> = slots.iter().filter_map(|slot| lock(slot).take()).collect();
        detach(kinds);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
