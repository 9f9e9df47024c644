//! Takes probes away.

use std::thread;

/// Links that are closed at the same time.
const AT_ONCE: usize = 32;

/// Detaches all of them at the same time: the kernel closes a link only when nobody can be in its program any more,
/// which takes some tens of milliseconds however many there are.
pub(super) fn detach(mut links: Vec<impl Send>) {
    let share = links.len().div_ceil(AT_ONCE).max(1);
    thread::scope(|scope| {
        while links.len() > share {
            let some = links.split_off(links.len() - share);
            // Where no thread can be had, what was to be closed in it is closed here.
            drop(thread::Builder::new().spawn_scoped(scope, move || drop(some)));
        }
        drop(links);
    });
}
