//! Faults in mapped files: SIGBUS.
//!
//! Whoever may write to a file may also truncate it while we have it mapped. The kernel then has nothing to show at the
//! addresses behind its new end (nor where the disk fails), and sends SIGBUS to whoever looks there: that would end
//! grtmon wherever it is, with the terminal in raw mode. Instead the handler puts zeros there, from the page that is
//! missing to the end of the map, and marks the map as cut. Whoever has read something from a map asks afterwards
//! ([`Region::is_cut`]), and believes nothing of what was read from one that is.
//!
//! The handler takes no lock and allocates nothing: it goes through a list of places that only ever grows and whose
//! places are used again, compares numbers, and calls mmap(2). A fault anywhere else gets what it would get without it.
//! What is started by exec(2) has no handler any more (signal(7)).

#![allow(unsafe_code)]

use std::io;
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicPtr;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;

use nix::libc;
use nix::sys::signal::SaFlags;
use nix::sys::signal::SigAction;
use nix::sys::signal::SigHandler;
use nix::sys::signal::SigSet;
use nix::sys::signal::Signal;
use nix::sys::signal::sigaction;

use super::machine;

/// A place of the list. All numbers are 0 while it is free.
#[derive(Debug, Default)]
struct ReadRange {
    /// Odd while `start` and `end` are being set: then they are of nothing that anybody reads yet, or still.
    version: AtomicUsize,
    /// Address of the first byte.
    start: AtomicUsize,
    /// Address behind the last page.
    end: AtomicUsize,
    is_cut: AtomicBool,
    is_taken: AtomicBool,
    next: AtomicPtr<ReadRange>,
}

/// The first place; the others follow.
static FIRST: AtomicPtr<ReadRange> = AtomicPtr::new(ptr::null_mut());
/// Bytes of a page, for the handler; 0 until it is set up.
static PAGE: AtomicUsize = AtomicUsize::new(0);
/// What SIGBUS did before.
static BEFORE: OnceLock<SigAction> = OnceLock::new();

/// A mapped range of addresses in which a fault is no end.
#[derive(Debug)]
pub(super) struct Region(&'static ReadRange);

impl Region {
    /// Guards a map that was just made, before anybody reads it. It must go before the map does.
    ///
    /// # Errors
    /// Signals cannot be handled.
    pub(super) fn guard(map: &[u8]) -> io::Result<Self> {
        set_up()?;
        let place = take();
        let start = map.as_ptr() as usize;
        let page = PAGE.load(Ordering::SeqCst).max(1);
        let end = start.saturating_add(map.len());
        place.is_cut.store(false, Ordering::SeqCst);
        place.set(start, end.checked_next_multiple_of(page).unwrap_or(end));
        Ok(Self(place))
    }

    /// Whether there were zeros in place of contents.
    pub(super) fn is_cut(&self) -> bool {
        self.0.is_cut.load(Ordering::Acquire)
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        self.0.set(0, 0);
        self.0.is_taken.store(false, Ordering::SeqCst);
    }
}

impl ReadRange {
    fn set(&self, start: usize, end: usize) {
        self.version.fetch_add(1, Ordering::SeqCst);
        self.start.store(start, Ordering::SeqCst);
        self.end.store(end, Ordering::SeqCst);
        self.version.fetch_add(1, Ordering::SeqCst);
    }

    /// Where the range ends, if the address lies in it. A range that is being set is nobody's who could fault in it.
    fn end_of(&self, addr: usize) -> Option<usize> {
        let before = self.version.load(Ordering::SeqCst);
        let (start, end) = (
            self.start.load(Ordering::SeqCst),
            self.end.load(Ordering::SeqCst),
        );
        let after = self.version.load(Ordering::SeqCst);
        let holds = before == after && before.is_multiple_of(2) && start <= addr && addr < end;
        holds.then_some(end)
    }
}

/// All places.
fn places() -> impl Iterator<Item = &'static ReadRange> {
    let mut next = FIRST.load(Ordering::SeqCst);
    std::iter::from_fn(move || {
        // SAFETY: what is in the list was leaked: it is never freed, and shared only by its atomics.
        let place: &'static ReadRange = unsafe { next.as_ref() }?;
        next = place.next.load(Ordering::SeqCst);
        Some(place)
    })
}

/// A place that is free, or a new one.
fn take() -> &'static ReadRange {
    let is_free = |place: &&ReadRange| !place.is_taken.swap(true, Ordering::SeqCst);
    if let Some(place) = places().find(is_free) {
        return place;
    }
    let place: &'static ReadRange = Box::leak(Box::new(ReadRange {
        is_taken: AtomicBool::new(true),
        ..ReadRange::default()
    }));
    let new = ptr::from_ref(place).cast_mut();
    let mut first = FIRST.load(Ordering::SeqCst);
    loop {
        place.next.store(first, Ordering::SeqCst);
        match FIRST.compare_exchange(first, new, Ordering::SeqCst, Ordering::SeqCst) {
            Ok(_) => return place,
            Err(other) => first = other,
        }
    }
}

/// Sets up the handler, once.
fn set_up() -> io::Result<()> {
    static DONE: OnceLock<Result<(), nix::errno::Errno>> = OnceLock::new();
    let done = DONE.get_or_init(|| {
        PAGE.store(
            usize::try_from(machine::page_size()).unwrap_or(4096),
            Ordering::SeqCst,
        );
        let action = SigAction::new(
            SigHandler::SigAction(on_fault),
            // On the stack that Rust's runtime gives to each thread for such signals.
            SaFlags::SA_SIGINFO | SaFlags::SA_ONSTACK | SaFlags::SA_RESTART,
            SigSet::empty(),
        );
        // SAFETY: the handler does only what is allowed in one: see there.
        let before = unsafe { sigaction(Signal::SIGBUS, &action) }?;
        // It is the only one that is ever set.
        let _ = BEFORE.set(before);
        Ok(())
    });
    done.map_err(io::Error::from)
}

/// Only atomics and system calls: it may have interrupted anything.
extern "C" fn on_fault(
    _signal: libc::c_int,
    info: *mut libc::siginfo_t,
    _context: *mut libc::c_void,
) {
    // SAFETY: the kernel passes the signal's description, which for SIGBUS has an address.
    let (addr, code) = unsafe { ((*info).si_addr() as usize, (*info).si_code) };
    // Positive: from the kernel, about a memory access of this very thread.
    let of_a_map = || places().find_map(|place| Some((place, place.end_of(addr)?)));
    if code > 0
        && let Some((place, end)) = of_a_map()
    {
        let page = PAGE.load(Ordering::SeqCst).max(1);
        let from = addr / page * page;
        place.is_cut.store(true, Ordering::SeqCst);
        // SAFETY: these pages are part of a map that is ours alone and only read; whoever reads them now reads zeros.
        let zeros = unsafe {
            libc::mmap(
                from as *mut libc::c_void,
                end.wrapping_sub(from),
                libc::PROT_READ,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED,
                -1,
                0,
            )
        };
        if zeros != libc::MAP_FAILED {
            return;
        }
    }
    // What would have happened without this handler happens when the instruction is tried again.
    let default = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
    let before = BEFORE.get().unwrap_or(&default);
    // SAFETY: the handler that was there before, or none.
    let restored = unsafe { sigaction(Signal::SIGBUS, before) };
    if code <= 0 || restored.is_err() {
        // Somebody sent it: no instruction will raise it again.
        // SAFETY: both are allowed in a handler.
        unsafe {
            libc::signal(libc::SIGBUS, libc::SIG_DFL);
            libc::raise(libc::SIGBUS);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_found_and_used_again() {
        let page = vec![0; 10_000];
        let region = Region::guard(&page).unwrap();
        let first = page.as_ptr() as usize;
        let end = region.0.end_of(first).unwrap();
        assert!(end >= first + page.len() && end < first + page.len() + 65_536);
        assert_eq!(region.0.end_of(first - 1), None);
        assert_eq!(region.0.end_of(end), None);
        let place: *const ReadRange = region.0;
        drop(region);
        assert!(places().any(|known| ptr::eq(known, place)));
        assert!(places().all(|known| known.end_of(first).is_none()));
    }
}
