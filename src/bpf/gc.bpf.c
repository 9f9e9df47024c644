// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * Garbage collection: every stop of the world, the runtime's record of each cycle, the end of each sweep.
 *
 * Nothing here runs more than a few times per cycle. The phases are not timed by probes: the runtime takes the times
 * itself (runtime.work), and bpf_ktime_get_ns() is the same clock as its nanotime().
 *
 * In a process two semaphores of the runtime keep order (runtime/proc.go, stopTheWorld; runtime/mgc.go, gcStart to
 * gcMarkTermination; Go 1.19 to 1.27). Whoever stops the world holds worldsema until it runs again, so there is one
 * stop at a time; the collector holds gcsema, so there is one cycle whose record is not complete. The programs that
 * begin and end one may run on different CPUs, but never at once. So what is open is written without any atomic
 * instruction. A stop and a cycle of one process can be written at the same time; they are different words.
 *
 * Where probes stand in the runtime is decided in src/go/site/gc.rs and events.rs, which programs are used in
 * src/probe/gc/plan.rs.
 */
#include "go.bpf.h"
#include "gc.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

const volatile struct gc_config gc_cfg = {};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 256 << 10); /* set by user space */
} gc_events SEC(".maps");

/* A stop of the world that has not ended. */
struct gc_open_stw {
	__u64 begin_ns; /* 0: there is none */
	__u64 stopped_ns;
	__u8 why;
	__u8 text_len;
	char text[GC_REASON_SIZE];
	__u8 unused[6]; /* old verifiers want every byte of a map value written */
};

/* A cycle that has not ended: what the runtime does not write into its record. */
struct gc_open_cycle {
	__u8 seen; /* its beginning */
	__u8 trigger;
	__u8 flags;
	__u8 unused[5];
};

/* What has begun in a process and not ended. */
struct gc_open {
	struct gc_open_stw stop;
	struct gc_open_cycle cycle;
};

/*
 * User space takes away those of processes that have ended. Nobody is then at work on them: the programs run in the
 * process itself.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, __u32); /* process id */
	__type(value, struct gc_open);
} gc_processes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, GC_N_COUNTERS);
	__type(key, __u32);
	__type(value, __u64);
} gc_counters SEC(".maps");

/* The same where only one process is observed: no map is as near. */
static struct gc_open gc_only;

static struct gc_open gc_nothing; /* all zero: the first value of an entry of gc_processes */

/* These make the skeleton emit the types. */
struct gc_stw _gc_stw = {};
struct gc_cycle _gc_cycle = {};
struct gc_sweep _gc_sweep = {};
enum gc_kind _gc_kind = GC_STW;
enum gc_reason _gc_reason = GC_REASON_UNKNOWN;
enum gc_trigger _gc_trigger = GC_TRIGGER_UNKNOWN;
enum gc_flag _gc_flag = GC_LEAK_CHECK;
enum gc_forced _gc_forced = GC_NOT_FORCED;
enum gc_sweepers _gc_sweepers = GC_SWEEPERS_UNKNOWN;
enum gc_counter _gc_counter = GC_N_STW;
enum gc_start_args _gc_start_args = GC_START_NOTHING;
enum gc_stop_args _gc_stop_args = GC_STOP_NOTHING;

static __always_inline void count(__u32 counter)
{
	__u64 *n = bpf_map_lookup_elem(&gc_counters, &counter);

	if (n)
		__sync_fetch_and_add(n, 1);
}

/* What is open in a process; 0 if nothing was begun there. */
static __always_inline struct gc_open *open_in(__u32 process)
{
	return gc_cfg.one_process ? &gc_only : bpf_map_lookup_elem(&gc_processes, &process);
}

/*
 * The same where something begins; 0 if there is no room, which is counted. Two that begin at once, a stop and a cycle,
 * may both find nothing: BPF_NOEXIST lets one of them make the entry, and both use it.
 */
static __always_inline struct gc_open *begin_in(__u32 process)
{
	struct gc_open *open = open_in(process);

	if (open)
		return open;
	bpf_map_update_elem(&gc_processes, &process, &gc_nothing, BPF_NOEXIST);
	open = open_in(process);
	if (!open)
		count(GC_N_MAP_FULL);
	return open;
}

/* Reads one field of the runtime into a variable of the same width. */
#define READ(destination, field, bias) \
	bpf_probe_read_user((destination), sizeof(*(destination)), (void *)((bias) + gc_cfg.at.field))

/*
 * The record of a cycle in runtime.work: from `cycles` to `heap2` these are neighbours (runtime/mgc.go), so they are
 * read at once; a read takes some 0.1 us, however few bytes it is of. What a version or a patched runtime has put
 * elsewhere is read by itself (TAKE): its order is nothing that is relied on.
 */
struct gc_record {
	__u64 words[16];
};

#define GC_RECORD_BEGIN (gc_cfg.at.cycles & ~7ULL)

static __always_inline int read_record(struct gc_record *record, __u64 bias)
{
	return bpf_probe_read_user(record, sizeof(*record), (void *)(bias + GC_RECORD_BEGIN));
}

/* Gives a field of the record to a variable of the same width. Where it lies is constant for the verifier. */
#define TAKE(destination, field, record, bias)                                                \
	({                                                                                    \
		__u64 at = gc_cfg.at.field - GC_RECORD_BEGIN;                                 \
		int far = at > sizeof(*(record)) - sizeof(*(destination));                    \
                                                                                              \
		if (!far)                                                                     \
			*(destination) = *(typeof(destination))((const char *)(record) + at); \
		far ? READ(destination, field, bias) : 0;                                     \
	})

/*
 * Sweepers at work: sweep.active.state is their number and a bit (runtime/mgcsweep.go, activeSweep, Go 1.19 to 1.27).
 */
static __always_inline __u32 sweepers_left(__u64 bias)
{
	__u32 state;

	if (!gc_cfg.at.sweepers || READ(&state, sweepers, bias))
		return GC_SWEEPERS_UNKNOWN;
	return state & ~gc_cfg.drained_mask;
}

/*
 * One of the moments by which user space knows when a sweep was over (src/model/gc/sweep.rs). The record that goes with
 * it is that of the cycle the sweep belongs to, unless this sweeper was held up until the next cycle had begun. That
 * shows in the record itself: gcStart writes tSweepTerm before it counts the cycle (runtime/mgc.go, Go 1.19 to 1.27),
 * and it is then later than tEnd.
 */
static __always_inline int sweep_moment(__u32 process, const struct go_site *site, __u8 kind)
{
	__u64 bias = site->bias;
	struct gc_record record;
	struct gc_sweep *e;

	count(GC_N_SWEEP);
	e = bpf_ringbuf_reserve(&gc_events, sizeof(*e), 0);
	if (!e) {
		count(GC_N_LOST_SWEEP);
		return 0;
	}
	e->head.process = process;
	e->head.kind = kind;
	e->head.why = 0;
	e->head.text_len = 0;
	e->head.flags = 0;
	e->sweepers = sweepers_left(bias);
	/* Not before: when nobody was at work, the sweep was over by now. */
	e->at_ns = bpf_ktime_get_ns();
	if (read_record(&record, bias) || TAKE(&e->cycle, cycles, &record, bias) ||
	    TAKE(&e->sweep_term_ns, sweep_term_ns, &record, bias) ||
	    TAKE(&e->mark_term_ns, mark_term_ns, &record, bias) || TAKE(&e->end_ns, end_ns, &record, bias)) {
		count(GC_N_UNREADABLE_SWEEP);
		bpf_ringbuf_discard(e, BPF_RB_NO_WAKEUP);
		return 0;
	}
	bpf_ringbuf_submit(e, BPF_RB_NO_WAKEUP);
	return 0;
}

/* ---- stops of the world ---- */

static __always_inline __u8 reason_number(__u64 reason)
{
	/* stwReason is a uint8 of about 20 values; the rest of the register is undefined. */
	__u8 number = reason;

	return number > 255 - GC_REASON_NUMBER ? GC_REASON_UNKNOWN : number + GC_REASON_NUMBER;
}

/*
 * Up to Go 1.20 the one who stops the world leaves its reason in getg().m.preemptoff (runtime/proc.go, stopTheWorld;
 * runtime/mgc.go, gcMarkTermination), a string. Nobody else writes it while he is at it: it is his thread's.
 */
static __always_inline void read_preemptoff(__u64 g, struct gc_open_stw *stw)
{
	struct {
		__u64 data;
		__u64 len;
	} text;
	__u64 m;

	if (!gc_cfg.preemptoff_known || bpf_probe_read_user(&m, sizeof(m), (void *)(g + gc_cfg.g_m)) ||
	    bpf_probe_read_user(&text, sizeof(text), (void *)(m + gc_cfg.m_preemptoff)) || text.len > GC_REASON_SIZE)
		return;
	/* Always the whole field, cut by user space: string data lies among other string data. */
	if (text.len && bpf_probe_read_user(stw->text, sizeof(stw->text), (void *)text.data))
		return;
	stw->why = GC_REASON_TEXT;
	stw->text_len = text.len;
}

/*
 * runtime.stopTheWorldWithSema (runtime/proc.go; without arguments in Go 1.19 and 1.20, (reason stwReason) since 1.21).
 * Every stop comes through here, also the collector's own. Used up to Go 1.22; later versions tell all of it at the end
 * (gc_stw_ending), and one probe fewer is in the way of a world that is about to stop.
 */
GO_PROBE(gc_stw_begin, ctx, process, site)
{
	struct gc_open_stw stw = { .begin_ns = bpf_ktime_get_ns() };
	struct gc_open *open;

	if (gc_cfg.stop_args == GC_STOP_REASON)
		stw.why = reason_number(GO_ARG0(ctx));
	else
		read_preemptoff(GO_G(ctx), &stw);
	open = begin_in(process);
	if (open)
		open->stop = stw;
	return 0;
}

/*
 * Before runtime.stopTheWorldWithSema returns: used up to Go 1.22. The world stands, and the only goroutine that runs
 * is the one whose stop this is. If its beginning was not seen, nothing is open, or begin_ns is 0 there, and gc_stw_end
 * says nothing of it.
 */
GO_PROBE(gc_stw_stopped, ctx, process, site)
{
	struct gc_open *open;

	open = open_in(process);
	if (open)
		open->stop.stopped_ns = bpf_ktime_get_ns();
	return 0;
}

/*
 * runtime.startTheWorldWithSema(now, worldStop{reason, start}) of Go 1.22, (now, worldStop{reason, startedStopping,
 * finishedStopping, stoppingCPUTime}) since Go 1.23 (runtime/proc.go): what the runtime itself took down. The words of
 * the structure are in argument registers of their own. It stands at the beginning, where they still are, and
 * gc_stw_end, where the world runs, finds them here.
 */
GO_PROBE(gc_stw_ending, ctx, process, site)
{
	struct gc_open_stw stw = {};
	struct gc_open *open;

	stw.why = reason_number(GO_ARG1(ctx));
	stw.begin_ns = GO_ARG2(ctx);
	open = begin_in(process);
	if (!open)
		return 0;
	if (gc_cfg.start_args == GC_START_REASON_BEGIN_STOPPED)
		stw.stopped_ns = GO_ARG3(ctx);
	else if (open->stop.stopped_ns > stw.begin_ns)
		stw.stopped_ns = open->stop.stopped_ns;
	open->stop = stw;
	return 0;
}

/*
 * `call runtime.wakep` in runtime.startTheWorldWithSema (runtime/proc.go, Go 1.19 to 1.27): every P that has work runs
 * again, and the thread of the stop has still not left worldsema to the next. The runtime's own time of this moment
 * (`now` since Go 1.22) is not taken: the collector passes one that it has read before.
 */
GO_PROBE(gc_stw_end, ctx, process, site)
{
	__u64 now = bpf_ktime_get_ns();
	__u32 cycle = 0;
	struct gc_open *open;
	struct gc_stw *e;

	open = open_in(process);
	/* It began before we came, or is counted as GC_N_MAP_FULL. */
	if (!open || !open->stop.begin_ns)
		return 0;
	count(GC_N_STW);
	e = bpf_ringbuf_reserve(&gc_events, sizeof(*e), 0);
	if (!e) {
		count(GC_N_LOST_STW);
	} else {
		if (gc_cfg.at.cycles &&
		    bpf_probe_read_user(&cycle, sizeof(cycle), (void *)(site->bias + gc_cfg.at.cycles)))
			cycle = 0;
		e->head.process = process;
		e->head.kind = GC_STW;
		e->head.why = open->stop.why;
		e->head.text_len = open->stop.text_len;
		e->head.flags = 0;
		e->begin_ns = open->stop.begin_ns;
		e->stopped_ns = open->stop.stopped_ns;
		e->end_ns = now;
		e->cycle = cycle;
		__builtin_memcpy(e->text, open->stop.text, sizeof(e->text));
		bpf_ringbuf_submit(e, BPF_RB_NO_WAKEUP);
	}
	open->stop.begin_ns = 0;
	return 0;
}

/* ---- cycles ---- */

/*
 * runtime.(*gcControllerState).startCycle(c, markStartTime, procs, trigger{kind, now, n}) (runtime/mgcpacer.go, Go 1.19
 * to 1.27): once per cycle, from gcStart, while the world stands. It is the last place where the trigger is an
 * argument: the record says only whether it was forced. The kind is of the runtime's numbers; src/go/site/gc.rs says
 * what they mean.
 */
GO_PROBE(gc_cycle_begin, ctx, process, site)
{
	__u32 kind = GO_ARG3(ctx);
	struct gc_open *open;

	open = begin_in(process);
	if (!open)
		return 0;
	open->cycle.seen = 1;
	open->cycle.trigger = kind <= 255 - GC_TRIGGER_NUMBER ? kind + GC_TRIGGER_NUMBER : GC_TRIGGER_UNKNOWN;
	open->cycle.flags = 0;
	return 0;
}

/*
 * runtime.findGoroutineLeaks (runtime/mgc.go, gcMarkDone, since Go 1.26): at least once in a cycle that also looks for
 * leaked goroutines, never in another; on the thread that holds the cycle. That a cycle did so stands in
 * work.goroutineLeak.done, which is cleared before the record is complete.
 */
GO_PROBE(gc_leak_check, ctx, process, site)
{
	struct gc_open *open;

	open = begin_in(process);
	if (!open)
		return 0;
	if (!open->cycle.seen)
		open->cycle.trigger = GC_TRIGGER_UNKNOWN;
	open->cycle.seen = 1;
	open->cycle.flags |= GC_LEAK_CHECK;
	return 0;
}

static __always_inline int read_cycle(struct gc_cycle *e, __u64 bias)
{
	struct gc_record record;
	__u8 forced;

	if (read_record(&record, bias) || TAKE(&e->stw_procs, stw_procs, &record, bias) ||
	    TAKE(&e->max_procs, max_procs, &record, bias) || TAKE(&e->sweep_term_ns, sweep_term_ns, &record, bias) ||
	    TAKE(&e->mark_ns, mark_ns, &record, bias) || TAKE(&e->mark_term_ns, mark_term_ns, &record, bias) ||
	    TAKE(&e->end_ns, end_ns, &record, bias) || TAKE(&e->pause_ns, pause_ns, &record, bias) ||
	    TAKE(&e->heap_before, heap_before, &record, bias) || TAKE(&e->heap_at_end, heap_at_end, &record, bias) ||
	    TAKE(&e->heap_after, heap_after, &record, bias) || READ(&e->cycle, numgc, bias) ||
	    READ(&e->heap_goal, heap_goal, bias) || READ(&e->stack_bytes, stack_bytes, bias) ||
	    READ(&e->globals_bytes, globals_bytes, bias) || READ(&e->assist_ns, assist_ns, bias) ||
	    READ(&e->dedicated_ns, dedicated_ns, bias) || READ(&e->fractional_ns, fractional_ns, bias) ||
	    READ(&e->idle_ns, idle_ns, bias) || READ(&e->cpu_fraction, cpu_fraction, bias) ||
	    READ(&e->init_ns, init_ns, bias))
		return -1;
	e->forced = GC_FORCED_UNKNOWN;
	if (gc_cfg.at.user_forced) {
		if (READ(&forced, user_forced, bias))
			return -1;
		e->forced = forced ? GC_FORCED : GC_NOT_FORCED;
	}
	return 0;
}

/*
 * runtime.freeStackSpans (runtime/stack.go), which gcMarkTermination calls once per cycle (runtime/mgc.go, Go 1.19 to
 * 1.27): the world runs, the record is complete, and the next cycle cannot begin before this one releases worldsema: it
 * is read whole. Up to Go 1.20 the site is a little later, where gctrace is printed: until then the next cycle may
 * already have written its work.userForced (src/go/site/gc.rs, cycles).
 *
 * Mutator assists and idle workers are over by then; gcController is reset only by the next startCycle.
 */
GO_PROBE(gc_cycle_end, ctx, process, site)
{
	struct gc_open *open;
	struct gc_cycle *e;

	count(GC_N_CYCLE);
	open = open_in(process);
	if (open && !open->cycle.seen)
		open = 0;
	e = bpf_ringbuf_reserve(&gc_events, sizeof(*e), 0);
	if (!e) {
		count(GC_N_LOST_CYCLE);
	} else {
		e->head.process = process;
		e->head.kind = GC_CYCLE;
		e->head.why = open ? open->cycle.trigger : GC_TRIGGER_UNKNOWN;
		e->head.text_len = 0;
		e->head.flags = open ? open->cycle.flags : 0;
		if (read_cycle(e, site->bias)) {
			count(GC_N_UNREADABLE_CYCLE);
			bpf_ringbuf_discard(e, BPF_RB_NO_WAKEUP);
		} else {
			bpf_ringbuf_submit(e, BPF_RB_NO_WAKEUP);
		}
	}
	if (open) {
		open->cycle.seen = 0;
		open->cycle.flags = 0;
	}
	if (gc_cfg.end_is_flush)
		sweep_moment(process, site, GC_SWEEP_FLUSHED);
	return 0;
}

/* ---- sweeps ---- */

/*
 * In runtime.sweepone (runtime/mgcsweep.go, Go 1.19 to 1.24), on the branch that only the sweeper takes for whom
 * sweep.active.markDrained() was true: one per cycle finds that no span is left. It has signed off (sweep.active.end)
 * and is not among the sweepers any more; others may be busy with a last span each.
 */
GO_PROBE(gc_sweep_drained, ctx, process, site)
{
	return sweep_moment(process, site, GC_SWEEP_DRAINED);
}

/*
 * In runtime.gcMarkTermination, after its `sweep.active.end(sl)` (runtime/mgc.go, Go 1.19 to 1.24): the collector
 * counts as a sweeper until every P's span cache is flushed. It still holds worldsema: the record is this cycle's.
 */
GO_PROBE(gc_sweep_flushed, ctx, process, site)
{
	return sweep_moment(process, site, GC_SWEEP_FLUSHED);
}

/*
 * `call runtime.gopark` in runtime.bgsweep (runtime/mgcsweep.go, Go 1.19 to 1.24): the background sweeper goes to sleep
 * only when isSweepDone(). Nothing says how long that has been so: it is the upper bound where the moments before left
 * doubt.
 */
GO_PROBE(gc_sweep_parked, ctx, process, site)
{
	return sweep_moment(process, site, GC_SWEEP_PARKED);
}

/*
 * In runtime.(*activeSweep).end (runtime/mgcsweep.go), at the call of gcCleanups.flush, which only the very last
 * sweeper makes: since Go 1.25. In older versions the branch compares the state before the decrement and is never
 * taken.
 */
GO_PROBE(gc_sweep_done, ctx, process, site)
{
	return sweep_moment(process, site, GC_SWEEP_DONE);
}
