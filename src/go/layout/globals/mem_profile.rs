//! Where the variables of the runtime's own profile of allocations lie.

use std::collections::BTreeSet;

use crate::go::site::pieces::Piece;

use super::search::{Search, agreed, only};

impl<'b> Search<'_, 'b> {
    /// `mProf_FlushLocked` goes through the list, `for b := mbuckets; …`, and reads no other variable.
    pub(super) fn mbuckets(&self) -> Option<u64> {
        let says = |piece: &Piece<'b>| {
            // Where it is read atomically, it is pointed to.
            let read = piece.words().into_iter().chain(piece.pointed_to());
            only(read.filter(|address| self.is_variable(*address)))
        };
        let own = self.said("runtime.mProf_FlushLocked", says);
        // Where nothing is inlined, locks are pointed to besides; `stkbucket`, which puts new ones in front, has others.
        let shared = || {
            let flushed = self.own("runtime.mProf_FlushLocked")?.pointed_to();
            let made = self.own("runtime.stkbucket")?.pointed_to();
            only(flushed.intersection(&made).copied())
        };
        own.or_else(shared)
            .or_else(|| self.said_by_copies("runtime.mProf_FlushLocked", says))
    }

    /// `mProf_Flush`: `mProfCycle.setFlushed()` reads it and compares and swaps; the locks that it takes are only passed on.
    pub(super) fn mprof_cycle(&self) -> Option<u64> {
        let says = |piece: &Piece<'b>| {
            let pointed_to = piece.pointed_to();
            let read = piece.accesses().into_iter().map(|it| it.address);
            let read = match piece.atomic_reads() {
                none if none.is_empty() => read.collect::<BTreeSet<u64>>(),
                atomic => atomic,
            };
            only(
                read.into_iter()
                    .filter(|address| pointed_to.contains(address) && self.is_variable(*address)),
            )
        };
        let own = self.said("runtime.mProf_Flush", says);
        let set = "runtime.(*mProfCycleHolder).setFlushed";
        own.or_else(|| self.argument("runtime.mProf_Flush", set))
            .or_else(|| self.said_by_copies("runtime.mProf_Flush", says))
    }

    /// `profilealloc`: `c.memProfRate = MemProfileRate`. The other variable that it reads is `mcache0`, which `mallocinit`
    /// sets; `schedinit` sets this one, where the linker says that nobody asks for profiles. Where all that is inlined, or
    /// nothing is: the variable that it has in common with `nextSample`, or that this reads.
    pub(super) fn mem_profile_rate(&self) -> Option<u64> {
        let words = |piece: &Piece<'b>| {
            let mut words = piece.words();
            words.retain(|address| self.is_variable(*address));
            words
        };
        let own = |name| Some(words(&self.own(name)?));
        let (first, set) = (own("runtime.mallocinit"), own("runtime.schedinit"));
        let says = |piece: &Piece<'b>| {
            let read = words(piece);
            let others = first
                .as_ref()
                .map(|first| only(read.difference(first).copied()));
            let set = set
                .as_ref()
                .map(|set| only(read.intersection(set).copied()));
            agreed([others.flatten(), set.flatten()], || None)
        };
        let found = self.said("runtime.profilealloc", says);
        found.or_else(|| {
            let next = Piece::of(self.runtime, "runtime.nextSample");
            let alloc = Piece::of(self.runtime, "runtime.profilealloc");
            let all = next.iter().chain(&alloc).map(words);
            let common = all.filter(|words| !words.is_empty());
            let common = common.reduce(|a, b| a.intersection(&b).copied().collect());
            only(common?.into_iter())
        })
    }
}
