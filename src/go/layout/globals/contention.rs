//! Where the variables of the runtime's profiles of waiting lie (runtime/mprof.go). Only who reads those profiles asks.

use std::collections::BTreeSet;

use super::search::{Search, only};
use crate::go::site::pieces::Piece;
use crate::go::site::runtime_functions::Runtime;

/// Link-time addresses; `None` where one was not found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContentionGlobals {
    /// Variables among which are `bbuckets` and `xbuckets`, the heads of the lists of stacks that waited, and that let
    /// others wait. Which is which, the entries tell.
    pub lists: BTreeSet<u64>,
    /// `blockprofilerate uint64`.
    pub block_rate: Option<u64>,
    /// `mutexprofilerate uint64`.
    pub mutex_rate: Option<u64>,
    /// Whether waits for locks are noted as they are seen, to be scaled by who shows them, with the rate that there is then
    /// (`scaleMutexProfile`, runtime/pprof/pprof.go), as before Go 1.20.
    pub notes_unscaled: bool,
    /// `ticks.val` (runtime/runtime.go): ticks of a second; 0 as long as nobody has asked. Not in every program.
    pub ticks_per_second: Option<u64>,
}

impl ContentionGlobals {
    /// Looks for all of them.
    pub fn of(runtime: &Runtime<'_>) -> Self {
        let search = Search::new(runtime);
        let block_rate = search.variable("runtime.blockprofilerate", search.block_rate());
        let mutex_rate = search.mutex_rate(block_rate);
        Self {
            lists: search.profile_lists(),
            block_rate,
            mutex_rate: search.variable("runtime.mutexprofilerate", mutex_rate),
            notes_unscaled: {
                let oldest = runtime.binary().version_range().oldest;
                let scales = runtime.entries("runtime/pprof.scaleMutexProfile");
                oldest < 20 || !scales.is_empty()
            },
            ticks_per_second: search.ticks_per_second(),
        }
    }
}

impl<'b> Search<'_, 'b> {
    /// `stkbucket` puts a new stack in front of the list of its kind: `allnext = &xbuckets`, and what lies there is a
    /// word. It has to do with a lock and a table of all stacks besides.
    fn profile_lists(&self) -> BTreeSet<u64> {
        let own = self.own("runtime.stkbucket");
        let all = own.map(|piece| {
            let read = piece.words().into_iter().chain(piece.pointed_to());
            read.filter(|address| address % 8 == 0 && self.is_variable(*address))
                .collect()
        });
        all.unwrap_or_default()
    }

    /// `semacquire1` and `chanrecv`: `if blockprofilerate > 0`.
    fn block_rate(&self) -> Option<u64> {
        let [waits, receives] =
            ["runtime.semacquire1", "runtime.chanrecv"].map(|name| self.whole_words(name));
        only(waits.intersection(&receives).copied())
    }

    /// `semacquire1`: `if mutexprofilerate > 0`.
    fn mutex_rate(&self, block_rate: Option<u64>) -> Option<u64> {
        let block_rate = block_rate?;
        let waits = self.whole_words("runtime.semacquire1");
        let all: BTreeSet<u64> = waits.into_iter().filter(|it| *it != block_rate).collect();
        let event = ["runtime.mutexevent", "sync.event"];
        let event: BTreeSet<u64> = event
            .iter()
            .flat_map(|name| self.whole_words(name))
            .collect();
        // Where others are inlined there are other variables.
        only(all.iter().copied()).or_else(|| only(all.intersection(&event).copied()))
    }

    /// `ticksPerSecond` begins with `ticks.val.Load()`.
    fn ticks_per_second(&self) -> Option<u64> {
        let names = ["runtime.ticksPerSecond", "runtime.tickspersecond"];
        let own = names.iter().find_map(|name| self.own(name))?;
        let first = own.accesses().into_iter().find(|it| !it.stores)?;
        Some(first.address).filter(|address| self.is_variable(*address))
    }

    /// The words that a function reads and never writes, as those do that are inlined into it where that is.
    fn whole_words(&self, name: &str) -> BTreeSet<u64> {
        let own = self.own(name);
        let mut words = own.as_ref().map(Piece::words).unwrap_or_default();
        let accesses = own.as_ref().map(Piece::accesses).unwrap_or_default();
        for written in accesses.iter().filter(|it| it.stores) {
            words.remove(&written.address);
        }
        words.retain(|address| self.is_variable(*address));
        words
    }
}
