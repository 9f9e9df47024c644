//! Where the scheduler's variables lie: goroutines, threads and processors.

use std::collections::BTreeSet;

use crate::go::elf::image::Machine;
use crate::go::isa::instruction::Register;
use crate::go::site::pieces::Piece;

use super::search::{Search, only};

impl<'b> Search<'_, 'b> {
    /// `allgadd`: `allgs = append(allgs, gp)` reads and writes the three words of the slice.
    pub(super) fn allgs(&self) -> Option<u64> {
        let says = |piece: &Piece<'b>| {
            let words = piece.words();
            let firsts = words.iter().copied();
            only(firsts.filter(|first| is_slice(&words, *first, 3)))
        };
        let own = self.said("runtime.allgadd", says);
        own.or_else(|| self.said_by_copies("runtime.allgadd", says))
    }

    /// `mcommoninit`: `mp.alllink = allm` and `atomicstorep(unsafe.Pointer(&allm), …)`: both read and pointed to.
    pub(super) fn allm(&self) -> Option<u64> {
        let says = |piece: &Piece<'b>| {
            let pointed_to = piece.pointed_to();
            only(piece.words().intersection(&pointed_to).copied())
        };
        self.said("runtime.mcommoninit", says)
            // Where all variables are pointed to, to be read.
            .or_else(|| self.argument("runtime.mcommoninit", "runtime.atomicwb"))
            .or_else(|| self.said_by_copies("runtime.mcommoninit", says))
    }

    /// `preemptall` reads the first two words of the slice, in `for _, pp := range allp`, and no other variable.
    pub(super) fn allp(&self) -> Option<u64> {
        let says = |piece: &Piece<'b>| {
            let words = piece.words();
            let first = *words.first()?;
            (words.len() == 2 && is_slice(&words, first, 2)).then_some(first)
        };
        self.said("runtime.preemptall", says)
            .or_else(|| self.allp_where_inlined())
            .or_else(|| self.said_by_copies("runtime.preemptall", says))
    }

    /// Where other variables are read in between: the slice whose length `procresize` changes, and that `retake` and
    /// `stopTheWorldWithSema` go through.
    fn allp_where_inlined(&self) -> Option<u64> {
        let words = |name| Some(self.own(name)?.words());
        let resized = words("runtime.procresize")?;
        let (retake, stop) = (
            words("runtime.retake")?,
            words("runtime.stopTheWorldWithSema")?,
        );
        only(resized.iter().copied().filter(|first| {
            is_slice(&resized, *first, 3)
                && is_slice(&retake, *first, 2)
                && is_slice(&stop, *first, 2)
        }))
    }

    /// `newproc1`: `sched.goidgen.Add(_GoidCacheBatch)`, an atomic addition of 16; goidgen is the first field.
    pub(super) fn sched(&self) -> Option<u64> {
        let second = match self.runtime.binary().image().machine() {
            Machine::X86_64 => Register(3),
            Machine::Aarch64 => Register(1),
        };
        let says = |piece: &Piece<'b>| {
            let (inlined, called) = piece.additions(16, second);
            let called = called.into_iter();
            let called = called.filter(|address| self.is_variable(*address));
            only(inlined.into_iter()).or_else(|| only(called))
        };
        let own = self.said("runtime.newproc1", says);
        own.or_else(|| self.said_by_copies("runtime.newproc1", says))
    }

    /// `stopm`: `lock(&sched.lock)`.
    pub(super) fn sched_lock(&self) -> Option<u64> {
        let inlined = self.argument("runtime.stopm", "runtime.lock2");
        inlined
            .or_else(|| self.argument("runtime.stopm", "runtime.lock"))
            .or_else(|| self.argument_in_copies("runtime.stopm", ["runtime.lock2", "runtime.lock"]))
    }

    /// `main`: `runtimeInitTime = nanotime()`; `gcMarkTermination`: `work.tSweepTerm - runtimeInitTime`.
    pub(super) fn init_time(&self) -> Option<u64> {
        let name = "runtime.gcMarkTermination";
        let used = self.own(name);
        let used = used.or_else(|| Piece::of(self.runtime, name).into_iter().next())?;
        let used = used.words();
        let set = self.own("runtime.main")?.accesses().into_iter();
        let set = set.filter(|access| access.stores && used.contains(&access.address));
        only(set.map(|access| access.address))
    }
}

/// Whether these words are among those read: of a slice.
fn is_slice(words: &BTreeSet<u64>, first: u64, count: u64) -> bool {
    (0..count).all(|word| words.contains(&first.wrapping_add(8 * word)))
}
