//! The facts about the runtime's data structures that grtmon knows how to use: one line each.
//!
//! To add one, add a line, then regenerate the table (see [`super`]). The text in the middle is a
//! [`Query`](crate::go::layout::dwarf::Query): a member's offset, or `sizeof …`, `len …`; where a member
//! has borne several names, they follow each other, newest first. The comments name the Go source that
//! the structure is declared in; the widths in the descriptions hold from Go 1.19 to 1.27.

use std::fmt;

macro_rules! fields {
    ($($name:ident = $query:literal, $what:literal;)*) => {
        /// An offset, size or array length in the runtime of some Go version. Offsets, sizes: bytes.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u16)]
        pub enum Field {
            $(#[doc = concat!("`", $query, "`: ", $what, ".")] $name,)*
        }

        impl Field {
            /// Every field, in the order of declaration, which is that of their numbers.
            pub const ALL: &'static [Field] = &[$(Field::$name),*];

            /// The query as written in the declaration.
            fn queries(self) -> &'static str {
                match self {
                    $(Field::$name => $query,)*
                }
            }

            /// The newest of its names, as in the runtime's source: `g.goid`, `sizeof g`.
            pub fn name(self) -> &'static str {
                match self {
                    $(Field::$name => const { until($query, b' ', b'|') },)*
                }
            }

            /// The structure that it is a member of: `g` of `g.sched.sp`. (Of a size or a length it is none.)
            pub fn structure(self) -> &'static str {
                match self {
                    $(Field::$name => const { until(until($query, b' ', b'|'), b'.', 0) },)*
                }
            }
        }
    };
}

/// A text up to the byte `end`, or, if `then` is not 0, to `end` with `then` behind it: for what is known when grtmon is built.
const fn until(text: &'static str, end: u8, then: u8) -> &'static str {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let is_end = bytes[at] == end;
        if is_end && (then == 0 || at + 1 < bytes.len() && bytes[at + 1] == then) {
            return text.split_at(at).0;
        }
        at += 1;
    }
    text
}

impl Field {
    /// Whether this is a size or a length: these prove themselves, for what is read by them is checked for plausibility.
    pub fn is_size(self) -> bool {
        self.name().contains(' ')
    }

    /// The queries that have an answer in some version, newest name first.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        self.queries().split(" | ")
    }

    /// Its place in [`Field::ALL`].
    pub(super) fn index(self) -> usize {
        usize::from(self as u16)
    }
}

impl fmt::Display for Field {
    /// As in the runtime's source.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[rustfmt::skip]
fields! {
    // g (runtime/runtime2.go)
    GSize = "sizeof g", "size of a `g`";
    GStackLo = "g.stack.lo", "lowest address of the stack";
    GStackHi = "g.stack.hi", "address just above the stack";
    GM = "g.m", "the `m` that runs it, or 0";
    GSchedSp = "g.sched.sp", "saved stack pointer while it does not run";
    GSchedPc = "g.sched.pc", "saved program counter while it does not run";
    GSchedBp = "g.sched.bp", "saved frame pointer while it does not run";
    GSchedCtxt = "g.sched.ctxt", "saved closure";
    GSyscallsp = "g.syscallsp", "stack pointer to unwind from during a system call";
    GSyscallpc = "g.syscallpc", "program counter to unwind from during a system call";
    GSyscallbp = "g.syscallbp", "frame pointer to unwind from during a system call; since Go 1.23";
    GStktopsp = "g.stktopsp", "stack pointer expected at the top of the stack";
    GParam = "g.param", "what whoever readied it hands over";
    GAtomicstatus = "g.atomicstatus", "state, 4 bytes: `_Gidle` … with `_Gscan`";
    GGoid = "g.goid", "goroutine id, 8 bytes";
    GSchedlink = "g.schedlink", "next `g` of the queue it is in";
    GWaitsince = "g.waitsince", "about when it blocked, ns of nanotime; set by a GC only";
    GWaitreason = "g.waitreason", "why it waits, 1 byte: index of `waitReasonStrings`";
    GPreempt = "g.preempt", "1 byte: asked to give way";
    GParkingOnChan = "g.parkingOnChan", "1 byte: about to park on a channel";
    GTrackingStamp = "g.trackingStamp | g.runnableStamp", "when its state was last tracked, ns; 1.19 calls it runnableStamp";
    GRunnableTime = "g.runnableTime", "ns spent runnable while tracked";
    GLockedm = "g.lockedm", "the `m` it is locked to, or 0";
    GGopc = "g.gopc", "program counter of the `go` statement";
    GAncestors = "g.ancestors", "pointer to a slice of ancestors, only with GODEBUG=tracebackancestors";
    GStartpc = "g.startpc", "entry of its start function";
    GWaiting = "g.waiting", "first `sudog` it waits on";
    GLabels = "g.labels", "profiler labels";
    GTimer = "g.timer", "cached timer of time.Sleep";
    GSleepWhen = "g.sleepWhen", "until when it sleeps, ns; since Go 1.23";
    GGcAssistBytes = "g.gcAssistBytes", "allocation credit against the GC, bytes, signed";
    GInMarkAssist = "g.inMarkAssist", "1 byte: in a mark assist; since Go 1.22";
    GParentGoid = "g.parentGoid", "goid of its creator; since Go 1.21";
    GCoroarg = "g.coroarg", "the coroutine it belongs to or switches to; since Go 1.22";
    GBubble = "g.bubble", "its synctest bubble; since Go 1.25";
    CoroGp = "coro.gp", "the goroutine of a coroutine that does not run; since Go 1.22";

    // m (runtime/runtime2.go)
    MSize = "sizeof m", "size of an `m`";
    MG0 = "m.g0", "the `g` with the scheduler's stack";
    MProcid = "m.procid", "thread id as the process itself sees it, 8 bytes";
    MGsignal = "m.gsignal", "the `g` that handles signals";
    MCurg = "m.curg", "the goroutine it runs, or 0";
    MP = "m.p", "the `p` it holds, or 0";
    MNextp = "m.nextp", "the `p` it is to take when it wakes";
    MOldp = "m.oldp", "the `p` it held before a system call";
    MId = "m.id", "number of the `m`, 8 bytes";
    MThrowing = "m.throwing", "not 0 while it crashes, 4 bytes";
    MPreemptoff = "m.preemptoff", "string: why it may not be preempted; the reason of a stop before Go 1.21";
    MLocks = "m.locks", "4 bytes";
    MDying = "m.dying", "4 bytes";
    MSpinning = "m.spinning", "1 byte: looks for work";
    MBlocked = "m.blocked", "1 byte: sleeps on a note";
    MIncgo = "m.incgo", "1 byte: runs C code";
    MIsextra = "m.isextra", "1 byte: an M for threads that C made; since Go 1.21";
    MNcgocall = "m.ncgocall", "calls of C in all, 8 bytes";
    MNcgo = "m.ncgo", "calls of C under way, 4 bytes";
    MAlllink = "m.alllink", "next of `allm`";
    MLockProfileWaitTime = "m.mLockProfile.waitTime", "ns waited for locks of the runtime, not yet added to sched, 8 bytes; since Go 1.22";
    MLockedg = "m.lockedg", "the goroutine locked to this thread";
    MCreatestack = "m.createstack", "array of 32 return addresses: where it was created, if a goroutine did it";

    // p (runtime/runtime2.go)
    PSize = "sizeof p", "size of a `p`";
    PId = "p.id", "number of the `p`, 4 bytes: its index in `allp`";
    PStatus = "p.status", "4 bytes: `_Pidle` …";
    PLink = "p.link", "next of the queue it is in";
    PSchedtick = "p.schedtick", "scheduler calls, 4 bytes";
    PSyscalltick = "p.syscalltick", "system calls, 4 bytes";
    PM = "p.m", "the `m` that holds it, or 0";
    PMcache = "p.mcache", "its allocation cache";
    PGoidcache = "p.goidcache", "next goroutine id it will give out";
    PGoidcacheend = "p.goidcacheend", "first goroutine id it may not give out";
    PRunqhead = "p.runqhead", "4 bytes, counts up";
    PRunqtail = "p.runqtail", "4 bytes, counts up";
    PRunq = "p.runq", "array of `g` pointers, a ring";
    PRunqLen = "len p.runq", "size of that ring";
    PRunnext = "p.runnext", "the `g` that runs next, or 0";
    PGFreeSize = "p.gFree.size | p.gFree.n", "dead `g`s it keeps, 4 bytes; 1.24 and before call it n";
    PGcAssistTime = "p.gcAssistTime", "ns of mark assists not yet handed to gcController";
    PGcMarkWorkerMode = "p.gcMarkWorkerMode", "8 bytes: which mark worker runs";
    PGcMarkWorkerStartTime = "p.gcMarkWorkerStartTime", "ns of nanotime";
    PStatsSeq = "p.statsSeq", "4 bytes: odd while it writes heap statistics";
    PTimers = "p.timers", "its timers";
    PGcStopTime = "p.gcStopTime", "when it stopped for the GC, ns; since Go 1.23";
    PGoroutinesCreated = "p.goroutinesCreated", "not yet added to sched.goroutinesCreated, 8 bytes; since Go 1.26";

    // types, and what functions take or return
    TypeSize = "abi.Type.Size_ | _type.size", "size of a value, 8 bytes (internal/abi/type.go; runtime/type.go until 1.20)";
    TypePtrBytes = "abi.Type.PtrBytes | _type.ptrdata", "bytes that can hold pointers, 8 bytes; 0: none";
    TypeTflag = "abi.Type.TFlag | _type.tflag", "flags, 1 byte";
    TypeKind = "abi.Type.Kind_ | _type.kind", "kind and flags, 1 byte";
    TypeStr = "abi.Type.Str | _type.str", "offset of the name, 4 bytes";
    WorldStopSize = "sizeof worldStop", "size of the argument of startTheWorldWithSema (runtime/proc.go); since Go 1.22";
    WorldStopReason = "worldStop.reason", "why the world stops, 1 byte: index of `stwReasonStrings`";
    WorldStopStartedStopping = "worldStop.startedStopping | worldStop.start", "when stopping began, ns of nanotime";
    WorldStopFinishedStopping = "worldStop.finishedStopping", "when the world stood still, ns; since Go 1.23";
    WorldStopStoppingCpuTime = "worldStop.stoppingCPUTime", "ns; since Go 1.23";
    GcTriggerKind = "gcTrigger.kind", "8 bytes: heap, time, cycle (runtime/mgc.go)";
    GcTriggerN = "gcTrigger.n", "cycle to start, 4 bytes";

    // work (runtime/mgc.go)
    WorkSize = "sizeof workType", "size of `work`";
    WorkNproc = "workType.nproc", "4 bytes";
    WorkTstart = "workType.tstart", "start of the mark phase that is under way, ns";
    WorkNwait = "workType.nwait", "4 bytes";
    WorkMarkDoneSema = "workType.markDoneSema", "semaphore of gcMarkDone, 4 bytes";
    WorkMode = "workType.mode", "8 bytes: background, or forced with the world stopped";
    WorkUserForced = "workType.userForced", "1 byte: runtime.GC() asked for this cycle";
    WorkInitialHeapLive = "workType.initialHeapLive", "bytes at the start of the mark phase";
    WorkCycles = "workType.cycles", "number of the cycle under way or last completed, 4 bytes";
    WorkStwprocs = "workType.stwprocs", "4 bytes: Ps used when the world is stopped";
    WorkMaxprocs = "workType.maxprocs", "4 bytes: GOMAXPROCS of this cycle";
    WorkTSweepTerm = "workType.tSweepTerm", "start of sweep termination, ns of nanotime";
    WorkTMark = "workType.tMark", "start of the concurrent mark phase, ns";
    WorkTMarkTerm = "workType.tMarkTerm", "start of mark termination, ns";
    WorkTEnd = "workType.tEnd", "end of mark termination, ns";
    WorkPauseNs = "workType.pauseNS", "ns the world was stopped by this cycle";
    WorkPauseStart = "workType.pauseStart", "start of the last pause, ns; until Go 1.21";
    WorkHeap0 = "workType.heap0", "bytes of heap at the start of the cycle";
    WorkHeap1 = "workType.heap1", "bytes at mark termination";
    WorkHeap2 = "workType.heap2", "bytes marked live";

    // work.cpuStats (runtime/mstats.go): CPU time as of the last cycle, ns; since Go 1.20
    WorkTotaltime = "workType.totaltime", "CPU time of all cycles, ns, until Go 1.19; then see the next ones";
    WorkCpuGcAssistTime = "workType.cpuStats.GCAssistTime | workType.cpuStats.gcAssistTime", "in mark assists";
    WorkCpuGcDedicatedTime = "workType.cpuStats.GCDedicatedTime | workType.cpuStats.gcDedicatedTime", "in dedicated and fractional mark workers";
    WorkCpuGcIdleTime = "workType.cpuStats.GCIdleTime | workType.cpuStats.gcIdleTime", "in idle mark workers";
    WorkCpuGcPauseTime = "workType.cpuStats.GCPauseTime | workType.cpuStats.gcPauseTime", "with the world stopped, times GOMAXPROCS";
    WorkCpuGcTotalTime = "workType.cpuStats.GCTotalTime | workType.cpuStats.gcTotalTime", "of the GC";
    WorkCpuScavengeAssistTime = "workType.cpuStats.ScavengeAssistTime | workType.cpuStats.scavengeAssistTime", "returning memory while allocating";
    WorkCpuScavengeBgTime = "workType.cpuStats.ScavengeBgTime | workType.cpuStats.scavengeBgTime", "returning memory in the background";
    WorkCpuScavengeTotalTime = "workType.cpuStats.ScavengeTotalTime | workType.cpuStats.scavengeTotalTime", "returning memory";
    WorkCpuIdleTime = "workType.cpuStats.IdleTime | workType.cpuStats.idleTime", "not used";
    WorkCpuUserTime = "workType.cpuStats.UserTime | workType.cpuStats.userTime", "of the program itself";
    WorkCpuTotalTime = "workType.cpuStats.TotalTime | workType.cpuStats.totalTime", "that there was";

    // gcController (runtime/mgcpacer.go)
    GcControllerSize = "sizeof gcControllerState", "size of `gcController`";
    GcControllerGcPercent = "gcControllerState.gcPercent", "GOGC, 4 bytes, signed";
    GcControllerMemoryLimit = "gcControllerState.memoryLimit", "GOMEMLIMIT, bytes";
    GcControllerHeapMinimum = "gcControllerState.heapMinimum", "bytes";
    GcControllerSweepDistMinTrigger = "gcControllerState.sweepDistMinTrigger", "bytes: the goal is never below";
    GcControllerGcPercentHeapGoal = "gcControllerState.gcPercentHeapGoal", "bytes, of the next cycle";
    GcControllerTriggered = "gcControllerState.triggered", "bytes live when this cycle was triggered";
    GcControllerLastHeapGoal = "gcControllerState.lastHeapGoal", "goal of the last cycle, bytes";
    GcControllerHeapLive = "gcControllerState.heapLive", "bytes live or not yet swept";
    GcControllerHeapScan = "gcControllerState.heapScan", "bytes that can hold pointers";
    GcControllerLastHeapScan = "gcControllerState.lastHeapScan", "bytes scanned in the last cycle";
    GcControllerLastStackScan = "gcControllerState.lastStackScan", "bytes of stack scanned";
    GcControllerMaxStackScan = "gcControllerState.maxStackScan", "bytes of stack there are";
    GcControllerGlobalsScan = "gcControllerState.globalsScan", "bytes of global variables to scan";
    GcControllerHeapMarked = "gcControllerState.heapMarked", "bytes marked by the last cycle";
    GcControllerBgScanCredit = "gcControllerState.bgScanCredit", "signed";
    GcControllerAssistTime = "gcControllerState.assistTime", "ns of mark assists in this cycle";
    GcControllerDedicatedMarkTime = "gcControllerState.dedicatedMarkTime", "ns";
    GcControllerFractionalMarkTime = "gcControllerState.fractionalMarkTime", "ns";
    GcControllerIdleMarkTime = "gcControllerState.idleMarkTime", "ns";
    GcControllerMarkStartTime = "gcControllerState.markStartTime", "ns of nanotime";
    GcControllerHeapInUse = "gcControllerState.heapInUse", "bytes in spans in use";
    GcControllerHeapReleased = "gcControllerState.heapReleased", "bytes returned to the system";
    GcControllerHeapFree = "gcControllerState.heapFree", "bytes free but not returned";
    GcControllerTotalAlloc = "gcControllerState.totalAlloc", "bytes allocated in all, without those still in caches";
    GcControllerTotalFree = "gcControllerState.totalFree", "bytes freed in all";
    GcControllerMappedReady = "gcControllerState.mappedReady", "bytes mapped and ready";

    // memstats (runtime/mstats.go)
    MstatsHeapStats = "mstats.heapStats", "the `consistentHeapStats`";
    MstatsStacksSys = "mstats.stacks_sys", "bytes of system stacks";
    MstatsMspanSys = "mstats.mspan_sys", "bytes";
    MstatsMcacheSys = "mstats.mcache_sys", "bytes";
    MstatsBuckhashSys = "mstats.buckhash_sys", "bytes of profiling tables";
    MstatsGcMiscSys = "mstats.gcMiscSys", "bytes";
    MstatsOtherSys = "mstats.other_sys", "bytes";
    MstatsLastGcUnix = "mstats.last_gc_unix", "end of the last cycle, ns since 1970";
    MstatsLastGcNanotime = "mstats.last_gc_nanotime", "end of the last cycle, ns of nanotime";
    MstatsPauseTotalNs = "mstats.pause_total_ns", "ns";
    MstatsPauseNs = "mstats.pause_ns", "ring of pauses, ns; the last at (numgc+255)%256";
    MstatsPauseNsLen = "len mstats.pause_ns", "size of that ring";
    MstatsPauseEnd = "mstats.pause_end", "ring of their ends, ns since 1970";
    MstatsNumgc = "mstats.numgc", "completed cycles, 4 bytes";
    MstatsNumforcedgc = "mstats.numforcedgc", "of them asked for by the program, 4 bytes";
    MstatsGcCpuFraction = "mstats.gc_cpu_fraction", "float64";
    MstatsEnablegc = "mstats.enablegc", "1 byte";
    MstatsGcPauseDist = "mstats.gcPauseDist", "`timeHistogram` of pauses; until Go 1.21";
    MstatsGcPauseDistUnderflow = "mstats.gcPauseDist.underflow", "its count of times below zero, which code names that has `record` inlined; until Go 1.21";
    HeapStatsStats = "consistentHeapStats.stats", "array of generations, each a `heapStatsDelta`";
    HeapStatsStatsLen = "len consistentHeapStats.stats", "generations; their sum counts";
    HeapStatsGen = "consistentHeapStats.gen", "4 bytes";
    HeapStatsDeltaSize = "sizeof heapStatsDelta", "size of one generation";
    HeapStatsDeltaCommitted = "heapStatsDelta.committed", "bytes committed, signed";
    HeapStatsDeltaReleased = "heapStatsDelta.released", "bytes returned, signed";
    HeapStatsDeltaInHeap = "heapStatsDelta.inHeap", "bytes in heap spans, signed";
    HeapStatsDeltaInStacks = "heapStatsDelta.inStacks", "bytes of stacks, signed";
    HeapStatsDeltaInWorkBufs = "heapStatsDelta.inWorkBufs", "bytes of GC work buffers, signed";
    HeapStatsDeltaInPtrScalarBits = "heapStatsDelta.inPtrScalarBits", "bytes of unrolled GC programs; until Go 1.24";
    HeapStatsDeltaTinyAllocCount = "heapStatsDelta.tinyAllocCount", "tiny allocations into existing blocks";
    HeapStatsDeltaLargeAlloc = "heapStatsDelta.largeAlloc", "bytes of large objects allocated";
    HeapStatsDeltaLargeAllocCount = "heapStatsDelta.largeAllocCount", "large objects allocated";
    HeapStatsDeltaSmallAllocCount = "heapStatsDelta.smallAllocCount", "array: objects allocated by size class";
    HeapStatsDeltaLargeFree = "heapStatsDelta.largeFree", "bytes of large objects freed";
    HeapStatsDeltaLargeFreeCount = "heapStatsDelta.largeFreeCount", "large objects freed";
    HeapStatsDeltaSmallFreeCount = "heapStatsDelta.smallFreeCount", "array: objects freed by size class";
    SizeClasses = "len heapStatsDelta.smallAllocCount", "number of size classes, class 0 (large) included";

    // mcache, mspan, mheap (runtime/mcache.go, mheap.go)
    McacheSize = "sizeof mcache", "size of an `mcache`";
    McacheNextSample = "mcache.nextSample", "bytes to allocate before the next heap-profile sample";
    McacheScanAlloc = "mcache.scanAlloc", "bytes that can hold pointers, not yet handed over";
    McacheTiny = "mcache.tiny", "block for tiny allocations";
    McacheTinyoffset = "mcache.tinyoffset", "bytes of it in use";
    McacheTinyAllocs = "mcache.tinyAllocs", "tiny allocations not yet handed over";
    McacheAlloc = "mcache.alloc", "array of `mspan` pointers by span class";
    McacheAllocLen = "len mcache.alloc", "number of span classes";
    McacheFlushGen = "mcache.flushGen", "sweepgen of the last flush, 4 bytes";
    MspanSize = "sizeof mspan", "size of an `mspan`";
    MspanStartAddr = "mspan.startAddr", "address of its memory";
    MspanNpages = "mspan.npages", "pages of 8 KiB";
    MspanFreeindex = "mspan.freeindex", "first slot not yet tried";
    MspanFreeindexSize = "sizeof mspan.freeindex", "its width: 8 bytes, 2 since Go 1.22";
    MspanNelems = "mspan.nelems", "slots";
    MspanNelemsSize = "sizeof mspan.nelems", "its width: 8 bytes, 2 since Go 1.22";
    MspanSweepgen = "mspan.sweepgen", "4 bytes";
    MspanAllocCount = "mspan.allocCount", "slots in use, 2 bytes";
    MspanSpanclass = "mspan.spanclass", "1 byte: size class * 2 + noscan";
    MspanState = "mspan.state", "1 byte";
    MspanAllocCountBeforeCache = "mspan.allocCountBeforeCache", "slots in use when it was cached, 2 bytes";
    MspanElemsize = "mspan.elemsize", "bytes of a slot";
    MspanLimit = "mspan.limit", "end of its objects";
    MspanSpecials = "mspan.specials", "list of finalizers and samples";
    MheapSweepgen = "mheap.sweepgen", "4 bytes, +2 each cycle";
    MheapAllspans = "mheap.allspans", "slice of all `mspan`s ever made";
    MheapPagesInUse = "mheap.pagesInUse", "pages of 8 KiB";
    MheapPagesSwept = "mheap.pagesSwept", "pages swept this cycle";
    MheapArenas = "mheap.arenas", "array of pointers to arrays of arenas";
    MheapAllArenas = "mheap.heapArenas | mheap.allArenas", "slice of arena indexes";
    MheapCentral = "mheap.central", "array of central lists by span class";
    MheapCentralStride = "sizeof mheap.central[]", "bytes from one to the next";
    MheapSpanallocInuse = "mheap.spanalloc.inuse", "bytes of `mspan`s";
    MheapCacheallocInuse = "mheap.cachealloc.inuse", "bytes of `mcache`s";
    SweepdataG = "sweepdata.g", "the sweeper goroutine (runtime/mgcsweep.go)";
    SweepdataParked = "sweepdata.parked", "1 byte: it waits for work";
    SweepdataActiveState = "sweepdata.active.state", "4 bytes: 0x8000_0000 when sweeping is done";
    SweepdataCentralIndex = "sweepdata.centralIndex", "4 bytes";

    // sched (runtime/runtime2.go)
    SchedSize = "sizeof schedt", "size of `sched`";
    SchedGoidgen = "schedt.goidgen", "goroutine ids given to Ps so far";
    SchedLastpoll = "schedt.lastpoll", "ns of nanotime, 0 while somebody polls the network";
    SchedLock = "schedt.lock", "its lock";
    SchedMidle = "schedt.midle", "idle Ms";
    SchedNmidle = "schedt.nmidle", "their number, 4 bytes";
    SchedNmidlelocked = "schedt.nmidlelocked", "4 bytes";
    SchedMnext = "schedt.mnext", "Ms ever made, 8 bytes";
    SchedMaxmcount = "schedt.maxmcount", "4 bytes";
    SchedNmsys = "schedt.nmsys", "system Ms, 4 bytes";
    SchedNmfreed = "schedt.nmfreed", "Ms that have ended, 8 bytes";
    SchedNgsys = "schedt.ngsys", "system goroutines, 4 bytes";
    SchedPidle = "schedt.pidle", "idle Ps";
    SchedNpidle = "schedt.npidle", "their number, 4 bytes";
    SchedNmspinning = "schedt.nmspinning", "4 bytes";
    SchedRunqHead = "schedt.runq.head", "first `g` of the global queue";
    SchedRunqTail = "schedt.runq.tail", "last `g` of it";
    SchedRunqSize = "schedt.runq.size | schedt.runqsize", "its length, 4 bytes";
    SchedGFree = "schedt.gFree", "dead `g`s";
    SchedGFreeN = "schedt.gFree.n", "their number, 4 bytes; until Go 1.24";
    SchedGFreeStackSize = "schedt.gFree.stack.size", "number of those that have a stack, 4 bytes; since Go 1.25";
    SchedGFreeNoStackSize = "schedt.gFree.noStack.size", "number of those that have none, 4 bytes; since Go 1.25";
    SchedGcwaiting = "schedt.gcwaiting", "1 byte (4 in 1.19): somebody stops the world";
    SchedStopwait = "schedt.stopwait", "Ps still to stop, 4 bytes";
    SchedSysmonwait = "schedt.sysmonwait", "1 byte (4 in 1.19)";
    SchedProcresizetime = "schedt.procresizetime", "when GOMAXPROCS last changed, ns of nanotime";
    SchedTotaltime = "schedt.totaltime", "CPU time available until then, ns";
    SchedTimeToRun = "schedt.timeToRun", "`timeHistogram`: runnable until running";
    SchedIdleTime = "schedt.idleTime", "ns of Ps idle; since Go 1.20";
    SchedTotalMutexWaitTime = "schedt.totalMutexWaitTime", "ns; since Go 1.20";
    SchedStwStoppingTimeGc = "schedt.stwStoppingTimeGC", "`timeHistogram`; since Go 1.22";
    SchedStwStoppingTimeOther = "schedt.stwStoppingTimeOther", "`timeHistogram`; since Go 1.22";
    SchedStwTotalTimeGc = "schedt.stwTotalTimeGC", "`timeHistogram`; since Go 1.22";
    SchedStwTotalTimeOther = "schedt.stwTotalTimeOther", "`timeHistogram`; since Go 1.22";
    SchedTotalRuntimeLockWaitTime = "schedt.totalRuntimeLockWaitTime", "ns; since Go 1.22";
    SchedGoroutinesCreated = "schedt.goroutinesCreated", "8 bytes; since Go 1.26";
    TimeHistogramSize = "sizeof timeHistogram", "size of a `timeHistogram` (runtime/histogram.go)";
    TimeHistogramCounts = "timeHistogram.counts", "array of 8-byte counts";
    TimeHistogramCountsLen = "len timeHistogram.counts", "their number";
    TimeHistogramUnderflow = "timeHistogram.underflow", "8 bytes";
    TimeHistogramOverflow = "timeHistogram.overflow", "8 bytes; since Go 1.20";

    // moduledata (runtime/symtab.go)
    ModuledataSize = "sizeof moduledata", "size of a `moduledata`";
    ModuledataPcHeader = "moduledata.pcHeader", "the pclntab header";
    ModuledataFuncnametab = "moduledata.funcnametab", "slice";
    ModuledataCutab = "moduledata.cutab", "slice";
    ModuledataFiletab = "moduledata.filetab", "slice";
    ModuledataPctab = "moduledata.pctab", "slice";
    ModuledataPclntable = "moduledata.pclntable", "slice";
    ModuledataFtab = "moduledata.ftab", "slice";
    ModuledataFindfunctab = "moduledata.findfunctab", "address";
    ModuledataMinpc = "moduledata.minpc", "address";
    ModuledataMaxpc = "moduledata.maxpc", "address";
    ModuledataText = "moduledata.text", "start of the Go code";
    ModuledataEtext = "moduledata.etext", "address";
    ModuledataNoptrdata = "moduledata.noptrdata", "address";
    ModuledataData = "moduledata.data", "address";
    ModuledataEdata = "moduledata.edata", "address";
    ModuledataBss = "moduledata.bss", "address";
    ModuledataEbss = "moduledata.ebss", "address";
    ModuledataNoptrbss = "moduledata.noptrbss", "address";
    ModuledataEnd = "moduledata.end", "address";
    ModuledataTypes = "moduledata.types", "address";
    ModuledataEtypes = "moduledata.etypes", "address";
    ModuledataRodata = "moduledata.rodata", "address";
    ModuledataGofunc = "moduledata.gofunc", "base of function data";
    ModuledataTextsectmap = "moduledata.textsectmap", "slice";
    ModuledataModulename = "moduledata.modulename", "string";
    ModuledataHasmain = "moduledata.hasmain", "1 byte";
    ModuledataBad = "moduledata.bad", "1 byte";
    ModuledataNext = "moduledata.next", "the next module";

    // the profile of memory (runtime/mprof.go)
    BucketSize = "sizeof bucket", "size of a `bucket`, behind which its stack follows, and behind that its `memRecord`";
    BucketAllnext = "bucket.allnext", "the next of `mbuckets`";
    BucketTyp = "bucket.typ", "8 bytes: 1 of memory";
    BucketHash = "bucket.hash", "hash of its stack and of `size`";
    BucketObjectSize = "bucket.size", "size of the objects that were allocated";
    BucketNstk = "bucket.nstk", "number of return addresses";
    MemRecordSize = "sizeof memRecord", "size of a `memRecord`";
    MemRecordActive = "memRecord.active", "what is published, a `memRecordCycle`";
    MemRecordFuture = "memRecord.future", "array of `memRecordCycle`, by cycle: what is not published yet";
    MemRecordFutureLen = "len memRecord.future", "their number";
    MemRecordCycleSize = "sizeof memRecordCycle", "size of a `memRecordCycle`";
    MemRecordCycleAllocs = "memRecordCycle.allocs", "objects allocated, 8 bytes";
    MemRecordCycleFrees = "memRecordCycle.frees", "objects freed, 8 bytes";

    // channels (runtime/chan.go, runtime2.go)
    HchanQcount = "hchan.qcount", "elements in the buffer";
    HchanDataqsiz = "hchan.dataqsiz", "size of the buffer";
    HchanElemsize = "hchan.elemsize", "bytes of an element, 2 bytes";
    HchanClosed = "hchan.closed", "4 bytes";
    HchanElemtype = "hchan.elemtype", "type of an element";
    HchanTimer = "hchan.timer", "the timer that feeds it; since Go 1.23";
    HchanRecvqFirst = "hchan.recvq.first", "first waiting receiver, a `sudog`";
    HchanSendqFirst = "hchan.sendq.first", "first waiting sender";
    SudogG = "sudog.g", "the goroutine that waits";
    SudogNext = "sudog.next", "next of the queue";
    SudogElem = "sudog.elem", "the datum, or where it goes; two words since Go 1.26";
    SudogIsSelect = "sudog.isSelect", "1 byte: part of a select";
    SudogWaitlink = "sudog.waitlink", "next of the goroutine's `g.waiting`";
    SudogC = "sudog.c", "the channel; two words since Go 1.26: the first, or the second if that is 0";
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn each_field_has_its_own_name_and_number() {
        let names: HashSet<&str> = Field::ALL.iter().map(|field| field.name()).collect();
        assert_eq!(names.len(), Field::ALL.len());
        for (number, field) in Field::ALL.iter().enumerate() {
            assert_eq!(field.index(), number);
        }
    }
}
