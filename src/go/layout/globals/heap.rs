//! Where the variables of the heap and of its collector lie.

use crate::go::elf::image::Machine;
use crate::go::site::pieces::Piece;
use crate::go::site::receivers;

use super::search::{Search, agreed, only};

impl Search<'_, '_> {
    /// `refill` and `allocLarge` call `memstats.heapStats.acquire()`; heapStats is the first field.
    pub(super) fn memstats(&self) -> Option<u64> {
        let acquire = "runtime.(*consistentHeapStats).acquire";
        let found = [
            self.argument("runtime.(*mcache).refill", acquire),
            self.argument("runtime.(*mcache).allocLarge", acquire),
        ];
        agreed(found, || self.receiver(receivers::HEAP_STATS))
    }

    /// `refill` and `allocLarge` call `gcController.update(…)`.
    pub(super) fn gc_controller(&self) -> Option<u64> {
        let update = "runtime.(*gcControllerState).update";
        let found = [
            self.argument("runtime.(*mcache).refill", update),
            self.argument("runtime.(*mcache).allocLarge", update),
        ];
        agreed(found, || self.receiver(receivers::CONTROLLER))
    }

    /// `mheap_.alloc(…)` and `mheap_.nextSpanForSweep()`.
    pub(super) fn mheap(&self) -> Option<u64> {
        let found = [
            self.argument("runtime.(*mcache).allocLarge", "runtime.(*mheap).alloc"),
            self.argument("runtime.sweepone", "runtime.(*mheap).nextSpanForSweep"),
        ];
        agreed(found, || self.receiver(receivers::HEAP))
    }

    /// `putfull`: `work.full.push(&b.node)`; full is the first field.
    pub(super) fn work(&self) -> Option<u64> {
        self.argument("runtime.putfull", "runtime.(*lfstack).push")
            .or_else(|| self.work_where_inlined())
    }

    /// Where that is inlined: of the stacks that are pushed to and popped from anywhere, `full` and `empty` are one word and
    /// one [`cache line`](Search::cache_line) apart.
    fn work_where_inlined(&self) -> Option<u64> {
        let mut stacks = self.receivers(receivers::STACK);
        for name in ["push", "pop", "empty"] {
            for piece in Piece::of(self.runtime, &format!("{}{name}", receivers::STACK)) {
                stacks.extend(piece.words());
                stacks.extend(piece.pointed_to());
            }
        }
        let distance = 8 + self.cache_line();
        only(stacks.iter().copied().filter(|full| {
            full.checked_add(distance)
                .is_some_and(|empty| stacks.contains(&empty))
        }))
    }

    /// `CacheLinePadSize` (internal/cpu/cpu_x86.go, cpu_arm64.go).
    fn cache_line(&self) -> u64 {
        match self.runtime.binary().image().machine() {
            Machine::X86_64 => 64,
            Machine::Aarch64 => 128,
        }
    }

    /// `gcMarkDone` begins with `semacquire(&work.markDoneSema)`.
    pub(super) fn work_mark_done_sema(&self) -> Option<u64> {
        let inlined = self.argument("runtime.gcMarkDone", "runtime.semacquire1");
        inlined
            .or_else(|| self.argument("runtime.gcMarkDone", "runtime.semacquire"))
            .or_else(|| {
                let callees = ["runtime.semacquire1", "runtime.semacquire"];
                self.argument_in_copies("runtime.gcMarkDone", callees)
            })
    }
}
